import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import { operators } from "../../src/ops/index.ts";
import { algorithms } from "../../src/targets/wasm/list.ts";
import { problemsOf } from "../ops/problems.ts";
import { devices, judge } from "./judge.ts";

/** Room of an operator whose folder has another name. */
const rooms: Readonly<Record<string, string>> = { moments: "reduce" };
const samples = Number(process.env.TOEPLITZ_LAW_SAMPLES ?? 25);
/** The oracle visits every term: plans beyond this many take too long. */
const mostTerms = 3e5;
nodeHost.enableWide();

for (const operator of operators) {
  const room = rooms[operator.name] ?? operator.name;
  const named = existsSync(new URL(`../../src/ops/${room}/problems.txt`, import.meta.url)) ? problemsOf(room, operator.name) : [];
  for (const algorithm of algorithms.filter((candidate) => candidate.operator === operator.name)) {
    for (const device of devices) {
      test(`${algorithm.id} keeps the laws on ${device.tier}`, () => {
        const broken: string[] = [];
        let accepted = 0;
        const tryPlan = (plan: unknown, seed: number): void => {
          if (operator.cost(plan).multiplyAdds > mostTerms || operator.inputs(plan).some(({ shape }) => size(shape) > 2e5)) return;
          const result = judge(algorithm, operator, plan, device, seed);
          accepted += result.accepted;
          broken.push(...result.broken);
        };
        for (const { line } of named) tryPlan(operator.parse(line), 1);
        for (let seed = 0; seed < samples; seed++) tryPlan(operator.sample(random(seed, 77)), seed);
        assert.deepEqual(broken.slice(0, 3), [], `${broken.length} laws broken`);
        assert.ok(accepted > 0, "no plan was accepted: the laws were not tried");
      });
    }
  }
}

test("every problem line reads back as it was written", () => {
  for (const operator of operators) {
    for (let seed = 0; seed < 100; seed++) {
      const plan = operator.sample(random(seed, 5));
      assert.deepEqual(operator.parse(operator.line(plan)), plan, operator.line(plan));
    }
  }
});
