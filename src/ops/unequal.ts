import type { AxisExtent, Expression, Extents } from "./contract.ts";
import { operand } from "./contract.ts";
import { apply, below, choose, minus, over, plus, times } from "./expression/build.ts";

const [n] = [operand(0)];

/** A window's way along an axis, as far as the extent of the result depends on it. */
export interface WindowWay {
  readonly span: number;
  readonly stride: number;
  readonly low: number;
  readonly high: number;
  readonly ceil?: boolean;
}

/**
 * m = floor((n + low + high - span) / s) + 1 of each example, or with `ceil` a last window that begins inside the input or its low padding.
 * The half keeps quotients away from whole numbers, so that they are the same however they are rounded.
 */
export function windowedExtent({ span, stride, low, high, ceil = false }: WindowWay): Expression {
  const reach = low + high - span;
  if (stride === 1) return plus(n, reach + 1);
  const floored = (more: number): Expression => plus(apply("floor", over(plus(n, reach + more + 0.5), stride)), 1);
  if (!ceil) return floored(0);
  const windows = floored(stride - 1);
  return minus(windows, choose(below(times(minus(windows, 1), stride), plus(n, low)), 0, 1));
}

/** n = (m - 1) s + the cells that the last window of the largest input adds: the extent that a transposed window makes. */
export const spreadExtent = (stride: number, input: number, output: number): Expression =>
  plus(times(minus(n, 1), stride), input - (output - 1) * stride);

/** Extents of several operands of one shape, right-aligned; null where no operand has any. A sentence when two differ. */
export function commonExtents(rank: number, operands: readonly (Extents | null)[]): Extents | string {
  const result = new Array<AxisExtent | null>(rank).fill(null);
  for (const extents of operands) {
    for (const [axis, extent] of (extents ?? []).entries()) {
      const at = rank - (extents ?? []).length + axis;
      const known = result[at];
      if (extent === null) continue;
      if (known !== null && known.counts.id !== extent.counts.id)
        return `Its operands have extents of their own on axis ${at}: they must come from one input.`;
      result[at] = extent;
    }
  }
  return result;
}

/** Whether an operand holds zero wherever the result's examples end. */
export const endsWith = (extents: Extents | null, common: Extents): boolean =>
  common.every((extent, axis) => extent === null || extents?.[axis + (extents.length - common.length)]?.counts.id === extent.counts.id);
