import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import type { Operator } from "../../src/ops/contract.ts";
import { type GridLinearPlan, gridLinear, optionsOf, type Role } from "../../src/ops/grid-linear/index.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import { checkOperator, normals } from "../ops/evaluate.ts";
import { problemsOf } from "../ops/problems.ts";
import { brokenAdjoint, dot, linear } from "./adjoint.ts";
import { expect, isSmall } from "./bounds.ts";
import { cellsFor } from "./cells.ts";
import { runAlone } from "./isolated.ts";
import { devices } from "./judge.ts";
import { samplePlan } from "./samples.ts";
import { samples, smoke } from "./suite.ts";

const algorithms = await everyAlgorithm();

function plansOf(operator: Operator, room: string, terms: number): unknown[] {
  const named = problemsOf(room, operator.name).map(({ line }) => operator.parse(line));
  const sampled = Array.from({ length: 2 * samples }, (_, seed) => samplePlan(operator, random(seed, 31)));
  return [...named, ...sampled].filter((plan) => isSmall(operator, plan, terms));
}

for (const own of linear) {
  test(`${own.operator.name}: the adjoint law <G, f(x)> = <x, gradient(G)> holds for every input`, () => {
    for (const plan of plansOf(own.operator, own.room, 2e4)) assert.equal(brokenAdjoint(own, plan), null);
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
  assert.ok(tried > (smoke ? 20 : 100), `${tried} products`);
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
