import { size, type TensorType } from "../../src/base/types.ts";
import type { Expression, Fusion, Operator } from "../../src/ops/contract.ts";
import { compile } from "../../src/ops/expression/evaluate.ts";
import { schedule } from "../../src/ops/expression/schedule.ts";
import type { MovePlan } from "../../src/ops/move/index.ts";
import { operandMap, type PointwisePlan } from "../../src/ops/pointwise/index.ts";
import { eachFold } from "../../src/ops/reduce/fold.ts";
import { type MomentsPlan, momentsOperator } from "../../src/ops/reduce/index.ts";
import type { WindowPlan } from "../../src/ops/window/index.ts";
import { type Estimate, epsilon, Rounding } from "./rounding.ts";

/** The oracle's results, and how far an f32 result may be from them, cell by cell: nothing is picked by hand. */
export interface Expected {
  readonly values: readonly Float64Array[];
  readonly errors: readonly Float64Array[];
}

type Judge = (operator: Operator, plan: unknown, inputs: readonly Float64Array[]) => Float64Array[];

const zeros = (operator: Operator, plan: unknown): Float64Array[] =>
  operator.outputs(plan).map(({ shape }) => new Float64Array(size(shape)));

const absolute = (cells: Float64Array): Float64Array => cells.map(Math.abs);

/**
 * eps (4 + sqrt n) M for sums of products: M is the oracle on absolute values, n, the terms of a cell, the oracle on ones.
 * NaN and infinity are left out of M: cells that they reach are NaN and infinite in both.
 */
const linear: Judge = (operator, plan, inputs) => {
  const types = operator.inputs(plan);
  const given = (change: (cell: number) => number): Float64Array[] =>
    inputs.map((cells, i) => (types[i].dtype === "f32" ? cells.map(change) : cells));
  const magnitude = operator.reference(
    plan,
    given((cell) => (Number.isFinite(cell) ? Math.abs(cell) : 0)),
  );
  const terms = operator.reference(
    plan,
    given(() => 1),
  );
  return magnitude.map((cells, i) => cells.map((cell, at) => epsilon * (4 + Math.sqrt(Math.max(0, terms[i][at]))) * cell));
};

/** Cells of so many terms that are put elsewhere, unrounded. */
const exact: Judge = (operator, plan) => zeros(operator, plan);

/**
 * Two passes: the mean is a sum; the variance is a sum of squares of exact differences to a mean that is off by e, which adds
 * e^2 and no more, since the differences to the true mean sum to 0.
 */
const statistics: Judge = (_operator, given, inputs) => {
  const plan = given as MomentsPlan;
  const n = size(plan.input.shape) / Math.max(1, size(plan.output.shape));
  const factor = epsilon * (4 + Math.sqrt(n));
  const [, variance] = momentsOperator.reference(plan, inputs);
  const [magnitude] = momentsOperator.reference(plan, inputs.map(absolute));
  const mean = magnitude.map((cell) => factor * cell);
  const rounded = new Float64Array(variance.length);
  eachFold(plan.input.shape, plan.output, (_from, to) => {
    rounded[to] = factor * variance[to] + mean[to] ** 2;
  });
  return [mean, rounded];
};

/** Cells of the operands of a broadcast formula, one result cell after another. */
function eachCell(output: TensorType, types: readonly TensorType[], visit: (cell: number, from: readonly number[]) => void): void {
  const rank = output.shape.length;
  const maps = types.map((type) => operandMap(type, rank));
  const position = new Array<number>(rank).fill(0);
  const count = size(output.shape);
  for (let cell = 0; cell < count; cell++) {
    const from = maps.map(({ extents, steps }) => position.reduce((sum, at, axis) => sum + (at % extents[axis]) * steps[axis], 0));
    visit(cell, from);
    for (let axis = rank - 1; axis >= 0 && ++position[axis] === output.shape[axis]; axis--) position[axis] = 0;
  }
}

const pointwise: Judge = (_operator, given, inputs) => {
  const { operands, expression, output } = given as PointwisePlan;
  const rounding = new Rounding(expression);
  const errors = new Float64Array(size(output.shape));
  const none = new Float64Array(operands.length);
  eachCell(output, operands, (cell, from) => {
    errors[cell] = rounding.at(
      from.map((at, i) => inputs[i][at]),
      none,
    ).error;
  });
  return [errors];
};

const judges: Readonly<Record<string, Judge>> = {
  "grid-linear": linear,
  matmul: linear,
  reduce: linear,
  move: (operator, plan, inputs) =>
    (["unmap", "scatterAdd"].includes((plan as MovePlan).move.kind) ? linear : exact)(operator, plan, inputs),
  window: (operator, plan, inputs) => ((plan as WindowPlan).role === "scatter" ? linear : exact)(operator, plan, inputs),
  random: exact,
  moments: statistics,
  pointwise,
};

export function expect(operator: Operator, plan: unknown, inputs: readonly Float64Array[]): Expected {
  const judge = judges[operator.name];
  if (judge === undefined) throw new Error(`no bound for operator ${operator.name}: add it to test/laws/bounds.ts`);
  return { values: operator.reference(plan, inputs), errors: judge(operator, plan, inputs) };
}

/** What a fused formula makes of a result: operand 0 carries the result's own error. */
export function expectFused(
  bare: Expected,
  output: TensorType,
  fusion: Fusion,
  operands: readonly Float64Array[],
  bounded: boolean,
): Expected {
  if (!bounded) {
    const formula = compile(fusion.epilogue);
    const cells = new Float64Array(size(output.shape));
    eachCell(output, fusion.operands, (cell, from) => {
      cells[cell] = formula([bare.values[0][cell], ...from.map((at, i) => operands[i][at])]);
    });
    return { values: [cells], errors: [] };
  }
  const rounding = new Rounding(fusion.epilogue);
  const made: Estimate[] = [];
  eachCell(output, fusion.operands, (cell, from) => {
    const values = [bare.values[0][cell], ...from.map((at, i) => operands[i][at])];
    made.push(rounding.at(values, [bare.errors[0][cell], ...operands.map(() => 0)]));
  });
  return { values: [Float64Array.from(made, ({ value }) => value)], errors: [Float64Array.from(made, ({ error }) => error)] };
}

/** Functions that give integers for integers, without rounding. */
const integral = new Set([
  ...["add", "subtract", "multiply", "negate", "abs", "min", "max", "floor", "less", "lessEqual", "equal", "select"],
  ...["notEqual", "sign", "square", "clip", "relu", "relu6", "hardTanh", "stopGradient"],
]);

export const isIntegral = (expression: Expression): boolean =>
  schedule(expression).every((step) =>
    step.kind === "call" ? integral.has(step.name) : step.kind === "operand" || Number.isInteger(step.value),
  );

/** Whether small integers give exactly the oracle's result. */
export function isExactOnIntegers(operator: Operator, plan: unknown): boolean {
  if (operator.name === "moments") return false;
  return operator.name !== "pointwise" || isIntegral((plan as PointwisePlan).expression);
}

/** Whether the oracle gets through a plan in so many terms. */
export const isSmall = (operator: Operator, plan: unknown, terms: number): boolean =>
  operator.cost(plan).multiplyAdds <= terms &&
  [...operator.inputs(plan), ...operator.outputs(plan)].every(({ shape }) => size(shape) <= terms / 6);
