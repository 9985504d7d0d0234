import type { Random } from "../../src/base/random.ts";
import { size, type TensorType } from "../../src/base/types.ts";
import type { Expression, Operator } from "../../src/ops/contract.ts";
import { rowOf } from "../../src/ops/expression/simplify.ts";
import type { MovePlan } from "../../src/ops/move/index.ts";
import { rest } from "../../src/ops/move/kind.ts";
import type { PointwisePlan } from "../../src/ops/pointwise/index.ts";
import { type RegionsPlan, randomTable, regionIndices } from "../../src/ops/regions/index.ts";
import { type WindowPlan, windowIndices } from "../../src/ops/window/index.ts";

/**
 * Small whole numbers with many ties, real numbers with a sign, the same with negative ones cut to 0 in every input but the first (what
 * a net has behind its activations), or real numbers with NaN among them.
 */
export type Kind = "integers" | "reals" | "rectified" | "nans";

type Range = readonly [number, number];

/** Where each operand of a formula may be drawn from: what the rows that read it take. */
function domains({ expression, operands }: PointwisePlan): Range[] {
  const ranges: Range[] = operands.map(() => [-4, 4]);
  const narrow = (index: number, [low, high]: Range): void => {
    const [from, to] = [Math.max(ranges[index][0], low), Math.min(ranges[index][1], high)];
    if (from < to) ranges[index] = [from, to];
  };
  const visit = (part: Expression): void => {
    if (part.kind !== "call") return;
    part.inputs.forEach((input, i) => {
      if (input.kind === "operand") narrow(input.index, rowOf(part.name).domain[i]);
      visit(input);
    });
  };
  visit(expression);
  return ranges;
}

/** Draws of one f32 input. */
function drawing(operator: Operator, plan: unknown, input: number, kind: Kind, draw: Random): () => number {
  if (kind === "integers") return () => draw.integer(-4, 4);
  // a deviation much smaller than the mean shows sums of squares that cancel
  if (operator.name === "moments") return () => 1000 + draw.normal();
  if (operator.name === "regions" && input === 1) return () => draw.uniform();
  const [low, high] = operator.name === "pointwise" ? domains(plan as PointwisePlan)[input] : [-2, 2];
  if (kind === "rectified" && input > 0) return () => Math.max(0, low + (high - low) * draw.uniform());
  const zero = low <= 0 && high >= 0;
  return () => (zero && draw.uniform() < 0.02 ? 0 : low + (high - low) * draw.uniform());
}

/** Indices of a gather, some of them none of the cells. */
function indices(plan: MovePlan, type: TensorType, draw: Random): Float64Array {
  const { move, inputs, output } = plan;
  const axis = move.kind === "gather" || move.kind === "scatterAdd" ? move.axis : 0;
  const cells = rest(move.kind === "scatterAdd" ? output : inputs[0])[axis];
  return Float64Array.from({ length: size(type.shape) }, () =>
    draw.uniform() < 0.05 ? draw.pick([-1, cells]) : draw.integer(0, cells - 1),
  );
}

function integersFor(operator: Operator, plan: unknown, input: number, type: TensorType, draw: Random): Float64Array {
  if (operator.name === "move" && input === 1) return indices(plan as MovePlan, type, draw);
  if (operator.name === "window") return windowIndices(plan as WindowPlan, (count) => draw.integer(0, count - 1));
  const [low, high] = operator.name === "random" ? [-(2 ** 31), 2 ** 31 - 1] : type.dtype === "u8" ? [0, 255] : [-3, 9];
  return Float64Array.from({ length: size(type.shape) }, () => draw.integer(low, high));
}

/** A table, one region in some of them without cells, and an index that belongs to it. */
function setRegions(plan: RegionsPlan, inputs: Float64Array[], draw: Random): void {
  const table = randomTable(plan, (least, most) => draw.integer(least, most));
  if (draw.uniform() < 0.3) table[draw.integer(0, table.length - 1)] = draw.pick([-1, 99]);
  inputs[inputs.length - 1] = table;
  if (plan.role === "scatter" || plan.role === "take") inputs[1] = regionIndices(plan, table, (count) => draw.integer(0, count - 1));
}

/** Puts NaN into a few cells. */
function spoil(cells: Float64Array, draw: Random): void {
  for (let i = draw.integer(1, 3); i > 0; i--) cells[draw.integer(0, cells.length - 1)] = Number.NaN;
}

/** Cells of every input of a plan, rounded to what a buffer holds. */
export function cellsFor(operator: Operator, plan: unknown, draw: Random, kind: Kind): Float64Array[] {
  const inputs = operator.inputs(plan).map((type, input) => {
    if (type.dtype !== "f32") return integersFor(operator, plan, input, type, draw);
    const next = drawing(operator, plan, input, kind, draw);
    return Float64Array.from({ length: size(type.shape) }, () => Math.fround(next()));
  });
  if (operator.name === "regions") setRegions(plan as RegionsPlan, inputs, draw);
  const floats = inputs.filter((_, input) => operator.inputs(plan)[input].dtype === "f32");
  if (kind === "nans" && floats.length > 0) spoil(draw.pick(floats), draw);
  return inputs;
}

/** Cells of fused operands. */
export const operandCells = (types: readonly TensorType[], draw: Random, kind: Kind): Float64Array[] =>
  types.map(({ shape }) =>
    Float64Array.from({ length: size(shape) }, () => (kind === "integers" ? draw.integer(-4, 4) : Math.fround(4 * draw.uniform() - 2))),
  );
