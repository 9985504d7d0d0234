import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { augmentations } from "../../src/data/augmentations.ts";
import { batches } from "../../src/data/batches.ts";
import { openDataset } from "../../src/data/open.ts";
import { withoutSharp } from "./pictures.ts";

const root = process.env.TOEPLITZ_DATA ?? "../shared/data";

/** Skips, by name, where the data is not there. */
function data(name: string): { path: string; skip: string | false } {
  const path = join(root, name);
  return { path, skip: existsSync(path) ? false : `no ${name} in the shared data` };
}

const mnist = data("mnist");
test("MNIST: 55,000 to train on, 5,000 for choices, 10,000 scored", { skip: mnist.skip }, async () => {
  const set = await openDataset(mnist.path, { seed: 1 });
  assert.deepEqual(set.shape, [1, 28, 28]);
  assert.deepEqual([set.train.count, set.validation?.count, set.test?.count], [55_000, 5000, 10_000]);
  assert.deepEqual(set.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
  assert.ok(Math.abs(set.normalisation.mean[0] - 0.1307) < 0.001 && Math.abs(set.normalisation.deviation[0] - 0.3081) < 0.001);
  assert.deepEqual([...(set.test?.labels.subarray(0, 8) ?? [])], [7, 2, 1, 0, 4, 1, 4, 9]);
  let count = 0;
  for await (const batch of batches(set.train, { batch: 128, shuffle: true })) count += batch.count;
  assert.equal(count, 55_000);
});

const photos = data("photos");
for (const decoder of ["sharp", "plain"] as const) {
  test(`photos by ${decoder}: val is scored once, 15 % of train is for choices`, {
    skip: photos.skip || (decoder === "sharp" && withoutSharp),
  }, async () => {
    const set = await openDataset(photos.path, { seed: 1, decoder });
    assert.deepEqual(set.shape, [3, 64, 64]);
    assert.deepEqual([set.train.count, set.validation?.count, set.test?.count], [272, 48, 80]);
    assert.ok(set.test?.names?.every((name) => name.startsWith("val/")));
    assert.ok(set.train.names?.every((name) => name.startsWith("train/")));
    assert.ok(set.notes.includes("pictures of 129 sizes resized to 64 x 64"));
    let count = 0;
    for await (const { count: some, input } of batches(set.train, { batch: 32, shuffle: true, augment: augmentations.photographs })) {
      count += some;
      assert.ok(input.every((value) => Number.isFinite(value)));
    }
    assert.equal(count, 272);
    await set.close?.();
  });
}

const frames = data("video/frames");
test("frames of clips: no clip is in two parts", { skip: frames.skip }, async () => {
  const set = await openDataset(frames.path, { size: 24 });
  const clips = [set.train, set.validation, set.test].map(
    (split) => new Set(split?.names?.map((name) => name.slice(0, name.lastIndexOf("/")))),
  );
  assert.equal(
    clips.reduce((sum, { size }) => sum + size, 0),
    new Set(clips.flatMap((names) => [...names])).size,
  );
  assert.equal(set.train.count + (set.validation?.count ?? 0) + (set.test?.count ?? 0), 1792);
});
