/** Draws a comb onto a canvas: cells, numbers where there is room, the names of the hives. */
import type { Comb, CombPlace } from "./comb";
import type { HeatGroup } from "./HeatMap";
import type { Palette } from "./palette";

export interface CombLook {
  palette: Palette;
  /** A colour for each percent, and whether dark words read on it. */
  colors: readonly string[];
  lights: readonly boolean[];
  /** The cell under the pointer or the keyboard; -1 none. */
  active: number;
}

/** Cells at least this large carry their number. */
const NUMBER_RADIUS_MIN = 13;
const DARK_INK = "#1d1403";

/** The corners of a cell around its middle. */
function corners(radius: number): readonly (readonly [number, number])[] {
  return Array.from({ length: 6 }, (_, corner) => {
    const angle = (Math.PI / 180) * (60 * corner - 90);
    return [radius * Math.cos(angle), radius * Math.sin(angle)] as const;
  });
}

function trace(context: CanvasRenderingContext2D, place: CombPlace, shape: ReturnType<typeof corners>): void {
  shape.forEach(([x, y], at) => {
    if (at === 0) context.moveTo(place.x + x, place.y + y);
    else context.lineTo(place.x + x, place.y + y);
  });
  context.closePath();
}

/** The cells of one look, drawn in one go: a fill for each of 800 cells would cost a frame. */
class Bins {
  private readonly bins = new Map<string, CombPlace[]>();

  add(look: string, place: CombPlace): void {
    const bin = this.bins.get(look);
    if (bin) bin.push(place);
    else this.bins.set(look, [place]);
  }

  draw(
    context: CanvasRenderingContext2D,
    shape: ReturnType<typeof corners>,
    paint: (look: string) => void,
  ): void {
    for (const [look, places] of this.bins) {
      context.beginPath();
      for (const place of places) trace(context, place, shape);
      paint(look);
    }
  }
}

export function drawComb(
  context: CanvasRenderingContext2D,
  comb: Comb,
  groups: readonly HeatGroup[],
  look: CombLook,
): void {
  const { palette, colors } = look;
  const inner = corners(comb.radius * 0.9 - 0.6);
  const [filled, unknown, alarms] = [new Bins(), new Bins(), new Bins()];
  for (const place of comb.places) {
    const group = groups[place.group];
    const cell = group?.cells[place.cell];
    if (!group || !cell) continue;
    if (cell.value === null) unknown.add(group.stale ? palette.bad : palette.faint, place);
    else filled.add(colors[percentOf(cell.value)] ?? palette.raised, place);
    if (cell.alarm) alarms.add(palette.bad, place);
  }
  context.lineJoin = "round";
  filled.draw(context, inner, (color) => {
    context.fillStyle = color;
    context.fill();
  });
  context.setLineDash([3, 3]);
  context.lineWidth = 1;
  context.globalAlpha = 0.6;
  unknown.draw(context, inner, (color) => stroke(context, color));
  context.setLineDash([]);
  context.globalAlpha = 1;
  context.lineWidth = 2;
  alarms.draw(context, inner, (color) => stroke(context, color));
  const active = comb.places[look.active];
  if (active) {
    context.beginPath();
    trace(context, active, corners(comb.radius * 0.98));
    stroke(context, palette.fg);
  }
  if (comb.radius >= NUMBER_RADIUS_MIN) drawNumbers(context, comb, groups, look);
  drawNames(context, comb, groups, palette);
}

function stroke(context: CanvasRenderingContext2D, color: string): void {
  context.strokeStyle = color;
  context.stroke();
}

function percentOf(value: number): number {
  return Math.round(Math.min(1, Math.max(0, value)) * 100);
}

function drawNumbers(
  context: CanvasRenderingContext2D,
  comb: Comb,
  groups: readonly HeatGroup[],
  look: CombLook,
): void {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.font = `500 ${Math.round(Math.min(14, comb.radius * 0.62))}px Inter, system-ui, sans-serif`;
  for (const place of comb.places) {
    const cell = groups[place.group]?.cells[place.cell];
    if (!cell?.text || cell.value === null) continue;
    const percent = percentOf(cell.value);
    context.fillStyle = look.lights[percent] ? DARK_INK : percent < 15 ? look.palette.muted : "#ffffff";
    context.fillText(cell.text, place.x, place.y + 0.5);
  }
}

function drawNames(
  context: CanvasRenderingContext2D,
  comb: Comb,
  groups: readonly HeatGroup[],
  palette: Palette,
): void {
  context.font = "11px Inter, system-ui, sans-serif";
  context.textAlign = "left";
  context.textBaseline = "alphabetic";
  // All of them whole, or none: a name that stands out for its length alone says nothing.
  const whole = comb.labels.every(
    (label) => widthOf(context, groups[label.group]?.label ?? "") <= label.width,
  );
  const dropped = whole ? 0 : sharedStart(groups.map((group) => group.label));
  for (const label of comb.labels) {
    const group = groups[label.group];
    if (!group) continue;
    context.fillStyle = group.stale ? palette.bad : palette.muted;
    context.fillText(fitted(context, group.label, label.width, dropped), label.x, label.y);
  }
}

/** How many letters all names begin with: they tell nothing apart, and go first where room is short. */
export function sharedStart(names: readonly string[]): number {
  const [first = ""] = names;
  if (names.length < 3) return 0;
  let length = 0;
  while (
    length < first.length - 1 &&
    names.every((name) => name[length] === first[length] && !/\d/.test(name[length] ?? ""))
  ) {
    length += 1;
  }
  return length;
}

/** How many of a name's last letters stay: machines are told apart by their ends. */
const TAIL = 3;

/** Measured once: names and widths change seldom, and measuring text is slow. */
const fits = new Map<string, string>();
const FITS_MAX = 2_000;
// Until our typeface is there, another one was measured.
if (typeof document !== "undefined")
  void document.fonts.ready.then(() => {
    fits.clear();
    widths.clear();
  });

const widths = new Map<string, number>();

function widthOf(context: CanvasRenderingContext2D, text: string): number {
  const known = widths.get(text);
  if (known !== undefined) return known;
  if (widths.size > FITS_MAX) widths.clear();
  const { width } = context.measureText(text);
  widths.set(text, width);
  return width;
}

/** The text, with "…" before its last letters where it is wider than there is room. */
function fitted(context: CanvasRenderingContext2D, name: string, width: number, dropped: number): string {
  const key = `${name} ${Math.round(width)} ${dropped}`;
  const known = fits.get(key);
  if (known !== undefined) return known;
  if (fits.size > FITS_MAX) fits.clear();
  const found = fit(context, name, width, dropped);
  fits.set(key, found);
  return found;
}

function fit(context: CanvasRenderingContext2D, name: string, width: number, dropped: number): string {
  const text = name.slice(dropped);
  if (context.measureText(text).width <= width) return text;
  const tail = text.slice(-TAIL);
  let head = text.slice(0, -TAIL);
  while (head.length > 1 && context.measureText(`${head}…${tail}`).width > width) head = head.slice(0, -1);
  return `${head}…${tail}`;
}
