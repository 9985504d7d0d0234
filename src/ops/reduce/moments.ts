import { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { size, type TensorType } from "../../base/types.ts";
import { type NodeValues, type Operator, operand, type UnequalTools, type UnequalValue, type Value } from "../contract.ts";
import { minus, over, plus, times } from "../expression/build.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";
import { fold, leftExtents, pointwise } from "../pointwise/operators.ts";
import { countedCells } from "./count.ts";
import { eachFold, foldedType, reduceOptions, sampleFold } from "./fold.ts";

/** As the options of reduce. */
export interface MomentsOptions {
  readonly keep: boolean;
  readonly shape: readonly number[];
}

export interface MomentsPlan {
  readonly input: TensorType;
  /** Type of the mean and of the variance. */
  readonly output: TensorType;
}

/**
 * Mean and biased variance over the cells that `reduce` sums: mu = sum(V) / n, sum((V - mu)^2) / n, in two passes; n counts the
 * run's examples times the cells of each that are folded into one.
 * Source: Ioffe and Szegedy 2015, algorithm 1.
 * Shapes: V [..., m] -> mean and variance [..., e]; e divides m on every axis.
 * Throws: when an extent of the result does not divide the input's.
 */
export const momentsOperator: Operator<MomentsPlan, MomentsOptions> = {
  name: "moments",
  plan: planMoments,
  inputs: (plan) => [plan.input],
  outputs: (plan) => [plan.output, plan.output],
  line: ({ input, output }) => `moments${printExamples([input])} | ${printTypes([input])} | ${printTypes([output])}`,
  parse: (line) => {
    const { examples, rest } = splitLine(line, "moments", 2, "moments n4 | nx3x5 | 3x1");
    const [[input], [output]] = rest.map((text) => parseTypes("moments", text, examples));
    return planMoments(reduceOptions(output), [input]);
  },
  reference: referenceMoments,
  gradient: gradientMoments,
  cost: ({ input, output }) => ({
    multiplyAdds: 2 * size(input.shape),
    bytes: 4 * (size(input.shape) + 2 * size(output.shape)),
    parameters: 0,
  }),
  unequal: unequalMoments,
  sample: (random: Random) => {
    const { input, keep, shape } = sampleFold(random, true);
    return planMoments({ keep, shape }, [input]);
  },
};

/** Both over the cells within the extents. */
function unequalMoments(
  { input, output }: MomentsPlan,
  [{ value, extents }]: readonly UnequalValue[],
  { masked }: UnequalTools,
): UnequalValue[] | string {
  const left = leftExtents(input, output, extents);
  if (typeof left === "string") return left;
  if (extents === null) return "A mean over examples of unequal extents needs their extents.";
  const count = countedCells(value, extents, output);
  const mean = pointwise(over(operand(0), operand(1)), [fold(value, output), count]);
  const centred = masked(pointwise(minus(operand(0), operand(1)), [value, mean]), extents);
  const variance = pointwise(over(operand(0), operand(1)), [fold(pointwise(times(operand(0), operand(0)), [centred]), output), count]);
  const made = [mean, variance].map((one) => (left === null ? one : masked(one, left)));
  return made.map((one) => ({ value: one, extents: left }));
}

function planMoments({ keep, shape }: MomentsOptions, inputs: readonly TensorType[]): MomentsPlan {
  const problems = new Problems("moments");
  problems.check(inputs.length === 1, "inputs", "1", inputs.length);
  problems.throwIfAny();
  const [input] = inputs;
  const output = foldedType(problems, input, keep, shape);
  problems.throwIfAny();
  const lead = input.shape.length - output.shape.length;
  const uneven = output.shape.findIndex((extent, axis) => input.shape[lead + axis] % extent !== 0);
  problems.check(
    uneven < 0,
    "shape",
    `an extent that divides ${input.shape[lead + uneven]} on axis ${lead + uneven}`,
    output.shape[uneven],
  );
  problems.throwIfAny();
  return { input, output };
}

/** Cells folded into one cell of the result; without the examples where they are folded too, as their number is the run's. */
export function foldedCells({ input, output }: { input: TensorType; output: TensorType }): { cells: number; examples: boolean } {
  const examples = input.batched && !output.batched;
  return { cells: size(input.shape) / size(output.shape) / (examples ? input.shape[0] : 1), examples };
}

function referenceMoments({ input, output }: MomentsPlan, [cells]: readonly Float64Array[]): Float64Array[] {
  const mean = new Float64Array(size(output.shape));
  const variance = new Float64Array(size(output.shape));
  const count = size(input.shape) / size(output.shape);
  eachFold(input.shape, output, (from, to) => {
    mean[to] += cells[from] / count;
  });
  eachFold(input.shape, output, (from, to) => {
    variance[to] += (cells[from] - mean[to]) ** 2 / count;
  });
  return [mean, variance];
}

/** dV = (dmean + 2 (V - mean) dvariance) / n. */
function gradientMoments(
  plan: MomentsPlan,
  { inputs: [input], outputs: [mean] }: NodeValues,
  [meanGradient, varianceGradient]: readonly (Value | undefined)[],
): (Value | undefined)[] {
  const { cells, examples } = foldedCells(plan);
  const [v, m, first, second, count] = [0, 1, 2, 3, 4].map(operand);
  const spread = times(2, times(minus(v, m), second));
  const terms = [...(meanGradient === undefined ? [] : [first]), ...(varianceGradient === undefined ? [] : [spread])];
  if (terms.length === 0) return [undefined];
  const sum = terms.reduce((a, b) => plus(a, b));
  const scaled = examples ? over(sum, times(cells, count)) : times(1 / cells, sum);
  const tile = plan.output.shape.some(
    (extent, axis) => extent !== 1 && extent !== plan.input.shape[plan.input.shape.length - plan.output.shape.length + axis],
  );
  const values = [input, mean, meanGradient ?? mean, varianceGradient ?? mean, examples ? input.graph.examples() : mean];
  return [pointwise(scaled, values, { tile })];
}
