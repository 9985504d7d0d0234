import { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { size, type TensorType } from "../../base/types.ts";
import { type Cost, type Expression, operand } from "../contract.ts";
import { apply, choose, minus, over, plus, times } from "../expression/build.ts";
import { parseExpression, printExpression } from "../expression/print.ts";
import { expand, schedule } from "../expression/schedule.ts";
import { operandsOf } from "../expression/simplify.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";
import { broadcastType, planPointwise } from "../pointwise/plan.ts";

/** A number made of all cells of a row. */
export interface RowFold {
  readonly operation: "sum" | "max";
  /** Over the operands, then the folds before it. */
  readonly formula: Expression;
}

/** A result with a cell for each cell, or one for each row. */
export interface RowResult {
  readonly of: "cells" | "rows";
  /** Over the operands, then all folds. */
  readonly formula: Expression;
}

export interface RowsOptions {
  /** The axis that rows lie along, of the cells; never the example axis. */
  readonly axis: number;
  readonly folds: readonly RowFold[];
  readonly results: readonly RowResult[];
}

export interface RowsPlan extends RowsOptions {
  readonly operands: readonly TensorType[];
  /** Type that the operands are broadcast to. */
  readonly cells: TensorType;
}

/** Type of one number for each row. */
export const rowType = ({ cells, axis }: Pick<RowsPlan, "cells" | "axis">): TensorType => ({
  ...cells,
  shape: cells.shape.with(axis, 1),
});

/** Whether an operand has one cell for all cells of a row. */
export function isOfRows(type: TensorType, cells: TensorType, axis: number): boolean {
  return (type.shape[axis - cells.shape.length + type.shape.length] ?? 1) === 1;
}

export function planRows({ axis, folds, results }: RowsOptions, operands: readonly TensorType[]): RowsPlan {
  const problems = new Problems("rows");
  problems.check(operands.length > 0, "operands", ">= 1", operands.length);
  problems.check(results.length > 0, "results", ">= 1", results.length);
  problems.throwIfAny();
  const cells = broadcastType(problems, operands, false);
  const first = cells.batched ? 1 : 0;
  const fits = Number.isInteger(axis) && axis >= first && axis < cells.shape.length;
  problems.check(fits, "axis", `${first} to ${cells.shape.length - 1}`, axis, "Rows lie within an example.");
  problems.throwIfAny();
  const row = rowType({ cells, axis });
  const types = [...operands, ...folds.map(() => row)];
  folds.forEach(({ formula }, index) => {
    planPointwise({ expression: formula }, types.slice(0, operands.length + index));
  });
  for (const { of, formula } of results) {
    planPointwise({ expression: formula }, types);
    const varying = of === "rows" ? operandsOf(formula).filter((index) => !isOfRows(types[index], cells, axis)) : [];
    problems.check(varying.length === 0, "result of rows", "operands with extent 1 along the row, or folds", `operand ${varying[0]}`);
  }
  problems.throwIfAny();
  return { axis, folds, results, operands, cells };
}

export const printRows = ({ operands, axis, folds, results }: RowsPlan): string => {
  const made = folds.map(({ operation, formula }) => `${operation} ${printExpression(formula)}`).join("; ");
  const kept = results.map(({ of, formula }) => `${of} ${printExpression(formula)}`).join("; ");
  return `rows${printExamples(operands)} axis${axis} | ${printTypes(operands)} | ${made === "" ? "-" : made} | ${kept}`;
};

export function parseRows(line: string): RowsPlan {
  const example = "rows n4 axis1 | nx5x3 | max 0; sum exp(subtract(0,1)) | rows log(2)";
  const { words, examples, rest } = splitLine(line, "rows", 3, example);
  const axis = Number(words[0]?.replace("axis", ""));
  const items = (text: string): string[][] =>
    text === "-" ? [] : text.split("; ").map((item) => [item.slice(0, item.indexOf(" ")), item.slice(item.indexOf(" ") + 1)]);
  const folds = items(rest[1]).map(([operation, text]) => ({ operation: operation as "sum", formula: parseExpression(text) }));
  const results = items(rest[2]).map(([of, text]) => ({ of: of as "cells", formula: parseExpression(text) }));
  return planRows({ axis, folds, results }, parseTypes("rows", rest[0], examples));
}

/** A step of a formula in primitives counts as one multiply-add. */
export function costRows({ operands, folds, results, cells, axis }: RowsPlan): Cost {
  const steps = (formula: Expression): number => schedule(expand(formula)).filter(({ kind }) => kind === "call").length;
  const rows = size(rowType({ cells, axis }).shape);
  const outputs = results.reduce((sum, { of }) => sum + (of === "cells" ? size(cells.shape) : rows), 0);
  const made = results.reduce((sum, { of, formula }) => sum + (of === "cells" ? size(cells.shape) : rows) * steps(formula), 0);
  return {
    multiplyAdds: made + folds.reduce((sum, { formula }) => sum + size(cells.shape) * (1 + steps(formula)), 0),
    bytes: 4 * operands.reduce((sum, { shape }) => sum + size(shape), outputs),
    parameters: 0,
  };
}

/** What is made of rows in practice: operand 0 has all cells, operand 1 a number for each row, operand 2 one for each position. */
const samples: readonly Pick<RowsOptions, "folds" | "results">[] = (() => {
  const [x, row, place, a, b] = [0, 1, 2, 3, 4].map(operand);
  const max = { operation: "max", formula: x } as const;
  const total = { operation: "sum", formula: apply("exp", minus(x, a)) } as const;
  const share = over(apply("exp", minus(x, a)), b);
  const hit = apply("equal", row, place);
  const loss = { operation: "sum", formula: choose(hit, minus(apply("log", b), minus(x, a)), 0) } as const;
  const centred = { operation: "sum", formula: times(minus(x, times(0.125, a)), minus(x, times(0.125, a))) } as const;
  return [
    { folds: [max, total], results: [{ of: "cells", formula: share }] },
    { folds: [max, total], results: [{ of: "cells", formula: minus(minus(x, a), apply("log", b)) }] },
    { folds: [max, total], results: [{ of: "rows", formula: plus(apply("log", b), a) }] },
    {
      folds: [max, total, loss],
      results: [
        { of: "rows", formula: operand(5) },
        { of: "cells", formula: minus(share, hit) },
      ],
    },
    {
      folds: [max],
      results: [
        { of: "cells", formula: apply("equal", x, a) },
        { of: "rows", formula: a },
      ],
    },
    { folds: [{ operation: "sum", formula: x }, centred], results: [{ of: "cells", formula: over(minus(x, a), plus(b, 1)) }] },
    { folds: [{ operation: "sum", formula: times(x, place) }], results: [{ of: "rows", formula: times(a, row) }] },
    {
      folds: [],
      results: [
        { of: "cells", formula: plus(x, row) },
        { of: "cells", formula: times(x, place) },
      ],
    },
  ];
})();

export function sampleRows(random: Random): RowsPlan {
  const batched = random.uniform() < 0.8;
  const rest = Array.from({ length: random.integer(1, 3) }, () => random.pick([1, 2, 3, 4, 5, 7, 10, 17]));
  const first = batched ? 1 : 0;
  const shape = batched ? [random.integer(1, 6), ...rest] : rest;
  const axis = first + random.integer(0, rest.length - 1);
  const cells: TensorType = { dtype: "f32", shape, batched };
  const place: TensorType = { dtype: "f32", shape: [shape[axis], ...shape.slice(axis + 1).map(() => 1)], batched: false };
  const label: TensorType = { ...rowType({ cells, axis }), dtype: random.pick(["f32", "i32"]) };
  return planRows({ axis, ...random.pick(samples) }, [cells, label, place]);
}
