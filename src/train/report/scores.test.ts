import assert from "node:assert/strict";
import { test } from "node:test";
import { classScores, confusionMatrix, mostConfused } from "./scores.ts";

test("the confusion matrix counts rows by class given, columns by class predicted", () => {
  const matrix = confusionMatrix([0, 0, 1, 2, 2, 2], Int32Array.of(0, 1, 1, 2, 0, 0), 4);
  assert.deepEqual(matrix, [
    [1, 1, 0, 0],
    [0, 1, 0, 0],
    [2, 0, 1, 0],
    [0, 0, 0, 0],
  ]);
});

test("refused: lists of unequal length, numbers that are no classes", () => {
  assert.throws(() => confusionMatrix([0, 1], [0], 2), {
    message: "report(confusion matrix): predicted: expected 2 classes, as many as given; received 1.",
  });
  assert.throws(() => confusionMatrix([0, -1], [0.5, 2], 2), {
    message:
      "report(confusion matrix): given: expected integers from 0 to 1; received -1 for example 1.\n" +
      "report(confusion matrix): predicted: expected integers from 0 to 1; received 0.5 for example 0.",
  });
});

test("precision, recall, F1 and support, worked by hand", () => {
  const [first, second, third] = classScores([
    [8, 2, 0],
    [4, 6, 0],
    [0, 0, 0],
  ]);
  assert.deepEqual(first, { precision: 8 / 12, recall: 0.8, f1: 16 / 22, overlap: 8 / 14, support: 10 });
  assert.deepEqual(second, { precision: 6 / 8, recall: 0.6, f1: 12 / 18, overlap: 6 / 12, support: 10 });
  assert.deepEqual(third, { precision: Number.NaN, recall: Number.NaN, f1: Number.NaN, overlap: Number.NaN, support: 0 });
});

test("a class that is never predicted has an F1 of 0 and no precision", () => {
  const scores = classScores([
    [3, 0],
    [2, 0],
  ]);
  assert.deepEqual(scores[1], { precision: Number.NaN, recall: 0, f1: 0, overlap: 0, support: 2 });
});

test("the pairs most often confused, most frequent first", () => {
  const matrix = [
    [9, 1, 0],
    [3, 9, 1],
    [0, 4, 9],
  ];
  assert.deepEqual(mostConfused(matrix, 3), [
    { given: 2, predicted: 1, count: 4 },
    { given: 1, predicted: 0, count: 3 },
    { given: 0, predicted: 1, count: 1 },
  ]);
});
