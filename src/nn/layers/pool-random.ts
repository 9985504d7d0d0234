import { fail } from "../../base/errors.ts";
import { call, constant, operand, type Value } from "../../ops/contract.ts";
import { multiply, pointwise, reshape, sum } from "../../ops.ts";
import type { Layer, Scope } from "../scope.ts";
import { layer, partsOf, perAxis } from "./layer.ts";
import { type PoolOptions, poolAxes, reaching, windowStarts } from "./pool-axes.ts";
import { type AxisRegions, checkKind, drawFrom, type PoolKind, poolRegions, regionsOf } from "./pool-regions.ts";

type PerAxis<T> = T | readonly T[];

const refuseUnequal = (kind: string, input: Value, why: string): void => {
  if (input.graph.extents(input) !== null) fail(kind, "", "input", "examples of equal extents", "examples of unequal extents", why);
};

/**
 * In training a cell of every window, drawn with probability max(V, 0) / sum of max(V, 0); in inference the mean with those weights,
 * sum of max(V, 0)^2 / sum of max(V, 0). The gradient goes to the drawn cell. A draw depends on seed, step, example and window alone.
 * Source: Zeiler and Fergus 2013, eq. 3 to 6.
 * Shapes: as maxPool.
 * Throws: when a window does not fit or lies wholly in padding, or examples are of unequal extents.
 * Example: `sequential(conv(32, { kernel: 3 }), relu(), stochasticPool(2))`
 */
export function stochasticPool(size: PerAxis<number>, options: Omit<PoolOptions, "dilation"> = {}): Layer {
  return layer("stochasticPool", { size, ...options }, (input, scope) => {
    refuseUnequal("stochasticPool", input, "Its windows are those of the batch's extents.");
    const axes = reaching(poolAxes("stochasticPool", input, size, options), options.ceil);
    const regions = axes.map((axis, i) => {
      const starts = windowStarts("stochasticPool", axis, i);
      return { starts, ends: starts.map((start) => start + axis.kernel) };
    });
    return drawFrom(input, regionsOf("stochasticPool", input, regions), scope);
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

/** Most regions on an axis whose order is drawn: the work grows with the square. */
const mostRandom = 1024;

/**
 * Pooling by a ratio that need not be whole: region i of m is the cells a[i] to a[i + 1] - 1 (to a[i + 1] when overlapping), where the
 * boundaries a grow by floor(n / m) or ceil(n / m). Pseudo-random: a[i] = ceil(n / m (i + u)) - ceil(n / m u), u drawn in (0, 1); random: both
 * sizes in drawn order. Drawn in training for every step and example; in inference u = 1/2.
 * Source: Graham 2014 (fractional max-pooling), section 2.
 * Shapes: [N, C, ...n] -> [N, C, ...m], m = floor(n / ratio).
 * Throws: when there are more regions than cells, or examples are of unequal extents.
 * Example: `fractionalPool({ ratio: Math.SQRT2 })`
 */
export function fractionalPool(options: FractionalPoolOptions): Layer {
  const { kind = "max", regions = "pseudorandom", overlapping = false } = options;
  checkKind("fractionalPool", kind);
  return layer("fractionalPool", { ...options }, (input, scope) => {
    refuseUnequal("fractionalPool", input, "Its regions are drawn for one extent.");
    const axes = fractions(input, options).map((m, axis): AxisRegions => {
      const cells = input.type.shape[2 + axis] - (overlapping ? 1 : 0);
      const name = `axis${axis}`;
      const beyond = overlapping ? 1 : 0;
      if (!scope.training || cells % m === 0) {
        const bounds = evenly(cells, m, Math.floor(cells / 2));
        return { starts: bounds.slice(0, m), ends: bounds.slice(1).map((bound) => bound + beyond) };
      }
      const bounds = regions === "random" ? inDrawnOrder(input, cells, m, name, scope) : fromDrawnOffset(input, cells, m, name, scope);
      return { starts: bounds(0), ends: pointwise(call("add", operand(0), constant(beyond)), [bounds(1)]) };
    });
    return poolRegions(input, regionsOf("fractionalPool", input, axes), kind);
  });
}

/** Regions on every axis. */
function fractions(input: Value, { ratio, extents, regions, overlapping = false }: FractionalPoolOptions): number[] {
  const room = "fractionalPool";
  const from = partsOf(input, room).extents;
  if ((ratio === undefined) === (extents === undefined))
    fail(room, "", "ratio or extents", "one of them", ratio === undefined ? "none" : "both");
  const wanted = perAxis(ratio ?? extents ?? 1, from.length, room, ratio === undefined ? "extents" : "ratios");
  return from.map((n, axis) => {
    const m = ratio === undefined ? wanted[axis] : Math.floor(n / wanted[axis]);
    const most = overlapping ? n - 1 : n;
    const made = ratio === undefined ? m : `${m} = floor(${n} / ${wanted[axis]})`;
    const hint = overlapping ? "Overlapping regions need a cell more than there are regions." : "";
    if (!(Number.isInteger(m) && m >= 1 && m <= most)) fail(room, "", `regions on axis ${axis}`, `1 to ${most} of ${n} cells`, made, hint);
    if (regions === "random" && m > mostRandom)
      fail(room, "", `regions on axis ${axis}`, `<= ${mostRandom} in drawn order`, m, 'Use regions: "pseudorandom".');
    return m;
  });
}

/** a[i] = floor((n i + t) / m) - floor(t / m), which is Graham's sequence with n u between the whole numbers t and t + 1. */
const evenly = (n: number, m: number, t: number): number[] =>
  Array.from({ length: m + 1 }, (_, i) => Math.floor((n * i + t) / m) - Math.floor(t / m));

type Bounds = (from: 0 | 1) => Value;

/** The same with t drawn for each example: n i = q m + r, so that a[i] = q + 1 where r + (t mod m) >= m, else q; all of them exact in f32. */
function fromDrawnOffset(input: Value, n: number, m: number, name: string, scope: Scope): Bounds {
  const drawn = pointwise(call("floor", call("multiply", operand(0), constant(n))), [scope.uniform(name, [1])]);
  const turns = call("floor", call("divide", call("add", operand(0), constant(0.5)), constant(m)));
  const offset = pointwise(call("subtract", operand(0), call("multiply", turns, constant(m))), [drawn]);
  return (from) => {
    const list = (part: (i: number) => number): Value =>
      input.graph.constant({ dtype: "f32", shape: [m], data: Float32Array.from({ length: m }, (_, i) => part(i + from)) });
    const [whole, left] = [list((i) => Math.floor((n * i) / m)), list((i) => (n * i) % m)];
    const more = call("lessEqual", constant(m), call("add", operand(1), operand(2)));
    return pointwise(call("add", operand(0), more), [whole, left, offset]);
  };
}

/** The larger regions are those with the least draws: of m draws the rank of each is counted. */
function inDrawnOrder(input: Value, n: number, m: number, name: string, scope: Scope): Bounds {
  const draws = scope.uniform(name, [m]);
  const square = (part: (i: number, j: number) => boolean): Value =>
    input.graph.constant({
      dtype: "f32",
      shape: [m, m],
      data: Float32Array.from({ length: m * m }, (_, at) => (part(Math.floor(at / m), at % m) ? 1 : 0)),
    });
  const [own, other] = [reshape(draws, [m, 1]), reshape(draws, [1, m])];
  const tie = call("multiply", call("equal", operand(0), operand(1)), operand(2));
  const before = pointwise(call("add", call("less", operand(1), operand(0)), tie), [own, other, square((i, j) => j < i)]);
  const larger = pointwise(call("less", operand(0), constant(n % m)), [sum(before, 2)]);
  return (from) => {
    const counted = sum(
      multiply(
        reshape(larger, [1, m]),
        square((i, j) => j < i + from),
      ),
      2,
    );
    const whole = Float32Array.from({ length: m }, (_, i) => Math.floor(n / m) * (i + from));
    return pointwise(call("add", operand(0), operand(1)), [counted, input.graph.constant({ dtype: "f32", shape: [m], data: whole })]);
  };
}
