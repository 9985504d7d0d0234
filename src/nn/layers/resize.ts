import { fail } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import { matmul, reshape } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { layer, partsOf } from "./layer.ts";

/** How a cell of the result is made of cells of the input: one, two or four of them on every axis, or the mean of all that it covers. */
export type ResizeMethod = "nearest" | "linear" | "cubic" | "area";

export interface ResizeOptions {
  /** Extents of the result, one for each axis. */
  readonly size?: readonly number[];
  /** Or factors on the extents, one for all axes or one each. */
  readonly factor?: number | readonly number[];
  readonly method?: ResizeMethod;
  /** For linear and cubic: the first and last cells of input and result lie upon one another, instead of the borders of the grids. */
  readonly alignCorners?: boolean;
}

/** Weight of a cell at distance t: triangle, or the cubic of Keys with a = -3/4. */
function weightAt(method: "linear" | "cubic", distance: number): number {
  const t = Math.abs(distance);
  if (method === "linear") return Math.max(0, 1 - t);
  const a = -0.75;
  if (t <= 1) return ((a + 2) * t - (a + 3)) * t * t + 1;
  return t < 2 ? ((a * t - 5 * a) * t + 8 * a) * t - 4 * a : 0;
}

/** Matrix [to, from] that resamples one axis; cells beyond the border are the border's. */
function resampling(from: number, to: number, method: ResizeMethod, alignCorners: boolean): Float32Array {
  const matrix = new Float32Array(to * from);
  for (let cell = 0; cell < to; cell++) {
    const aligned = to === 1 ? 0 : (cell * (from - 1)) / (to - 1);
    const centred = ((cell + 0.5) * from) / to - 0.5;
    const at = alignCorners ? aligned : method === "linear" ? Math.max(0, centred) : centred;
    const [first, beyond] = [Math.floor((cell * from) / to), Math.ceil(((cell + 1) * from) / to)];
    if (method === "nearest") matrix[cell * from + first] = 1;
    if (method === "area") matrix.fill(1 / (beyond - first), cell * from + first, cell * from + beyond);
    if (method === "nearest" || method === "area") continue;
    for (let near = Math.floor(at) - 1; near <= Math.floor(at) + 2; near++) {
      matrix[cell * from + Math.min(from - 1, Math.max(0, near))] += weightAt(method, at - near);
    }
  }
  return matrix;
}

/**
 * The grid resampled to other extents, axis by axis: Z = M_1 V M_2' ..., M the matrix of nearest, linear or cubic interpolation, or of the mean over the cells covered (adaptive average pooling).
 * Source: Keys 1981 (cubic, a = -3/4).
 * Shapes: [N, C, ...n] -> [N, C, ...size].
 * Throws: when neither or both of size and factor are given, or not one for each axis.
 * Example: `resize({ factor: 2, method: "linear" })`
 */
export function resize(options: ResizeOptions): Layer {
  const { method = "linear", alignCorners = false } = options;
  return layer("resize", options, (input) => {
    const { channels, extents } = partsOf(input, "resize");
    const wanted = targetExtents(options, extents);
    return wanted.reduce((value, to, axis) => {
      const from = extents[axis];
      if (from === to) return value;
      const matrix = input.graph.constant({ dtype: "f32", shape: [to, from], data: resampling(from, to, method, alignCorners) });
      const [before, after] = [wanted.slice(0, axis), extents.slice(axis + 1)];
      const made = [channels, ...before, to, ...after];
      if (after.length === 0) return matmul(value, matrix, { transposeB: true });
      const columns = reshape(value, [channels * size(before), from, size(after)]);
      return reshape(matmul(matrix, columns), made);
    }, input);
  });
}

function targetExtents({ size: extents, factor }: ResizeOptions, from: readonly number[]): number[] {
  const factors = typeof factor === "number" ? from.map(() => factor) : factor;
  const wanted = extents ?? factors?.map((by, axis) => Math.floor(from[axis] * by));
  const whole = wanted !== undefined && wanted.length === from.length && wanted.every((extent) => Number.isInteger(extent) && extent >= 1);
  if (!whole || (extents !== undefined && factor !== undefined)) {
    fail(
      "resize",
      "",
      "size or factor",
      `one of them, giving ${from.length} whole extents >= 1`,
      JSON.stringify({ size: extents, factor }),
    );
  }
  return [...wanted];
}
