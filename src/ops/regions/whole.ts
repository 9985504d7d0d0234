import { Problems } from "../../base/errors.ts";
import { printType, size, type TensorType } from "../../base/types.ts";
import type { Operator, Value } from "../contract.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";

export interface WholePlan {
  readonly input: TensorType;
}

const planWhole = (_: object, inputs: readonly TensorType[]): WholePlan => {
  const problems = new Problems("whole");
  problems.check(inputs.length === 1 && inputs[0].dtype === "f32", "inputs", "1 of f32", inputs.map(printType).join(" "));
  problems.throwIfAny();
  return { input: inputs[0] };
};

/**
 * Numbers without their fraction, as i32: Z = trunc(V), 0 for NaN, and the nearest i32 beyond its range. No gradient.
 * Shapes: V f32 [...] -> Z i32 [...].
 */
export const wholeOperator: Operator<WholePlan, object> = {
  name: "whole",
  plan: planWhole,
  inputs: ({ input }) => [input],
  outputs: ({ input }) => [{ ...input, dtype: "i32" }],
  line: ({ input }) => `whole${printExamples([input])} | ${printTypes([input])}`,
  parse: (line) => {
    const { examples, rest } = splitLine(line, "whole", 1, "whole n2 | nx8");
    return planWhole({}, parseTypes("whole", rest[0], examples));
  },
  reference: (_, [cells]) => [
    cells.map((cell) => (Number.isNaN(cell) ? 0 : Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, Math.trunc(cell)))) + 0),
  ],
  gradient: () => [],
  cost: ({ input }) => ({ multiplyAdds: 0, bytes: 8 * size(input.shape), parameters: 0 }),
  sample: (random) => {
    const batched = random.uniform() < 0.7;
    return { input: { dtype: "f32", shape: Array.from({ length: random.integer(1, 3) }, () => random.integer(1, 9)), batched } };
  },
};

/** The numbers without their fraction, as i32. */
export const toWhole = (x: Value): Value => x.graph.apply(wholeOperator, {}, [x])[0];
