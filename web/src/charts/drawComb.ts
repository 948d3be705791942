/** Draws a comb onto a canvas: cells, numbers where there is room, the names of the hives. */
import type { Comb, CombPlace } from "./comb";
import type { HeatCell, HeatGroup } from "./HeatMap";
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

function hexagon(radius: number): Path2D {
  const path = new Path2D();
  for (let corner = 0; corner < 6; corner += 1) {
    const angle = (Math.PI / 180) * (60 * corner - 90);
    const [x, y] = [radius * Math.cos(angle), radius * Math.sin(angle)];
    if (corner === 0) path.moveTo(x, y);
    else path.lineTo(x, y);
  }
  path.closePath();
  return path;
}

export function drawComb(
  context: CanvasRenderingContext2D,
  comb: Comb,
  groups: readonly HeatGroup[],
  look: CombLook,
): void {
  const inner = hexagon(comb.radius * 0.9 - 0.6);
  const outer = hexagon(comb.radius * 0.98);
  context.lineJoin = "round";
  context.textAlign = "center";
  context.textBaseline = "middle";
  comb.places.forEach((place, at) => {
    const group = groups[place.group];
    const cell = group?.cells[place.cell];
    if (!group || !cell) return;
    context.save();
    context.translate(place.x, place.y);
    drawCell(context, comb, place, cell, group, look, inner);
    if (at === look.active) {
      context.lineWidth = 2;
      context.strokeStyle = look.palette.fg;
      context.stroke(outer);
    }
    context.restore();
  });
  drawNames(context, comb, groups, look.palette);
}

function drawCell(
  context: CanvasRenderingContext2D,
  comb: Comb,
  _place: CombPlace,
  cell: HeatCell,
  group: HeatGroup,
  look: CombLook,
  path: Path2D,
): void {
  if (cell.value === null) {
    context.lineWidth = 1;
    context.setLineDash([3, 3]);
    context.strokeStyle = group.stale ? look.palette.bad : look.palette.faint;
    context.globalAlpha = 0.6;
    context.stroke(path);
    context.globalAlpha = 1;
    context.setLineDash([]);
  } else {
    const percent = Math.round(Math.min(1, Math.max(0, cell.value)) * 100);
    context.fillStyle = look.colors[percent] ?? look.palette.raised;
    context.fill(path);
    if (cell.text !== undefined && comb.radius >= NUMBER_RADIUS_MIN) {
      const light = look.lights[percent] ?? false;
      context.fillStyle = light ? DARK_INK : percent < 15 ? look.palette.muted : "#ffffff";
      context.font = `500 ${Math.round(Math.min(13, comb.radius * 0.62))}px Inter, system-ui, sans-serif`;
      context.fillText(cell.text, 0, 0.5);
    }
  }
  if (cell.alarm) {
    context.lineWidth = 2;
    context.strokeStyle = look.palette.bad;
    context.stroke(path);
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
  const dropped = sharedStart(groups.map((group) => group.label));
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

/** The text, with "…" before its last letters where it is wider than there is room. */
function fitted(context: CanvasRenderingContext2D, name: string, width: number, dropped: number): string {
  if (context.measureText(name).width <= width) return name;
  const text = name.slice(dropped);
  if (context.measureText(text).width <= width) return text;
  const tail = text.slice(-TAIL);
  let head = text.slice(0, -TAIL);
  while (head.length > 1 && context.measureText(`${head}…${tail}`).width > width) head = head.slice(0, -1);
  return `${head}…${tail}`;
}
