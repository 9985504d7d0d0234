import { fail } from "../../base/errors.ts";
import { call, constant, operand, type Value } from "../../ops/contract.ts";
import { type WindowOptions, windowOperator } from "../../ops/window/index.ts";
import { maxWindow, mean, pointwise, slice } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { type LayerWith, layer, partsOf } from "./layer.ts";
import { type PoolAxis, type PoolOptions, poolAxes, reaching, windowStarts } from "./pool-axes.ts";
import { checkPower, powers, reciprocals, rooted, windowSums } from "./pool-sums.ts";

type PerAxis<T> = T | readonly T[];

export interface AveragePoolOptions extends PoolOptions {
  /** Cells of padding count as zeros of the mean; true when left out. */
  readonly countPadding?: boolean;
  /** How much a cell counts by its distance from the middle of the window, axis by axis; equal when left out. */
  readonly weights?: PoolWeights;
}

/** `binomial`: (k - 1 choose tap); `gaussian`: exp(-distance^2 / (2 sigma^2)), sigma in taps. */
export type PoolWeights = "equal" | "binomial" | { readonly gaussian: number };

/** A max pooling with its options, which `unpooled` reads. */
export type MaxPool = LayerWith<PoolOptions & { readonly size: PerAxis<number> }>;

/** Windows of a max pooling of this input; channels are an axis of windows of one. */
function maxWindows(input: Value, size: PerAxis<number>, options: PoolOptions): Omit<WindowOptions, "role" | "input"> {
  const axes = [{ kernel: 1, stride: 1, dilation: 1, low: 0, high: 0 }, ...poolAxes("maxPool", input, size, options)];
  const all = (name: "kernel" | "stride" | "dilation" | "low" | "high"): number[] => axes.map((axis) => axis[name]);
  const windows = { kernel: all("kernel"), stride: all("stride"), dilation: all("dilation"), low: all("low"), high: all("high") };
  return options.ceil === true ? { ...windows, ceil: true } : windows;
}

/**
 * Largest cell of every window: Z[c, o] = max over taps of V[c, o s + tap d - low]; padding never wins.
 * Source: Goodfellow et al. 2016, section 9.3.
 * Shapes: [N, C, ...n] -> [N, C, ...m], m = floor((n + low + high - (k - 1) d - 1) / s) + 1, or ceil.
 * Throws: when a window does not fit, or lies wholly in padding.
 * Example: `maxPool(3, { stride: 2, padding: 1 })`
 */
export const maxPool = (size: PerAxis<number>, options: PoolOptions = {}): MaxPool =>
  layer("maxPool", { size, ...options }, (input) => maxWindow(input, maxWindows(input, size, options)).value);

/** Where the largest cells of a max pooling were: for every window the flat cell of the example, and the windows they are of. */
export interface PoolIndices {
  readonly index: Value;
  readonly windows: Omit<WindowOptions, "role">;
}

/**
 * maxPool as a function of values, with the cells that were the largest: index[c, o] = (c n1 + cell 1) n2 + cell 2 ... of the example.
 * Shapes: as maxPool; the index is i32 and has the result's shape.
 * Throws: as maxPool.
 * Example: `const { value, indices } = maxPoolIndices(x, 2); const back = unpool(value, indices);`
 */
export function maxPoolIndices(input: Value, size: PerAxis<number>, options: PoolOptions = {}): { value: Value; indices: PoolIndices } {
  const windows = maxWindows(input, size, options);
  const { value, index } = maxWindow(input, windows);
  return { value, indices: { index, windows: { ...windows, input: input.type.shape.slice(1) } } };
}

/**
 * Puts values back where a max pooling found the largest cells, and zeros elsewhere: Z[v] = sum of V[o] over the windows o with index[o] = v.
 * Source: Zeiler and Fergus 2014, section 2.1.
 * Shapes: V of the shape of the pooling's result -> the shape of its input.
 * Throws: when V is of another shape.
 */
export const unpool = (value: Value, { index, windows }: PoolIndices): Value =>
  value.graph.apply(windowOperator, { ...windows, role: "scatter" as const }, [value, index])[0];

/**
 * Pools, applies a layer to the largest cells, and puts what it gives back where they were: Z = unpool(inner(maxPool(V))).
 * Source: Zeiler and Fergus 2014, section 2.1; Zhao et al. 2015 (what-where autoencoders).
 * Shapes: as its input; `inner` keeps the shape of the pooled values.
 * Throws: when `inner` gives another shape, or the pooling does not fit.
 * Example: `unpooled(maxPool(2), conv(16, { kernel: 3, padding: "same" }))`
 */
export const unpooled = ({ options: { size, ...options } }: MaxPool, inner: Layer): Layer =>
  layer("unpooled", { size, ...options }, (input, scope) => {
    const { value, indices } = maxPoolIndices(input, size, options);
    return unpool(scope.apply(inner, value), indices);
  });

/** Weight of each tap along one axis. */
function tapWeights(weights: PoolWeights, kernel: number): number[] {
  if (weights === "equal") return new Array<number>(kernel).fill(1);
  if (weights !== "binomial")
    return Array.from({ length: kernel }, (_, tap) => Math.exp(-((tap - (kernel - 1) / 2) ** 2 / (2 * weights.gaussian ** 2))));
  const row = [1];
  for (let tap = 1; tap < kernel; tap++) row.push((row[tap - 1] * (kernel - tap)) / tap);
  return row;
}

/** Sum of the weights that the mean of each window counts: those of cells of the input, or of its padding too, as far as it was asked for. */
function counts(axis: PoolAxis, starts: readonly number[], paddingTo: number | null, weights: readonly number[]): number[] {
  const [first, end] = paddingTo === null ? [0, axis.input] : [Number.NEGATIVE_INFINITY, axis.input + paddingTo];
  return starts.map((start) =>
    weights.reduce((sum, weight, tap) => {
      const cell = start + tap * axis.dilation;
      return cell >= first && cell < end ? sum + weight : sum;
    }, 0),
  );
}

/** With ceil, the last window depends on the extent of each example. */
function refuseCeil(kind: string, input: Value, options: PoolOptions): void {
  if (options.ceil === true && input.graph.extents(input) !== null)
    fail(kind, "", "ceil", "false for examples of unequal extents, whose last windows differ", true, "Use maxPool, or padding.");
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
    refuseCeil("averagePool", input, options);
    const given = poolAxes("averagePool", input, extent, options);
    const axes = reaching(given, options.ceil);
    const taps = axes.map((axis) => tapWeights(weights, axis.kernel));
    const counted = axes.map((axis, i) => {
      const starts = windowStarts("averagePool", axis, i);
      return counts(axis, starts, options.countPadding === false ? null : given[i].high, taps[i]);
    });
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
    if (valid !== null)
      return pointwise(call("divide", operand(0), call("max", operand(1), constant(1e-30))), [
        windowSums(input, axes, taps, 1),
        windowSums(valid, axes, taps, 1),
      ]);
    const even = counted.every((sums) => sums.every((sum) => sum === sums[0]));
    const scale = even ? 1 / counted.reduce((product, [sum]) => product * sum, 1) : 1;
    const sums = windowSums(input, axes, taps, scale);
    return even ? sums : pointwise(call("multiply", operand(0), operand(1)), [sums, reciprocals(input, counted)]);
  });
}

/**
 * (sum over every window of |V|^p)^(1/p): between the sum (p = 1) and the largest (p = infinity).
 * Source: Gulcehre et al. 2014, eq. 3.
 * Shapes: as maxPool.
 * Throws: when p < 1, or a window does not fit.
 */
export function powerPool(p: number, extent: PerAxis<number>, options: PoolOptions = {}): Layer {
  checkPower("powerPool", p);
  return layer("powerPool", { p, size: extent, ...options }, (input) => {
    refuseCeil("powerPool", input, options);
    const axes = reaching(poolAxes("powerPool", input, extent, options), options.ceil);
    axes.forEach((axis, i) => {
      windowStarts("powerPool", axis, i);
    });
    const taps = axes.map((axis) => tapWeights("equal", axis.kernel));
    return rooted(windowSums(powers(input, p), axes, taps, 1), p);
  });
}

/** 1 in every valid cell, [N, 1, ...n], for examples of unequal extents; null for others. */
function validOnes(input: Value): Value | null {
  if (input.graph.extents(input) === null) return null;
  return pointwise(constant(1), [slice(input, 1, 0, 1)]);
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
