import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import { problemsOf } from "../../test/ops/problems.ts";
import { random } from "../base/random.ts";
import { operatorOfLine, operators } from "./index.ts";

const rooms: Readonly<Record<string, string>> = { moments: "reduce" };

test("operators have names of their own, and a problem line finds its operator", () => {
  assert.equal(new Set(operators.map(({ name }) => name)).size, operators.length);
  const draws = random(1);
  for (const operator of operators) assert.equal(operatorOfLine(operator.line(operator.sample(draws))), operator);
  assert.equal(operatorOfLine("convolve n2"), undefined);
});

test("every line of every problems.txt is the line of its plan", () => {
  for (const operator of operators) {
    const room = rooms[operator.name] ?? operator.name;
    if (!existsSync(new URL(`./${room}/problems.txt`, import.meta.url))) continue;
    const problems = problemsOf(room, operator.name);
    assert.ok(problems.length > 0, operator.name);
    for (const { name, line } of problems) assert.equal(operator.line(operator.parse(line)), line, `${room}: ${name}`);
  }
});

test("samples are valid plans that their line carries whole", () => {
  for (const operator of operators) {
    const draws = random(2);
    for (let i = 0; i < 200; i++) {
      const plan = operator.sample(draws);
      assert.deepEqual(operator.parse(operator.line(plan)), plan, operator.line(plan));
      assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan, "plans are plain data");
    }
  }
});
