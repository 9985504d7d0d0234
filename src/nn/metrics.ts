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
