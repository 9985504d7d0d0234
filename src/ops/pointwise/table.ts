import { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { printType, size, type TensorType, tensorType } from "../../base/types.ts";
import { type Cost, type Expression, type NodeValues, type Operator, operand, type Value } from "../contract.ts";
import { minus, plus, times } from "../expression/build.ts";
import { parseExpression, printExpression } from "../expression/print.ts";
import { parseTypes, printTypes, splitLine } from "../line.ts";
import { gradientPointwise } from "./gradient.ts";
import { fold, pointwise } from "./operators.ts";
import { costPointwise, type PointwisePlan, planPointwise, referencePointwise } from "./plan.ts";

/** What a formula reads: a cell beside each cell of the result, or one number. */
export type TableOperand = "whole" | "f32" | "i32";

export interface TableOptions {
  readonly operands: readonly TableOperand[];
  readonly expressions: readonly Expression[];
  /** Shape of the tensors of each row. */
  readonly rows: readonly (readonly number[])[];
}

export type TablePlan = TableOptions;

const typeOf = (kind: TableOperand, shape: readonly number[]): TensorType =>
  kind === "whole" ? tensorType(shape) : tensorType([], false, kind);

const inputsOf = ({ operands, rows }: TablePlan): TensorType[] => rows.flatMap((shape) => operands.map((kind) => typeOf(kind, shape)));

/**
 * Z_ri[c] = formula_i of the operands of row r at c: the same formulas over the tensors of every row of a table, as an optimiser's over all parameters.
 * Rewrites of a graph make it.
 * Shapes: for each row its operands, of the row's shape or [] -> for each row its results, of the row's shape; nothing is batched.
 * Throws: when types are not those of the rows, or a formula is wrong.
 */
export const tableOperator: Operator<TablePlan, TableOptions> = {
  name: "table",
  plan: planTable,
  inputs: inputsOf,
  outputs: ({ rows, expressions }) => rows.flatMap((shape) => expressions.map(() => tensorType(shape))),
  line: ({ operands, rows, expressions }) =>
    `table ${operands.join(",")} | ${printTypes(rows.map((shape) => tensorType(shape)))} | ${expressions.map(printExpression).join("; ")}`,
  parse: parseTable,
  reference: (plan, inputs) =>
    plan.rows.flatMap((_, row) => formulasOf(plan, row).flatMap((own) => referencePointwise(own, rowOf(plan, row, inputs)))),
  gradient: gradientTable,
  cost: costTable,
  sample: sampleTable,
};

const rowOf = <T>({ operands }: TablePlan, row: number, inputs: readonly T[]): T[] =>
  inputs.slice(row * operands.length, (row + 1) * operands.length);

const formulasOf = ({ operands, expressions, rows }: TablePlan, row: number): PointwisePlan[] =>
  expressions.map((expression) => ({
    operands: operands.map((kind) => typeOf(kind, rows[row])),
    expression,
    output: tensorType(rows[row]),
    tile: false,
  }));

function planTable({ operands, expressions, rows }: TableOptions, inputs: readonly TensorType[]): TablePlan {
  const problems = new Problems("table");
  const plan = { operands, expressions, rows };
  problems.check(operands.includes("whole"), "operands", "at least one of the row's shape", operands.join(",") || "none");
  problems.check(expressions.length > 0, "formulas", ">= 1", expressions.length);
  problems.check(rows.length > 0, "rows", ">= 1", rows.length);
  problems.check(
    rows.every(({ length }) => length > 0),
    "shapes of rows",
    ">= 1 axis, to tell them from numbers",
    "[]",
  );
  problems.throwIfAny();
  const expected = inputsOf(plan).map(printType).join(" ");
  const received = inputs.map(printType).join(" ");
  problems.check(expected === received, "inputs", expected, received);
  for (const expression of expressions) planPointwise({ expression }, rowOf(plan, 0, inputsOf(plan)));
  problems.throwIfAny();
  return plan;
}

function parseTable(line: string): TablePlan {
  const { words, rest } = splitLine(line, "table", 2, "table whole,f32,whole | 3x5,7 | subtract(0,multiply(1,2))");
  const operands = (words[0] ?? "").split(",") as TableOperand[];
  const rows = parseTypes("table", rest[0], 1).map(({ shape }) => shape);
  const plan = { operands, rows, expressions: rest[1].split(";").map((text) => parseExpression(text.trim())) };
  return planTable(plan, inputsOf(plan));
}

function gradientTable(plan: TablePlan, { inputs, outputs }: NodeValues, gradients: readonly (Value | undefined)[]): (Value | undefined)[] {
  const count = plan.expressions.length;
  return plan.rows.flatMap((_, row) => {
    const own = rowOf(plan, row, inputs);
    const found: (Value | undefined)[] = own.map(() => undefined);
    formulasOf(plan, row).forEach((formula, i) => {
      const at = row * count + i;
      const parts = gradientPointwise(formula, { inputs: own, outputs: [outputs[at]] }, [gradients[at]], { pointwise, fold });
      parts.forEach((part, j) => {
        const before = found[j];
        found[j] = part === undefined || before === undefined ? (part ?? before) : pointwise(plus(operand(0), operand(1)), [before, part]);
      });
    });
    return found;
  });
}

function costTable(plan: TablePlan): Cost {
  const costs = plan.rows.flatMap((_, row) => formulasOf(plan, row).map(costPointwise));
  const whole = plan.operands.filter((kind) => kind === "whole").length;
  const cells = plan.rows.reduce((sum, shape) => sum + size(shape), 0);
  return {
    multiplyAdds: costs.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0),
    bytes: 4 * cells * (whole + plan.expressions.length),
    parameters: 0,
  };
}

/** Formulas as optimisers have them. */
function sampleTable(random: Random): TablePlan {
  const [p, g, rate, v] = [0, 1, 2, 3].map((index) => operand(index));
  const velocity = plus(times(0.5, v), g);
  const formulas = [[velocity, minus(p, times(rate, velocity))], [minus(p, times(rate, g))], [times(p, p), plus(g, v), times(rate, v)]];
  const rows = Array.from({ length: random.integer(1, 5) }, () =>
    Array.from({ length: random.integer(1, 3) }, () => random.pick([1, 2, 3, 5, 8, 17])),
  );
  const plan: TablePlan = { operands: ["whole", "whole", random.pick(["f32", "i32"]), "whole"], rows, expressions: random.pick(formulas) };
  return planTable(plan, inputsOf(plan));
}
