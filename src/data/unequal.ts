import { size } from "../base/types.ts";

/** Extents of example `index` of a list [examples, axes]. */
export function extentsAt(extents: Int32Array, index: number, axes: number): number[] {
  return Array.from({ length: axes }, (_, axis) => extents[index * axes + axis]);
}

/** Shape of row `row`: its own where rows have theirs. */
export function shapeAt(shape: readonly number[], extents: Int32Array | undefined, row: number): readonly number[] {
  return extents === undefined ? shape : [shape[0], ...extentsAt(extents, row, shape.length - 1)];
}

/** Extents of some rows, in their order. */
export function extentsOf(extents: Int32Array, rows: Int32Array, axes: number): Int32Array {
  return Int32Array.from({ length: rows.length * axes }, (_, at) => extents[rows[Math.floor(at / axes)] * axes + (at % axes)]);
}

/** Puts the cells of an example at the low end of every axis of a larger grid, with zeros beyond. Both shapes are [channels, ...extents]. */
export function placeCells(
  cells: Float32Array,
  shape: readonly number[],
  into: Float32Array,
  offset: number,
  grid: readonly number[],
): void {
  into.fill(0, offset, offset + size(grid));
  const last = shape.length - 1;
  const row = shape[last];
  const at = new Array<number>(last).fill(0);
  for (let from = 0, end = size(shape); from < end; from += row) {
    let to = 0;
    for (let axis = 0; axis < last; axis++) to = (to + at[axis]) * grid[axis + 1];
    into.set(cells.subarray(from, from + row), offset + to);
    for (let axis = last - 1; axis >= 0 && ++at[axis] === shape[axis]; axis--) at[axis] = 0;
  }
}

/** Grids that a set has at most; each one is a program of its own. */
const mostGrids = 8;

/** The longest axis has so many steps of extents, when nothing is said. */
const usualSteps = 8;

/** What extents are rounded up to multiples of, when nothing is said. */
const usualRounding = (whole: readonly number[]): number => Math.max(1, Math.ceil(Math.max(...whole) / usualSteps));

const holds = (grid: readonly number[], own: readonly number[]): boolean => grid.every((extent, axis) => own[axis] <= extent);

/**
 * The grids on which examples of unequal extents are computed: their extents rounded up to multiples of `roundTo`, and the whole. Of more than 8
 * those go whose examples cost the fewest cells on the next larger one.
 *
 * Shapes: extents [examples, axes]; the result from the fewest cells to the most.
 */
export function gridsOf(extents: Int32Array, whole: readonly number[], roundTo = usualRounding(whole)): (readonly number[])[] {
  const axes = whole.length;
  const found = new Map<string, { grid: number[]; examples: number }>([[whole.join(), { grid: [...whole], examples: 0 }]]);
  for (let example = 0; example * axes < extents.length; example++) {
    const grid = whole.map((most, axis) => Math.min(most, Math.ceil(extents[example * axes + axis] / roundTo) * roundTo));
    const known = found.get(grid.join());
    if (known === undefined) found.set(grid.join(), { grid, examples: 1 });
    else known.examples++;
  }
  const left = [...found.values()].sort((a, b) => size(a.grid) - size(b.grid) || (a.grid.join() < b.grid.join() ? -1 : 1));
  while (left.length > mostGrids) {
    const next = left.map(({ grid }, i) => left.findIndex((other, j) => j > i && holds(other.grid, grid)));
    const price = left.map(({ grid, examples }, i) =>
      next[i] < 0 ? Number.POSITIVE_INFINITY : examples * (size(left[next[i]].grid) - size(grid)),
    );
    const cheapest = price.reduce((best, cost, i) => (cost < price[best] ? i : best), 0);
    left[next[cheapest]].examples += left[cheapest].examples;
    left.splice(cheapest, 1);
  }
  return left.map(({ grid }) => grid);
}

/** The first grid, that of the fewest cells, that holds an example. */
export function gridFor(grids: readonly (readonly number[])[], own: readonly number[]): number {
  const index = grids.findIndex((grid) => holds(grid, own));
  return index < 0 ? grids.length - 1 : index;
}
