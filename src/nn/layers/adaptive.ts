import { fail } from "../../base/errors.ts";
import { call, constant, type Expression, operand, type Value } from "../../ops/contract.ts";
import { concat, flatten, pointwise, reshape } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { layer, partsOf, perAxis } from "./layer.ts";
import { type AxisRegions, checkKind, type PoolKind, poolRegions, regionsOf } from "./pool-regions.ts";

/** Largest product of cells and regions on an axis for which quotients of f32 come out on the right side of whole numbers. */
const mostProduct = 2 ** 22;

/** floor((a n + b) / m) of the n cells of each example, for whole a n + b; the half keeps quotients away from whole numbers. */
function quotients(counts: Value, regions: readonly number[], add: number, m: number): Value {
  const factors = counts.graph.constant({ dtype: "f32", shape: [regions.length], data: Float32Array.from(regions) });
  const sum: Expression = call("add", call("multiply", operand(0), operand(1)), constant(add + 0.5));
  return pointwise(call("floor", call("divide", sum, constant(m))), [reshape(counts, [1]), factors]);
}

/** Region i of m on an axis of n cells is floor(i n / m) to ceil((i + 1) n / m); where examples differ, n is each example's own. */
function evenRegions(room: string, input: Value, m: number, axis: number): AxisRegions {
  const n = input.type.shape[2 + axis];
  const regions = Array.from({ length: m }, (_, i) => i);
  const extent = input.graph.extents(input)?.[1 + axis] ?? null;
  if (extent === null)
    return { starts: regions.map((i) => Math.floor((i * n) / m)), ends: regions.map((i) => Math.ceil(((i + 1) * n) / m)) };
  if (n * m > mostProduct) fail(room, "", `cells times regions on axis ${axis}`, `<= ${mostProduct} for unequal extents`, `${n} x ${m}`);
  const next = regions.map((i) => i + 1);
  return { starts: quotients(extent.counts, regions, 0, m), ends: quotients(extent.counts, next, m - 1, m) };
}

function adaptive(room: string, input: Value, extents: number | readonly number[], kind: PoolKind): Value {
  const axes = partsOf(input, room).extents.length;
  const to = perAxis(extents, axes, room, "extents");
  const whole = to.every((extent) => Number.isInteger(extent) && extent >= 1);
  if (!whole) fail(room, "", "extents", "whole numbers >= 1", `[${to.join(", ")}]`);
  const regions = to.map((extent, axis) => evenRegions(room, input, extent, axis));
  return poolRegions(input, regionsOf(input, regions), kind);
}

/**
 * As many regions as asked for, which cover the grid: region i of m on an axis of n cells is floor(i n / m) to ceil((i + 1) n / m). Examples
 * of unequal extents have each their own n.
 * Source: He et al. 2015 (spatial pyramid pooling), section 2.2; Goodfellow et al. 2016, section 9.3 (inputs of varying size).
 * Shapes: [N, C, ...n] -> [N, C, ...m]; one number stands for all axes.
 * Throws: when an extent is no whole number >= 1, or p < 1.
 * Example: `adaptivePool([6, 6], "max")`
 */
export function adaptivePool(extents: number | readonly number[], kind: PoolKind = "average"): Layer {
  checkKind("adaptivePool", kind);
  return layer("adaptivePool", { extents, kind }, (input) => adaptive("adaptivePool", input, extents, kind));
}

/**
 * The statistics of each half of every axis: four quadrants of an image.
 * Source: Goodfellow et al. 2016, section 9.3.
 * Shapes: [N, C, ...n] -> [N, C, 2, ...].
 * Throws: when p < 1.
 */
export function quadrantPool(kind: PoolKind = "max"): Layer {
  checkKind("quadrantPool", kind);
  return layer("quadrantPool", { kind }, (input) => adaptive("quadrantPool", input, 2, kind));
}

/**
 * Spatial pyramid: adaptive pooling to each level's extents, one list of all of them, so that a classifier of fixed size takes any input.
 * Source: He et al. 2015, section 2.2.
 * Shapes: [N, C, ...n] -> [N, C (l1^d + l2^d + ...)] for d axes; level by level, in each the channels one after another.
 * Throws: when there is no level, or one is no whole number >= 1.
 * Example: `pyramidPool([1, 2, 4])`
 */
export function pyramidPool(levels: readonly number[] = [1, 2, 4], kind: PoolKind = "max"): Layer {
  checkKind("pyramidPool", kind);
  if (levels.length === 0) fail("pyramidPool", "", "levels", ">= 1", 0);
  return layer("pyramidPool", { levels, kind }, (input) => {
    const pooled = levels.map((level) => flatten(adaptive("pyramidPool", input, level, kind)));
    return pooled.length === 1 ? pooled[0] : concat(pooled);
  });
}
