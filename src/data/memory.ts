import { Problems } from "../base/errors.ts";
import { sameShape, size } from "../base/types.ts";
import type { Dataset } from "./dataset.ts";
import type { Members } from "./examples.ts";
import { membersFrom, storedDataset } from "./stored.ts";
import { sharedBytes } from "./threads.ts";

/** One example as numbers. */
export interface ArrayExample {
  readonly cells: ArrayLike<number>;
  /** [channels, 1 to 3 extents]; extents may differ from example to example. */
  readonly shape: readonly number[];
  readonly class: string;
}

/** Parts of a set; what is missing is split from train. */
export interface ArrayParts {
  readonly train: readonly ArrayExample[];
  readonly validation?: readonly ArrayExample[];
  readonly test?: readonly ArrayExample[];
}

/** Options of `arrays`. */
export interface ArraysOptions {
  /** For messages and model files. Default `arrays`. */
  readonly name?: string;
  /** Default: those of the examples, sorted. */
  readonly classes?: readonly string[];
  /** Seed of the validation part. Default 0. */
  readonly seed?: number;
  /** Validation part: a fraction or a number of examples. Default: 15 % of train, at most 5,000. */
  readonly holdout?: number;
}

/** Examples named one by one in an error. */
const mostNamed = 10;

/**
 * A set of arrays of 1 to 3 axes that are in memory: sounds, series, pictures, volumes. Examples may have extents of their own.
 *
 * Shapes: the set's shape is [channels, the largest extent of each axis].
 * Throws: ToeplitzError when there are none, or one has other channels or axes than the first, another number of cells than its shape, or cells that are not finite.
 * Example: `const words = arrays(clips.map(({ samples, word }) => ({ cells: samples, shape: [1, samples.length], class: word })))`
 */
export function arrays(parts: readonly ArrayExample[] | ArrayParts, options: ArraysOptions = {}): Dataset {
  const { name = "arrays", seed = 0, holdout } = options;
  const given: ArrayParts = "train" in parts ? parts : { train: parts };
  const { train, validation, test } = given;
  const all = [...train, ...(validation ?? []), ...(test ?? [])];
  const classes = options.classes ?? [...new Set(all.map((example) => example.class))].sort();
  checkExamples(name, train.length, all, classes);
  const [first] = all;
  const axes = first.shape.length - 1;
  const shape = first.shape.map((_, axis) => all.reduce((most, example) => Math.max(most, example.shape[axis]), 0));
  const room = size(shape);
  const pixels = new Float32Array(sharedBytes(all.length * room * 4));
  all.forEach(({ cells }, row) => pixels.set(cells, row * room));
  const isEven = all.every((example) => sameShape(example.shape, shape));
  const extents = isEven
    ? undefined
    : Int32Array.from({ length: all.length * axes }, (_, at) => all[Math.floor(at / axes)].shape[(at % axes) + 1]);
  const members = (first: number, list: readonly ArrayExample[]): Members =>
    membersFrom(
      first,
      Int32Array.from(list, (example) => classes.indexOf(example.class)),
    );
  const divided = {
    train: members(0, train),
    ...(validation && { validation: members(train.length, validation) }),
    ...(test && { test: members(all.length - test.length, test) }),
  };
  return storedDataset({ name, shape, classes, pixels, extents, parts: divided, holdout, seed });
}

function checkExamples(name: string, train: number, all: readonly ArrayExample[], classes: readonly string[]): void {
  const problems = new Problems("data", name);
  problems.check(train > 0, "training examples", ">= 1", train);
  problems.throwIfAny();
  const [{ shape: first }] = all;
  let named = 0;
  for (const [index, { cells, shape, class: label }] of all.entries()) {
    const wrong = Array.prototype.findIndex.call(cells, (cell: number) => !Number.isFinite(cell));
    const isWhole = shape.every((extent) => Number.isInteger(extent) && extent >= 1) && shape.length >= 2 && shape.length <= 4;
    const isRight = [
      problems.check(isWhole, `shape of example ${index}`, "[channels, 1 to 3 extents], whole numbers >= 1", `[${shape.join(", ")}]`),
      problems.check(
        shape.length === first.length && shape[0] === first[0],
        `channels and axes of example ${index}`,
        `${first[0]} and ${first.length - 1}, as of example 0`,
        `${shape[0]} and ${shape.length - 1}`,
      ),
      problems.check(cells.length === size(shape), `cells of example ${index}`, `${size(shape)} = ${shape.join(" x ")}`, cells.length),
      problems.check(wrong < 0, `cell ${wrong} of example ${index}`, "a finite number", cells[wrong]),
      problems.check(classes.includes(label), `class of example ${index}`, `one of ${classes.join(", ")}`, label),
    ];
    if (isRight.includes(false) && ++named === mostNamed) break;
  }
  problems.throwIfAny();
}
