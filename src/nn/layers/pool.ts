import { fail } from "../../base/errors.ts";
import { tensor } from "../../graph/trace.ts";
import { outputExtent } from "../../grid/axis.ts";
import { call, constant, type Extents, operand, type Value } from "../../ops/contract.ts";
import { lowest, type WindowOptions, windowOperator } from "../../ops/window/index.ts";
import { maxWindow, mean, pointwise, reshape } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { type LayerWith, layer, partsOf } from "./layer.ts";
import { fittingWindows, type PoolAxis, type PoolOptions, paddedFor, poolAxes, pooledExtents } from "./pool-axes.ts";
import { checkPower, meanOf, powers, products, rooted, windowSums } from "./pool-sums.ts";

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
  const given = poolAxes("maxPool", input, size, options);
  fittingWindows("maxPool", input, given, options);
  const axes = [{ kernel: 1, stride: 1, dilation: 1, low: 0, high: 0 }, ...given];
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
  layer("maxPool", { size, ...options }, (given) => {
    const { input, options: padded } = paddedFor("maxPool", given, size, options, lowest);
    return maxWindow(input, maxWindows(input, size, padded)).value;
  });

/** Where the largest cells of a max pooling were: for every window the flat cell of the example, and the windows they are of. */
export interface PoolIndices {
  readonly index: Value;
  readonly windows: Omit<WindowOptions, "role">;
  /** Extents of the pooling's input where its examples are of unequal ones. */
  readonly extents?: Extents | null;
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
  return { value, indices: { index, windows: { ...windows, input: input.type.shape.slice(1) }, extents: input.graph.extents(input) } };
}

/**
 * Puts values back where a max pooling found the largest cells, and zeros elsewhere: Z[v] = sum of V[o] over the windows o with index[o] = v.
 * Source: Zeiler and Fergus 2014, section 2.1.
 * Shapes: V of the shape of the pooling's result -> the shape of its input.
 * Throws: when V is of another shape, or its examples of other extents than the pooling's result.
 */
export function unpool(value: Value, { index, windows, extents = null }: PoolIndices): Value {
  const [own, pooled] = [value.graph.extents(value), value.graph.extents(index)];
  const alike = (index.type.shape.slice(1) as readonly number[]).every((_, axis) => own?.[axis]?.counts.id === pooled?.[axis]?.counts.id);
  if (!alike)
    fail(
      "unpool",
      "",
      "extents of examples",
      "those that the pooling left",
      "others",
      "Between the two the extents must stay as they are.",
    );
  return value.graph.unequal(extents, () => value.graph.apply(windowOperator, { ...windows, role: "scatter" as const }, [value, index])[0]);
}

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

/**
 * Sum of the weights that the mean of each window counts: those of cells of the input, or of its padding too, as far as it was asked for (`paddingTo`,
 * beyond the input). Where examples are of unequal extents, the sums of each, [N, m].
 */
function counts(
  input: Value,
  axis: number,
  { input: cells, kernel, stride, dilation, low, high }: PoolAxis,
  paddingTo: number | null,
  weights: readonly number[],
): readonly number[] | Value {
  const [first, beyond] = paddingTo === null ? [low, low] : [0, low + paddingTo];
  const windows = outputExtent(cells, kernel, stride, dilation, low, high);
  const positions = Array.from({ length: low + cells + high }, (_, position) => position);
  const own = input.graph.extents(input)?.[1 + axis] ?? null;
  if (own === null)
    return Array.from({ length: windows }, (_, window) =>
      weights.reduce((sum, weight, tap) => {
        const position = window * stride + tap * dilation;
        return position >= first && position < beyond + cells ? sum + weight : sum;
      }, 0),
    );
  const after = call("lessEqual", constant(first), operand(0));
  const before = call("less", operand(0), call("add", operand(1), constant(beyond)));
  const inside = pointwise(call("multiply", after, before), [
    input.graph.constant(tensor([1, positions.length], positions)),
    reshape(own.counts, [1, 1]),
  ]);
  const along: PoolAxis = { input: positions.length, kernel, stride, dilation, low: 0, high: 0 };
  return reshape(windowSums(inside, [along], [weights], 1), [windows]);
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
  const { weights = "equal", countPadding = true } = options;
  if (weights !== "equal" && weights !== "binomial" && typeof weights !== "object")
    fail("averagePool", "", "weights", "equal, binomial or { gaussian: sigma }", JSON.stringify(weights));
  if (typeof weights === "object" && !(weights.gaussian > 0 && Number.isFinite(weights.gaussian)))
    fail("averagePool", "weights", "gaussian", "a standard deviation > 0, in cells", weights.gaussian);
  return layer("averagePool", { size: extent, ...options }, (examples) => {
    const { input, options: padded } = countPadding ? paddedFor("averagePool", examples, extent, options) : { input: examples, options };
    const given = poolAxes("averagePool", input, extent, padded);
    const axes = fittingWindows("averagePool", input, given, { ceil: options.ceil, held: !countPadding });
    const taps = axes.map((axis) => tapWeights(weights, axis.kernel));
    const counted = axes.map((axis, i) => counts(input, i, axis, countPadding ? given[i].high : null, taps[i]));
    // by the options alone, so that an example has the same rounding in every batch
    const even = options.ceil !== true && given.every(({ low, high }) => countPadding || low + high === 0);
    const whole = taps.reduce((product, own) => product * own.reduce((a, b) => a + b), 1);
    return input.graph.unequal(pooledExtents(input, given, options.ceil), () => {
      const sums = windowSums(input, axes, taps, even ? 1 / whole : 1);
      return even ? sums : meanOf(sums, products(input, counted));
    });
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
  return layer("powerPool", { p, size: extent, ...options }, (examples) => {
    const { input, options: padded } = paddedFor("powerPool", examples, extent, options);
    const given = poolAxes("powerPool", input, extent, padded);
    const axes = fittingWindows("powerPool", input, given, { ceil: options.ceil, held: false });
    const taps = axes.map((axis) => tapWeights("equal", axis.kernel));
    return input.graph.unequal(pooledExtents(input, given, options.ceil), () => rooted(windowSums(powers(input, p), axes, taps, 1), p));
  });
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
