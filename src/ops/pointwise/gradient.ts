import { printType, type TensorType } from "../../base/types.ts";
import { constant, type Expression, type NodeValues, operand, type Value } from "../contract.ts";
import { apply, times } from "../expression/build.ts";
import { differentiateExpression } from "../expression/differentiate.ts";
import { printExpression } from "../expression/print.ts";
import { operandsOf, rebuild, simplify } from "../expression/simplify.ts";
import type { PointwisePlan } from "./plan.ts";

/** What the gradient is made of, given from outside because `reduce` needs `pointwise` in turn. */
export interface Makers {
  pointwise(expression: Expression, operands: readonly Value[], options: { readonly tile: boolean }): Value;
  fold(value: Value, output: TensorType): Value;
}

/**
 * dJ/d(operand) = sum over the result cells that read an operand cell of (partial derivative) G.
 * What does not vary over the cells that are summed comes out of the sum, so that gradients of one expression with respect to
 * several broadcast operands share their sums: of y = (x - m) r c + b they are sum(G) and sum(G (x - m)), times factors.
 */
export function gradientPointwise(
  plan: PointwisePlan,
  { inputs, outputs }: NodeValues,
  [gradient]: readonly (Value | undefined)[],
  makers: Makers,
): (Value | undefined)[] {
  if (gradient === undefined) return [];
  const values = [...inputs, ...outputs, gradient];
  const options = { tile: plan.tile };
  const last = operand(values.length - 1);
  return plan.operands.map((type, index) => {
    if (type.dtype !== "f32") return undefined;
    const partial = differentiateExpression(plan.expression, index, inputs.length);
    if (partial.kind === "constant" && partial.value === 0) return undefined;
    if (printType(type) === printType(plan.output)) return makers.pointwise(times(partial, last), values, options);
    const { outside, inside } = separate(partial, (part) =>
      operandsOf(part).every((read) => isConstantOver(values[read].type, type, plan.output)),
    );
    const sum = makers.fold(makers.pointwise(product([...inside, last]), values, options), type);
    const factor = product(outside);
    // only what the factor reads: any other value would lend its larger shape
    const read = operandsOf(factor);
    const scaled = times(
      rebuild(factor, (part) => (part.kind === "operand" ? operand(read.indexOf(part.index)) : part)),
      operand(read.length),
    );
    return makers.pointwise(scaled, [...read.map((position) => values[position]), sum], options);
  });
}

/** True when cells of the result that are folded into one cell of `target` all read the same cell of `read`. */
function isConstantOver(read: TensorType, target: TensorType, result: TensorType): boolean {
  const rank = result.shape.length;
  if (read.batched && !target.batched) return false;
  return result.shape.every((extent, axis) => {
    if (axis === 0 && result.batched) return true;
    const folded = target.shape[axis - rank + target.shape.length] ?? 1;
    const own = read.shape[axis - rank + read.shape.length] ?? 1;
    return folded === extent || folded % own === 0;
  });
}

/** The factors of a product, apart: those that `isConstant` and the others, each in an order that depends on their text alone. */
function separate(product: Expression, isConstant: (part: Expression) => boolean): { outside: Expression[]; inside: Expression[] } {
  const outside: Expression[] = [];
  const inside: Expression[] = [];
  let scale = 1;
  const visit = (part: Expression, upper: boolean): void => {
    if (part.kind === "constant") scale = upper ? scale * part.value : scale / part.value;
    else if (part.kind === "call" && part.name === "multiply") for (const input of part.inputs) visit(input, upper);
    else if (part.kind === "call" && part.name === "negate") {
      scale = -scale;
      visit(part.inputs[0], upper);
    } else if (part.kind === "call" && part.name === "divide") {
      visit(part.inputs[0], upper);
      visit(part.inputs[1], !upper);
    } else if (part.kind === "call" && part.name === "reciprocal") visit(part.inputs[0], !upper);
    else (isConstant(part) ? outside : inside).push(upper ? part : apply("reciprocal", part));
  };
  visit(product, true);
  const byText = (a: Expression, b: Expression): number => (printExpression(a) < printExpression(b) ? -1 : 1);
  return { outside: [constant(scale), ...outside.sort(byText)], inside: inside.sort(byText) };
}

const product = (factors: readonly Expression[]): Expression => simplify(factors.reduce((a, b) => times(a, b)));
