import assert from "node:assert/strict";
import { test } from "node:test";
import { operators } from "../../src/ops/index.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import { devices } from "./judge.ts";
import { Cases, samples, tryAll } from "./suite.ts";

const algorithms = await everyAlgorithm();

for (const operator of operators) {
  const cases = new Cases(operator);
  for (const algorithm of algorithms.filter((candidate) => candidate.operator === operator.name)) {
    for (const device of devices) {
      test(`${algorithm.id} keeps the laws on ${device.tier}`, () => {
        const { broken, accepted, chunks } = tryAll(algorithm, cases, device);
        assert.deepEqual(broken.slice(0, 3), [], `${broken.length} laws broken`);
        assert.ok(accepted >= Math.min(5, samples - 1), `${accepted} plans were accepted: the laws were hardly tried`);
        const large = cases.large.length > 0 && device.tier !== "relaxed";
        assert.ok(!large || chunks > 1, "no step had several chunks: add a large line to problems.txt");
      });
    }
  }
}
