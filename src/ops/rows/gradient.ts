import { type Expression, type NodeValues, operand, type Value } from "../contract.ts";
import { plus } from "../expression/build.ts";
import { operandsOf, rebuild } from "../expression/simplify.ts";
import { gradientPointwise } from "../pointwise/gradient.ts";
import { broadcastLike, fold, pointwise } from "../pointwise/operators.ts";
import { maxWindow, windowOperator } from "../window/index.ts";
import { type RowsPlan, rowType } from "./plan.ts";

/** The chain rule through results and folds, from the last to the first, in nodes of the operators that rows are made of. */
export function gradientRows(plan: RowsPlan, { inputs }: NodeValues, gradients: readonly (Value | undefined)[]): (Value | undefined)[] {
  const { operands, folds, results, cells, axis } = plan;
  const rows = rowType(plan);
  const kernel = cells.shape.map((extent, i) => (i === axis ? extent : 1)).slice(cells.batched ? 1 : 0);
  const values: Value[] = [...inputs];
  const terms = folds.map(({ operation, formula }) => {
    const term = pointwise(formula, values);
    const window = operation === "max" ? maxWindow(term, { kernel }) : null;
    values.push(window === null ? fold(term, rows) : window.value);
    return { term, index: window?.index };
  });
  const row = fold(pointwise(operand(0), inputs), rows);
  const found: (Value | undefined)[] = values.map(() => undefined);
  const through = (formula: Expression, read: readonly number[], output: Value, gradient: Value): void => {
    const own = read.map((index) => values[index]);
    const expression = rebuild(formula, (part) => (part.kind === "operand" ? operand(read.indexOf(part.index)) : part));
    const parts = gradientPointwise(
      { operands: own.map(({ type }) => type), expression, output: output.type, tile: false },
      { inputs: own, outputs: [output] },
      [gradient],
      { pointwise, fold },
    );
    parts.forEach((part, i) => {
      const before = found[read[i]];
      found[read[i]] =
        part === undefined || before === undefined ? (part ?? before) : pointwise(plus(operand(0), operand(1)), [before, part]);
    });
  };
  results.forEach(({ of, formula }, i) => {
    const gradient = gradients[i];
    if (gradient === undefined) return;
    const read = operandsOf(formula);
    const beside = of === "cells" ? inputs : [row];
    const shifted = rebuild(formula, (part) => (part.kind === "operand" ? operand(read.indexOf(part.index)) : part));
    through(formula, read, pointwise(shifted, [...read.map((index) => values[index]), ...beside]), gradient);
  });
  for (let i = folds.length - 1; i >= 0; i--) {
    const gradient = found[operands.length + i];
    const { term, index } = terms[i];
    if (gradient === undefined) continue;
    const scatter = {
      role: "scatter",
      kernel,
      input: kernel.map((_, at) => cells.shape[at + cells.shape.length - kernel.length]),
    } as const;
    const ofTerm =
      index === undefined ? broadcastLike(gradient, term) : gradient.graph.apply(windowOperator, scatter, [gradient, index])[0];
    through(folds[i].formula, operandsOf(folds[i].formula), term, ofTerm);
  }
  return found.slice(0, operands.length);
}
