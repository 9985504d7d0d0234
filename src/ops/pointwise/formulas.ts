import { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { TensorType } from "../../base/types.ts";
import type { Cost, Expression, NodeValues, Operator, Value } from "../contract.ts";
import { operand } from "../contract.ts";
import { minus, plus, times } from "../expression/build.ts";
import { parseExpression, printExpression } from "../expression/print.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";
import { gradientPointwise } from "./gradient.ts";
import { fold, pointwise } from "./operators.ts";
import { broadcastType, costPointwise, planPointwise, referencePointwise } from "./plan.ts";
import { samplePointwise } from "./sample.ts";

export interface FormulasOptions {
  readonly expressions: readonly Expression[];
}

export interface FormulasPlan extends FormulasOptions {
  readonly operands: readonly TensorType[];
  /** Type of each result. */
  readonly output: TensorType;
}

/**
 * Z_i[c] = formula_i of the operands' cells at c, as `pointwise`: several results of the same cells in one pass. Rewrites of a graph make it.
 * Shapes: operands right-aligned, extents of the result or 1; every result has the type that the operands are broadcast to.
 * Throws: when shapes do not fit or a formula is wrong.
 */
export const formulasOperator: Operator<FormulasPlan, FormulasOptions> = {
  name: "formulas",
  plan: planFormulas,
  inputs: (plan) => plan.operands,
  outputs: (plan) => plan.expressions.map(() => plan.output),
  line: printFormulas,
  parse: parseFormulas,
  reference: (plan, inputs) => single(plan).flatMap((own) => referencePointwise(own, inputs)),
  gradient: gradientFormulas,
  cost: costFormulas,
  sample: sampleFormulas,
};

const single = ({ operands, expressions, output }: FormulasPlan): Parameters<typeof referencePointwise>[0][] =>
  expressions.map((expression) => ({ operands, expression, output, tile: false }));

function planFormulas({ expressions }: FormulasOptions, operands: readonly TensorType[]): FormulasPlan {
  const problems = new Problems("formulas");
  problems.check(operands.length > 0, "operands", ">= 1", operands.length);
  problems.check(expressions.length > 0, "formulas", ">= 1", expressions.length);
  problems.throwIfAny();
  for (const expression of expressions) planPointwise({ expression }, operands);
  return { operands, expressions, output: broadcastType(problems, operands, false) };
}

export function printFormulas({ operands, expressions }: FormulasPlan): string {
  return `formulas${printExamples(operands)} | ${printTypes(operands)} | ${expressions.map(printExpression).join("; ")}`;
}

function parseFormulas(line: string): FormulasPlan {
  const { examples, rest } = splitLine(line, "formulas", 2, "formulas n4 | nx3x5,3x1 | add(0,1); multiply(0,1)");
  const expressions = rest[1].split(";").map((text) => parseExpression(text.trim()));
  return planFormulas({ expressions }, parseTypes("formulas", rest[0], examples));
}

function gradientFormulas(
  plan: FormulasPlan,
  { inputs, outputs }: NodeValues,
  gradients: readonly (Value | undefined)[],
): (Value | undefined)[] {
  const found: (Value | undefined)[] = plan.operands.map(() => undefined);
  single(plan).forEach((own, index) => {
    const parts = gradientPointwise(own, { inputs, outputs: [outputs[index]] }, [gradients[index]], { pointwise, fold });
    parts.forEach((part, i) => {
      const before = found[i];
      found[i] = part === undefined || before === undefined ? (part ?? before) : pointwise(plus(operand(0), operand(1)), [before, part]);
    });
  });
  return found;
}

function costFormulas(plan: FormulasPlan): Cost {
  const costs = single(plan).map(costPointwise);
  const written = costs.length > 1 ? (costs.length - 1) * 4 * plan.output.shape.reduce((product, extent) => product * extent, 1) : 0;
  return { multiplyAdds: costs.reduce((sum, { multiplyAdds }) => sum + multiplyAdds, 0), bytes: costs[0].bytes + written, parameters: 0 };
}

/** As updates and gradients have them: a later formula has an earlier one in it. */
function sampleFormulas(random: Random): FormulasPlan {
  for (;;) {
    const { operands, tile, expression } = samplePointwise(random);
    if (tile) continue;
    const any = (): Expression => operand(random.integer(0, operands.length - 1));
    const first = random.uniform() < 0.5 ? expression : plus(times(0.5, any()), any());
    return planFormulas(
      { expressions: [first, minus(any(), times(any(), first)), times(any(), any())].slice(0, random.integer(1, 3)) },
      operands,
    );
  }
}
