import { fail } from "../base/errors.ts";
import { size, type Tensor } from "../base/types.ts";

/** Scores [N, classes, ...m] as one row of classes for each label. */
function eachRow(
  kind: string,
  scores: Tensor,
  labels: ArrayLike<number>,
  visit: (score: (index: number) => number, label: number) => void,
): void {
  const [examples, classes, ...extents] = scores.shape;
  const cells = size(extents);
  if (scores.shape.length < 2 || labels.length < examples * cells)
    fail(kind, "", "labels", `${examples * cells}, one for each row of the scores [${scores.shape.join(",")}]`, labels.length);
  for (let example = 0; example < examples; example++) {
    for (let cell = 0; cell < cells; cell++)
      visit((index) => scores.data[(example * classes + index) * cells + cell], labels[example * cells + cell]);
  }
}

/** The class with the largest score of every row; the first of equals. Shapes: scores [N, classes, ...m] -> [N, ...m]. */
export function predictions(scores: Tensor): Int32Array {
  const [examples, classes, ...extents] = scores.shape;
  const cells = size(extents);
  return Int32Array.from({ length: examples * cells }, (_, row) => {
    const base = Math.floor(row / cells) * classes * cells + (row % cells);
    let best = 0;
    for (let index = 1; index < classes; index++) if (scores.data[base + index * cells] > scores.data[base + best * cells]) best = index;
    return best;
  });
}

/**
 * Number of rows whose label is among the `k` largest scores; a tie goes to the class that comes first.
 * Shapes: scores [N, classes, ...m], labels [N, ...m]. Units: rows, so that batches can be added. Labels equal to `ignore` do not count.
 * Throws: when there are fewer labels than rows.
 */
export function countCorrect(
  scores: Tensor,
  labels: ArrayLike<number>,
  { k = 1, ignore }: { readonly k?: number; readonly ignore?: number } = {},
): { correct: number; rows: number } {
  let correct = 0;
  let rows = 0;
  const classes = scores.shape[1] ?? 0;
  eachRow("countCorrect", scores, labels, (score, label) => {
    if (label === ignore) return;
    rows++;
    const own = score(label);
    let before = 0;
    for (let index = 0; index < classes; index++) if (score(index) > own || (score(index) === own && index < label)) before++;
    // a NaN is above nothing, and is no answer
    if (before < k && !Number.isNaN(own)) correct++;
  });
  return { correct, rows };
}

/** Share of rows whose label has the largest score, 0 to 1. */
export function accuracy(scores: Tensor, labels: ArrayLike<number>): number {
  const { correct, rows } = countCorrect(scores, labels);
  return rows === 0 ? 0 : correct / rows;
}

/** Share of rows whose label is among the k largest scores, 0 to 1. */
export function topK(scores: Tensor, labels: ArrayLike<number>, k: number): number {
  const { correct, rows } = countCorrect(scores, labels, { k });
  return rows === 0 ? 0 : correct / rows;
}

/** Table of rows [label, prediction]. */
export function confusionMatrix(scores: Tensor, labels: ArrayLike<number>): number[][] {
  const classes = scores.shape[1] ?? 0;
  const table = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  predictions(scores).forEach((predicted, row) => {
    if (labels[row] >= 0 && labels[row] < classes) table[labels[row]][predicted]++;
  });
  return table;
}

/** How well the cells of one class were found; NaN where the class is neither given nor predicted. */
export interface CellScore {
  /** Share of the class's own cells that were found. */
  readonly accuracy: number;
  /** 2 right / (given + predicted). Source: Dice 1945. */
  readonly dice: number;
  /** right / (given + predicted - right). Source: Jaccard 1912. */
  readonly intersectionOverUnion: number;
}

/** Scores of a labelling of cells. */
export interface CellScores {
  /** Share of the cells whose class is right. */
  readonly accuracy: number;
  readonly classes: readonly CellScore[];
  /** Mean Dice of the classes other than the background, the cells where background is given and predicted being left out by its definition. */
  readonly foregroundDice: number;
}

/**
 * Accuracy per cell, Dice and intersection over union of every class from a table of cells [given class, predicted class] (see `confusionMatrix`; tables of batches can be added).
 * Foreground-restricted: only classes other than `background` count, so that many easy cells of background do not hide a class of few cells.
 * Throws: when background is no class of the table.
 */
export function cellScores(table: readonly (readonly number[])[], background = 0): CellScores {
  if (table[background] === undefined) fail("cellScores", "", "background", `a class from 0 to ${table.length - 1}`, background);
  const given = table.map((row) => row.reduce((total, count) => total + count, 0));
  const predicted = table.map((_, index) => table.reduce((total, row) => total + row[index], 0));
  const classes = table.map((row, index) => {
    const right = row[index];
    const both = given[index] + predicted[index];
    return { accuracy: right / given[index], dice: (2 * right) / both, intersectionOverUnion: right / (both - right) };
  });
  const cells = given.reduce((total, count) => total + count, 0);
  const right = table.reduce((total, row, index) => total + row[index], 0);
  const foreground = classes.filter(({ dice }, index) => index !== background && !Number.isNaN(dice));
  const foregroundDice = foreground.reduce((total, { dice }) => total + dice, 0) / foreground.length;
  return { accuracy: right / cells, classes, foregroundDice };
}
