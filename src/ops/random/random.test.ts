import assert from "node:assert/strict";
import { test } from "node:test";
import { outputs } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { keyOf, random, unit } from "../../base/random.ts";
import { tensorType } from "../../base/types.ts";
import { randomOperator, randomUniform } from "./index.ts";

const scalar = tensorType([], false, "i32");
const draws = (seed: number, step: number, ids: readonly number[], salt: number, shape: readonly number[]): Float64Array =>
  outputs(
    ([a, b, c]) => [randomUniform(a, b, c, { salt, shape })],
    [scalar, scalar, tensorType([ids.length], true, "i32")],
    [[seed], [step], ids],
  )[0];

test("a draw is the unit of its key and its cell", () => {
  assert.deepEqual(
    [...draws(5, 2, [9, 4], 7, [2])],
    [unit(keyOf(5, 2, 7, 9), 0), unit(keyOf(5, 2, 7, 9), 1), unit(keyOf(5, 2, 7, 4), 0), unit(keyOf(5, 2, 7, 4), 1)],
  );
});

test("draws follow the example, not its place, and every number of the key matters", () => {
  const [first, second] = [draws(1, 1, [10, 11, 12], 1, [50]), draws(1, 1, [12, 10], 1, [50])];
  assert.deepEqual(second.slice(0, 50), first.slice(100));
  assert.deepEqual(second.slice(50), first.slice(0, 50));
  for (const other of [draws(2, 1, [10], 1, [50]), draws(1, 2, [10], 1, [50]), draws(1, 1, [11], 1, [50]), draws(1, 1, [10], 2, [50])])
    assert.notDeepEqual(other, first.slice(0, 50));
});

test("draws are uniform: mean, variance and counts of 16 parts", () => {
  const cells = draws(3, 0, [0, 1, 2, 3], 0, [16384]);
  const mean = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
  const variance = cells.reduce((sum, cell) => sum + (cell - mean) ** 2, 0) / cells.length;
  assert.ok(Math.abs(mean - 0.5) < 4 * Math.sqrt(1 / 12 / cells.length));
  assert.ok(Math.abs(variance - 1 / 12) < 0.001);
  const counts = new Array<number>(16).fill(0);
  for (const cell of cells) counts[Math.floor(cell * 16)]++;
  const chiSquare = counts.reduce((sum, count) => sum + (count - 4096) ** 2 / 4096, 0);
  assert.ok(chiSquare < 37.7, `chi-square of 15 degrees ${chiSquare}, 0.1 % bound 37.7`);
});

test("lines round-trip, and gradients are absent", () => {
  const stream = random(8);
  for (const plan of [...problemPlans("random", randomOperator), ...Array.from({ length: 30 }, () => randomOperator.sample(stream))])
    assert.deepEqual(randomOperator.parse(randomOperator.line(plan)), plan);
  assert.deepEqual(randomOperator.gradient(randomOperator.parse("random n2 salt1 | 3"), { inputs: [], outputs: [] }, []), []);
});

test("bad input is named with its numbers", () => {
  const plan = (options: { salt: number; shape: number[] }, ids = tensorType([4], true, "i32")): unknown =>
    randomOperator.plan(options, [scalar, scalar, ids]);
  assert.throws(
    () => plan({ salt: 1, shape: [3] }, tensorType([4], true)),
    /^ToeplitzError: random: inputs: expected seed i32\[\], step i32\[\], ids i32\[n\]; received i32\[\] i32\[\] \[n<=4\]\.$/,
  );
  assert.throws(
    () => plan({ salt: 2 ** 40, shape: [0] }),
    /salt: expected a whole number below 2\^31; received 1099511627776\.\n.*shape: expected whole numbers >= 1; received \[0\]\.$/,
  );
});
