import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "../base/types.ts";
import { glorot, he, initialCells, lecun, orthogonal } from "./initialisers.ts";
import { accuracy, cellScores, confusionMatrix, countCorrect, predictions, topK } from "./metrics.ts";
import { constantRate, cosineRate, oneCycleRate, stepRate } from "./schedules.ts";

const near = (got: number, expected: number, bound: number, what = ""): void =>
  assert.ok(Math.abs(got - expected) <= bound, `${what} ${got}, ${expected}`);

test("schedules at their ends and turns", () => {
  assert.deepEqual(
    [1, 7, 100].map((step) => constantRate(0.1)(step, 100)),
    [0.1, 0.1, 0.1],
  );
  const step = stepRate(1, { at: [0.5, 80], factor: 0.1 });
  for (const [at, rate] of [
    [1, 1],
    [50, 1],
    [51, 0.1],
    [80, 0.1],
    [81, 0.01],
    [100, 0.01],
  ] as const)
    near(step(at, 100), rate, 1e-12, `step ${at}`);
  const cosine = cosineRate(1, { floor: 0.2, warmup: 0.1 });
  near(cosine(1, 100), 1 / 11, 1e-12);
  near(cosine(10, 100), 10 / 11, 1e-12);
  near(cosine(11, 100), 1, 1e-12);
  near(cosine(101, 100), 0.2, 1e-12);
  near(cosine(56, 100), 0.6, 1e-12);
  near(cosineRate(1)(1, 100), 1, 1e-12);
  near(cosineRate(1)(51, 100), 0.5, 1e-12);
  near(cosineRate(1)(1, 1), 1, 1e-12);
  for (let at = 12; at <= 100; at++) assert.ok(cosine(at, 100) < cosine(at - 1, 100));
  // turns after step 3 of 10
  const rates = [0.04, 0.52, 1, 0.950484, 0.811745, 0.61126, 0.388744, 0.188259, 0.0495199, 4e-6];
  rates.forEach((rate, index) => near(oneCycleRate(1)(index + 1, 10), rate, 1e-5, `one cycle ${index + 1}`));
  for (const steps of [1, 2, 3])
    for (let at = 1; at <= steps; at++) assert.ok(Number.isFinite(oneCycleRate(1)(at, steps)), `${at} of ${steps}`);
});

test("schedules refuse what makes no sense", () => {
  assert.throws(() => constantRate(0), /constantRate: rate: expected > 0; received 0/);
  assert.throws(() => stepRate(1, { at: [0], factor: 0 }), /marks: expected > 0; received \[0\][\s\S]*factor: expected > 0; received 0/);
  assert.throws(() => cosineRate(1, { floor: 2 }), /floor: expected 0 to the rate 1; received 2/);
  assert.throws(() => oneCycleRate(1, { peak: 1 }), /peak: expected > 0 and < 1; received 1/);
});

const scores: Tensor = { dtype: "f32", shape: [4, 3], data: Float32Array.of(1, 2, 3, 5, 5, 1, 0, 9, 1, Number.NaN, 1, 0) };

test("accuracy, top k and the confusion matrix", () => {
  assert.deepEqual([...predictions(scores)].slice(0, 3), [2, 0, 1]);
  assert.equal(accuracy(scores, [2, 0, 0, 1]), 0.75);
  assert.equal(topK(scores, [1, 1, 0, 0], 2), 0.5);
  assert.deepEqual(countCorrect(scores, [2, 255, 1, 0], { ignore: 255 }), { correct: 2, rows: 3 });
  assert.deepEqual(confusionMatrix(scores, [2, 1, 1, 255]), [
    [0, 0, 0],
    [1, 1, 0],
    [0, 0, 1],
  ]);
  const cells: Tensor = { dtype: "f32", shape: [1, 2, 3], data: Float32Array.of(1, 0, 1, 0, 1, 0) };
  assert.deepEqual([...predictions(cells)], [0, 1, 0]);
  near(accuracy(cells, [0, 0, 0]), 2 / 3, 1e-12);
  assert.throws(() => accuracy(scores, [1]), /countCorrect: labels: expected 4, one for each row of the scores \[4,3\]; received 1/);
});

test("initialisers have their means and variances, and follow seed and name", () => {
  const shape = [40, 30, 3, 3];
  const moments = (cells: Float32Array): [number, number] => {
    const mean = cells.reduce((a, b) => a + b, 0) / cells.length;
    return [mean, cells.reduce((total, value) => total + (value - mean) ** 2, 0) / cells.length];
  };
  const cases = [
    [he(), 2 / 270],
    [he("uniform", 1), 1 / 270],
    [glorot(), 2 / 630],
    [glorot("normal"), 2 / 630],
    [lecun(), 1 / 270],
  ] as const;
  for (const [initialiser, expected] of cases) {
    const [mean, variance] = moments(initialCells(initialiser, shape, 1, "kernel"));
    near(mean, 0, 4 * Math.sqrt(expected / 10800), initialiser.kind);
    near(variance / expected, 1, 0.06, initialiser.kind);
  }
  const bound = Math.sqrt((3 * 2) / 630);
  assert.ok(initialCells(glorot(), shape, 1, "kernel").every((value) => Math.abs(value) <= bound));
  assert.deepEqual(initialCells(he(), [5], 1, "a"), initialCells(he(), [5], 1, "a"));
  assert.notDeepEqual(initialCells(he(), [5], 1, "a"), initialCells(he(), [5], 1, "b"));
  assert.notDeepEqual(initialCells(he(), [5], 1, "a"), initialCells(he(), [5], 2, "a"));
});

test("orthogonal kernels have orthogonal rows, or columns where there are fewer", () => {
  for (const [shape, gain] of [
    [[4, 3, 3], 1],
    [[20, 2, 3], 2],
  ] as const) {
    const [rows, columns] = [shape[0], shape.slice(1).reduce<number>((a, b) => a * b, 1)];
    const cells = initialCells(orthogonal(gain), shape, 1, "kernel");
    const vector = (index: number): number[] =>
      rows <= columns
        ? Array.from({ length: columns }, (_, i) => cells[index * columns + i])
        : Array.from({ length: rows }, (_, i) => cells[i * columns + index]);
    for (let a = 0; a < Math.min(rows, columns); a++) {
      for (let b = 0; b <= a; b++)
        near(
          vector(a).reduce((total, value, i) => total + value * vector(b)[i], 0),
          a === b ? gain ** 2 : 0,
          1e-6,
        );
    }
  }
});

test("scores of cells from a table of given and predicted classes", () => {
  // background 90 of 100 right, a membrane of 20 cells with 15 found
  const {
    accuracy: share,
    classes,
    foregroundDice,
  } = cellScores([
    [90, 10, 0],
    [5, 15, 0],
    [0, 0, 0],
  ]);
  near(share, 105 / 120, 1e-12);
  near(classes[1].accuracy, 15 / 20, 1e-12);
  near(classes[1].dice, 30 / 45, 1e-12);
  near(classes[1].intersectionOverUnion, 15 / 30, 1e-12);
  near(foregroundDice, 30 / 45, 1e-12, "a class that is nowhere does not count");
  assert.ok(Number.isNaN(classes[2].dice));
  near(
    cellScores(
      [
        [3, 1],
        [0, 4],
      ],
      1,
    ).foregroundDice,
    6 / 7,
    1e-12,
  );
  assert.throws(() => cellScores([[1]], 1), /cellScores: background: expected a class from 0 to 0; received 1/);
});
