import assert from "node:assert/strict";
import { test } from "node:test";
import { checkOperator, evaluate, inputsOf, normals, outputs } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { random } from "../../base/random.ts";
import { tensorType } from "../../base/types.ts";
import { gradients } from "../../graph/differentiate.ts";
import { sum } from "../reduce/index.ts";
import { maxWindow, type WindowPlan, windowIndices, windowOperator, windowOptions } from "./index.ts";

const select = (shape: readonly number[], options: object, cells: readonly number[]): number[][] =>
  outputs(([v]) => v.graph.apply(windowOperator, { role: "select", kernel: [], ...options }, [v]), [tensorType(shape)], [cells]).map(
    (own) => [...own],
  );

test("largest cell of overlapping windows, with padding that never wins", () => {
  assert.deepEqual(select([5], { kernel: [3], low: [1], high: [1] }, [-5, -2, -3, -9, -7]), [
    [-2, -2, -2, -3, -7],
    [1, 1, 1, 2, 4],
  ]);
  assert.deepEqual(select([2, 4], { kernel: [2, 2], stride: [2, 2] }, [1, 2, 3, 4, 8, 7, 6, 5]), [
    [8, 6],
    [4, 6],
  ]);
  assert.deepEqual(select([4], { kernel: [2], dilation: [2] }, [1, 5, 3, 4]), [
    [3, 5],
    [2, 1],
  ]);
});

test("channels are one more axis: maxout", () => {
  assert.deepEqual(select([4, 2], { kernel: [2, 1], stride: [2, 1] }, [1, 9, 3, 2, 5, 6, 7, 4]), [
    [3, 9, 7, 6],
    [2, 1, 6, 5],
  ]);
});

test("ties go to the first cell and the first NaN wins", () => {
  assert.deepEqual(select([2, 3], { kernel: [2, 3] }, [1, 7, 7, 7, 2, 7]), [[7], [1]]);
  assert.deepEqual(select([4], { kernel: [4] }, [3, Number.NaN, 9, Number.NaN]), [[Number.NaN], [1]]);
  assert.deepEqual(select([2], { kernel: [2] }, [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]), [[Number.NEGATIVE_INFINITY], [0]]);
});

test("ceil keeps a last window that begins inside", () => {
  const extent = (input: number, options: object): number =>
    windowOperator.outputs(windowOperator.plan({ role: "select", kernel: [2], ...options }, [tensorType([input])]))[0].shape[0];
  assert.equal(extent(5, { stride: [2] }), 2);
  assert.equal(extent(5, { stride: [2], ceil: true }), 3);
  assert.equal(extent(4, { stride: [2], ceil: true }), 2);
  assert.equal(extent(3, { stride: [3], low: [1], high: [1], ceil: true }), 2);
  // the window at 6 would begin in the high padding, behind the input: it does not count
  assert.equal(extent(5, { stride: [3], low: [1], high: [1], ceil: true }), 2);
});

test("lines, types, oracle and gradients of problems and samples", () => {
  const draws = random(8);
  for (const plan of [...problemPlans("window", windowOperator, 300), ...Array.from({ length: 30 }, () => windowOperator.sample(draws))]) {
    const draw = (own: WindowPlan, stream: ReturnType<typeof random>): Float64Array[] => {
      const [first] = windowOperator.inputs(own);
      const values = normals([first], stream);
      return own.role === "select" ? values : [...values, windowIndices(own, (count) => stream.integer(0, count - 1))];
    };
    checkOperator(windowOperator, plan, (own) => windowOptions(own, own.role), draw, 5);
  }
});

test("gradients of overlapping windows add up", () => {
  const [v] = inputsOf([tensorType([1, 4], true)]);
  const { value } = maxWindow(v, { kernel: [3], low: [1], high: [1] });
  const [slope] = gradients(sum(value), [v]);
  assert.ok(slope !== null);
  assert.deepEqual([...evaluate([slope], { x0: [1, 5, 2, 0] })[0]], [0, 3, 1, 0]);
});

test("bad input is named with its numbers", () => {
  const plan = (options: object, shape = [3, 5]): unknown =>
    windowOperator.plan({ role: "select", kernel: [1, 2], ...options }, [tensorType([4, ...shape], true)]);
  const wrong = (options: object, message: RegExp): void => assert.throws(() => plan(options), { name: "ToeplitzError", message });
  wrong(
    { kernel: [2] },
    /^window\(select\): kernel: expected 2 whole numbers >= 1, one for each axis after the example axis; received \[2\]\.$/,
  );
  wrong(
    { kernel: [1, 4], dilation: [1, 2] },
    /window span on axis 1: expected <= padded input 5; received 7 \(kernel 4, dilation 2\)\. Add padding, or lower kernel or dilation\.$/,
  );
  wrong(
    { low: [0, 2] },
    /padding on axis 1: expected every window to hold a cell of the 5 of the input; received window 0 wholly in padding \(low 2, high 0\)\. Lower the padding\.$/,
  );
  wrong({ stride: [0, 1], low: [0, -1] }, /stride: expected 2 whole numbers >= 1.*\n.*low: expected 2 whole numbers >= 0/);
  wrong({ role: "scatter" }, /inputs: expected 2; received 1\.$/);
  const types = [tensorType([4], false), tensorType([4], false, "i32")];
  assert.throws(
    () => windowOperator.plan({ role: "scatter", kernel: [2], input: [6] }, types),
    /output gradient: expected \[5\]; received \[4\]/,
  );
  assert.throws(
    () => windowOperator.plan({ role: "scatter", kernel: [2] }, types),
    /input extents: expected given, as several give one output extent; received none/,
  );
  assert.throws(
    () => windowOperator.plan({ role: "take", kernel: [2] }, [types[0], tensorType([3])]),
    /index: expected i32\[3\]; received \[3\]\.$/,
  );
});
