import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../../test/laws/isolated.ts";
import { random } from "../../base/random.ts";
import type { Device } from "../contract.ts";
import { randomOperator } from "./index.ts";
import { wasmRandom } from "./wasm-random.ts";

const devices: readonly Device[] = [
  { tier: "wide", fma: true, wide: true },
  { tier: "plain", fma: false, wide: false },
];

test("draws have the bits of the reference in every layout, for short batches and chunks in any order", () => {
  const draws = random(41);
  const lines = [
    "random n2 salt-7 | 17x9x11",
    "random n3 salt5 | 20000",
    "random n2 salt0 | -",
    "random n2 salt123456789 | 8x1x1",
    "random n1 salt1 | 33x20x70",
  ];
  const plans = [...lines.map(randomOperator.parse), ...Array.from({ length: 30 }, () => randomOperator.sample(draws))];
  plans.forEach((plan, round) => {
    const device = devices[round % 2];
    const examples = draws.integer(1, plan.examples);
    const inputs = [
      [draws.integer(-1e9, 1e9)],
      [draws.integer(0, 1e6)],
      Array.from({ length: plan.examples }, () => draws.integer(0, 1e9)),
    ];
    const [expected] = randomOperator.reference(
      { ...plan, examples },
      inputs.map((input) => Float64Array.from(input)),
    );
    for (const choice of wasmRandom.layouts(plan, null, device)) {
      const { outputs, damage } = runAlone({
        operator: randomOperator,
        algorithm: wasmRandom,
        plan,
        device,
        inputs,
        choice,
        examples,
        ...(round % 3 === 0 ? { outputHalo: { low: 1, high: 2, fill: 7 } } : {}),
        ...(round % 4 === 0 ? { order: (chunks: number) => draws.permutation(chunks) as unknown as number[] } : {}),
      });
      const text = `${randomOperator.line(plan)} in b${choice.outputs[0]}`;
      assert.deepEqual(damage, [], text);
      const wrong = outputs[0].findIndex((value, i) => value !== expected[i]);
      assert.equal(wrong, -1, `${text}: draw ${wrong} is ${outputs[0][wrong]}, expected ${expected[wrong]}`);
    }
  });
});
