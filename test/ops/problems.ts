import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type { Operator } from "../../src/ops/contract.ts";

/** The named lines of a room's problems.txt that belong to an operator. */
export function problemsOf(room: string, operator: string): { name: string; line: string }[] {
  const text = readFileSync(new URL(`../../src/ops/${room}/problems.txt`, import.meta.url), "utf8");
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
  const named = lines.map((line) => {
    const [name, ...rest] = line.split(": ");
    return { name, line: rest.join(": ") };
  });
  assert.equal(new Set(named.map(({ name }) => name)).size, named.length, `names in ${room}/problems.txt`);
  return named.filter(({ line }) => line.startsWith(`${operator} `));
}

/** Plans of the lines of a room's problems.txt, those that the oracle does quickly. */
export function problemPlans<P, O>(room: string, operator: Operator<P, O>, cells = 3000): P[] {
  return problemsOf(room, operator.name)
    .map(({ line }) => operator.parse(line))
    .filter((plan) => operator.inputs(plan).every(({ shape }) => shape.reduce((a, b) => a * b, 1) <= cells));
}
