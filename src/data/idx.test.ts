import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { idxFolder, parseIdx } from "./idx.ts";

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + 4 * shape.length + data.length);
  bytes.set([0, 0, 8, shape.length]);
  shape.forEach((extent, axis) => {
    new DataView(bytes.buffer).setUint32(4 + 4 * axis, extent);
  });
  bytes.set(data, 4 + 4 * shape.length);
  return bytes;
}

const images = (count: number, height = 2, width = 3): Uint8Array =>
  idx(
    [count, height, width],
    Uint8Array.from({ length: count * height * width }, (_, cell) => cell),
  );
const labels = (list: readonly number[]): Uint8Array => idx([list.length], Uint8Array.from(list));
const cycle = (count: number, classes: readonly number[]): number[] =>
  Array.from({ length: count }, (_, index) => classes[index % classes.length]);

type Files = { [name: string]: Uint8Array };

const whole: Files = {
  "train-images-idx3-ubyte": images(20),
  "train-labels-idx1-ubyte": labels(cycle(20, [3, 5])),
  "t10k-images-idx3-ubyte": images(4),
  "t10k-labels-idx1-ubyte": labels([5, 3, 3, 5]),
};

async function withFiles(files: Files, use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "toeplitz-idx-"));
  try {
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes);
    await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function refuses(change: Files, message: string, without: readonly string[] = []): Promise<void> {
  const files = Object.fromEntries(Object.entries({ ...whole, ...change }).filter(([name]) => !without.includes(name)));
  await withFiles(files, async (folder) => {
    await assert.rejects(idxFolder(folder), (error: Error) => {
      assert.equal(error.message.replaceAll(folder, "FOLDER"), message);
      return true;
    });
  });
}

test("a set of idx files, packed or not, is opened; labels become classes", async () => {
  const packed = Object.fromEntries(Object.entries(whole).map(([name, bytes]) => [`${name}.gz`, new Uint8Array(gzipSync(bytes))]));
  for (const files of [whole, packed]) {
    await withFiles(files, async (folder) => {
      const set = await idxFolder(folder, { holdout: 4 });
      assert.deepEqual(set.shape, [1, 2, 3]);
      assert.deepEqual(set.classes, ["3", "5"]);
      assert.deepEqual([set.train.count, set.validation?.count, set.test?.count], [16, 4, 4]);
      assert.deepEqual([...(set.test?.labels ?? [])], [1, 0, 0, 1]);
      assert.deepEqual([...(set.test?.ids ?? [])], [20, 21, 22, 23]);
      const into = new Float32Array(6);
      set.test?.read(1, into, 0);
      const { mean, deviation } = set.normalisation;
      assert.deepEqual(
        [...into],
        Array.from({ length: 6 }, (_, cell) => Math.fround(((6 + cell) / 255 - mean[0]) / deviation[0])),
      );
    });
  }
});

test("without a test part, one is split from train", async () => {
  await withFiles({ "train-images.idx3-ubyte": images(20), "train-labels.idx1-ubyte": labels(cycle(20, [0, 1])) }, async (folder) => {
    const { train, validation, test: scored } = await idxFolder(folder);
    assert.deepEqual([train.count, validation?.count, scored?.count], [14, 3, 3]);
  });
});

test("bad bytes are refused", () => {
  const parse = (bytes: Uint8Array): unknown => parseIdx(bytes, "x", [3, 4]);
  assert.throws(() => parse(Uint8Array.from([0, 0])), {
    message: "idx(x): length: expected >= 4 bytes of magic number; received 2 bytes.",
  });
  assert.throws(() => parse(Uint8Array.from([0, 0, 8, 1, 0])), {
    message: "idx(x): magic number: expected 00 00 08 and 3 to 4 axes; received 00 00 08 01.",
  });
  assert.throws(() => parse(Uint8Array.from([0, 0, 13, 3, 0])), {
    message: "idx(x): magic number: expected 00 00 08 and 3 to 4 axes; received 00 00 0d 03.",
  });
  assert.throws(() => parse(Uint8Array.from([0, 0, 8, 3, 0])), {
    message: "idx(x): length: expected >= 16 bytes of header; received 5 bytes.",
  });
  assert.throws(() => parse(images(2).subarray(0, 27)), {
    message: "idx(x): length: expected 28 bytes (header 16, 2 x 2 x 3 cells); received 27 bytes.",
  });
  assert.throws(() => parse(idx([0xffffffff, 0xffffffff, 1], new Uint8Array(0))), /received 16 bytes/);
});

test("missing files, other counts and labels out of range are refused", async () => {
  const two = "A part of an idx set is two files, images and labels.";
  await refuses({}, `idx(FOLDER): train labels: expected a file such as train-labels-idx1-ubyte; received none. ${two}`, [
    "train-labels-idx1-ubyte",
  ]);
  await refuses({}, `idx(FOLDER): test images: expected a file such as train-images-idx3-ubyte; received none. ${two}`, [
    "t10k-images-idx3-ubyte",
  ]);
  await refuses({}, "idx(FOLDER): train images: expected a file such as train-images-idx3-ubyte; received none.", [
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
  ]);
  await refuses(
    { "t10k-labels-idx1-ubyte": labels([3, 5, 3]) },
    "idx(t10k-labels-idx1-ubyte): labels: expected 4, one per image of t10k-images-idx3-ubyte; received 3.",
  );
  await refuses(
    { "t10k-labels-idx1-ubyte": labels([3, 5, 3, 4]) },
    "idx(t10k-labels-idx1-ubyte): label: expected one of the training labels 3, 5; received 4 at example 3.",
  );
  await refuses(
    { "t10k-images-idx3-ubyte": images(4, 3, 2) },
    "idx(FOLDER): test images: expected extents 2 x 3 as in train; received 3 x 2.",
  );
  await refuses(
    { "train-images-idx3-ubyte": gzipSync(images(20)).subarray(0, 30) },
    "idx(train-images-idx3-ubyte): gzip: expected a whole gzip file; received unexpected end of file.",
  );
  await withFiles(whole, async (folder) => {
    await assert.rejects(idxFolder(folder, { classes: ["a", "b", "c", "d", "e"] }), {
      message: "idx(train-labels-idx1-ubyte): label: expected 0 to 4; received 5 at example 1.",
    });
  });
});
