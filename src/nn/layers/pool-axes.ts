import { fail, Problems } from "../../base/errors.ts";
import { windowedBy } from "../../graph/unequal.ts";
import { outputExtent, type Padding, paddingCells, span } from "../../grid/axis.ts";
import type { Extents, Value } from "../../ops/contract.ts";
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

/**
 * Windows of a pooling on every axis of the input.
 * Throws: when an option is none, or not of as many axes; when padding depends on extents that are unequal.
 */
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

/** Whether a window holds a cell of the input. */
const holdsCell = ({ input, kernel, dilation }: PoolAxis, start: number): boolean =>
  Array.from({ length: kernel }, (_, tap) => start + tap * dilation).some((cell) => cell >= 0 && cell < input);

/** Notes the extents from which on no window of an example lies wholly in padding. */
export function needCells(input: Value, axes: readonly PoolAxis[], ceil = false): void {
  const own = input.graph.extents(input);
  axes.forEach((axis, i) => {
    const extent = own?.[1 + i] ?? null;
    if (extent === null) return;
    const whole = (cells: number): boolean => {
      const [shorter] = reaching([{ ...axis, input: cells }], ceil);
      const windows = outputExtent(cells, shorter.kernel, shorter.stride, shorter.dilation, shorter.low, shorter.high);
      // holes of dilated windows apart, the first and the last are those that reach farthest into the padding
      const some = cells < shorter.dilation ? Array.from({ length: windows }, (_, window) => window) : [0, windows - 1];
      return windows < 1 || some.every((window) => holdsCell(shorter, window * shorter.stride - shorter.low));
    };
    let least = axis.input;
    while (least > 1 && whole(least - 1)) least--;
    if (least > 1) input.graph.needs(extent, least);
  });
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
