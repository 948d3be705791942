/**
 * Where things stand in the picture of a large colony: a honeycomb, the queen in the middle.
 *
 * Pure; all lengths in pixels. The cells that are nearest to the queen are taken, and hives fill
 * them in the order of their names, as one reads: a hive keeps its place while others come and go
 * far from it.
 */
export interface Cell {
  x: number;
  y: number;
}

export interface CombLayout {
  width: number;
  height: number;
  /** From a cell's centre to its corners. */
  radius: number;
  queen: Cell;
  /** One for each hive, in order. */
  cells: Cell[];
}

const RADIUS_MAX = 66;
/** Below it a cell is a dot, whatever its content; the picture then grows downwards. */
const RADIUS_MIN = 13;
const GAP = 3;
const ROOT3 = Math.sqrt(3);

/** `heightMax` is kept unless even the smallest cells do not fit. */
export function layoutComb(hives: number, width: number, heightMax: number): CombLayout {
  let radius = RADIUS_MAX;
  while (radius > RADIUS_MIN && capacity(radius, width, heightMax) < hives + 1) radius -= 1;
  return place(hives, width, heightMax, radius);
}

function columnsOf(radius: number, width: number): number {
  // Every other row is moved by half a cell.
  return Math.max(1, Math.floor(width / (ROOT3 * radius) - 0.5));
}

function rowsOf(radius: number, height: number): number {
  return Math.max(1, Math.floor((height - radius / 2) / (1.5 * radius)));
}

function capacity(radius: number, width: number, height: number): number {
  return columnsOf(radius, width) * rowsOf(radius, height);
}

function place(hives: number, width: number, heightMax: number, radius: number): CombLayout {
  const columns = columnsOf(radius, width);
  const rows = Math.max(rowsOf(radius, heightMax), Math.ceil((hives + 1) / columns));
  const grid: { x: number; y: number; row: number }[] = [];
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1)
      grid.push({ x: (column + (row % 2) / 2) * ROOT3 * radius, y: row * 1.5 * radius, row });
  const middle = { x: ((columns - 0.5) / 2) * ROOT3 * radius, y: ((rows - 1) / 2) * 1.5 * radius };
  // Wider than high, as the place that it has is.
  const squash = Math.max(1, Math.min(2.2, width / Math.max(1, heightMax)));
  const far = (cell: Cell) => Math.hypot((cell.x - middle.x) / squash, cell.y - middle.y);
  const near = grid
    .map((cell) => ({ cell, d: far(cell) }))
    .sort((a, b) => a.d - b.d || a.cell.y - b.cell.y || a.cell.x - b.cell.x)
    .slice(0, hives + 1)
    .map((each) => each.cell);
  const queen = near[0] ?? { x: 0, y: 0, row: 0 };
  const taken = near.slice(1).sort((a, b) => a.row - b.row || a.x - b.x);
  return centred([queen, ...taken], width, radius);
}

/** Moves all cells so that they stand in the middle of the width, and at the top. */
function centred(all: readonly Cell[], width: number, radius: number): CombLayout {
  const xs = all.map((cell) => cell.x);
  const ys = all.map((cell) => cell.y);
  const half = (ROOT3 * radius) / 2;
  const left = Math.min(...xs) - half;
  const right = Math.max(...xs) + half;
  const top = Math.min(...ys) - radius;
  const dx = (width - (right - left)) / 2 - left;
  const moved = all.map((cell) => ({ x: cell.x + dx, y: cell.y - top }));
  const [queen = { x: width / 2, y: radius }, ...cells] = moved;
  return { width, height: Math.max(...ys) + radius - top, radius: radius - GAP / 2, queen, cells };
}

/** A hexagon that stands on a corner, around (0, 0). */
export function hexagon(radius: number): string {
  const w = (ROOT3 / 2) * radius;
  return `M0,${-radius}L${w},${-radius / 2}V${radius / 2}L0,${radius}L${-w},${radius / 2}V${-radius / 2}Z`;
}

/** The cell nearest to `from` in the direction of an arrow key; -1: there is none. */
export function neighbour(cells: readonly Cell[], from: number, key: string): number {
  const here = cells[from];
  if (!here) return -1;
  let best = -1;
  let least = Infinity;
  for (const [at, cell] of cells.entries()) {
    const dx = cell.x - here.x;
    const dy = cell.y - here.y;
    const [along, aside] =
      key === "ArrowRight"
        ? [dx, dy]
        : key === "ArrowLeft"
          ? [-dx, dy]
          : key === "ArrowDown"
            ? [dy, dx]
            : [-dy, dx];
    if (along < 1) continue;
    const d = along + 2 * Math.abs(aside);
    if (d < least) [best, least] = [at, d];
  }
  return best;
}
