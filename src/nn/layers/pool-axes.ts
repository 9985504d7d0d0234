import { fail, Problems } from "../../base/errors.ts";
import { outputExtent, type Padding, paddingCells, span } from "../../grid/axis.ts";
import type { Value } from "../../ops/contract.ts";
import { checkPadding, checkWhole, partsOf, perAxis } from "./layer.ts";

type PerAxis<T> = T | readonly T[];

/** One axis of windows, its padding in cells. */
export interface PoolAxis {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly high: number;
}

export interface PoolOptions {
  /** The window's own extent when left out: windows side by side. */
  readonly stride?: PerAxis<number>;
  readonly padding?: PerAxis<Padding>;
  /** A last window that begins inside the input, or in its low padding, counts although it ends beyond the high padding. */
  readonly ceil?: boolean;
  readonly dilation?: PerAxis<number>;
}

/** Windows of a pooling on every axis of the input. Throws: when an option is none, or not of as many axes. */
export function poolAxes(kind: string, input: Value, kernel: PerAxis<number>, options: PoolOptions): PoolAxis[] {
  const { extents } = partsOf(input, kind);
  const axes = extents.length;
  const kernels = perAxis(kernel, axes, kind, "window extents");
  const strides = perAxis(options.stride ?? kernels, axes, kind, "strides");
  const dilations = perAxis(options.dilation ?? 1, axes, kind, "dilations");
  const paddings = perAxis<Padding>(options.padding ?? 0, axes, kind, "padding");
  const problems = new Problems(kind);
  checkWhole(problems, "window extents", kernels);
  checkWhole(problems, "strides", strides);
  checkWhole(problems, "dilations", dilations);
  checkPadding(problems, paddings);
  problems.throwIfAny();
  return extents.map((extent, axis) => {
    const [k, stride, dilation] = [kernels[axis], strides[axis], dilations[axis]];
    return { input: extent, kernel: k, stride, dilation, ...paddingCells(paddings[axis], extent, k, stride, dilation) };
  });
}

/** High padding with which a last window that begins inside counts. */
function ceilHigh({ input, kernel, stride, dilation, low, high }: PoolAxis): number {
  const reach = input + low + high - span(kernel, dilation);
  const over = ((reach % stride) + stride) % stride;
  return over > 0 && reach - over + stride < input + low ? high + stride - over : high;
}

/** The axes with the high padding with which a last window that begins inside counts, where `ceil` says so. */
export const reaching = (axes: readonly PoolAxis[], ceil = false): PoolAxis[] =>
  ceil ? axes.map((axis) => ({ ...axis, high: ceilHigh(axis) })) : [...axes];

/** First cell of every window of an axis, in the padding perhaps. Throws: when the window does not fit. */
export function windowStarts(kind: string, { input, kernel, stride, dilation, low, high }: PoolAxis, axis: number): number[] {
  const outputs = outputExtent(input, kernel, stride, dilation, low, high);
  if (outputs < 1) {
    const parts = `${span(kernel, dilation)} (window ${kernel}, dilation ${dilation})`;
    const hint = "Add padding, or make the window smaller.";
    fail(kind, "", `window span on axis ${axis}`, `<= padded input ${low + input + high} = ${low} + ${input} + ${high}`, parts, hint);
  }
  return Array.from({ length: outputs }, (_, output) => output * stride - low);
}
