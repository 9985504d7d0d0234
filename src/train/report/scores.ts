import { Problems } from "../../base/errors.ts";

/** Scores of one class; NaN where there is nothing to divide by. */
export interface ClassScore {
  /** Share of right ones among those predicted as this class. */
  readonly precision: number;
  /** Share of right ones among those given as this class. */
  readonly recall: number;
  /** Harmonic mean of both: 2 right / (given + predicted); of cells also called Dice. */
  readonly f1: number;
  /** right / (given + predicted - right). */
  readonly overlap: number;
  /** Number of examples given as this class. */
  readonly support: number;
}

/**
 * Confusion matrix: entry [a][b] counts the examples given as class a and predicted as class b.
 * Shapes: given [n], predicted [n] -> [classes][classes].
 * Throws: ToeplitzError where the lists differ in length or hold anything but class numbers.
 */
export function confusionMatrix(given: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number[][] {
  const problems = new Problems("report", "confusion matrix");
  problems.check(given.length === predicted.length, "predicted", `${given.length} classes, as many as given`, predicted.length);
  const rule = `integers from 0 to ${classes - 1}`;
  for (const [what, list] of [["given", given] as const, ["predicted", predicted] as const]) {
    const wrong = Array.from(list).findIndex((index) => !Number.isInteger(index) || index < 0 || index >= classes);
    problems.check(wrong === -1, what, rule, `${list[wrong]} for example ${wrong}`);
  }
  problems.throwIfAny();
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let example = 0; example < given.length; example++) matrix[given[example]][predicted[example]]++;
  return matrix;
}

/** Precision, recall, F1 and support of every class of a confusion matrix (rows given, columns predicted). */
export function classScores(confusion: readonly (readonly number[])[]): ClassScore[] {
  return confusion.map((row, index) => {
    const right = row[index];
    const support = row.reduce((sum, count) => sum + count, 0);
    const predicted = confusion.reduce((sum, other) => sum + other[index], 0);
    const both = support + predicted;
    return { precision: right / predicted, recall: right / support, f1: (2 * right) / both, overlap: right / (both - right), support };
  });
}

/** Two classes that were taken for each other. */
export interface Confusion {
  readonly given: number;
  readonly predicted: number;
  readonly count: number;
}

/** The wrong entries of a confusion matrix, most frequent first, equal ones in the order of the classes. */
export function mostConfused(confusion: readonly (readonly number[])[], limit: number): Confusion[] {
  return confusion
    .flatMap((row, given) => row.map((count, predicted) => ({ given, predicted, count })))
    .filter(({ given, predicted, count }) => given !== predicted && count > 0)
    .sort((a, b) => b.count - a.count)
    .slice(0, limit);
}
