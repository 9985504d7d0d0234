import { size } from "../../../base/types.ts";
import type { Placement } from "../../layout.ts";
import { product } from "../gather.ts";
import type { Tile } from "./code.ts";
import type { Cut, FftProblem } from "./problem.ts";

/** What a tile takes of an axis: first result cell and their number, first cell of the scratch and number of cells of the source, bytes to the first of them. */
export interface Part {
  readonly at: number;
  readonly cells: number;
  readonly start: number;
  readonly count: number;
  readonly offset: number;
}

export function tileOf([a, b, c]: readonly [Part, Part, Part], all: number): Tile {
  const cells = a.count * b.count * c.count;
  return {
    offset: a.offset + b.offset + c.offset,
    start0: a.start,
    start1: b.start,
    start2: c.start,
    count0: cells === 0 ? 0 : a.count,
    count1: b.count,
    count2: c.count,
    at0: a.at,
    at1: b.at,
    at2: c.at,
    cells0: a.cells,
    cells1: b.cells,
    cells2: c.cells,
    partial: cells < all ? 1 : 0,
  };
}

/** The part of a whole short axis. */
export const wholePart = (count: number): Part => ({ at: 0, cells: count, start: 0, count, offset: 0 });

/** All tiles, each axis cut into its parts; axes that a plan lacks come first. */
function tilesOfParts(parts: readonly (readonly Part[])[], sizes: readonly number[]): Tile[] {
  const [planes, rows, cells] = [[wholePart(1)], [wholePart(1)], ...parts].slice(-3);
  return product([planes, rows, cells]).map(([a, b, c]) => tileOf([a, b, c], size(sizes)));
}

/** Result cells of the parts of an axis: family by family, each of cells that lie `apart`. */
function cellsOf(extent: number, apart: number, step: number): { at: number; cells: number }[] {
  return Array.from({ length: Math.min(apart, extent) }, (_, first) => {
    const family = Math.ceil((extent - first) / apart);
    return Array.from({ length: Math.ceil(family / step) }, (_, i) => ({
      at: first + i * step * apart,
      cells: Math.min(step, family - i * step),
    }));
  }).flat();
}

/** What each tile of an example reads and writes; cells of the source that lie in the padding stay zero. */
export function tilesOf(problem: FftProblem, { sizes, steps }: Cut, source: Placement): Tile[] {
  const { result, low, keep, spread, apart } = problem;
  const parts = sizes.map((length, axis) =>
    cellsOf(result.shape[axis + 2], apart[axis], steps[axis]).map(({ at, cells }): Part => {
      const from = at * keep[axis] - low[axis];
      const extent = source.extents[axis];
      // of spread and apart one is 1
      const skipped = Math.max(0, Math.ceil(-from / apart[axis]));
      const first = Math.ceil((from + skipped * apart[axis]) / spread[axis]);
      const start = spread[axis] > 1 ? first * spread[axis] - from : skipped;
      const end = Math.min(extent, Math.ceil((from + length * apart[axis]) / spread[axis]));
      return { at, cells, start, count: Math.max(0, Math.ceil((end - first) / apart[axis])), offset: 4 * first * source.strides[axis] };
    }),
  );
  return tilesOfParts(parts, sizes);
}

/** The output gradients of each tile, for the kernel gradient. */
export function slopeTilesOf(problem: FftProblem, { sizes, steps }: Cut, output: Placement): Tile[] {
  const parts = sizes.map((_, axis) =>
    cellsOf(problem.result.shape[axis + 2], problem.apart[axis], steps[axis]).map(
      ({ at, cells }): Part => ({ at, cells, start: 0, count: cells, offset: 4 * at * output.strides[axis] }),
    ),
  );
  return tilesOfParts(parts, sizes);
}
