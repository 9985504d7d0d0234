import { size, type Tensor } from "../base/types.ts";
import { type BatchOptions, batches } from "../data/batches.ts";
import type { Batch, Split } from "../data/dataset.ts";
import { cellScores, confusionMatrix, countCorrect, predictions } from "../nn/metrics.ts";

/** What a net gave for one batch. The cells may be gone at the next run. */
export interface BatchScores {
  /** Loss of each example. */
  readonly losses: ArrayLike<number>;
  /** Logits [N, classes], or [N, classes, ...extents], where the net classifies. */
  readonly logits?: Tensor;
}

/** How good a net is on a part of a set. */
export interface Scores {
  readonly count: number;
  /** Mean over the examples. */
  readonly loss: number;
  /** Share of right ones, in [0, 1]. */
  readonly accuracy?: number;
  /** Class given by the net, and its probability, for each example in the order of the part. */
  readonly predicted?: Int32Array;
  readonly probability?: Float32Array;
  /** Cells by class given (row) and class predicted (column), where every cell has a class; `accuracy` is then that of cells. */
  readonly table?: readonly (readonly number[])[];
}

/** Scores of no examples. */
export const noScores: Scores = { count: 0, loss: Number.NaN };

/** Softmax of one row of logits in float64: exp(v_k - max) / sum. */
export function probabilitiesOf(logits: ArrayLike<number>, row: number, classes: number): Float64Array {
  const from = row * classes;
  let largest = Number.NEGATIVE_INFINITY;
  for (let index = from; index < from + classes; index++) largest = Math.max(largest, logits[index]);
  const result = Float64Array.from({ length: classes }, (_, index) => Math.exp(logits[from + index] - largest));
  const sum = result.reduce((total, value) => total + value, 0);
  return result.map((value) => value / sum);
}

/**
 * Scores every example of a part once; a short last batch counts by its examples.
 * `breathe` is awaited between batches, so that signals are heard.
 */
export async function scoreSplit(
  split: Split,
  options: Pick<BatchOptions, "batch" | "shape" | "grids"> & { readonly breathe?: () => Promise<void> | undefined },
  run: (batch: Batch) => Promise<BatchScores>,
): Promise<Scores> {
  if (split.labelled !== undefined) return scoreCells(split, options, run);
  const predicted = new Int32Array(split.count);
  const probability = new Float32Array(split.count);
  let [done, sum, correct, rows] = [0, 0, 0, 0];
  const { breathe, ...cut } = options;
  for await (const batch of batches(split, cut)) {
    const { losses, logits } = await run(batch);
    for (let example = 0; example < batch.count; example++) sum += losses[example];
    if (logits !== undefined) {
      const counted = countCorrect(logits, batch.labels);
      correct += counted.correct;
      rows += counted.rows;
      predictions(logits).forEach((index, example) => {
        predicted[batch.places[example]] = index;
        probability[batch.places[example]] = probabilitiesOf(logits.data, example, logits.shape[1])[index];
      });
    }
    done += batch.count;
    await breathe?.();
  }
  const loss = sum / Math.max(1, done);
  return rows === 0 ? { count: done, loss } : { count: done, loss, accuracy: correct / rows, predicted, probability };
}

/** The same where every cell has a class. */
async function scoreCells(
  split: Split,
  { batch: size, shape, breathe }: Parameters<typeof scoreSplit>[1],
  run: Parameters<typeof scoreSplit>[2],
): Promise<Scores> {
  let table: number[][] | undefined;
  let [done, sum] = [0, 0];
  for await (const batch of batches(split, { batch: size, shape })) {
    const { losses, logits } = await run(batch);
    for (let example = 0; example < batch.count; example++) sum += losses[example];
    if (logits !== undefined) {
      const own = confusionMatrix(logits, batch.labels);
      table = table === undefined ? own : addTables(table, own);
    }
    done += batch.count;
    await breathe?.();
  }
  const loss = sum / Math.max(1, done);
  return table === undefined ? { count: done, loss } : { count: done, loss, accuracy: cellScores(table).accuracy, table };
}

/** Tables of counts added. */
export const addTables = (a: readonly (readonly number[])[], b: readonly (readonly number[])[]): number[][] =>
  a.map((row, given) => row.map((count, predicted) => count + b[given][predicted]));

/** The outputs as logits of the classes: the only output, or the one called `output`, where it is [N, classes], or with `cells` [N, classes, ...extents]. */
export function logitsOf(outputs: Readonly<Record<string, Tensor>>, classes: number, cells = false): Tensor | undefined {
  const named = Object.entries(outputs).filter(([name]) => name !== "loss");
  const output = outputs.output ?? (named.length === 1 ? named[0][1] : undefined);
  if (output === undefined || output.shape.length < 2 || output.shape[1] !== classes) return undefined;
  if (cells) return output.shape.length > 2 ? output : undefined;
  return size(output.shape) === output.shape[0] * classes ? output : undefined;
}
