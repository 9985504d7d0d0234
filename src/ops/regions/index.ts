import { size } from "../../base/types.ts";
import type { Expression, Extents, NodeValues, Operator, UnequalTools, UnequalValue, Value } from "../contract.ts";
import { operand } from "../contract.ts";
import { apply, choose } from "../expression/build.ts";
import { reshapeRest } from "../move/index.ts";
import { pointwise } from "../pointwise/index.ts";
import {
  inputTypes,
  isBackward,
  parseRegions,
  planRegions,
  printRegions,
  type RegionsOptions,
  type RegionsPlan,
  type RegionsRole,
  regionsTypes,
  sampleRegions,
  tableCells,
  visitsOf,
} from "./plan.ts";
import { referenceRegions } from "./reference.ts";
import { toWhole } from "./whole.ts";

export { type RegionsOptions, type RegionsPlan, type RegionsRole, randomTable, regionsTypes } from "./plan.ts";
export { regionIndices } from "./reference.ts";
export { toWhole, type WholePlan, wholeOperator } from "./whole.ts";

/**
 * Pooling over regions that a table names when it runs: region o of an axis is the cells start[o] <= v < end[o] of the input, one table
 * for all examples or one for each; regions may overlap, leave cells out, or hold none (then Z = 0 and the index is -1).
 * select: Z[o] = largest cell of the region, index[o] = the flat cell, inside the example's own block, that was it.
 * sum: Z[o] = sum of the region's cells.
 * draw: Z[o] = the cell at which the running sum of max(V, 0) passes U[o] times its whole: a draw with probability proportional to max(V, 0).
 * scatter, spread: the gradients of select (and draw) and of sum, as gathers; take: Z[o] = V[index[o]], the gradient of scatter.
 * Source: Goodfellow et al. 2016, section 9.3; draw: Zeiler and Fergus 2013, eq. 3 to 5.
 * Shapes: V [examples, channels, ...input], Z, G, U, index (i32) [examples, channels, ...output],
 * table i32 [examples?, 2 (m1 + m2 + ...)]: starts, then ends, of every axis in turn.
 * Ties go to the first cell in scan order; the first NaN wins over everything. Where no cell is > 0, draw takes the last.
 * Throws: when types do not fit.
 */
export const regionsOperator: Operator<RegionsPlan, RegionsOptions> = {
  name: "regions",
  plan: planRegions,
  inputs: inputTypes,
  outputs: (plan) => {
    const { input, output, index } = regionsTypes(plan);
    if (plan.role === "select" || plan.role === "draw") return [output, index];
    return [isBackward(plan.role) ? input : output];
  },
  line: printRegions,
  parse: parseRegions,
  reference: referenceRegions,
  gradient: gradientRegions,
  unequal: unequalRegions,
  cost: (plan) => {
    const { input, output } = regionsTypes(plan);
    return { multiplyAdds: visitsOf(plan), bytes: 4 * (size(input.shape) + 2 * size(output.shape)), parameters: 0 };
  },
  sample: sampleRegions,
};

const slopes: Readonly<Record<RegionsRole, RegionsRole>> = {
  select: "scatter",
  draw: "scatter",
  take: "scatter",
  scatter: "take",
  sum: "spread",
  spread: "sum",
};

function gradientRegions(
  { role, input, output }: RegionsPlan,
  { inputs, outputs }: NodeValues,
  [gradient]: readonly (Value | undefined)[],
): (Value | undefined)[] {
  if (gradient === undefined) return [];
  const table = inputs[inputs.length - 1];
  const slope = slopes[role];
  const index = role === "select" || role === "draw" ? outputs[1] : inputs[1];
  const given = slope === "scatter" || slope === "take" ? [gradient, index, table] : [gradient, table];
  return [gradient.graph.apply(regionsOperator, { role: slope, input, output }, given)[0]];
}

/** Regions end where their example does; each example has all of them. */
function unequalRegions(
  plan: RegionsPlan,
  inputs: readonly UnequalValue[],
  { apply: run }: UnequalTools,
): readonly UnequalValue[] | string {
  if (isBackward(plan.role) || plan.role === "take") return "Where cells are put back depends on the batch's extents.";
  const [{ value, extents }, ...others] = inputs;
  if (others.some((other) => other.extents !== null)) return "The table and the draws are of one extent for all examples.";
  if (extents?.[0] != null) return "Channels have no extents of their own.";
  const given = others.map((other) => other.value);
  const table = given[given.length - 1];
  if (extents !== null) given[given.length - 1] = endingWithin(plan, table, extents);
  return run([value, ...given]).map((one) => ({ value: one, extents: null }));
}

/** The table with no end beyond the example's own extents. */
function endingWithin(plan: RegionsPlan, table: Value, extents: Extents): Value {
  const operands: Value[] = [table];
  let limited: Expression = operand(0);
  let at = 0;
  plan.output.forEach((regions, axis) => {
    const extent = extents[axis + 1];
    if (extent !== null) {
      const ends = new Float32Array(tableCells(plan)).fill(1, at + regions, at + 2 * regions);
      operands.push(table.graph.constant({ dtype: "f32", shape: [ends.length], data: ends }), reshapeRest(extent.counts, [1]));
      limited = choose(operand(operands.length - 2), apply("min", limited, operand(operands.length - 1)), limited);
    }
    at += 2 * regions;
  });
  return operands.length === 1 ? table : toWhole(pointwise(limited, operands));
}

const optionsFor = (role: RegionsRole, input: Value, output: readonly number[]): RegionsOptions => ({
  role,
  input: input.type.shape.slice(2),
  output,
});

/** Largest cell of every region, and where it was. */
export function maxRegions(input: Value, table: Value, output: readonly number[]): { value: Value; index: Value } {
  const [value, index] = input.graph.apply(regionsOperator, optionsFor("select", input, output), [input, table]);
  return { value, index };
}

/** Sum of every region. */
export const sumRegions = (input: Value, table: Value, output: readonly number[]): Value =>
  input.graph.apply(regionsOperator, optionsFor("sum", input, output), [input, table])[0];

/** A cell of every region, drawn by `draws` in [0, 1) with probability proportional to max(V, 0), and which it was. */
export function drawRegions(input: Value, draws: Value, table: Value, output: readonly number[]): { value: Value; index: Value } {
  const [value, index] = input.graph.apply(regionsOperator, optionsFor("draw", input, output), [input, draws, table]);
  return { value, index };
}
