import type { Members } from "./examples.ts";
import { checkHoldout, holdOut, holdoutSize } from "./holdout.ts";

/** The parts of a set as they are found. */
export interface Parts {
  readonly train: Members;
  readonly validation?: Members;
  readonly test?: Members;
  /** Group of each training example: members of one group are not separated. */
  readonly groups?: Int32Array;
}

/** How much is split from train, by which seed. */
export interface SplitRule {
  /** Fraction (below 1) or number of examples. Default: 15 % of train, at most 5,000. */
  readonly holdout?: number;
  readonly seed: number;
  /** The set, for messages. */
  readonly where: string;
}

/** The parts of a set as they are used. */
export interface Division {
  readonly train: Members;
  readonly validation: Members;
  readonly test: Members;
  readonly notes: readonly string[];
}

/** The test part does not depend on the seed of a run, so that runs can be compared. */
const testSeed = 0x74657374;

/**
 * Makes the three parts of a set. What is missing is split from train; a validation part without a test part becomes the test part, scored once,
 * so that no choice is made on it.
 *
 * Throws: ToeplitzError when the hold-out leaves nothing to train on.
 */
export function divide(parts: Parts, { holdout, seed, where }: SplitRule): Division {
  const notes: string[] = [];
  let { train, groups, validation, test } = parts;
  const take = (name: string, splitSeed: number): Members => {
    const count = train.labels.length;
    checkHoldout(holdout, count, where);
    const { kept, heldOut } = holdOut(train, holdoutSize(holdout, count), splitSeed, groups);
    if (groups !== undefined) {
      const groupOf = new Map(Array.from(train.ids, (id, index) => [id, groups?.[index] ?? 0]));
      groups = Int32Array.from(kept.ids, (id) => groupOf.get(id) ?? 0);
    }
    notes.push(`${name}: ${heldOut.labels.length} of ${count} training examples set aside`);
    train = kept;
    return heldOut;
  };
  if (test === undefined && validation !== undefined) {
    test = validation;
    validation = undefined;
    notes.push("test: the validation folder, scored once at the end; every choice is made on a part of train");
  }
  test ??= take("test", testSeed);
  validation ??= take("validation", seed);
  return { train, validation, test, notes };
}
