import type { Random } from "../../base/random.ts";
import type { TensorType } from "../../base/types.ts";
import { type Expression, operand } from "../contract.ts";
import { apply, plus } from "../expression/build.ts";
import { table } from "../expression/table.ts";
import { type PointwisePlan, planPointwise } from "./plan.ts";

/** Functions that are only defined, or only tame, on part of the line. */
const positive = new Set(["sqrt", "log", "rsqrt", "reciprocal", "log1p"]);
const tame = new Set(["exp", "expm1", "power", "square", "sin", "cos"]);

/** All but the function whose slope is not its slope. */
const rows = [...table.values()].filter(({ name }) => name !== "stopGradient");

/** A random formula over operands whose values are of the order of 1. */
function sampleExpression(random: Random, operands: number, depth: number): Expression {
  if (depth === 0)
    return random.uniform() < 0.8 ? operand(random.integer(0, operands - 1)) : { kind: "constant", value: random.integer(-4, 4) / 2 };
  const row = random.pick(rows);
  const part = (): Expression => sampleExpression(random, operands, depth - random.integer(1, depth));
  const away = (): Expression => plus(apply("abs", part()), 0.5);
  switch (row.name) {
    case "divide":
      return apply("divide", part(), away());
    case "power":
      return apply("power", apply("clip", away(), 0.5, 4), random.pick([-2, -1.5, -0.5, 0, 0.5, 1, 2, 3]));
    case "clip":
      return apply("clip", part(), -1, 2);
    case "leakyRelu":
    case "elu":
    case "celu":
      return apply(row.name, part(), random.pick([0.01, 0.25, 1]));
    default: {
      const inputs = Array.from({ length: row.arity }, () =>
        positive.has(row.name) ? away() : tame.has(row.name) ? apply("clip", part(), -4, 4) : part(),
      );
      return apply(row.name, ...inputs);
    }
  }
}

/** A random plan: broadcast, tiled and missing axes, batched or not. */
export function samplePointwise(random: Random): PointwisePlan {
  const batched = random.uniform() < 0.75;
  const tile = random.uniform() < 0.2;
  const rest = Array.from({ length: random.integer(0, 4) }, () => random.pick([1, 2, 3, 4, 5, 7, 8, 17]));
  const examples = random.integer(1, 4);
  const full: TensorType = { dtype: "f32", shape: batched ? [examples, ...rest] : rest, batched };
  const others = Array.from({ length: random.integer(0, 3) }, (): TensorType => {
    const ownBatch = batched && random.uniform() < 0.4;
    const extents = rest.map((extent) =>
      random.uniform() < 0.4 ? 1 : tile && random.uniform() < 0.5 ? random.integer(1, extent) : extent,
    );
    const shape = ownBatch ? [examples, ...extents] : extents.slice(random.uniform() < 0.3 ? random.integer(0, rest.length) : 0);
    return { dtype: "f32", shape, batched: ownBatch };
  });
  const operands = [full, ...others];
  return planPointwise({ expression: sampleExpression(random, operands.length, random.integer(1, 3)), tile }, operands);
}
