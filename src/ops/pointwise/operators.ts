import { Problems } from "../../base/errors.ts";
import { printType, type TensorType } from "../../base/types.ts";
import { type Expression, type Operator, operand, type UnequalTools, type UnequalValue, type Value } from "../contract.ts";
import { operandsOf, rebuild, simplify } from "../expression/simplify.ts";
import { zeroAtZero } from "../expression/zero-at-zero.ts";
import {
  costReduce,
  parseReduce,
  planReduce,
  printReduce,
  type ReduceOptions,
  type ReducePlan,
  reduceOptions,
  referenceReduce,
  sampleReduce,
} from "../reduce/fold.ts";
import { commonExtents, endsWith } from "../unequal.ts";
import { gradientPointwise } from "./gradient.ts";
import {
  broadcastType,
  costPointwise,
  type PointwiseOptions,
  type PointwisePlan,
  parsePointwise,
  planPointwise,
  printPointwise,
  referencePointwise,
} from "./plan.ts";
import { samplePointwise } from "./sample.ts";

/**
 * Z[c] = formula of the operands' cells at c mod extent.
 * Source: one row of `expression/table.ts` per function.
 * Shapes: right-aligned; an operand's extent is the result's, 1, or with `tile` any; a batched operand has every axis of the
 * result, the example axis first. An operand that the formula does not read gives its shape only. Operands of i32 and u8 are
 * read as numbers; the result is f32.
 * Throws: when shapes do not fit or the formula is wrong.
 */
export const pointwiseOperator: Operator<PointwisePlan, PointwiseOptions> = {
  name: "pointwise",
  plan: planPointwise,
  inputs: (plan) => plan.operands,
  outputs: (plan) => [plan.output],
  line: printPointwise,
  parse: parsePointwise,
  reference: referencePointwise,
  gradient: (plan, node, gradients) => gradientPointwise(plan, node, gradients, { pointwise, fold }),
  cost: costPointwise,
  unequal: unequalPointwise,
  sample: samplePointwise,
};

/**
 * Z[e] = sum of the cells c with c mod extents = e, summed over the run's examples unless they are kept: the adjoint of broadcasting.
 * Shapes: V [..., m] -> Z [..., e], right-aligned; leading axes beyond Z's are summed whole.
 * Throws: when an extent of the result is larger than the input's.
 */
export const reduceOperator: Operator<ReducePlan, ReduceOptions> = {
  name: "reduce",
  plan: planReduce,
  inputs: (plan) => [plan.input],
  outputs: (plan) => [plan.output],
  line: printReduce,
  parse: parseReduce,
  reference: referenceReduce,
  // pointwise and reduce stand in one file because the gradient of each is made of the other
  gradient: (_, { inputs: [input] }, [gradient]) => [gradient === undefined ? undefined : broadcastLike(gradient, input)],
  cost: costReduce,
  unequal: unequalReduce,
  sample: sampleReduce,
};

/** Cell by cell; what the formula makes of zeros beyond the extents is cleared, unless it is zero. */
function unequalPointwise(plan: PointwisePlan, inputs: readonly UnequalValue[], { apply, masked }: UnequalTools): UnequalValue[] | string {
  if (plan.tile) return "Operands that repeat along an axis do not end where examples end.";
  const extents = commonExtents(
    plan.output.shape.length - 1,
    inputs.map((input) => input.extents),
  );
  if (typeof extents === "string") return extents;
  const [value] = apply(inputs.map((input) => input.value));
  const free = inputs.flatMap((input, index) => (input.value.type.dtype === "f32" && endsWith(input.extents, extents) ? [] : [index]));
  return [{ value: zeroAtZero(plan.expression, free) ? value : masked(value, extents), extents }];
}

/** Sums are right, since cells beyond the extents hold zero. */
function unequalReduce(
  { input, output }: ReducePlan,
  [{ value, extents }]: readonly UnequalValue[],
  { apply }: UnequalTools,
): UnequalValue[] | string {
  const left = leftExtents(input, output, extents);
  return typeof left === "string" ? left : [{ value: apply([value])[0], extents: left }];
}

/** Extents of what is summed to a smaller type: those of the axes that stay; null when the examples are summed too. */
export function leftExtents(input: TensorType, output: TensorType, extents: UnequalValue["extents"]): UnequalValue["extents"] | string {
  if (extents === null) return null;
  const lead = input.shape.length - output.shape.length;
  const left = extents.map((extent, axis) => (output.shape[axis + 1 - lead] === input.shape[axis + 1] ? extent : null));
  const partly = extents.findIndex((extent, axis) => extent !== null && left[axis] === null && (output.shape[axis + 1 - lead] ?? 1) !== 1);
  if (partly >= 0) return `Axis ${partly} is summed to parts that lie beyond some examples' extents.`;
  if (output.batched) return left;
  const kept = left.findIndex((extent) => extent !== null);
  return kept < 0 ? null : `Axis ${kept} has extents of its examples, which are summed.`;
}

/** The value repeated over the shape of another, of which only the type is used. */
export function broadcastLike(value: Value, like: Value): Value {
  const lead = like.type.shape.length - value.type.shape.length;
  const tile = value.type.shape.some((extent, axis) => extent !== 1 && extent !== like.type.shape[lead + axis]);
  return pointwise(operand(1), [like, value], { tile });
}

/** Sums a value to a smaller type: examples when it is not batched, and positions with equal remainder on every axis. */
export function fold(value: Value, output: TensorType): Value {
  if (printType(value.type) === printType(output)) return value;
  return value.graph.apply(reduceOperator, reduceOptions(output), [value])[0];
}

/** Positions of the operands that a formula needs: those it reads, and of the others the fewest that give the result its type. */
export function neededOperands(operands: readonly { readonly type: TensorType; readonly read: boolean }[], tile: boolean): number[] {
  const typeOf = (positions: readonly number[]): string => {
    const types = positions.map((position) => operands[position].type);
    return printType(broadcastType(new Problems("pointwise"), types, tile));
  };
  const all = operands.map((_, position) => position);
  let kept = all;
  for (const position of [...all].reverse()) {
    const fewer = kept.filter((other) => other !== position);
    if (!operands[position].read && fewer.length > 0 && typeOf(fewer) === typeOf(all)) kept = fewer;
  }
  return kept;
}

/**
 * Applies a formula to values. Values that occur twice become one operand; those that neither the formula nor the shape of the
 * result needs are left out; a formula that is just one operand of the result's type is that operand.
 */
export function pointwise(expression: Expression, operands: readonly Value[], options: { readonly tile?: boolean } = {}): Value {
  const tile = options.tile === true;
  const types = operands.map((value) => value.type);
  const { output } = planPointwise({ expression, tile }, types);
  const simple = simplify(expression);
  if (simple.kind === "operand" && printType(types[simple.index]) === printType(output)) return operands[simple.index];
  const first = (index: number): number => operands.findIndex((value) => value.id === operands[index].id);
  const distinct = operands.map((_, index) => index).filter((index) => first(index) === index);
  const read = new Set(operandsOf(simple).map(first));
  const kept = neededOperands(
    distinct.map((index) => ({ type: types[index], read: read.has(index) })),
    tile,
  ).map((position) => distinct[position]);
  const renumbered = rebuild(simple, (part) => (part.kind === "operand" ? operand(kept.indexOf(first(part.index))) : part));
  const inputs = kept.map((index) => operands[index]);
  return inputs[0].graph.apply(pointwiseOperator, tile ? { expression: renumbered, tile } : { expression: renumbered }, inputs)[0];
}
