import type { Operator } from "../contract.ts";
import { gradientRows } from "./gradient.ts";
import { costRows, parseRows, planRows, printRows, type RowsOptions, type RowsPlan, rowType, sampleRows } from "./plan.ts";
import { referenceRows } from "./reference.ts";

export { isOfRows, type RowFold, type RowResult, type RowsOptions, type RowsPlan } from "./plan.ts";

/**
 * Rows along one axis, each folded to numbers by sums and maxima of formulas, which later formulas use: softmax, its logarithm, cross-entropy with
 * its gradient, in one pass and without the values in between in memory. Rewrites of a graph make it of `window`, `reduce` and `pointwise`.
 * Shapes: operands as in `pointwise`, right-aligned, extents of the cells or 1; results have all cells, or extent 1 along the axis.
 * Throws: when shapes do not fit, a formula is wrong, or the axis is that of the examples.
 */
export const rowsOperator: Operator<RowsPlan, RowsOptions> = {
  name: "rows",
  plan: planRows,
  inputs: (plan) => plan.operands,
  outputs: (plan) => plan.results.map(({ of }) => (of === "cells" ? plan.cells : rowType(plan))),
  line: printRows,
  parse: parseRows,
  reference: referenceRows,
  gradient: gradientRows,
  cost: costRows,
  sample: sampleRows,
};
