import assert from "node:assert/strict";
import { test } from "node:test";
import { checkGradients, checkOperator, evaluate, inputsOf, normals, outputs } from "../../../test/ops/evaluate.ts";
import { problemPlans } from "../../../test/ops/problems.ts";
import { random } from "../../base/random.ts";
import { printType, tensorType } from "../../base/types.ts";
import { gradients } from "../../graph/differentiate.ts";
import type { GraphTracer } from "../../graph/trace.ts";
import type { Value } from "../contract.ts";
import { reduceOptions } from "./fold.ts";
import {
  logSoftmax,
  logSumExp,
  max,
  mean,
  min,
  moments,
  momentsOperator,
  reduceOperator,
  softmax,
  sum,
  sumsOperator,
  sumsOptions,
  variance,
} from "./index.ts";

const x = tensorType([2, 2, 3], true);
const cells = [1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60];
const run = (make: (value: Value) => Value): { type: string; cells: number[] } => {
  const [value] = inputsOf([x]);
  const made = make(value);
  return { type: printType(made.type), cells: [...evaluate([made], { x0: cells })[0]] };
};

test("sums over any axes", () => {
  assert.deepEqual(
    run((v) => sum(v)),
    { type: "[]", cells: [231] },
  );
  assert.deepEqual(
    run((v) => sum(v, [0, 1, 2], { keepAxes: true })),
    { type: "[1,1]", cells: [231] },
  );
  assert.deepEqual(
    run((v) => sum(v, [0, 2])),
    { type: "[2]", cells: [66, 165] },
  );
  assert.deepEqual(
    run((v) => sum(v, [0, 2], { keepAxes: true })),
    { type: "[2,1]", cells: [66, 165] },
  );
  assert.deepEqual(
    run((v) => sum(v, 1)),
    { type: "[n<=2,3]", cells: [5, 7, 9, 50, 70, 90] },
  );
  assert.deepEqual(
    run((v) => sum(v, -1, { keepAxes: true })),
    { type: "[n<=2,2,1]", cells: [6, 15, 60, 150] },
  );
  assert.deepEqual(
    run((v) => sum(v, [1, 2])),
    { type: "[n<=2]", cells: [21, 210] },
  );
  assert.deepEqual(
    run((v) => sum(v, 0)),
    { type: "[2,3]", cells: [11, 22, 33, 44, 55, 66] },
  );
});

test("mean, variance, max and min over any axes", () => {
  assert.deepEqual(
    run((v) => mean(v)),
    { type: "[]", cells: [19.25] },
  );
  assert.deepEqual(
    run((v) => mean(v, [0, 2])),
    { type: "[2]", cells: [11, 27.5] },
  );
  assert.deepEqual(
    run((v) => mean(v, 2)),
    { type: "[n<=2,2]", cells: [2, 5, 20, 50] },
  );
  assert.deepEqual(
    run((v) => variance(v, [1], { keepAxes: true })),
    { type: "[n<=2,1,3]", cells: [2.25, 2.25, 2.25, 225, 225, 225] },
  );
  assert.deepEqual(
    run((v) => max(v, 2)),
    { type: "[n<=2,2]", cells: [3, 6, 30, 60] },
  );
  assert.deepEqual(
    run((v) => max(v)),
    { type: "[n<=2]", cells: [6, 60] },
  );
  assert.deepEqual(
    run((v) => min(v, [1], { keepAxes: true })),
    { type: "[n<=2,1,3]", cells: [1, 2, 3, 10, 20, 30] },
  );
});

test("a sum tiled with period 2", () => {
  const [made] = outputs(([v]) => v.graph.apply(reduceOperator, { operation: "sum", keep: false, shape: [2, 2] }, [v]), [x], [cells]);
  assert.deepEqual([...made], [1 + 3 + 10 + 30, 2 + 20, 4 + 6 + 40 + 60, 5 + 50]);
});

test("lines, types, oracle and gradients of problems and samples", () => {
  const draws = random(2);
  for (const plan of [...problemPlans("reduce", reduceOperator, 400), ...Array.from({ length: 60 }, () => reduceOperator.sample(draws))]) {
    checkOperator(
      reduceOperator,
      plan,
      ({ output }) => reduceOptions(output),
      (own, stream) => normals([own.input], stream),
      3,
    );
  }
  for (const plan of [
    ...problemPlans("reduce", momentsOperator, 400),
    ...Array.from({ length: 60 }, () => momentsOperator.sample(draws)),
  ]) {
    const optionsOf = (): { keep: boolean; shape: readonly number[] } => ({
      keep: reduceOptions(plan.output).keep,
      shape: reduceOptions(plan.output).shape,
    });
    checkOperator(momentsOperator, plan, optionsOf, (own, stream) => normals([own.input], stream), 3);
  }
  for (const plan of [...problemPlans("reduce", sumsOperator, 400), ...Array.from({ length: 30 }, () => sumsOperator.sample(draws))]) {
    checkOperator(sumsOperator, plan, sumsOptions, (own, stream) => normals(own.operands, stream), 3);
  }
});

test("sums of formulas in one pass: sum(G) and sum(G (x - mean)) for each channel", () => {
  const plan = sumsOperator.parse("sums n2 | nx2x2,nx2x2,2x1 | 2x1 | 0; multiply(subtract(1,2),0)");
  const [gradient, x, mean] = [
    [1, 2, 3, 4, 5, 6, 7, 8],
    [1, 1, 2, 2, 3, 3, 4, 4],
    [2, 3],
  ].map((cells) => Float64Array.from(cells));
  const [sums, products] = sumsOperator.reference(plan, [gradient, x, mean]);
  assert.deepEqual([...sums], [14, 22]);
  assert.deepEqual([...products], [-1 - 2 + 5 + 6, -3 - 4 + 7 + 8]);
});

test("moments at mean 1000 keep the deviation", () => {
  const [value] = inputsOf([tensorType([5, 3], true)]);
  const { mean: first, variance: second } = moments(value, [0]);
  const shifted = normals([value.type], random(4))[0];
  const [, plain] = evaluate([first, second], { x0: shifted });
  const [at, wide] = evaluate([first, second], { x0: shifted.map((cell) => cell + 1000) });
  assert.ok(at.every((cell) => Math.abs(cell - 1000) < 3));
  wide.forEach((cell, i) => {
    assert.ok(Math.abs(cell - plain[i]) < 1e-9);
  });
});

test("softmax, its logarithm and the log of a sum of exponentials", () => {
  const type = tensorType([2, 3], true);
  const given = [1, 2, 3, 1000, 1000, -1000];
  const [p, l, s] = outputs(([v]) => [softmax(v), logSoftmax(v), logSumExp(v)], [type], [given]);
  const e = [1, Math.E, Math.E ** 2].map((value) => value / (1 + Math.E + Math.E ** 2));
  e.forEach((value, i) => {
    assert.ok(Math.abs(p[i] - value) < 1e-15 && Math.abs(l[i] - Math.log(value)) < 1e-14);
  });
  assert.deepEqual([...p.slice(3)], [0.5, 0.5, 0]);
  assert.deepEqual([...l.slice(3)], [-Math.log(2), -Math.log(2), -2000 - Math.log(2)]);
  assert.ok(Math.abs(s[1] - 1000 - Math.log(2)) < 1e-12);
  const types = [tensorType([2, 4, 3], true)];
  for (const make of [softmax, logSoftmax, logSumExp]) {
    for (const axis of [1, 2])
      checkGradients({ build: ([v]) => [make(v, axis)], types, cells: normals(types, random(6)), name: `${make.name} over axis ${axis}` });
  }
});

test("gradients of mean, variance, max and min", () => {
  const types = [tensorType([3, 4, 5], true)];
  for (const make of [mean, variance, max, min]) {
    for (const axes of [[1], [2], [1, 2], ...(make === mean || make === variance ? [[0], [0, 2], [0, 1, 2]] : [])]) {
      checkGradients({ build: ([v]) => [make(v, axes)], types, cells: normals(types, random(9)), name: `${make.name} over ${axes}` });
    }
  }
});

test("the mean over the examples divides by the run's number of them", () => {
  const [v] = inputsOf([x]);
  const [slope] = gradients(mean(v), [v]);
  assert.ok(slope !== null);
  const graph = (v.graph as GraphTracer).finish();
  assert.ok(graph.values.some(({ source }) => source.kind === "examples"));
  assert.deepEqual(
    [...evaluate([slope], { x0: cells })[0]],
    cells.map(() => 1 / 12),
  );
});

test("bad input is named with its numbers", () => {
  const type = tensorType([4, 3, 5], true);
  const plan = (shape: readonly number[], keep = false): unknown => reduceOperator.plan({ operation: "sum", keep, shape }, [type]);
  assert.throws(
    () => plan([3, 6]),
    /^ToeplitzError: reduce: shape: expected at most 3 axes with extents of 1 up to those of \[n<=4,3,5\], right-aligned; received \[3,6\]\.$/,
  );
  assert.throws(
    () => plan([4, 3, 5]),
    /example axis: expected extent 1 when the examples are summed; received 4\. Keep the examples, or leave the axis out\.$/,
  );
  assert.throws(
    () => plan([5], true),
    /shape: expected 2 extents, one for each axis after the example axis that is kept; received \[5\]\.$/,
  );
  assert.throws(
    () => momentsOperator.plan({ keep: false, shape: [3, 2] }, [type]),
    /^ToeplitzError: moments: shape: expected an extent that divides 5 on axis 2; received 2\.$/,
  );
  assert.throws(
    () => run((v) => sum(v, 3)),
    /^ToeplitzError: sum\(\[n<=2,2,3\]\): axis: expected 0 to 2, or -3 to -1 from the end; received 3\.$/,
  );
  assert.throws(
    () => run((v) => max(v, 0)),
    /^ToeplitzError: max\(\[n<=2,2,3\]\): axis: expected one after the example axis; received 0\. The examples of a batch are not mixed\.$/,
  );
});
