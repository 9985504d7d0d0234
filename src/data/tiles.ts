import { Problems } from "../base/errors.ts";

/** A part of a grid that a net is given, and the cells of it that count. Positions are cells of the grid. */
export interface Tile {
  /** First cell on every axis. */
  readonly from: readonly number[];
  readonly keepFrom: readonly number[];
  /** One beyond the last cell that counts. */
  readonly keepTo: readonly number[];
}

/** Tiles along one axis: the last one lies at the end, so that all have one extent. */
function tilesAlong(extent: number, tile: number, margin: number): { from: number; keepFrom: number; keepTo: number }[] {
  if (extent <= tile) return [{ from: 0, keepFrom: 0, keepTo: extent }];
  const list: { from: number; keepFrom: number; keepTo: number }[] = [];
  for (let from = 0, kept = 0; kept < extent; from = Math.min(from + tile - 2 * margin, extent - tile)) {
    const keepTo = from + tile === extent ? extent : from + tile - margin;
    list.push({ from, keepFrom: kept, keepTo });
    kept = keepTo;
  }
  return list;
}

/**
 * Cuts a grid into tiles of one size that overlap: each cell counts in exactly one tile, in which it lies at least `margin` cells from the tile's border
 * unless it is as near to the border of the grid. A grid smaller than a tile is one tile that ends beyond it.
 * Source: Ronneberger et al. 2015, figure 2 (overlap-tile strategy).
 * Throws: when the margin leaves nothing of a tile.
 * Example: `tilesOf([512, 512], [128, 128], 16)` are 25 tiles.
 */
export function tilesOf(extents: readonly number[], tile: readonly number[], margin: number): Tile[] {
  const problems = new Problems("tiles");
  const least = Math.min(...tile);
  const fits = Number.isInteger(margin) && margin >= 0 && 2 * margin < least;
  problems.check(fits, "margin", `0 to ${Math.ceil(least / 2) - 1}, below half of the tile ${tile.join(" x ")}`, margin);
  problems.throwIfAny();
  const none: Tile = { from: [], keepFrom: [], keepTo: [] };
  return extents.reduce<Tile[]>(
    (tiles, extent, axis) =>
      tiles.flatMap((before) =>
        tilesAlong(extent, tile[axis], margin).map(({ from, keepFrom, keepTo }) => ({
          from: [...before.from, from],
          keepFrom: [...before.keepFrom, keepFrom],
          keepTo: [...before.keepTo, keepTo],
        })),
      ),
    [none],
  );
}

/** Index of the first cell of every row (a run along the last axis) of a box, in a grid of extents; what lies beyond the grid is its nearest row. */
export function rowsOfBox(extents: readonly number[], from: readonly number[], box: readonly number[]): Int32Array {
  const outer = extents.slice(0, -1);
  let rows: number[] = [0];
  outer.forEach((extent, axis) => {
    rows = rows.flatMap((row) =>
      Array.from({ length: box[axis] }, (_, cell) => row * extent + Math.min(extent - 1, Math.max(0, from[axis] + cell))),
    );
  });
  return Int32Array.from(rows, (row) => row * extents[extents.length - 1]);
}

/** Copies a box of one channel; cells beyond the grid are its nearest cells. Shapes: [...extents] -> [...box]. */
export function copyBox(
  source: Uint8Array | Float32Array,
  sourceAt: number,
  extents: readonly number[],
  from: readonly number[],
  box: readonly number[],
  into: Uint8Array | Float32Array,
  at: number,
): void {
  const [width, left, long] = [box[box.length - 1], from[from.length - 1], extents[extents.length - 1]];
  const isInside = left >= 0 && left + width <= long;
  rowsOfBox(extents, from, box).forEach((row, number) => {
    const [start, target] = [sourceAt + row, at + number * width];
    if (isInside) into.set(source.subarray(start + left, start + left + width), target);
    else for (let cell = 0; cell < width; cell++) into[target + cell] = source[start + Math.min(long - 1, Math.max(0, left + cell))];
  });
}
