import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { operators } from "../../src/ops/index.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import { devices } from "./judge.ts";
import { samplePlan } from "./samples.ts";
import { Cases, samples } from "./suite.ts";

const algorithms = await everyAlgorithm();

for (const operator of operators) {
  test(`${operator.name}: parse(line(plan)) is the plan, and the oracle gives what the types promise`, () => {
    const sampled = Array.from({ length: 8 * samples }, (_, seed) => samplePlan(operator, random(seed, 5)));
    const plans = [...new Cases(operator).named.map(({ plan }) => plan), ...sampled];
    for (const plan of plans) {
      const line = operator.line(plan);
      assert.deepEqual(operator.parse(line), plan, line);
      assert.equal(operator.line(operator.parse(line)), line);
      assert.ok(!/[\n`]/.test(line), `${line} is one line`);
      const { multiplyAdds, bytes, parameters } = operator.cost(plan);
      for (const number of [multiplyAdds, bytes, parameters]) assert.ok(Number.isFinite(number) && number >= 0, `${line}: cost ${number}`);
      if (multiplyAdds > 3000) continue;
      const inputs = operator.inputs(plan).map(({ shape }) => new Float64Array(size(shape)));
      assert.deepEqual(
        operator.reference(plan, inputs).map(({ length }) => length),
        operator.outputs(plan).map(({ shape }) => size(shape)),
        line,
      );
    }
  });
}

/** Algorithms that take every plan of their operator: nothing is left without one. */
const takesAll = new Set([
  "wasm-grid-linear-general",
  "wasm-window-plain",
  "wasm-regions-plain",
  "wasm-whole-plain",
  "wasm-pointwise-vectors",
  "wasm-reduce-slots",
  "wasm-sums-slots",
  "wasm-moments-slots",
  "wasm-rows-lanes",
  "wasm-formulas-vectors",
  "wasm-table-pieces",
  "wasm-matmul-rows",
  "wasm-random-vectors",
]);

test("every algorithm refuses some plan, or is one that takes all", () => {
  for (const operator of operators) {
    const sampled = Array.from({ length: 300 }, (_, seed) => samplePlan(operator, random(seed, 6)));
    const plans = [...new Cases(operator).named.map(({ plan }) => plan), ...sampled];
    for (const algorithm of algorithms.filter((candidate) => candidate.operator === operator.name)) {
      const refused = devices.flatMap((device) =>
        plans.filter((plan) =>
          algorithm.layouts(plan, null, device).every((choice) => algorithm.refuses(plan, choice, null, device) !== null),
        ),
      );
      if (takesAll.has(algorithm.id)) assert.deepEqual(refused.map(operator.line), [], `${algorithm.id} takes all plans`);
      else assert.ok(refused.length > 0, `${algorithm.id} refuses none of ${plans.length} plans: add it to those that take all`);
    }
  }
});

test("for every plan there is an algorithm, or the result is its input", () => {
  for (const operator of operators) {
    const own = algorithms.filter((candidate) => candidate.operator === operator.name);
    for (let seed = 0; seed < 300; seed++) {
      const plan = operator.sample(random(seed, 8));
      if (operator.alias?.(plan) === true) continue;
      for (const device of devices) {
        const taken = own.some((algorithm) =>
          algorithm.layouts(plan, null, device).some((choice) => algorithm.refuses(plan, choice, null, device) === null),
        );
        assert.ok(taken, `no algorithm on ${device.tier} for \`${operator.line(plan)}\``);
      }
    }
  }
});
