import assert from "node:assert/strict";
import { test } from "node:test";
import { cellsFor } from "../../../test/laws/cells.ts";
import { checkOperator, outputs } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { random } from "../../base/random.ts";
import { type TensorType, tensorType } from "../../base/types.ts";
import type { Operator } from "../contract.ts";
import { drawRegions, maxRegions, type RegionsPlan, regionsOperator, sumRegions, toWhole, wholeOperator } from "./index.ts";

const list = (made: readonly Float64Array[]): number[][] => made.map((own) => [...own]);
const tableType = (cells: number, examples?: number): TensorType =>
  tensorType(examples === undefined ? [cells] : [examples, cells], examples !== undefined, "i32");

test("largest cell and sum of regions that overlap, leave cells out, or hold none", () => {
  // 0 to 3, 2 to 5, 4 to 4
  const table = [0, 2, 4, 3, 5, 4];
  const types = [tensorType([1, 1, 6], true), tableType(6)];
  const cells = [[3, 1, 5, 5, 2, 9], table];
  const select = outputs(
    ([v, own]) => {
      const { value, index } = maxRegions(v, own, [3]);
      return [value, index];
    },
    types,
    cells,
  );
  assert.deepEqual(list(select), [
    [5, 5, 0],
    [2, 2, -1],
  ]);
  assert.deepEqual(list(outputs(([v, own]) => [sumRegions(v, own, [3])], types, cells)), [[9, 12, 0]]);
});

test("each example has a table of its own, cut to the input", () => {
  const types = [tensorType([2, 1, 2, 2], true), tableType(6, 2)];
  // one region of rows, two of columns: all of the first row; then rows 1 to 9, columns 0 and -3 to 1
  const table = [0, 1, 0, 1, 1, 2, 1, 9, 0, -3, 1, 1];
  const made = outputs(([v, own]) => [sumRegions(v, own, [1, 2])], types, [[1, 2, 3, 4, 5, 6, 7, 8], table]);
  assert.deepEqual(list(made), [[1, 2, 7, 7]]);
});

test("draws fall where the running sum of positive cells passes them", () => {
  const types = [tensorType([1, 1, 4], true), tensorType([1, 1, 3], true), tableType(6)];
  // 1, 0, 3 (the sum passes 1 at a quarter); a region of no positive cells gives its last
  const made = outputs(
    ([v, u, own]) => {
      const { value, index } = drawRegions(v, u, own, [3]);
      return [value, index];
    },
    types,
    [
      [1, 0, 3, -2],
      [0.24, 0.26, 0.5],
      [0, 0, 3, 4, 4, 4],
    ],
  );
  assert.deepEqual(list(made), [
    [1, 3, -2],
    [0, 2, 3],
  ]);
});

test("numbers without their fraction", () => {
  assert.deepEqual(list(outputs(([x]) => [toWhole(x)], [tensorType([5])], [[2.9, -2.9, Number.NaN, 3e9, 0]])), [
    [2, -2, 0, 2 ** 31 - 1, 0],
  ]);
});

test("lines, types, oracle and gradients of problems and samples", () => {
  const draws = random(8);
  const plans = [...problemPlans("regions", regionsOperator, 900), ...Array.from({ length: 25 }, () => regionsOperator.sample(draws))];
  for (const plan of plans) {
    const draw = (own: RegionsPlan, stream: ReturnType<typeof random>): Float64Array[] =>
      cellsFor(regionsOperator as Operator, own, stream, "reals");
    checkOperator(regionsOperator, plan, ({ role, input, output }) => ({ role, input, output }), draw, 5);
  }
  for (const plan of problemPlans("regions", wholeOperator)) {
    checkOperator(
      wholeOperator,
      plan,
      () => ({}),
      (own, stream) => cellsFor(wholeOperator as Operator, own, stream, "reals"),
      5,
    );
  }
});

test("bad input is named with its numbers", () => {
  const value = tensorType([2, 3, 8, 8], true);
  const wrong = (options: object, types: readonly TensorType[], message: RegExp): void =>
    assert.throws(() => regionsOperator.plan({ role: "sum", input: [8, 8], output: [2, 2], ...options }, types), {
      name: "ToeplitzError",
      message,
    });
  wrong(
    { output: [0, 2] },
    [value, tableType(8)],
    /^regions\(sum\): output extents: expected whole numbers >= 1, one for each of 2 axes; received \[0,2\]\.$/,
  );
  wrong({}, [value, tableType(7)], /inputs: expected \[n<=2,3,8,8\] i32\[8\]; received \[n<=2,3,8,8\] i32\[7\]\.$/);
  wrong({ input: [8], output: [2] }, [value, tableType(4)], /first input: expected \[examples, channels, \.\.\.1 extents\]; received/);
});
