import { size, strides } from "../../src/base/types.ts";

/** Copies a tensor with its axes in another order: axis i of the result is axis `order[i]` of the source. */
export function reordered(data: Float32Array, shape: readonly number[], order: readonly number[]): Float32Array {
  const steps = strides(shape);
  const target = order.map((axis) => shape[axis]);
  const sourceSteps = order.map((axis) => steps[axis]);
  const result = new Float32Array(size(shape));
  const index = new Array<number>(target.length).fill(0);
  let from = 0;
  for (let cell = 0; cell < result.length; cell++) {
    result[cell] = data[from];
    for (let axis = target.length - 1; axis >= 0; axis--) {
      from += sourceSteps[axis];
      if (++index[axis] < target[axis]) break;
      from -= sourceSteps[axis] * target[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/** [n, c, ...extents] to [n, ...extents, c]. */
export const channelsLast = (rank: number): number[] => [0, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 2), 1];
/** [n, ...extents, c] to [n, c, ...extents]. */
export const channelsFirst = (rank: number): number[] => [0, rank - 1, ...Array.from({ length: rank - 2 }, (_, axis) => axis + 1)];
