import { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { size, type TensorType } from "../../base/types.ts";
import { type Expression, type NodeValues, type Operator, operand, type Value } from "../contract.ts";
import { minus, plus, times } from "../expression/build.ts";
import { parseExpression, printExpression } from "../expression/print.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";
import { gradientPointwise } from "../pointwise/gradient.ts";
import { broadcastLike, fold, pointwise } from "../pointwise/operators.ts";
import { broadcastType, costPointwise, planPointwise, referencePointwise } from "../pointwise/plan.ts";
import { samplePointwise } from "../pointwise/sample.ts";
import { eachFold, foldedType, reduceOptions } from "./fold.ts";

/** As the options of reduce, and a formula over the operands for each sum. */
export interface SumsOptions {
  readonly keep: boolean;
  readonly shape: readonly number[];
  readonly expressions: readonly Expression[];
}

export interface SumsPlan {
  readonly operands: readonly TensorType[];
  readonly expressions: readonly Expression[];
  /** Type that the operands are broadcast to: the cells that are summed. */
  readonly input: TensorType;
  /** Type of each sum. */
  readonly output: TensorType;
}

/**
 * Z_i[e] = sum of formula_i over the cells c with c mod extents = e: several sums of formulas of the same cells in one pass, without
 * the formulas' values in memory. Rewrites of a graph make it of `pointwise` and `reduce`.
 * Shapes: operands as in `pointwise`, right-aligned, extents of the result or 1; results as in `reduce`.
 * Throws: when shapes do not fit or a formula is wrong.
 */
export const sumsOperator: Operator<SumsPlan, SumsOptions> = {
  name: "sums",
  plan: planSums,
  inputs: (plan) => plan.operands,
  outputs: (plan) => plan.expressions.map(() => plan.output),
  line: ({ operands, expressions, output }) =>
    `sums${printExamples(operands)} | ${printTypes(operands)} | ${printTypes([output])} | ${expressions.map(printExpression).join("; ")}`,
  parse: parseSums,
  reference: referenceSums,
  gradient: gradientSums,
  cost: costSums,
  sample: sampleSums,
};

export const sumsOptions = ({ output, expressions }: SumsPlan): SumsOptions => {
  const { keep, shape } = reduceOptions(output);
  return { keep, shape, expressions };
};

function planSums({ keep, shape, expressions }: SumsOptions, operands: readonly TensorType[]): SumsPlan {
  const problems = new Problems("sums");
  problems.check(operands.length > 0, "operands", ">= 1", operands.length);
  problems.check(expressions.length > 0, "formulas", ">= 1", expressions.length);
  problems.throwIfAny();
  for (const expression of expressions) planPointwise({ expression }, operands);
  const input = broadcastType(problems, operands, false);
  const output = foldedType(problems, input, keep, shape);
  problems.throwIfAny();
  return { operands, expressions, input, output };
}

function parseSums(line: string): SumsPlan {
  const { examples, rest } = splitLine(line, "sums", 3, "sums n4 | nx3x5,3x1 | 3x1 | multiply(0,1); 0");
  const [operands, [output]] = rest.slice(0, 2).map((text) => parseTypes("sums", text, examples));
  const expressions = rest[2].split(";").map((text) => parseExpression(text.trim()));
  return planSums({ ...reduceOptions(output), expressions }, operands);
}

function referenceSums({ operands, expressions, input, output }: SumsPlan, cells: readonly Float64Array[]): Float64Array[] {
  return expressions.map((expression) => {
    const [terms] = referencePointwise({ operands, expression, output: input, tile: false }, cells);
    const sums = new Float64Array(size(output.shape));
    eachFold(input.shape, output, (from, to) => {
      sums[to] += terms[from];
    });
    return sums;
  });
}

/** That of each formula at the gradient of its sum, which is the same for all cells that are summed. */
function gradientSums(plan: SumsPlan, { inputs }: NodeValues, gradients: readonly (Value | undefined)[]): (Value | undefined)[] {
  const found: (Value | undefined)[] = plan.operands.map(() => undefined);
  plan.expressions.forEach((expression, index) => {
    const gradient = gradients[index];
    if (gradient === undefined) return;
    const terms = pointwise(expression, inputs);
    const { operands, input } = plan;
    const parts = gradientPointwise(
      { operands, expression, output: input, tile: false },
      { inputs, outputs: [terms] },
      [broadcastLike(gradient, terms)],
      { pointwise, fold },
    );
    parts.forEach((part, i) => {
      const before = found[i];
      found[i] = part === undefined || before === undefined ? (part ?? before) : pointwise(plus(operand(0), operand(1)), [before, part]);
    });
  });
  return found;
}

function costSums({ operands, expressions, input, output }: SumsPlan): { multiplyAdds: number; bytes: number; parameters: number } {
  const formulas = expressions.map((expression) => costPointwise({ operands, expression, output: input, tile: false }).multiplyAdds);
  return {
    multiplyAdds: formulas.reduce((sum, own) => sum + own, expressions.length * size(input.shape)),
    bytes: 4 * operands.reduce((sum, { shape }) => sum + size(shape), expressions.length * size(output.shape)),
    parameters: 0,
  };
}

/** Formulas as gradients have them: products of differences. */
function sampleSums(random: Random): SumsPlan {
  const { operands, output: input } = planPointwise({ expression: operand(0) }, untiled(random));
  const any = (): Expression => operand(random.integer(0, operands.length - 1));
  const formulas = [operand(0), times(any(), any()), times(minus(any(), any()), any()), minus(times(any(), 0.5), any())];
  const expressions = Array.from({ length: random.integer(1, 3) }, () => random.pick(formulas));
  const keep = input.batched && random.uniform() < 0.4;
  const extents = input.batched ? input.shape.slice(1) : input.shape;
  const aligned = keep ? extents : extents.slice(random.uniform() < 0.3 ? random.integer(0, extents.length) : 0);
  return planSums({ keep, shape: aligned.map((extent) => random.pick([1, extent])), expressions }, operands);
}

function untiled(random: Random): readonly TensorType[] {
  for (;;) {
    const { operands, tile } = samplePointwise(random);
    if (!tile) return operands;
  }
}
