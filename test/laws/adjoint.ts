import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { gradients } from "../../src/graph/differentiate.ts";
import type { Operator, Value } from "../../src/ops/contract.ts";
import { type GridLinearPlan, gridLinear, optionsOf } from "../../src/ops/grid-linear/index.ts";
import { type MatmulPlan, matmulOperator } from "../../src/ops/matmul/index.ts";
import { type MovePlan, moveOperator } from "../../src/ops/move/index.ts";
import { type ReducePlan, reduceOptions } from "../../src/ops/reduce/fold.ts";
import { reduceOperator } from "../../src/ops/reduce/index.ts";
import { type RegionsPlan, regionsOperator } from "../../src/ops/regions/index.ts";
import { type WindowPlan, windowOperator, windowOptions } from "../../src/ops/window/index.ts";
import { multiply, sum } from "../../src/ops.ts";
import { evaluate, inputsOf } from "../ops/evaluate.ts";
import { cellsFor } from "./cells.ts";

export const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
};

/** An operator that is linear in each of its f32 inputs, and the options of its plans. */
export interface Linear {
  readonly operator: Operator;
  readonly room: string;
  options(plan: unknown): unknown;
}

export const linear: readonly Linear[] = [
  {
    operator: gridLinear as Operator,
    room: "grid-linear",
    options: (plan) => optionsOf(plan as GridLinearPlan, (plan as GridLinearPlan).role),
  },
  {
    operator: matmulOperator as Operator,
    room: "matmul",
    options: (plan) => ({ transposeA: (plan as MatmulPlan).transposeA, transposeB: (plan as MatmulPlan).transposeB }),
  },
  { operator: moveOperator as Operator, room: "move", options: (plan) => (plan as MovePlan).move },
  { operator: reduceOperator as Operator, room: "reduce", options: (plan) => reduceOptions((plan as ReducePlan).output) },
  { operator: windowOperator as Operator, room: "window", options: (plan) => windowOptions(plan as WindowPlan, (plan as WindowPlan).role) },
  {
    operator: regionsOperator as Operator,
    room: "regions",
    options: (plan) => {
      const { role, input, output } = plan as RegionsPlan;
      return { role, input, output };
    },
  },
];

/** A fill makes a remap affine, and a maximum is linear only where its choice is given. */
const isLinear = (operator: Operator, plan: unknown): boolean =>
  (operator.name !== "window" || (plan as WindowPlan).role !== "select") &&
  (operator.name !== "regions" || !["select", "draw"].includes((plan as RegionsPlan).role)) &&
  (operator.name !== "move" || !("fill" in (plan as MovePlan).move) || (plan as { move: { fill: number } }).move.fill === 0);

/** Why <G, f(x)> = <x, gradient(G)> does not hold for an input x of the plan, in float64; null when it does. */
export function brokenAdjoint({ operator, options }: Linear, plan: unknown): string | null {
  const types = operator.inputs(plan);
  if (!isLinear(operator, plan) || types[0].dtype !== "f32") return null;
  const cells = cellsFor(operator, plan, random(3), "reals");
  const inputs = inputsOf(types);
  const [made] = inputs[0].graph.apply(operator, options(plan), inputs);
  const draw = random(5);
  const shape = made.type.batched ? made.type.shape.slice(1) : made.type.shape;
  const weight = made.graph.constant({ dtype: "f32", shape, data: Float32Array.from({ length: size(shape) }, () => draw.normal()) });
  const loss = sum(multiply(made, weight));
  const floats = inputs.filter(({ type }) => type.dtype === "f32");
  const slopes = gradients(loss, floats).filter((slope): slope is Value => slope !== null);
  const [[value], ...found] = evaluate([loss, ...slopes], Object.fromEntries(cells.map((own, i) => [`x${i}`, own])));
  if (found.length !== floats.length) return `${operator.line(plan)}: ${found.length} gradients for ${floats.length} inputs`;
  const products = found.map((slope, i) => ({
    product: dot(cells[i], slope),
    magnitude: dot(cells[i].map(Math.abs), slope.map(Math.abs)),
  }));
  // joined values are linear together, not each by itself
  const together = operator.name === "move" && (plan as MovePlan).move.kind === "concat";
  const total = (of: "product" | "magnitude"): number => products.reduce((all, one) => all + one[of], 0);
  const wanted = together ? [{ product: total("product"), magnitude: total("magnitude") }] : products;
  const wrong = wanted.findIndex(({ product, magnitude }) => !(Math.abs(product - value) <= 1e-12 * (magnitude + Math.abs(value))));
  return wrong < 0 ? null : `${operator.line(plan)}: <x${wrong}, gradient> is ${wanted[wrong].product}, expected ${value}`;
}
