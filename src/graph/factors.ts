import { size, strides } from "../base/types.ts";

/** Rounding of the cells against the largest that a kernel of rank one may show when it was rounded to f32: two factors and a product an axis. */
const tolerance = 8 * 2 ** -24;

/**
 * One vector for each axis whose outer product is the kernel, K[t0, t1, ...] = f0[t0] f1[t1] ..., or null where the kernel is not of rank
 * one to the rounding of f32. They are read off the lines through the largest cell; the first bears its value.
 */
export function rankOneFactors(cells: ArrayLike<number>, extents: readonly number[]): Float64Array[] | null {
  const count = size(extents);
  const steps = strides(extents);
  let largest = 0;
  for (let i = 1; i < count; i++) if (Math.abs(cells[i]) > Math.abs(cells[largest])) largest = i;
  const pivot = cells[largest];
  const digit = (cell: number, axis: number): number => Math.floor(cell / steps[axis]) % extents[axis];
  const factors = extents.map((extent, axis) => {
    const origin = largest - digit(largest, axis) * steps[axis];
    const scale = pivot === 0 || axis === 0 ? 1 : pivot;
    return Float64Array.from({ length: extent }, (_, tap) => cells[origin + tap * steps[axis]] / scale);
  });
  for (let cell = 0; cell < count; cell++) {
    const made = factors.reduce((product, factor, axis) => product * factor[digit(cell, axis)], 1);
    if (!(Math.abs(made - cells[cell]) <= tolerance * Math.abs(pivot))) return null;
  }
  return factors;
}
