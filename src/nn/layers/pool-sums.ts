import { fail } from "../../base/errors.ts";
import { tensor } from "../../graph/trace.ts";
import { call, constant, type Expression, operand, type Value } from "../../ops/contract.ts";
import { forward } from "../../ops/grid-linear/index.ts";
import { multiply, pointwise, reshape } from "../../ops.ts";
import type { PoolAxis } from "./pool-axes.ts";

/** Sum of every window of each channel by itself, its taps weighted by the product of their weights along the axes, times `scale`. */
export function windowSums(input: Value, axes: readonly PoolAxis[], taps: readonly (readonly number[])[], scale: number): Value {
  const channels = input.type.shape[1];
  const shape = [channels, 1, ...axes.map((axis) => axis.kernel)];
  const weights = taps.reduce<readonly number[]>((before, own) => before.flatMap((a) => own.map((b) => a * b)), [scale]);
  const kernel = input.graph.constant(
    weights.every((weight) => weight === weights[0])
      ? { shape, fill: weights[0] }
      : tensor(shape, Array.from({ length: channels }, () => weights).flat()),
  );
  const all = (name: "kernel" | "stride" | "dilation"): number[] => axes.map((axis) => axis[name]);
  const padding = axes.map(({ low, high }) => ({ low, high }));
  return forward({ kernel: all("kernel"), stride: all("stride"), dilation: all("dilation"), padding, groups: channels }, kernel, input);
}

export function checkPower(kind: string, p: number): void {
  if (!(p >= 1 && Number.isFinite(p))) fail(kind, "", "p", ">= 1", p, "Use max for the largest.");
}

/** Whether a power is products and a square root. */
const isQuick = (p: number): boolean => Number.isInteger(2 * p) && p <= 8;

/** e^(p log V) of V >= 0, whose slope is that of its result: p Z / V, and 0 where V is smaller than `least`. */
const byLogarithm = (of: Expression, p: number, least: number): Expression =>
  call("exp", call("multiply", constant(p), call("log", call("max", of, constant(least)))));

/** |V|^p */
export function powers(input: Value, p: number): Value {
  const size = call("abs", operand(0));
  if (p === 1) return pointwise(size, [input]);
  return pointwise(isQuick(p) ? call("power", size, constant(p)) : byLogarithm(size, p, smallestNormal), [input]);
}

const smallestNormal = 2 ** -126;

const positive = (formula: Expression, of: Expression): Expression => call("select", call("less", constant(0), of), formula, constant(0));

/** V^(1/p) of sums >= 0; 0 has the slope 0, as no cell under it has one. */
export function rooted(sums: Value, p: number): Value {
  if (p === 1) return sums;
  if (p === 2) return pointwise(positive(call("sqrt", call("max", operand(0), constant(1e-30))), operand(0)), [sums]);
  // a value of its own, so that the slope reads it instead of working it out again
  const root = pointwise(byLogarithm(operand(0), 1 / p, 1e-30), [sums]);
  return pointwise(positive(operand(0), operand(1)), [root, sums]);
}

/** a / b of values >= 0; 0 where b is 0. */
export const share = (a: Value, b: Value): Value =>
  pointwise(positive(call("divide", operand(0), call("max", operand(1), constant(1e-30))), operand(1)), [a, b]);

/** Product of the counts of every window along the axes, [1, ...m]: known, or worked out in a run, [N, m]. */
export function products(input: Value, counted: readonly (readonly number[] | Value)[]): Value {
  const known = counted.flatMap((counts) => (Array.isArray(counts) ? [counts as readonly number[]] : []));
  if (known.length === counted.length) {
    const all = known.reduce<readonly number[]>((before, cells) => before.flatMap((product) => cells.map((count) => product * count)), [1]);
    return input.graph.constant(tensor([1, ...known.map((cells) => cells.length)], all));
  }
  return counted
    .map((counts, axis) => {
      const along = (own: number): number[] => [1, ...counted.map((_, other) => (other === axis ? own : 1))];
      if (!Array.isArray(counts)) return reshape(counts as Value, along((counts as Value).type.shape[1]));
      return input.graph.constant(tensor(along(counts.length), counts as readonly number[]));
    })
    .reduce((a, b) => multiply(a, b));
}

/** A mean: sums over counts, of windows or regions that hold something; 0 for those without. */
export const meanOf = (sums: Value, counts: Value): Value =>
  pointwise(call("divide", operand(0), call("max", operand(1), constant(1e-30))), [sums, counts]);
