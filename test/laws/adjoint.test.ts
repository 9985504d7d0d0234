import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { gradients } from "../../src/graph/differentiate.ts";
import type { Operator, Value } from "../../src/ops/contract.ts";
import { type GridLinearPlan, gridLinear, optionsOf, type Role } from "../../src/ops/grid-linear/index.ts";
import { type MatmulPlan, matmulOperator } from "../../src/ops/matmul/index.ts";
import { type MovePlan, moveOperator } from "../../src/ops/move/index.ts";
import { type ReducePlan, reduceOptions } from "../../src/ops/reduce/fold.ts";
import { reduceOperator } from "../../src/ops/reduce/index.ts";
import { type WindowPlan, windowOperator, windowOptions } from "../../src/ops/window/index.ts";
import { multiply, sum } from "../../src/ops.ts";
import { algorithms } from "../../src/targets/wasm/list.ts";
import { checkOperator, evaluate, inputsOf, normals } from "../ops/evaluate.ts";
import { problemsOf } from "../ops/problems.ts";
import { expect, isSmall } from "./bounds.ts";
import { cellsFor } from "./cells.ts";
import { runAlone } from "./isolated.ts";
import { devices } from "./judge.ts";
import { samplePlan } from "./samples.ts";
import { samples } from "./suite.ts";

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i] * b[i];
  return total;
};

/** Operators that are linear in each of their f32 inputs, and the options of a plan. */
const linear: readonly { readonly operator: Operator; readonly room: string; options(plan: unknown): unknown }[] = [
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
];

function plansOf(operator: Operator, room: string, terms: number): unknown[] {
  const named = problemsOf(room, operator.name).map(({ line }) => operator.parse(line));
  const sampled = Array.from({ length: 2 * samples }, (_, seed) => samplePlan(operator, random(seed, 31)));
  return [...named, ...sampled].filter((plan) => isSmall(operator, plan, terms));
}

/** A fill makes a remap affine, and a maximum is linear only where its choice is given. */
const isLinear = (operator: Operator, plan: unknown): boolean =>
  (operator.name !== "window" || (plan as WindowPlan).role !== "select") &&
  (operator.name !== "move" || !("fill" in (plan as MovePlan).move) || (plan as { move: { fill: number } }).move.fill === 0);

for (const { operator, room, options } of linear) {
  test(`${operator.name}: the adjoint law <G, f(x)> = <x, gradient(G)> holds for every input`, () => {
    for (const plan of plansOf(operator, room, 2e4)) {
      const types = operator.inputs(plan);
      if (!isLinear(operator, plan) || types[0].dtype !== "f32") continue;
      const line = operator.line(plan);
      const cells = cellsFor(operator, plan, random(3), "reals");
      const inputs = inputsOf(types);
      const [made] = inputs[0].graph.apply(operator, options(plan), inputs);
      const draw = random(5);
      const shape = made.type.batched ? made.type.shape.slice(1) : made.type.shape;
      const weight = made.graph.constant({ dtype: "f32", shape, data: Float32Array.from({ length: size(shape) }, () => draw.normal()) });
      const loss = sum(multiply(made, weight));
      const floats = inputs.filter(({ type }) => type.dtype === "f32");
      const slopes = gradients(loss, floats).filter((slope): slope is Value => slope !== null);
      const [value, ...found] = evaluate([loss, ...slopes], Object.fromEntries(cells.map((own, i) => [`x${i}`, own])));
      assert.equal(found.length, floats.length, `${line}: a gradient for every input`);
      const products = floats.map((_, i) => ({
        product: dot(cells[i], found[i]),
        magnitude: dot(cells[i].map(Math.abs), found[i].map(Math.abs)),
      }));
      // joined values are linear together, not each by itself
      const together = operator.name === "move" && (plan as MovePlan).move.kind === "concat";
      const all = {
        product: products.reduce((total, one) => total + one.product, 0),
        magnitude: products.reduce((total, one) => total + one.magnitude, 0),
      };
      for (const { product, magnitude } of together ? [all] : products)
        assert.ok(
          Math.abs(product - value[0]) <= 1e-12 * (magnitude + Math.abs(value[0])),
          `${line}: <x, gradient> is ${product}, expected ${value[0]}`,
        );
    }
  });
}

const roles: readonly Role[] = ["forward", "kernel", "input"];
const resultOf = { forward: 2, kernel: 0, input: 1 } as const;

test("<G, c(K, V)> = <K, g(G, V)> = <V, h(K, G)> through every algorithm that takes the role", () => {
  let tried = 0;
  for (const plan of plansOf(gridLinear as Operator, "grid-linear", 2e4) as GridLinearPlan[]) {
    const forward: GridLinearPlan = { ...plan, role: "forward" };
    const draw = random(9);
    const [k, v] = cellsFor(gridLinear as Operator, forward, draw, "reals");
    const g = cellsFor(gridLinear as Operator, { ...plan, role: "kernel" }, draw, "reals")[0];
    const given = { forward: [k, v], kernel: [g, v], input: [k, g] };
    const paired = [k, v, g];
    const exact = dot(g, gridLinear.reference(forward, [k, v])[0]);
    for (const role of roles) {
      const own = { ...plan, role };
      const other = paired[resultOf[role]];
      const errors = expect(gridLinear as Operator, own, given[role]).errors();
      const allowed = errors[0].reduce((total, error, cell) => total + error * Math.abs(other[cell]), 1e-12 * Math.abs(exact) + 1e-12);
      for (const algorithm of algorithms.filter(({ operator }) => operator === "grid-linear")) {
        const device = devices[tried % devices.length];
        const limit = allowed * (algorithm.rounding ?? 1);
        const choice = algorithm.layouts(own, null, device).find((one) => algorithm.refuses(own, one, null, device) === null);
        if (choice === undefined) continue;
        const { outputs } = runAlone({ operator: gridLinear as Operator, algorithm, plan: own, device, inputs: given[role], choice });
        const found = dot(outputs[0], other);
        tried++;
        assert.ok(
          Math.abs(found - exact) <= limit,
          `${algorithm.id} on ${device.tier}: \`${gridLinear.line(own)}\`: ${found}, expected ${exact} +- ${limit}`,
        );
      }
    }
  }
  assert.ok(tried > 100, `${tried} products`);
});

test("gradients of grid-linear in all roles are the slopes, and so are the gradients of their gradients", () => {
  // the other rooms have this law beside their code
  for (const plan of plansOf(gridLinear as Operator, "grid-linear", 1500) as GridLinearPlan[]) {
    for (const role of roles) {
      checkOperator(
        gridLinear,
        { ...plan, role },
        (own) => optionsOf(own, own.role),
        (own, draws) => normals(gridLinear.inputs(own), draws),
        5,
      );
    }
  }
});
