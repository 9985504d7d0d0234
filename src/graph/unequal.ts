import { invariant } from "../base/errors.ts";
import { type AxisExtent, call, constant, type Expression, type Extents, operand, type Value } from "../ops/contract.ts";
import { compile } from "../ops/expression/evaluate.ts";
import { reshapeRest } from "../ops/move/index.ts";
import { pointwise } from "../ops/pointwise/index.ts";

/**
 * One batch holds examples of unequal extents: each lies at the low end of every axis of the batch's cells, and holds zero beyond its own.
 * An operator that could see or make something else there has a rule (`Operator.unequal`), so that every example gives what it gives alone.
 * Source: Goodfellow et al. 2016, section 9.7.
 */

/** Extents worked out of others by a formula of operand 0. */
export function extentOf(from: AxisExtent, formula: Expression): AxisExtent {
  const evaluate = compile(formula);
  return { ...from, counts: pointwise(formula, [from.counts]), of: (fed) => evaluate([from.of(fed)]) };
}

/** 1 in the cells of an example, 0 beyond: [examples, 1 or extent, ...], of extent 1 where the whole axis is valid; null where all is. */
export function validCells(value: Value, extents: Extents): Value | null {
  const { shape } = value.type;
  const rank = shape.length - 1;
  invariant(value.type.batched && extents.length === rank, () => "extents of a value without examples");
  const inside = extents.flatMap((extent, axis) => {
    if (extent === null) return [];
    const along = Array.from({ length: rank }, (_, other) => (other === axis ? shape[axis + 1] : 1));
    const cells = Float32Array.from({ length: shape[axis + 1] }, (_, cell) => cell);
    const counts = reshapeRest(
      extent.counts,
      Array.from({ length: rank }, () => 1),
    );
    return [pointwise(call("less", operand(0), operand(1)), [value.graph.constant({ dtype: "f32", shape: along, data: cells }), counts])];
  });
  return inside.length === 0 ? null : inside.reduce((a, b) => pointwise(call("multiply", operand(0), operand(1)), [a, b]));
}

/** The value with `fill` beyond the extents. */
export function maskedBeyond(value: Value, extents: Extents, fill = 0): Value {
  const valid = validCells(value, extents);
  return valid === null ? value : pointwise(call("select", operand(0), operand(1), constant(fill)), [valid, value]);
}
