import assert from "node:assert/strict";
import { test } from "node:test";
import type { Members } from "./examples.ts";
import { checkHoldout, holdOut, holdoutSize } from "./holdout.ts";

function members(labels: readonly number[]): Members {
  const rows = Int32Array.from(labels, (_, index) => index);
  return { rows, ids: rows, labels: Int32Array.from(labels), names: labels.map((_, index) => `n${index}`) };
}

test("15 % by default, at most 5,000; fractions and numbers as asked", () => {
  assert.equal(holdoutSize(undefined, 320), 48);
  assert.equal(holdoutSize(undefined, 60_000), 5000);
  assert.equal(holdoutSize(0.25, 200), 50);
  assert.equal(holdoutSize(30, 200), 30);
});

test("every class gives its share, nothing is lost, names stay with their examples", () => {
  const labels = Array.from({ length: 400 }, (_, index) => (index < 300 ? 0 : index < 380 ? 1 : 2));
  const { kept, heldOut } = holdOut(members(labels), 60, 7);
  const counts = [0, 1, 2].map((label) => heldOut.labels.filter((other) => other === label).length);
  assert.deepEqual(counts, [45, 12, 3]);
  assert.deepEqual(
    [...kept.ids, ...heldOut.ids].sort((a, b) => a - b),
    labels.map((_, index) => index),
  );
  heldOut.ids.forEach((id, index) => {
    assert.equal(heldOut.names?.[index], `n${id}`);
    assert.equal(heldOut.labels[index], labels[id]);
  });
});

test("the seed draws the part; the same seed draws the same", () => {
  const set = members(Array.from({ length: 100 }, (_, index) => index % 4));
  assert.deepEqual(holdOut(set, 20, 1).heldOut.ids, holdOut(set, 20, 1).heldOut.ids);
  assert.notDeepEqual(holdOut(set, 20, 1).heldOut.ids, holdOut(set, 20, 2).heldOut.ids);
});

test("members of a group are not separated, and every class keeps a group", () => {
  const labels = Array.from({ length: 160 }, (_, index) => (index < 80 ? 0 : 1));
  const groups = Int32Array.from(labels, (_, index) => Math.floor(index / 8));
  const { kept, heldOut } = holdOut(members(labels), 32, 3, groups);
  const held = new Set(Array.from(heldOut.ids, (id) => groups[id]));
  assert.equal(heldOut.ids.length, 32);
  assert.ok(Array.from(kept.ids, (id) => groups[id]).every((group) => !held.has(group)));
  const single = holdOut(members([0, 1, 1, 1]), 2, 3);
  assert.ok(single.kept.labels.includes(0));
});

test("a hold-out that leaves nothing is refused", () => {
  assert.throws(() => checkHoldout(200, 200, "flowers"), {
    message: "data(flowers): holdout: expected a fraction below 1 or a whole number below the 200 training examples; received 200.",
  });
  assert.throws(() => checkHoldout(-0.1, 200, "flowers"), /received -0.1/);
  assert.throws(() => checkHoldout(1.5, 200, "flowers"), /received 1.5/);
});
