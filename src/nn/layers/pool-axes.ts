import { Problems } from "../../base/errors.ts";
import { windowedBy } from "../../graph/unequal.ts";
import { outputExtent, type Padding, paddingCells, span } from "../../grid/axis.ts";
import type { Extents, Value } from "../../ops/contract.ts";
import { checkPadding, checkWhole, partsOf, perAxis } from "./layer.ts";
import { sameForEach } from "./same-padding.ts";

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

/** The options of a pooling for every axis. Throws: when one is none, or not of as many axes. */
function perAxisOf(
  kind: string,
  input: Value,
  kernel: PerAxis<number>,
  options: PoolOptions,
): Record<"kernel" | "stride" | "dilation", number[]> & { readonly padding: Padding[] } {
  const axes = partsOf(input, kind).extents.length;
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
  return { kernel: kernels, stride: strides, dilation: dilations, padding: paddings };
}

/** The input and options of a pooling whose padding is that of each example, as cells that hold `fill`. */
export function paddedFor(
  kind: string,
  input: Value,
  kernel: PerAxis<number>,
  options: PoolOptions,
  fill = 0,
): { input: Value; options: PoolOptions } {
  const { input: padded, windows } = sameForEach(input, perAxisOf(kind, input, kernel, options), fill);
  return { input: padded, options: { ...options, padding: windows.padding } };
}

/**
 * Windows of a pooling on every axis of the input.
 * Throws: when an option is none, or not of as many axes; when padding depends on extents that are unequal.
 */
export function poolAxes(kind: string, input: Value, kernel: PerAxis<number>, options: PoolOptions): PoolAxis[] {
  const { extents } = partsOf(input, kind);
  const { kernel: kernels, stride: strides, dilation: dilations, padding: paddings } = perAxisOf(kind, input, kernel, options);
  const problems = new Problems(kind);
  const own = input.graph.extents(input);
  paddings.forEach((padding, axis) => {
    if (own !== null && own[1 + axis] !== null)
      problems.check(
        padding !== "same" || strides[axis] === 1,
        `padding on axis ${axis}`,
        "cells, for examples of unequal extents",
        `"same" with stride ${strides[axis]}, which pads by the extent`,
        `Give cells, such as ${Math.floor((span(kernels[axis], dilations[axis]) - 1) / 2)}.`,
      );
  });
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

/** Extents of what windows make of examples of unequal extents; null where all are of equal ones. */
export function pooledExtents(input: Value, axes: readonly PoolAxis[], ceil = false): Extents | null {
  const own = input.graph.extents(input);
  if (own === null) return null;
  const left = axes.map(({ kernel, dilation, stride, low, high }, axis) => {
    const extent = own[1 + axis];
    return extent === null ? null : windowedBy(extent, { span: span(kernel, dilation), stride, low, high, ceil });
  });
  return [null, ...left];
}

/** First cells of the windows of an axis, in the padding perhaps. */
export const windowStarts = ({ input, kernel, stride, dilation, low, high }: PoolAxis): number[] =>
  Array.from({ length: Math.max(0, outputExtent(input, kernel, stride, dilation, low, high)) }, (_, output) => output * stride - low);

/** The first window that holds no cell of the input; -1 when there is none. */
const emptyWindow = (axis: PoolAxis): number =>
  windowStarts(axis).findIndex(
    (start) => !Array.from({ length: axis.kernel }, (_, tap) => start + tap * axis.dilation).some((cell) => cell >= 0 && cell < axis.input),
  );

/** The least extent from which on every window holds a cell of the input. */
function leastHeld(axis: PoolAxis, ceil: boolean): number {
  const regular = span(axis.kernel, axis.dilation) + axis.low + axis.high;
  let least = axis.input;
  for (let held = 1; least > 1 && emptyWindow(reaching({ ...axis, input: least - 1 }, ceil)) < 0; held++) {
    least--;
    // the end of a long axis looks the same a stride further on
    if (held >= axis.stride && least > regular) least = regular;
  }
  return least;
}

/** The axis with the high padding with which a last window that begins inside counts, where `ceil` says so. */
const reaching = (axis: PoolAxis, ceil: boolean): PoolAxis => (ceil ? { ...axis, high: ceilHigh(axis) } : axis);

/**
 * The windows that a pooling has, their high padding enlarged where `ceil` lets the last hang over; with `held`, each holds a cell of the input.
 * Throws: when a window does not fit, or lies wholly in padding.
 */
export function fittingWindows(
  kind: string,
  input: Value,
  axes: readonly PoolAxis[],
  { ceil = false, held = true }: { readonly ceil?: boolean | undefined; readonly held?: boolean },
): PoolAxis[] {
  const problems = new Problems(kind);
  const made = axes.map((axis) => reaching(axis, ceil));
  axes.forEach(({ input: cells, kernel, dilation, low, high }, i) => {
    const fits = problems.check(
      windowStarts(made[i]).length > 0,
      `window span on axis ${i}`,
      `<= padded input ${low + cells + high} = ${low} + ${cells} + ${high}`,
      `${span(kernel, dilation)} (window ${kernel}, dilation ${dilation})`,
      "Add padding, or make the window smaller.",
    );
    if (!fits || !held) return;
    const empty = emptyWindow(made[i]);
    problems.check(
      empty < 0,
      `padding on axis ${i}`,
      `every window to hold a cell of the ${cells} of the input`,
      `window ${empty} wholly in padding (low ${low}, high ${high})`,
      "Lower the padding.",
    );
    const extent = input.graph.extents(input)?.[1 + i] ?? null;
    const least = extent === null ? 1 : leastHeld(axes[i], ceil);
    if (extent !== null && least > 1) input.graph.needs(extent, least);
  });
  problems.throwIfAny();
  return made;
}
