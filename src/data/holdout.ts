import { Problems } from "../base/errors.ts";
import { keyOf } from "../base/random.ts";
import { type Members, membersAt } from "./examples.ts";

/** How much is split from the training examples: a fraction below 1, or a number of examples. */
export type Holdout = number;

/** Names the stream of the hold-out among the streams of one seed. */
const stream = 0x686f6c00;

/** Of the training examples 15 %, but at most this many: more makes a choice no better. */
const defaultMost = 5000;

/** Number of examples that a hold-out takes from `count`. */
export function holdoutSize(holdout: Holdout | undefined, count: number): number {
  if (holdout === undefined) return Math.min(defaultMost, Math.round(0.15 * count));
  return holdout < 1 ? Math.round(holdout * count) : holdout;
}

/**
 * Checks a hold-out against the number of training examples.
 *
 * Throws: ToeplitzError when it is negative, not whole above 1, or leaves nothing to train on.
 */
export function checkHoldout(holdout: Holdout | undefined, count: number, where: string): void {
  if (holdout === undefined) return;
  const problems = new Problems("data", where);
  const isRight = holdout >= 0 && (holdout < 1 || Number.isInteger(holdout)) && holdout < count;
  problems.check(isRight, "holdout", `a fraction below 1 or a whole number below the ${count} training examples`, holdout);
  problems.throwIfAny();
}

/**
 * Splits a part from the members: of every class its share, drawn by seed and example id. Members of one group (frames of one clip) stay together.
 * A class keeps at least one group for training.
 */
export function holdOut(members: Members, wanted: number, seed: number, groups?: Int32Array): { kept: Members; heldOut: Members } {
  const count = members.labels.length;
  const groupOf = groups ?? Int32Array.from({ length: count }, (_, index) => index);
  const isHeld = new Uint8Array(count);
  const byClass = new Map<number, Map<number, number[]>>();
  for (let index = 0; index < count; index++) {
    const label = members.labels[index];
    const ofClass = byClass.get(label) ?? new Map<number, number[]>();
    byClass.set(label, ofClass);
    const ofGroup = ofClass.get(groupOf[index]);
    if (ofGroup === undefined) ofClass.set(groupOf[index], [index]);
    else ofGroup.push(index);
  }
  const labels = [...byClass.keys()].sort((a, b) => a - b);
  let seen = 0;
  let taken = 0;
  for (const label of labels) {
    const ofClass = [...(byClass.get(label)?.values() ?? [])];
    const size = ofClass.reduce((sum, group) => sum + group.length, 0);
    seen += size;
    // shares are rounded on the running total, so that they add up
    const share = Math.round((wanted * seen) / count) - taken;
    const drawn = ofClass
      .map((group) => ({ group, key: keyOf(seed, stream, members.ids[group[0]]) >>> 0 }))
      .sort((a, b) => a.key - b.key)
      .slice(0, -1);
    let left = share;
    for (const { group } of drawn) {
      if (left <= 0 || group.length / 2 > left) break;
      for (const index of group) isHeld[index] = 1;
      left -= group.length;
    }
    taken += share - left;
  }
  const indices = Array.from({ length: count }, (_, index) => index);
  return {
    kept: membersAt(
      members,
      indices.filter((index) => isHeld[index] === 0),
    ),
    heldOut: membersAt(
      members,
      indices.filter((index) => isHeld[index] === 1),
    ),
  };
}
