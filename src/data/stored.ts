import { divide, type Parts, type SplitRule } from "./assemble.ts";
import type { Dataset } from "./dataset.ts";
import { type Members, storedExamples, storedSplit } from "./examples.ts";
import { channelStatistics } from "./statistics.ts";

/** A set whose examples are all in memory. */
export interface Stored extends Omit<SplitRule, "where"> {
  readonly name: string;
  /** [channels, the largest extent of each axis]. */
  readonly shape: readonly number[];
  readonly classes: readonly string[];
  readonly pixels: Uint8Array | Float32Array;
  /** Extents of each row, where they are not those of `shape`. */
  readonly extents?: Int32Array;
  readonly parts: Parts;
}

/** Examples one after another from row `first` on, known by their rows. */
export function membersFrom(first: number, labels: Int32Array): Members {
  const rows = labels.map((_, index) => first + index);
  return { rows, ids: rows, labels };
}

/** Divides the examples and normalises all of them as the training part asks for. */
export function storedDataset({ name, shape, classes, pixels, extents, parts, holdout, seed }: Stored): Dataset {
  const division = divide(parts, { holdout, seed, where: name });
  const normalisation = channelStatistics(pixels, shape, division.train.rows, extents);
  const examples = storedExamples(pixels, shape, normalisation, extents);
  return {
    name,
    shape,
    classes,
    train: storedSplit(examples, division.train),
    validation: storedSplit(examples, division.validation),
    test: storedSplit(examples, division.test),
    normalisation,
    notes: division.notes,
    close: () => examples.close(),
  };
}
