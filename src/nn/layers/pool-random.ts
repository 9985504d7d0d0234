import { fail } from "../../base/errors.ts";
import { extentBy } from "../../graph/unequal.ts";
import type { AxisExtent, Value } from "../../ops/contract.ts";
import {
  add,
  divide,
  equal,
  floor,
  less,
  lessEqual,
  matmul,
  minimum,
  multiply,
  pad,
  reshape,
  slice,
  subtract,
  sum,
  where,
} from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { layer, partsOf, perAxis } from "./layer.ts";
import { fittingWindows, type PoolOptions, poolAxes, pooledExtents, windowStarts } from "./pool-axes.ts";
import { type AxisRegions, checkKind, drawFrom, type PoolKind, poolRegions, regionsOf } from "./pool-regions.ts";

type PerAxis<T> = T | readonly T[];

/**
 * In training a cell of every window, drawn with probability max(V, 0) / sum of max(V, 0); in inference the mean with those weights,
 * sum of max(V, 0)^2 / sum of max(V, 0). The gradient goes to the drawn cell. A draw depends on seed, step, example and window alone, the window's
 * number among those of the example's own extents.
 * Source: Zeiler and Fergus 2013, eq. 3 to 6.
 * Shapes: as maxPool.
 * Throws: when a window does not fit or lies wholly in padding.
 * Example: `sequential(conv(32, { kernel: 3 }), relu(), stochasticPool(2))`
 */
export function stochasticPool(size: PerAxis<number>, options: Omit<PoolOptions, "dilation"> = {}): Layer {
  return layer("stochasticPool", { size, ...options }, (input, scope) => {
    const given = poolAxes("stochasticPool", input, size, options);
    const regions = fittingWindows("stochasticPool", input, given, options).map((axis) => {
      const starts = windowStarts(axis);
      return { starts, ends: starts.map((start) => start + axis.kernel) };
    });
    const extents = pooledExtents(input, given, options.ceil);
    const found = regionsOf(input, regions);
    const draws = scope.training ? scope.uniform("draws", [input.type.shape[1], ...found.output], extents) : null;
    const drawn = drawFrom(input, found, draws);
    return input.graph.unequal(extents, () => drawn);
  });
}

export interface FractionalPoolOptions {
  /** Cells of the input for one of the result, >= 1: m = floor(n / ratio). Or the extents themselves. */
  readonly ratio?: PerAxis<number>;
  readonly extents?: PerAxis<number>;
  readonly kind?: PoolKind;
  /** How regions of floor(n / m) and of ceil(n / m) cells follow one another in training: evenly from a drawn offset, or in drawn order. */
  readonly regions?: "pseudorandom" | "random";
  /** Neighbouring regions share a cell. */
  readonly overlapping?: boolean;
}

/** Largest product of cells and regions on an axis for which quotients of f32 come out on the right side of whole numbers. */
const mostProduct = 2 ** 22;

/** Most regions on an axis whose order is drawn: the work grows with the square. */
const mostRandom = 1024;

/**
 * Pooling by a ratio that need not be whole: region i of m is the cells a[i] to a[i + 1] - 1 (to a[i + 1] when overlapping), where the
 * boundaries a grow by floor(n / m) or ceil(n / m). Pseudo-random: a[i] = ceil(n / m (i + u)) - ceil(n / m u), u drawn in (0, 1); random: both
 * sizes in drawn order. Drawn in training for every step and example; in inference u = 1/2. Examples of unequal extents have each their own n and m,
 * and draw what they draw alone.
 * Source: Graham 2014 (fractional max-pooling), section 2.
 * Shapes: [N, C, ...n] -> [N, C, ...m], m = floor(n / ratio).
 * Throws: when there are more regions than cells.
 * Example: `fractionalPool({ ratio: Math.SQRT2 })`
 */
export function fractionalPool(options: FractionalPoolOptions): Layer {
  const { kind = "max", regions = "pseudorandom" } = options;
  checkKind("fractionalPool", kind);
  if (regions !== "pseudorandom" && regions !== "random")
    fail("fractionalPool", "", "regions", "pseudorandom or random", JSON.stringify(regions));
  return layer("fractionalPool", { ...options }, (input, scope) => {
    const made = fractions(input, options).map((wanted, axis) => {
      const extent = input.graph.extents(input)?.[1 + axis] ?? null;
      const draws = (count: number): Value => scope.uniform(`axis${axis}`, [count]);
      return extent === null
        ? alike(input, wanted, options, scope.training ? draws : null)
        : ofEach(input, wanted, extent, options, scope.training ? draws : null);
    });
    const pooled = poolRegions(
      input,
      regionsOf(
        input,
        made.map(({ regions }) => regions),
      ),
      kind,
    );
    return input.graph.unequal(input.graph.extents(input) === null ? null : [null, ...made.map(({ extent }) => extent)], () => pooled);
  });
}

/** Regions on one axis: cells of the batch, regions of them, and how many of other extents; null where they are given. */
interface Fraction {
  readonly cells: number;
  readonly count: number;
  readonly countOf: ((cells: number) => number) | null;
}

/** Regions on every axis. */
function fractions(input: Value, { ratio, extents, regions, overlapping = false }: FractionalPoolOptions): Fraction[] {
  const room = "fractionalPool";
  const from = partsOf(input, room).extents;
  if ((ratio === undefined) === (extents === undefined))
    fail(room, "", "ratio or extents", "one of them", ratio === undefined ? "none" : "both");
  const wanted = perAxis(ratio ?? extents ?? 1, from.length, room, ratio === undefined ? "extents" : "ratios");
  return from.map((n, axis) => {
    const countOf = ratio === undefined ? null : (cells: number): number => Math.floor(cells / wanted[axis]);
    const m = countOf?.(n) ?? wanted[axis];
    const most = overlapping ? n - 1 : n;
    const made = ratio === undefined ? m : `${m} = floor(${n} / ${wanted[axis]})`;
    const hint = overlapping ? "Overlapping regions need a cell more than there are regions." : undefined;
    if (!(Number.isInteger(m) && m >= 1 && m <= most)) fail(room, "", `regions on axis ${axis}`, `1 to ${most} of ${n} cells`, made, hint);
    if (regions === "random" && m > mostRandom)
      fail(room, "", `regions on axis ${axis}`, `<= ${mostRandom} in drawn order`, m, 'Use regions: "pseudorandom".');
    return { cells: n, count: m, countOf };
  });
}

interface AlongAxis {
  readonly regions: AxisRegions;
  /** How many regions each example has. */
  readonly extent: AxisExtent | null;
}

/** Uniform draws, so many for each example. */
type Draws = ((count: number) => Value) | null;

/** Boundaries a[i] of the regions, from i = 0 or from i = 1 on. */
type Bounds = (from: 0 | 1) => Value;

/** Regions of an axis whose extent all examples share. */
function alike(
  input: Value,
  { cells: all, count: m }: Fraction,
  { regions, overlapping = false }: FractionalPoolOptions,
  draws: Draws,
): AlongAxis {
  const beyond = overlapping ? 1 : 0;
  const n = all - beyond;
  if (draws === null || n % m === 0) {
    const bounds = evenly(n, m, Math.floor(n / 2));
    return { regions: { starts: bounds.slice(0, m), ends: bounds.slice(1).map((bound) => bound + beyond) }, extent: null };
  }
  const fixed = (fill: number): Value => input.graph.constant({ shape: [1], fill });
  const bounds = regions === "random" ? inDrawnOrder(draws(m), fixed(n), fixed(m)) : fromDrawnOffset(n, m, draws(1));
  return { regions: { starts: bounds(0), ends: add(bounds(1), beyond) }, extent: null };
}

/** Regions of an axis on which each example has its own extent n, and so its own number m of them; those beyond hold no cell. */
function ofEach(
  input: Value,
  { cells, count, countOf }: Fraction,
  own: AxisExtent,
  { regions, overlapping = false }: FractionalPoolOptions,
  draws: Draws,
): AlongAxis {
  const beyond = overlapping ? 1 : 0;
  if (countOf === null || overlapping) input.graph.needs(own, (countOf === null ? count : 1) + beyond);
  if (cells * count > mostProduct)
    fail("fractionalPool", "", "cells times regions", `<= ${mostProduct} for unequal extents`, `${cells} x ${count}`);
  const extent = countOf === null ? null : extentBy(own, cells, countOf);
  const n = subtract(reshape(own.counts, [1]), beyond);
  const m = extent === null ? input.graph.constant({ shape: [1], fill: count }) : reshape(extent.counts, [1]);
  const bounds = draws !== null && regions === "random" ? inDrawnOrder(draws(count), n, m) : fromOffset(n, m, count, draws?.(1) ?? null);
  const ends = add(bounds(1), multiply(less(numbers(input, count), m), beyond));
  return { regions: { starts: bounds(0), ends }, extent };
}

/** 0, 1, ... */
const numbers = (like: Value, count: number, from = 0): Value =>
  like.graph.constant({ dtype: "f32", shape: [count], data: Float32Array.from({ length: count }, (_, i) => i + from) });

/** floor(a / b) of whole numbers; the half keeps quotients away from whole numbers, so that they are the same however they are rounded. */
const quotient = (a: Value, b: Value | number): Value => floor(divide(add(a, 0.5), b));

/** a - b floor(a / b) of whole numbers. */
const remainder = (a: Value, b: Value | number): Value => subtract(a, multiply(quotient(a, b), b));

/** a[i] = floor((n i + t) / m) - floor(t / m), which is Graham's sequence with n u between the whole numbers t and t + 1. */
const evenly = (n: number, m: number, t: number): number[] =>
  Array.from({ length: m + 1 }, (_, i) => Math.floor((n * i + t) / m) - Math.floor(t / m));

/** The same for n and m of each example, t drawn or n / 2. */
function fromOffset(n: Value, m: Value, count: number, draws: Value | null): Bounds {
  const t = draws === null ? quotient(n, 2) : floor(multiply(draws, n));
  return (from) => {
    const bounds = subtract(quotient(add(multiply(n, numbers(n, count, from)), t), m), quotient(t, m));
    return minimum(bounds, n);
  };
}

/** The same with t drawn for each example: n i = q m + r, so that a[i] = q + 1 where r + (t mod m) >= m, else q; all of them exact in f32. */
function fromDrawnOffset(n: number, m: number, draws: Value): Bounds {
  const offset = remainder(floor(multiply(draws, n)), m);
  return (from) => {
    const list = (part: (i: number) => number): Value =>
      draws.graph.constant({ dtype: "f32", shape: [m], data: Float32Array.from({ length: m }, (_, i) => part(i + from)) });
    const [whole, left] = [list((i) => Math.floor((n * i) / m)), list((i) => (n * i) % m)];
    return add(whole, lessEqual(m, add(left, offset)));
  };
}

/** 1 where j < i in row j, column i of as many. */
const earlier = (like: Value, count: number): Value =>
  like.graph.constant({
    dtype: "f32",
    shape: [count, count],
    data: Float32Array.from({ length: count * count }, (_, at) => (Math.floor(at / count) < at % count ? 1 : 0)),
  });

/** Cells whose sums before each are worked out together. */
const together = 32;

/** Sum of the cells before each, of small whole numbers [N, m]: within parts of a line, and over the parts before. */
function sumsBefore(cells: Value): Value {
  const [, count] = cells.type.shape;
  if (count <= 2 * together) return matmul(cells, earlier(cells, count));
  const parts = Math.ceil(count / together);
  const lined = reshape(pad(cells, [{ low: 0, high: parts * together - count }]), [parts, together]);
  const before = reshape(sumsBefore(sum(lined, 2)), [parts, 1]);
  return slice(reshape(add(matmul(lined, earlier(cells, together)), before), [parts * together]), 1, 0, count);
}

/** The larger regions, n mod m, are those with the least of m draws: the rank of each is counted. */
function inDrawnOrder(draws: Value, n: Value, m: Value): Bounds {
  const count = draws.type.shape[1];
  // an example of fewer regions draws fewer
  const own = where(less(numbers(draws, count), m), draws, 2);
  const [one, other] = [reshape(own, [1, count]), reshape(own, [count, 1])];
  // equal draws count by their order
  const before = sum(add(less(other, one), multiply(equal(one, other), earlier(draws, count))), 1);
  const larger = less(before, remainder(n, m));
  const passed = sumsBefore(larger);
  return (from) => {
    const counted = from === 0 ? passed : add(passed, larger);
    return minimum(add(counted, multiply(quotient(n, m), numbers(draws, count, from))), n);
  };
}
