import assert from "node:assert/strict";
import { test } from "node:test";
import { operators } from "../../src/ops/index.ts";
import { devices } from "../laws/judge.ts";
import { Cases, firstBroken } from "../laws/suite.ts";
import { faults } from "./faults.ts";

const cases = new Map(operators.map((operator) => [operator.name, new Cases(operator)]));
const [, , plain] = devices;

for (const { name, plant, into, laws } of faults) {
  for (const sound of into) {
    test(`the laws see it: ${name}, in ${sound.id}`, () => {
      const own = cases.get(sound.operator);
      assert.ok(own !== undefined);
      const found = firstBroken(plant(sound), own, plain);
      assert.ok(found !== null, "no law is broken");
      assert.match(found.slice(0, found.indexOf("]") + 1), laws, found);
    });
  }
}
