/** What one epoch gave. Accuracies are shares in [0, 1]; what was not measured is left out. */
export interface EpochMetrics {
  /** From 1. */
  readonly epoch: number;
  /** Mean over the training examples as they were seen: changed at random, while the net was learning. */
  readonly loss: number;
  readonly accuracy?: number;
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
  /** Of the last step. */
  readonly learningRate: number;
  readonly seconds: number;
  /** Of training alone. */
  readonly examplesPerSecond: number;
}

const columns = [
  "epoch",
  "loss",
  "accuracy",
  "validationLoss",
  "validationAccuracy",
  "learningRate",
  "seconds",
  "examplesPerSecond",
] as const satisfies readonly (keyof EpochMetrics)[];

/** The history as CSV: a line of names, then one line for each epoch; what was not measured is empty. */
export function printHistory(history: readonly EpochMetrics[]): string {
  const rows = history.map((metrics) => columns.map((column) => metrics[column] ?? "").join(","));
  return `${[columns.join(","), ...rows].join("\n")}\n`;
}

/** The epoch whose weights are kept. */
export interface Best {
  readonly epoch: number;
  /** Validation loss, or the training loss where there is no validation part. */
  readonly loss: number;
  readonly accuracy?: number;
}

/** Where a run stands: everything but the tensors that a resumed run needs to go on to the same bits. */
export interface Progress {
  /** Epochs done. */
  readonly epoch: number;
  /** Batches done of the epoch after them. */
  readonly batch: number;
  /** Updates done in the whole run. */
  readonly step: number;
  readonly sums: EpochSums;
  readonly history: readonly EpochMetrics[];
  readonly best: Best | null;
  /** Epochs since the best one. */
  readonly sinceBest: number;
}

/** Sums over the examples of an epoch so far. */
export interface EpochSums {
  readonly loss: number;
  readonly correct: number;
  readonly examples: number;
  readonly seconds: number;
}

export const noSums: EpochSums = { loss: 0, correct: 0, examples: 0, seconds: 0 };

export const firstProgress: Progress = { epoch: 0, batch: 0, step: 0, sums: noSums, history: [], best: null, sinceBest: 0 };

/**
 * Whether an epoch's weights are kept over those of the best so far. With `patience`, and where there is no accuracy: a lower loss.
 * Otherwise the one-standard-error rule: an accuracy that the validation examples cannot tell from the highest, since later epochs
 * of a falling learning rate are the better ones where chance alone would decide.
 * Source: Breiman et al. 1984, section 3.4.3: sqrt(p (1 - p) / n) is the error of an accuracy p over n examples.
 */
export function isKept(
  best: Best | null,
  history: readonly EpochMetrics[],
  scores: { readonly loss: number; readonly accuracy?: number } | undefined,
  examples: number,
  patience: number | null,
): boolean {
  // without a validation part nothing can tell an epoch from a better one: the last is kept
  if (best === null || scores === undefined) return true;
  if (patience !== null || scores.accuracy === undefined) return scores.loss < best.loss;
  const top = history.reduce((most, { validationAccuracy }) => Math.max(most, validationAccuracy ?? 0), scores.accuracy);
  return scores.accuracy >= top - Math.sqrt((top * (1 - top)) / examples);
}
