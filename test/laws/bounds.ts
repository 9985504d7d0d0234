import { size, type TensorType, tensorType } from "../../src/base/types.ts";
import { type Algorithm, type Expression, type Fusion, type Operator, operand, type PoolWindow } from "../../src/ops/contract.ts";
import { compile } from "../../src/ops/expression/evaluate.ts";
import { schedule } from "../../src/ops/expression/schedule.ts";
import type { MovePlan } from "../../src/ops/move/index.ts";
import { type FormulasPlan, operandMap, type PointwisePlan, pointwiseOperator, type TablePlan } from "../../src/ops/pointwise/index.ts";
import { eachFold } from "../../src/ops/reduce/fold.ts";
import { type MomentsPlan, momentsOperator, type SumsPlan } from "../../src/ops/reduce/index.ts";
import type { RegionsPlan } from "../../src/ops/regions/index.ts";
import { type RowsPlan, rowsOperator } from "../../src/ops/rows/index.ts";
import type { WindowPlan } from "../../src/ops/window/index.ts";
import { epsilon, Rounding } from "./rounding.ts";

/** The oracle's results, and how far an f32 result may be from them, cell by cell: nothing is picked by hand. */
export interface Expected {
  readonly values: readonly Float64Array[];
  errors(): readonly Float64Array[];
}

/** Worked out when it is asked for, and then kept. */
export function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
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

/** For every cell of the result, the cell of an operand that a broadcast formula reads beside it. */
function cellsBeside(output: TensorType, type: TensorType): Int32Array {
  const { extents, steps } = operandMap(type, output.shape.length);
  let cells = Int32Array.of(0);
  output.shape.forEach((extent, axis) => {
    const next = new Int32Array(cells.length * extent);
    for (let i = 0; i < cells.length; i++)
      for (let j = 0; j < extent; j++) next[i * extent + j] = cells[i] + (j % extents[axis]) * steps[axis];
    cells = next;
  });
  return cells;
}

/** Calls with every cell of the result and the operands' values there; the list of values is the same one every time. */
function eachCell(
  output: TensorType,
  operands: readonly { readonly type: TensorType; readonly cells: Float64Array }[],
  visit: (cell: number, given: Float64Array) => void,
): void {
  const maps = operands.map(({ type }) => cellsBeside(output, type));
  const given = new Float64Array(operands.length);
  const count = size(output.shape);
  for (let cell = 0; cell < count; cell++) {
    for (let i = 0; i < maps.length; i++) given[i] = operands[i].cells[maps[i][cell]];
    visit(cell, given);
  }
}

const pointwise: Judge = (_operator, plan, inputs) => {
  const { operands, expression, output } = plan as PointwisePlan;
  const rounding = new Rounding(expression);
  const errors = new Float64Array(size(output.shape));
  const none = new Float64Array(operands.length);
  const given = operands.map((type, i) => ({ type, cells: inputs[i] }));
  eachCell(output, given, (cell, values) => {
    errors[cell] = rounding.at(values, none).error;
  });
  return [errors];
};

/** Rounding of the formulas, added up, and of their sum: eps (4 + sqrt n) times the sum of their absolute values. */
const sumsOfFormulas: Judge = (_operator, given, inputs) => {
  const { operands, expressions, input, output } = given as SumsPlan;
  return expressions.map((expression) => {
    const plan: PointwisePlan = { operands, expression, output: input, tile: false };
    const [terms] = pointwiseOperator.reference(plan, inputs);
    const [errors] = pointwise(pointwiseOperator as Operator, plan, inputs);
    const factor = epsilon * (4 + Math.sqrt(size(input.shape) / Math.max(1, size(output.shape))));
    const bounds = new Float64Array(size(output.shape));
    eachFold(input.shape, output, (from, to) => {
      if (Number.isFinite(terms[from])) bounds[to] += errors[from] + factor * Math.abs(terms[from]);
    });
    return bounds;
  });
};

/** Every fold adds the rounding of its formulas and, for a sum, that of a plain sum; later formulas carry it on. */
const rowsOfFormulas: Judge = (_operator, given, inputs) => {
  const plan = given as RowsPlan;
  const { operands, folds, results, cells, axis } = plan;
  const rows: TensorType = { ...cells, shape: cells.shape.with(axis, 1) };
  const known = operands.map((type, i) => ({ type, cells: inputs[i], errors: new Float64Array(inputs[i].length) }));
  const judged = (formula: Expression, output: TensorType): Float64Array => {
    const rounding = new Rounding(formula);
    const maps = known.map(({ type }) => cellsBeside(output, type));
    return Float64Array.from({ length: size(output.shape) }, (_, cell) => {
      const at = (of: "cells" | "errors"): number[] => known.map((own, i) => own[of][maps[i][cell]]);
      return rounding.at(at("cells"), at("errors")).error;
    });
  };
  folds.forEach(({ operation, formula }, i) => {
    const result: RowsPlan = { ...plan, folds: folds.slice(0, i), results: [{ of: "cells", formula }] };
    const [terms] = rowsOperator.reference(result, inputs);
    const [values] = rowsOperator.reference({ ...plan, results: [{ of: "rows", formula: operand(operands.length + i) }] }, inputs);
    const own = judged(formula, cells);
    const errors = new Float64Array(values.length);
    eachFold(cells.shape, rows, (from, to) => {
      if (!Number.isFinite(terms[from])) return;
      if (operation === "max") errors[to] = Math.max(errors[to], own[from]);
      else errors[to] += own[from] + epsilon * (4 + Math.sqrt(cells.shape[axis])) * Math.abs(terms[from]);
    });
    known.push({ type: rows, cells: values, errors });
  });
  return results.map(({ of, formula }) => judged(formula, of === "cells" ? cells : rows));
};

const judges: Readonly<Record<string, Judge>> = {
  "grid-linear": linear,
  matmul: linear,
  reduce: linear,
  move: (operator, plan, inputs) =>
    (["unmap", "scatterAdd"].includes((plan as MovePlan).move.kind) ? linear : exact)(operator, plan, inputs),
  window: (operator, plan, inputs) => ((plan as WindowPlan).role === "scatter" ? linear : exact)(operator, plan, inputs),
  regions: (operator, plan, inputs) =>
    (["sum", "scatter", "spread"].includes((plan as RegionsPlan).role) ? linear : exact)(operator, plan, inputs),
  whole: exact,
  random: exact,
  moments: statistics,
  sums: sumsOfFormulas,
  rows: rowsOfFormulas,
  table: (operator, given, inputs) => {
    const { operands, expressions, rows } = given as TablePlan;
    const types = operator.inputs(given);
    return rows.flatMap((shape, row) => {
      const [from, to] = [row * operands.length, (row + 1) * operands.length];
      const own = { operands: types.slice(from, to), output: tensorType(shape), tile: false };
      return expressions.flatMap((expression) => pointwise(operator, { ...own, expression }, inputs.slice(from, to)));
    });
  },
  formulas: (operator, given, inputs) => {
    const { operands, expressions, output } = given as FormulasPlan;
    return expressions.flatMap((expression) => pointwise(operator, { operands, expression, output, tile: false }, inputs));
  },
  pointwise,
};

export function expect(operator: Operator, plan: unknown, inputs: readonly Float64Array[]): Expected {
  const judge = judges[operator.name];
  if (judge === undefined) throw new Error(`no bound for operator ${operator.name}: add it to test/laws/bounds.ts`);
  return { values: operator.reference(plan, inputs), errors: once(() => judge(operator, plan, inputs)) };
}

/** What an algorithm declares of its sums. */
export type Slack = Pick<Algorithm, "rounding" | "spread">;

/** Errors that the algorithm may make where a plain sum may make these: for each cell the largest one so near, times its rounding. */
export function slacken(errors: Float64Array, { shape, batched }: TensorType, { rounding = 1, spread = 0 }: Slack): Float64Array {
  let wide = errors;
  let inner = 1;
  for (let axis = shape.length - 1; axis > (batched ? 1 : 0) && spread > 0; axis--) {
    const [extent, step, from] = [shape[axis], inner, wide];
    wide = from.map((_, cell) => {
      const at = Math.floor(cell / step) % extent;
      let most = 0;
      for (let near = Math.max(0, at - spread); near <= Math.min(extent - 1, at + spread); near++)
        most = Math.max(most, from[cell + (near - at) * step]);
      return most;
    });
    inner *= extent;
  }
  return rounding === 1 ? wide : wide.map((error) => rounding * error);
}

/** What a fused formula makes of a result: operand 0 carries the result's own error, as large as the oracle's judge says and the algorithm declares. */
export function expectFused(
  bare: Expected,
  output: TensorType,
  fusion: Fusion,
  operands: readonly Float64Array[],
  slack: Slack = {},
): Expected {
  const formula = compile(fusion.epilogue);
  const values = new Float64Array(size(output.shape));
  const given = [{ type: output, cells: bare.values[0] }, ...fusion.operands.map((type, i) => ({ type, cells: operands[i] }))];
  eachCell(output, given, (cell, own) => {
    values[cell] = formula(own);
  });
  const errors = once(() => {
    const formulaErrors = new Rounding(fusion.epilogue);
    const made = new Float64Array(values.length);
    const of = slacken(bare.errors()[0], output, slack);
    const start = new Float64Array(given.length);
    eachCell(output, given, (cell, own) => {
      start[0] = of[cell];
      made[cell] = formulaErrors.at(own, start).error;
    });
    return [made];
  });
  const { pool } = fusion;
  if (pool === undefined) return { values: [values], errors };
  return {
    values: [poolCells(values, output, pool, (best, cell) => (Number.isNaN(best) || cell <= best ? best : cell))],
    // the largest of a window is off by no more than the cell that is off the most; what is off by NaN is NaN, and so is the window
    errors: once(() => errors().map((cells) => poolCells(cells, output, pool, (most, error) => (error > most ? error : most)))),
  };
}

/** Every window's cells taken together, in scan order. */
function poolCells(
  cells: Float64Array,
  { shape }: TensorType,
  { extents }: PoolWindow,
  together: (sum: number, cell: number) => number,
): Float64Array {
  const windows = [1, 1, ...extents];
  return shape.reduceRight(
    ({ list, inner }, extent, axis) => {
      const window = windows[axis];
      const kept = Math.floor(extent / window);
      const made = new Float64Array((list.length / extent) * kept);
      for (let outer = 0; outer * kept * inner < made.length; outer++) {
        for (let i = 0; i < kept * inner; i++) {
          const first = (outer * extent + Math.floor(i / inner) * window) * inner + (i % inner);
          let sum = list[first];
          for (let tap = 1; tap < window; tap++) sum = together(sum, list[first + tap * inner]);
          made[outer * kept * inner + i] = sum;
        }
      }
      return { list: made, inner: inner * kept };
    },
    { list: cells, inner: 1 },
  ).list;
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
  if (operator.name === "formulas" || operator.name === "table") return (plan as FormulasPlan).expressions.every(isIntegral);
  if (operator.name === "sums") return (plan as SumsPlan).expressions.every(isIntegral);
  if (operator.name === "rows") {
    const { folds, results } = plan as RowsPlan;
    return [...folds, ...results].every(({ formula }) => isIntegral(formula));
  }
  return operator.name !== "pointwise" || isIntegral((plan as PointwisePlan).expression);
}

/** Whether the oracle gets through a plan in so many terms. */
export const isSmall = (operator: Operator, plan: unknown, terms: number): boolean =>
  operator.cost(plan).multiplyAdds <= terms &&
  [...operator.inputs(plan), ...operator.outputs(plan)].every(({ shape }) => size(shape) <= terms / 6);
