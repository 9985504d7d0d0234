import assert from "node:assert/strict";
import { test } from "node:test";
import { encode } from "fast-png";
import { batches } from "../../src/data/batches.ts";
import { openDataset } from "../../src/data/open.ts";
import { tilesOf } from "../../src/data/tiles.ts";
import { logitsOfCells } from "../../src/train/cells.ts";
import { withFolder } from "./pictures.ts";

/** A grey picture whose level says its class: below 100 it is class 0. */
const level = (cell: number, seed: number): number => ((cell * 37 + seed * 11) % 19 < 7 ? 40 : 180);

function pair(index: number, height = 40, width = 36): readonly [image: Uint8Array, labels: Uint8Array] {
  const image = Uint8Array.from({ length: height * width }, (_, cell) => level(cell, index));
  const form = { width, height, channels: 1, depth: 8 as const };
  return [encode({ ...form, data: image }), encode({ ...form, data: image.map((value) => (value < 100 ? 0 : 255)) })];
}

function pairs(count: number, labelName = (index: number): string => `${index}.png`): Record<string, Uint8Array> {
  return Object.fromEntries(
    Array.from({ length: count }, (_, index) => index).flatMap((index) => {
      const [image, labels] = pair(index);
      return [
        [`images/${index}.png`, image],
        [`masks/${labelName(index)}`, labels],
      ];
    }),
  );
}

test("cells and labels are cut and changed alike; every cell of the other parts counts once", async () => {
  await withFolder(
    pairs(12, (index) => `${index}_mask.png`),
    async (folder) => {
      const set = await openDataset(folder, { size: 16, decoder: "plain" });
      assert.deepEqual(
        [set.shape, set.classes],
        [
          [1, 16, 16],
          ["0", "255"],
        ],
      );
      // the end of the order of numbers, not of letters
      assert.deepEqual([...new Set(set.test?.names)], ["images/10.png", "images/11.png"]);
      const { mean, deviation } = set.normalisation;
      const options = { batch: 4, shape: set.shape, seed: 1, shuffle: true };
      for (const augment of [{}, { flip: [0, 1] }]) {
        let cells = 0;
        for await (const { input, labels } of batches(set.train, { ...options, augment })) {
          labels.forEach((label, cell) => assert.equal(input[cell] * deviation[0] + mean[0] < 100 / 255 ? 0 : 1, label));
          cells += labels.length;
        }
        assert.equal(cells, set.train.count * 256);
      }
      let counted = 0;
      for await (const { input, labels } of batches(set.test ?? set.train, { batch: 3, shape: set.shape })) {
        labels.forEach((label, cell) => {
          if (label === -1) return;
          counted++;
          assert.equal(input[cell] * deviation[0] + mean[0] < 100 / 255 ? 0 : 1, label);
        });
      }
      assert.equal(counted, 2 * 40 * 36);
    },
  );
});

test("images without labels, and labels of another size, are named", async () => {
  const files = pairs(4);
  delete files["masks/2.png"];
  await withFolder(files, async (folder) => {
    await assert.rejects(
      openDataset(folder, { decoder: "plain" }),
      /labels of images: expected a file of the same name in masks for each of 4 images; received none for 2\.png/,
    );
  });
  await withFolder({ ...pairs(4), "masks/1.png": pair(1, 40, 30)[1] }, async (folder) => {
    await assert.rejects(
      openDataset(folder, { decoder: "plain" }),
      /labels of images\/1\.png: expected 40 x 36 cells \(height x width\), as the image; received 40 x 30/,
    );
  });
});

test("tiles cover a grid once, and a net of one cell gives the same in tiles as in one run", async () => {
  const tiles = tilesOf([50, 21], [16, 16], 3);
  const seen = new Int32Array(50 * 21);
  for (const { from, keepFrom, keepTo } of tiles) {
    for (let y = keepFrom[0]; y < keepTo[0]; y++) for (let x = keepFrom[1]; x < keepTo[1]; x++) seen[y * 21 + x]++;
    keepFrom.forEach((cell, axis) => assert.ok(cell >= from[axis] + 3 || cell === 0));
  }
  assert.ok(seen.every((times) => times === 1));
  assert.throws(() => tilesOf([9], [4], 2), /tiles: margin: expected 0 to 1, below half of the tile 4; received 2/);
  const input = Float32Array.from({ length: 50 * 21 }, (_, cell) => cell);
  const run = async (cells: Float32Array, [, ...extents]: readonly number[]) => ({
    dtype: "f32" as const,
    shape: [1, 2, ...extents],
    data: Float32Array.from([...cells, ...cells.map((value) => -value)]),
  });
  for (const only of [[16, 16], [64, 12], undefined]) {
    const { data } = await logitsOfCells(input, [1, 50, 21], run, { classes: 2, only });
    assert.deepEqual([...data], [...input, ...input.map((value) => -value)]);
  }
});
