/**
 * Where the cells of the comb go: hexagons, those of one hive together, its name below.
 *
 * Pure: takes the number of cells of each group and the width there is, and returns places; chooses the
 * largest cells that still fit the height, so that 8 GPUs look as good as 800.
 */

export interface CombPlace {
  /** Middle of the cell. */
  x: number;
  y: number;
  /** Which group and which cell in it. */
  group: number;
  cell: number;
}

export interface CombLabel {
  x: number;
  y: number;
  width: number;
  group: number;
}

export interface Comb {
  radius: number;
  width: number;
  height: number;
  places: readonly CombPlace[];
  labels: readonly CombLabel[];
}

const SQRT3 = Math.sqrt(3);
const RADIUS_MAX = 34;
const RADIUS_MIN = 5.5;
/** Space between groups, and the line of a name below its cells. */
const GAP_X = 16;
const GAP_Y = 10;
/** Lines of groups are spread over the width, by so much at most. */
const GAP_X_MORE_MAX = 26;
const LABEL_PX = 18;
/** Between one name and the next, at least. */
const LABEL_GAP = 10;
/** Names narrower than this say nothing. */
const LABEL_WIDTH_MIN = 44;

interface Block {
  columns: number;
  rows: number;
  width: number;
  height: number;
}

function block(cells: number, radius: number, widthMax: number): Block {
  const cellWidth = SQRT3 * radius;
  // Two rows by habit, as the boards in a machine; more where the row would leave the card.
  const fitting = Math.max(1, Math.floor(widthMax / cellWidth - 0.5));
  const columns = Math.min(fitting, cells <= 2 ? cells : Math.ceil(cells / 2));
  const rows = Math.ceil(cells / Math.max(1, columns));
  const width = Math.max(LABEL_WIDTH_MIN, (columns + (rows > 1 ? 0.5 : 0)) * cellWidth);
  return { columns, rows, width, height: 2 * radius + (rows - 1) * 1.5 * radius };
}

/** How many groups stand in the fullest line, and what room they leave: the gaps may grow by that. */
function roomInLines(widths: readonly number[], width: number): number {
  let least = Number.POSITIVE_INFINITY;
  let x = 0;
  let count = 0;
  const close = () => {
    if (count > 1) least = Math.min(least, (width - x + GAP_X) / (count - 1));
  };
  for (const each of widths) {
    if (x > 0 && x + each > width) {
      close();
      x = 0;
      count = 0;
    }
    x += each + GAP_X;
    count += 1;
  }
  return Number.isFinite(least) ? Math.max(0, Math.min(least, GAP_X_MORE_MAX)) : 0;
}

function arrange(counts: readonly number[], width: number, radius: number): Comb {
  const places: CombPlace[] = [];
  const labels: CombLabel[] = [];
  const cellWidth = SQRT3 * radius;
  const gap =
    GAP_X +
    roomInLines(
      counts.map((cells) => block(cells, radius, width).width),
      width,
    );
  let x = 0;
  let y = 0;
  let line = 0;
  counts.forEach((cells, group) => {
    const box = block(cells, radius, width);
    if (x > 0 && x + box.width > width + 0.5) {
      x = 0;
      y += line + LABEL_PX + GAP_Y;
      line = 0;
    }
    for (let cell = 0; cell < cells; cell += 1) {
      const row = Math.floor(cell / box.columns);
      const column = cell % box.columns;
      places.push({
        x: x + cellWidth / 2 + column * cellWidth + (row % 2) * (cellWidth / 2),
        y: y + radius + row * 1.5 * radius,
        group,
        cell,
      });
    }
    // A name may reach into the gap behind its block.
    const room = box.width + Math.max(0, gap - LABEL_GAP);
    labels.push({ x, y: y + box.height + 13, width: Math.min(room, width - x), group });
    line = Math.max(line, box.height);
    x += box.width + gap;
  });
  return { radius, width, height: counts.length === 0 ? 0 : y + line + LABEL_PX, places, labels };
}

/** The comb with the largest cells whose height stays within `heightMax`; the smallest ones may exceed it. */
export function layoutComb(counts: readonly number[], width: number, heightMax: number): Comb {
  for (let radius = RADIUS_MAX; radius > RADIUS_MIN; radius -= 0.5) {
    const comb = arrange(counts, width, radius);
    if (comb.height <= heightMax) return comb;
  }
  return arrange(counts, width, RADIUS_MIN);
}

/** The index of the place under a point, or -1. */
export function placeAt(comb: Comb, x: number, y: number): number {
  let best = -1;
  let nearest = comb.radius * comb.radius;
  comb.places.forEach((place, at) => {
    const distance = (place.x - x) ** 2 + (place.y - y) ** 2;
    if (distance < nearest) {
      nearest = distance;
      best = at;
    }
  });
  return best;
}

/** The nearest place from `from` in a direction, as arrow keys go; the same one where there is none. */
export function neighbour(
  comb: Comb,
  from: number,
  key: "ArrowLeft" | "ArrowRight" | "ArrowUp" | "ArrowDown",
): number {
  const start = comb.places[from];
  if (!start) return 0;
  const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key] as [
    number,
    number,
  ];
  let best = from;
  let cost = Number.POSITIVE_INFINITY;
  comb.places.forEach((place, at) => {
    const along = (place.x - start.x) * dx + (place.y - start.y) * dy;
    const aside = Math.abs((place.x - start.x) * dy) + Math.abs((place.y - start.y) * dx);
    if (along <= comb.radius * 0.4 || (dx !== 0 && aside > comb.radius * 0.7)) return;
    const candidate = along + aside * 2.5;
    if (candidate < cost) {
      cost = candidate;
      best = at;
    }
  });
  return best;
}
