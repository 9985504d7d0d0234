import { fail, Problems } from "../../base/errors.ts";
import { tensor } from "../../graph/trace.ts";
import { type Padding, paddingCells } from "../../grid/axis.ts";
import { call, constant, operand, type Value } from "../../ops/contract.ts";
import { forward } from "../../ops/grid-linear/index.ts";
import { maxWindow, mean, pointwise, slice } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { checkPadding, checkWhole, layer, partsOf, perAxis } from "./layer.ts";

type PerAxis<T> = T | readonly T[];

export interface PoolOptions {
  /** The window's own extent when left out: windows side by side. */
  readonly stride?: PerAxis<number>;
  readonly padding?: PerAxis<Padding>;
  /** A last window that begins inside the input, or in its low padding, counts although it ends beyond the high padding. */
  readonly ceil?: boolean;
}

export interface MaxPoolOptions extends PoolOptions {
  readonly dilation?: PerAxis<number>;
}

export interface AveragePoolOptions extends PoolOptions {
  /** Cells of padding count as zeros of the mean; true when left out. */
  readonly countPadding?: boolean;
  /** How much a cell counts by its distance from the middle of the window, axis by axis; equal when left out. */
  readonly weights?: PoolWeights;
}

/** `binomial`: (k - 1 choose tap); `gaussian`: exp(-distance^2 / (2 sigma^2)), sigma in cells. */
export type PoolWeights = "equal" | "binomial" | { readonly gaussian: number };

interface PoolAxis {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly high: number;
}

function poolAxes(kind: string, input: Value, kernel: PerAxis<number>, options: MaxPoolOptions): PoolAxis[] {
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

/**
 * Largest cell of every window: Z[c, o] = max over taps of V[c, o s + tap d - low]; padding never wins.
 * Source: Goodfellow et al. 2016, section 9.3.
 * Shapes: [N, C, ...n] -> [N, C, ...m], m = floor((n + low + high - (k - 1) d - 1) / s) + 1, or ceil.
 * Throws: when a window does not fit, or lies wholly in padding.
 * Example: `maxPool(3, { stride: 2, padding: 1 })`
 */
export function maxPool(size: PerAxis<number>, options: MaxPoolOptions = {}): Layer {
  return layer("maxPool", { size, ...options }, (input) => {
    const axes = [{ kernel: 1, stride: 1, dilation: 1, low: 0, high: 0 }, ...poolAxes("maxPool", input, size, options)];
    const all = (name: "kernel" | "stride" | "dilation" | "low" | "high"): number[] => axes.map((axis) => axis[name]);
    const windows = { kernel: all("kernel"), stride: all("stride"), dilation: all("dilation"), low: all("low"), high: all("high") };
    return maxWindow(input, options.ceil === true ? { ...windows, ceil: true } : windows).value;
  });
}

/** Largest of every `pieces` channels that follow one another. Source: Goodfellow et al. 2013. Shapes: [N, C, ...] -> [N, C / pieces, ...]. */
export function maxout(pieces: number): Layer {
  return layer("maxout", { pieces }, (input) => {
    const { channels, extents } = partsOf(input, "maxout", 0);
    if (channels % pieces !== 0) fail("maxout", "", "pieces", `a divisor of the ${channels} channels`, pieces);
    const kernel = [pieces, ...extents.map(() => 1)];
    return maxWindow(input, { kernel, stride: kernel }).value;
  });
}

/** High padding with which a last window that begins inside counts. */
function ceilHigh({ input, kernel, stride, low, high }: PoolAxis): number {
  const reach = input + low + high - kernel;
  const over = ((reach % stride) + stride) % stride;
  return over > 0 && reach - over + stride < input + low ? high + stride - over : high;
}

/** Weight of each tap along one axis. */
function tapWeights(weights: PoolWeights, kernel: number): number[] {
  if (weights === "equal") return new Array<number>(kernel).fill(1);
  if (weights !== "binomial")
    return Array.from({ length: kernel }, (_, tap) => Math.exp(-((tap - (kernel - 1) / 2) ** 2 / (2 * weights.gaussian ** 2))));
  const row = [1];
  for (let tap = 1; tap < kernel; tap++) row.push((row[tap - 1] * (kernel - tap)) / tap);
  return row;
}

/** Sum of the weights that the mean of each window counts. */
function counts(axis: PoolAxis, high: number, countPadding: boolean, weights: readonly number[]): number[] {
  const { input, kernel, stride, low } = axis;
  const outputs = Math.floor((input + low + high - kernel) / stride) + 1;
  const [first, end] = countPadding ? [Number.NEGATIVE_INFINITY, input + axis.high] : [0, input];
  return Array.from({ length: Math.max(0, outputs) }, (_, output) => {
    const start = output * stride - low;
    return weights.reduce((sum, weight, tap) => (start + tap >= first && start + tap < end ? sum + weight : sum), 0);
  });
}

/**
 * Mean of every window, its cells weighted alike or by their distance from its middle: the grid-linear operator of each channel by itself,
 * with a constant kernel.
 * Source: Goodfellow et al. 2016, section 9.3.
 * Shapes: as maxPool.
 * Throws: when a window does not fit, or sigma is not a number > 0.
 * Example: `averagePool(3, { stride: 2, padding: 1, weights: { gaussian: 0.8 } })`
 */
export function averagePool(extent: PerAxis<number>, options: AveragePoolOptions = {}): Layer {
  const { weights = "equal" } = options;
  if (typeof weights === "object" && !(weights.gaussian > 0 && Number.isFinite(weights.gaussian)))
    fail("averagePool", "weights", "gaussian", "a standard deviation > 0, in cells", weights.gaussian);
  return layer("averagePool", { size: extent, ...options }, (input) => {
    const { channels } = partsOf(input, "averagePool");
    const axes = poolAxes("averagePool", input, extent, options);
    const highs = axes.map((axis) => (options.ceil === true ? ceilHigh(axis) : axis.high));
    const taps = axes.map((axis) => tapWeights(weights, axis.kernel));
    const counted = axes.map((axis, i) => counts(axis, highs[i], options.countPadding ?? true, taps[i]));
    const empty = counted.findIndex((sums) => sums.some((sum) => sum <= 0));
    if (empty >= 0)
      fail(
        "averagePool",
        "",
        `padding on axis ${empty}`,
        `every window to hold a cell of the ${axes[empty].input} of the input`,
        `a window of ${axes[empty].kernel} wholly in padding ${axes[empty].low}:${axes[empty].high}`,
      );
    const valid = options.countPadding === false ? validOnes(input) : null;
    if (valid !== null) {
      const sums = windowSums(input, reachingOf(axes, highs), channels, taps, 1);
      return pointwise(call("divide", operand(0), call("max", operand(1), constant(1e-30))), [
        sums,
        windowSums(valid, reachingOf(axes, highs), 1, taps, 1),
      ]);
    }
    const even = counted.every((sums) => sums.every((sum) => sum === sums[0]));
    const scale = even ? 1 / counted.reduce((product, [sum]) => product * sum, 1) : 1;
    const sums = windowSums(input, reachingOf(axes, highs), channels, taps, scale);
    return even ? sums : pointwise(call("multiply", operand(0), operand(1)), [sums, reciprocals(input, counted)]);
  });
}

/**
 * (sum over every window of |V|^p)^(1/p): between the sum (p = 1) and the largest (p = infinity).
 * Source: Gulcehre et al. 2014, eq. 3.
 * Shapes: as maxPool.
 * Throws: when p < 1, or a window does not fit.
 */
export function powerPool(p: number, extent: PerAxis<number>, options: Omit<PoolOptions, "ceil"> = {}): Layer {
  if (!(p >= 1 && Number.isFinite(p))) fail("powerPool", "", "p", ">= 1", p, "Use maxPool for the largest.");
  return layer("powerPool", { p, size: extent, ...options }, (input) => {
    const { channels } = partsOf(input, "powerPool");
    const axes = poolAxes("powerPool", input, extent, options);
    const powers = pointwise(call("power", call("abs", operand(0)), constant(p)), [input]);
    return pointwise(call("power", operand(0), constant(1 / p)), [windowSums(powers, axes, channels, equalTaps(axes), 1)]);
  });
}

const reachingOf = (axes: readonly PoolAxis[], highs: readonly number[]): PoolAxis[] =>
  axes.map((axis, i) => ({ ...axis, high: highs[i] }));

/** 1 in every valid cell, [N, 1, ...n], for examples of unequal extents; null for others. */
function validOnes(input: Value): Value | null {
  if (input.graph.extents(input) === null) return null;
  const one = slice(input, 1, 0, 1);
  return pointwise(constant(1), [one]);
}

const equalTaps = (axes: readonly PoolAxis[]): number[][] => axes.map(({ kernel }) => tapWeights("equal", kernel));

/** Sum of every window of each channel by itself, its taps weighted by the product of their weights along the axes, times `scale`. */
function windowSums(input: Value, axes: readonly PoolAxis[], channels: number, taps: readonly (readonly number[])[], scale: number): Value {
  const shape = [channels, 1, ...axes.map((axis) => axis.kernel)];
  const weights = taps.reduce<readonly number[]>((before, own) => before.flatMap((a) => own.map((b) => a * b)), [scale]);
  const kernel = input.graph.constant(
    weights.every((weight) => weight === weights[0])
      ? { shape, fill: weights[0] }
      : tensor(shape, Array.from({ length: channels }, () => weights).flat()),
  );
  const padding = axes.map(({ low, high }) => ({ low, high }));
  return forward(
    { kernel: axes.map((axis) => axis.kernel), stride: axes.map((axis) => axis.stride), padding, groups: channels },
    kernel,
    input,
  );
}

/** 1 / (product of the counts) of every window, [1, ...m]. */
function reciprocals(input: Value, counted: readonly (readonly number[])[]): Value {
  const products = counted.reduce<readonly number[]>(
    (before, cells) => before.flatMap((product) => cells.map((count) => product * count)),
    [1],
  );
  return input.graph.constant(
    tensor(
      [1, ...counted.map((cells) => cells.length)],
      products.map((product) => 1 / product),
    ),
  );
}

/** Mean or largest cell of each channel. Shapes: [N, C, ...n] -> [N, C, 1, ...]. */
export function globalPool(kind: "average" | "max" = "average"): Layer {
  return layer("globalPool", { kind }, (input) => {
    const { extents } = partsOf(input, "globalPool");
    if (kind === "max") return maxWindow(input, { kernel: [1, ...extents] }).value;
    return mean(
      input,
      extents.map((_, axis) => 2 + axis),
      { keepAxes: true },
    );
  });
}
