import { Problems } from "../../base/errors.ts";
import { keyOf, type Random, unit } from "../../base/random.ts";
import { printType, size, type TensorType } from "../../base/types.ts";
import type { Operator, Value } from "../contract.ts";
import { parseNumbers, printNumbers, splitLine } from "../line.ts";

export interface RandomOptions {
  /** Tells the draws of one place in a net from those of another. */
  readonly salt: number;
  /** Extents after the example axis. */
  readonly shape: readonly number[];
}

export interface RandomPlan extends RandomOptions {
  readonly examples: number;
}

const scalar: TensorType = { dtype: "i32", shape: [], batched: false };
const idsOf = (plan: RandomPlan): TensorType => ({ dtype: "i32", shape: [plan.examples], batched: true });
const outputOf = (plan: RandomPlan): TensorType => ({ dtype: "f32", shape: [plan.examples, ...plan.shape], batched: true });

/**
 * Uniform draws in [0, 1): Z[example, cell] = unit(keyOf(seed, step, salt, id of the example), cell), 24 bits each.
 * A draw depends on these five numbers alone: never on thread, order or place in the batch.
 * Source: counter-based generators, Salmon et al. 2011; the mixing is `base/random.ts`.
 * Shapes: seed, step i32 [], ids i32 [examples] -> Z [examples, ...shape]. No gradient.
 * Throws: when inputs are of other types.
 */
export const randomOperator: Operator<RandomPlan, RandomOptions> = {
  name: "random",
  plan: planRandom,
  inputs: (plan) => [scalar, scalar, idsOf(plan)],
  outputs: (plan) => [outputOf(plan)],
  line: (plan) => `random n${plan.examples} salt${plan.salt} | ${printNumbers(plan.shape)}`,
  parse: (line) => {
    const { words, examples, rest } = splitLine(line, "random", 1, "random n4 salt7 | 3x5");
    const salt = Number(words.find((word) => word.startsWith("salt"))?.slice(4));
    const plan = { salt, shape: parseNumbers("random", rest[0]), examples };
    return planRandom(plan, [scalar, scalar, idsOf(plan)]);
  },
  reference: (plan, [seed, step, ids]) => {
    const cells = size(plan.shape);
    const result = new Float64Array(plan.examples * cells);
    for (let example = 0; example < plan.examples; example++) {
      const key = keyOf(seed[0], step[0], plan.salt, ids[example]);
      for (let cell = 0; cell < cells; cell++) result[example * cells + cell] = unit(key, cell);
    }
    return [result];
  },
  gradient: () => [],
  // a mixing is eleven integer operations
  cost: (plan) => ({
    multiplyAdds: 22 * plan.examples * size(plan.shape),
    bytes: 4 * plan.examples * (1 + size(plan.shape)),
    parameters: 0,
  }),
  sample: (random: Random) => {
    const plan = {
      salt: random.integer(-1000, 1e9),
      shape: Array.from({ length: random.integer(0, 3) }, () => random.integer(1, 9)),
      examples: random.integer(1, 5),
    };
    return planRandom(plan, [scalar, scalar, idsOf(plan)]);
  },
};

function planRandom({ salt, shape }: RandomOptions, inputs: readonly TensorType[]): RandomPlan {
  const problems = new Problems("random");
  const [seed, step, ids] = inputs;
  const fits = inputs.length === 3 && printType(seed) === printType(scalar) && printType(step) === printType(scalar);
  const ok = fits && ids.dtype === "i32" && ids.batched && ids.shape.length === 1;
  problems.check(ok, "inputs", "seed i32[], step i32[], ids i32[n]", inputs.map(printType).join(" "));
  problems.check(Number.isInteger(salt) && Math.abs(salt) < 2 ** 31, "salt", "a whole number below 2^31", salt);
  problems.check(
    shape.every((extent) => Number.isInteger(extent) && extent >= 1),
    "shape",
    "whole numbers >= 1",
    `[${shape.join(",")}]`,
  );
  problems.throwIfAny();
  return { salt, shape, examples: ids.shape[0] };
}

/** Uniform draws in [0, 1) for every cell of every example. */
export function randomUniform(seed: Value, step: Value, ids: Value, options: RandomOptions): Value {
  return ids.graph.apply(randomOperator, { salt: options.salt, shape: options.shape }, [seed, step, ids])[0];
}
