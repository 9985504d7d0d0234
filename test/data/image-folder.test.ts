import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { batches } from "../../src/data/batches.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { type ImageFolderOptions, imageFolder, readPicture } from "../../src/data/image-folder.ts";
import { openDataset } from "../../src/data/open.ts";
import { claims, png, withFolder } from "./pictures.ts";

type Files = { [name: string]: Uint8Array | string };

/** `count` pictures per class, all of one size. */
function classes(names: readonly string[], count: number, prefix = "", channels = 3): Files {
  const files: Files = {};
  names.forEach((name, label) => {
    for (let index = 0; index < count; index++)
      files[`${prefix}${name}/${String(index).padStart(2, "0")}.png`] = png(12, 10, channels, label * 100 + index);
  });
  return files;
}

async function opens(
  files: Files,
  use: (set: Dataset, folder: string) => Promise<void> | void,
  options: ImageFolderOptions = {},
): Promise<void> {
  await withFolder(files, async (folder) => {
    const set = await openDataset(folder, { decoder: "plain", ...options });
    await use(set, folder);
    await set.close?.();
  });
}

/** Asserts the message of the error, with the folder's path as FOLDER. */
async function refuses(files: Files, message: string, options: ImageFolderOptions = {}): Promise<void> {
  await withFolder(files, async (folder) => {
    await assert.rejects(openDataset(folder, { decoder: "plain", ...options }), (error: Error) => {
      assert.equal(error.message.replaceAll(folder, "FOLDER"), message);
      assert.equal(error.name, "ToeplitzError");
      return true;
    });
  });
}

const hint = "Put the pictures of each class into a folder named after it.";

test("class folders alone: test and validation are split from train, of every class its share", async () => {
  await opens(classes(["b", "a"], 20), ({ shape, classes: names, train, validation, test: scored, notes }) => {
    assert.deepEqual(shape, [3, 10, 12]);
    assert.deepEqual(names, ["a", "b"]);
    assert.deepEqual([train.count, validation?.count, scored?.count], [29, 5, 6]);
    const ids = [train, validation, scored].flatMap((split) => [...(split?.ids ?? [])]);
    assert.deepEqual(
      ids.sort((x, y) => x - y),
      Array.from({ length: 40 }, (_, id) => id),
    );
    assert.deepEqual(notes, [
      "test: 6 of 40 training examples set aside",
      "validation: 5 of 34 training examples set aside",
      "pictures decoded by plain",
    ]);
    assert.equal(train.names?.[0].split("/")[0], "a");
    assert.equal([...(scored?.labels ?? [])].filter((label) => label === 0).length, 3);
  });
});

test("the test part is the same for every seed, the validation part is not", async () => {
  await withFolder(classes(["a", "b"], 30), async (folder) => {
    const one = await imageFolder(folder, { decoder: "plain", seed: 1 });
    const two = await imageFolder(folder, { decoder: "plain", seed: 2 });
    const again = await imageFolder(folder, { decoder: "plain", seed: 2 });
    assert.deepEqual(one.test?.ids, two.test?.ids);
    assert.notDeepEqual(one.validation?.ids, two.validation?.ids);
    assert.deepEqual(again.validation?.ids, two.validation?.ids);
  });
});

test("train and val: val is scored once, validation comes from train", async () => {
  const files = { ...classes(["a", "b"], 10, "Training/"), ...classes(["a", "b"], 4, "val/"), "README.md": "x", "odd/x.png": png(3, 3) };
  await opens(files, ({ train, validation, test: scored, notes }) => {
    assert.deepEqual([train.count, validation?.count, scored?.count], [17, 3, 8]);
    assert.ok(scored?.names?.every((name) => name.startsWith("val/")));
    assert.ok(validation?.names?.every((name) => name.startsWith("Training/")));
    assert.deepEqual(notes, [
      "ignored 1 file that is not PNG, JPEG, WebP or GIF: .md 1",
      "ignored the folders odd beside Training, val",
      "test: the validation folder, scored once at the end; every choice is made on a part of train",
      "validation: 3 of 20 training examples set aside",
      "pictures decoded by plain",
    ]);
  });
});

test("train, valid and testing are used as they are", async () => {
  const files = { ...classes(["a", "b"], 6, "train/"), ...classes(["a", "b"], 2, "valid/"), ...classes(["a", "b"], 3, "testing/") };
  await opens(files, ({ train, validation, test: scored }) => {
    assert.deepEqual([train.count, validation?.count, scored?.count], [12, 4, 6]);
    assert.ok(validation?.names?.every((name) => name.startsWith("valid/")));
  });
});

test("frames of one sub-folder stay together", async () => {
  const files: Files = {};
  for (const name of ["a", "b"])
    for (let clip = 0; clip < 10; clip++)
      for (let frame = 0; frame < 4; frame++) files[`${name}/clip${clip}/${frame}.png`] = png(8, 8, 3, clip);
  await opens(files, ({ train, validation, test: scored }) => {
    const clips = [train, validation, scored].map((split) => new Set(split?.names?.map((name) => name.slice(0, name.lastIndexOf("/")))));
    assert.equal(
      clips.reduce((sum, { size }) => sum + size, 0),
      20,
    );
    assert.ok((validation?.count ?? 0) >= 8 && (scored?.count ?? 0) >= 8);
  });
});

test("pictures of many sizes are resized as wholes; the size can be given", async () => {
  const files = { "a/1.png": png(40, 20), "a/2.png": png(300, 200), "b/1.png": png(90, 100), "b/2.png": png(80, 80) };
  await opens(files, ({ shape, notes }) => {
    assert.deepEqual(shape, [3, 64, 64]);
    assert.equal(notes[0], "pictures of 4 sizes resized to 64 x 64");
  });
  await opens(files, ({ shape }) => assert.deepEqual(shape, [3, 24, 32]), { size: [24, 32] });
  await opens(files, ({ shape }) => assert.deepEqual(shape, [1, 16, 16]), { size: 16, channels: 1 });
  const one = { "a/1.png": png(400, 300), "b/1.png": png(400, 300, 1) };
  await opens(one, ({ shape }) => assert.deepEqual(shape, [3, 48, 64]));
});

test("grey pictures, even those stored as colour, make a grey set", async () => {
  await opens(classes(["a", "b"], 3, "", 1), ({ shape, train, normalisation }) => {
    assert.deepEqual(shape, [1, 10, 12]);
    assert.equal(normalisation.mean.length, 1);
    const into = new Float32Array(120);
    train.read(0, into, 0);
    assert.ok(into.some((value) => value !== into[0]));
  });
  await opens(classes(["a", "b"], 3, "", 1), ({ shape }) => assert.deepEqual(shape, [3, 10, 12]), { channels: 3 });
});

test("the training part is normalised to mean 0 and deviation 1 per channel", async () => {
  await opens(classes(["a", "b"], 12), ({ train }) => {
    const all = new Float32Array(train.count * 360);
    for (let index = 0; index < train.count; index++) train.read(index, all, index * 360);
    for (let channel = 0; channel < 3; channel++) {
      const values = all.filter((_, cell) => Math.floor(cell / 120) % 3 === channel);
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length;
      assert.ok(Math.abs(mean) < 1e-5 && Math.abs(square - 1) < 1e-5, `mean ${mean}, variance ${square}`);
    }
  });
});

test("decoded on demand, a set gives the same bits as decoded before", async () => {
  await withFolder(classes(["a", "b"], 9), async (folder) => {
    const kept = await imageFolder(folder, { decoder: "plain" });
    const demanded = await imageFolder(folder, { decoder: "plain", memoryBytes: 0 });
    assert.equal(kept.train.examples?.data.place.kind, "stored");
    assert.equal(demanded.train.examples?.data.place.kind, "files");
    assert.deepEqual(demanded.normalisation, kept.normalisation);
    const inputs = async (set: Dataset, threads?: number): Promise<number[][]> => {
      const all: number[][] = [];
      const options = { batch: 4, shuffle: true, seed: 1, augment: { rotate: 20, noise: 0.1 }, ...(threads !== undefined && { threads }) };
      for await (const { input } of batches(set.train, options)) all.push([...input]);
      return all;
    };
    const expected = await inputs(kept);
    for (const threads of [undefined, 0, 2]) assert.deepEqual(await inputs(demanded, threads), expected);
    const [one, other] = [new Float32Array(360), new Float32Array(360)];
    kept.train.read(3, one, 0);
    demanded.train.read(3, other, 0);
    assert.deepEqual(other, one);
    await demanded.close?.();
  });
});

test("a file that is gone when it is needed is named", async () => {
  await withFolder(classes(["a", "b"], 4), async (folder) => {
    const set = await imageFolder(folder, { decoder: "plain", memoryBytes: 0, holdout: 0 });
    await rm(join(folder, "a/01.png"));
    const wanted = /data\(.*01\.png\): picture: expected one that could be read when the set was opened; received ENOENT/;
    for (const threads of [0, 1]) {
      await assert.rejects(async () => {
        for await (const { count } of batches(set.train, { batch: 8, threads })) assert.ok(count > 0);
      }, wanted);
    }
    const index = set.train.names?.indexOf("a/01.png") ?? -1;
    assert.throws(() => set.train.read(index, new Float32Array(360), 0), wanted);
    await set.close?.();
  });
});

test("broken pictures among good ones are named and left out", async () => {
  const files = {
    ...classes(["a", "b"], 6),
    "a/cut.png": png(12, 10).subarray(0, 100),
    "b/none.jpg": "",
    "b/text.jpg": "hello",
    "b/vast.png": claims(60_000, 60_000),
  };
  await opens(files, ({ train, validation, test: scored, notes }) => {
    assert.equal(train.count + (validation?.count ?? 0) + (scored?.count ?? 0), 12);
    assert.equal(
      notes[0],
      "left out 4 of 16 pictures: a/cut.png (truncated: PNG data ends after 100 bytes, before the picture does), b/none.jpg (empty file), " +
        "b/text.jpg (not a PNG, JPEG, WebP or GIF picture), b/vast.png (60000 x 60000 pixels, more than the limit of 100000000)",
    );
  });
});

test("a huge header takes no memory", async () => {
  await withFolder({ ...classes(["a", "b"], 2), "a/vast.png": claims(60_000, 60_000) }, async (folder) => {
    const before = process.memoryUsage().rss;
    await imageFolder(folder, { decoder: "plain" });
    assert.ok(process.memoryUsage().rss - before < 200 * 2 ** 20);
  });
});

test("a class that loses all of its pictures is an error", async () => {
  await refuses(
    { ...classes(["a"], 3), "b/1.jpg": "text", "b/2.png": "" },
    "data(FOLDER): class b (train): expected >= 1 picture that can be read; received 0 of 2: b/1.jpg (not a PNG, JPEG, WebP or GIF picture), b/2.png (empty file).",
  );
});

test("a missing folder, a file, an empty folder", async () => {
  await assert.rejects(openDataset("no/such/folder"), {
    message: "data(no/such/folder): folder: expected an existing folder; received nothing there. Check the path.",
  });
  await withFolder({ "a.csv": "1,2" }, async (folder) => {
    await assert.rejects(openDataset(join(folder, "a.csv")), {
      message: `data(${join(folder, "a.csv")}): folder: expected a folder; received a file.`,
    });
  });
  await refuses({}, "data(FOLDER): contents: expected class folders with pictures, or idx files; received an empty folder.");
});

test("a folder of other things is not recognised", async () => {
  await refuses(
    { "1.csv": "", "2.csv": "", "a.jpg": "" },
    `data(FOLDER): contents: expected class folders with pictures, or idx files (train-images-idx3-ubyte ...); received 1.csv, 2.csv, a.jpg. ${hint}`,
  );
  await assert.rejects(openDataset("demo:letters"), {
    message: "data(demo:letters): embedded set: expected demo:digits or demo:digits:N; received demo:letters.",
  });
});

test("a class with no pictures is an error, and so are all the others at once", async () => {
  await refuses(
    { ...classes(["a", "b"], 2, "train/"), "train/c/": "", "train/d/notes.txt": "x", ...classes(["z"], 1, "val/") },
    "data(FOLDER): class train/c: expected >= 1 picture (.png, .jpg, .jpeg, .webp, .gif); received 0.\n" +
      "data(FOLDER): class train/d: expected >= 1 picture (.png, .jpg, .jpeg, .webp, .gif); received 0 (and 1 other files).\n" +
      "data(FOLDER): class val/z: expected one of the training classes a, b, c, d; received z.",
  );
});

test("one class, two folders for one part, and no training part are errors", async () => {
  await refuses(classes(["a"], 2), `data(FOLDER): class folders: expected >= 2; received 1 (a). ${hint}`);
  await refuses(
    { ...classes(["a", "b"], 1, "train/"), ...classes(["a", "b"], 1, "training/") },
    "data(FOLDER): train part: expected one folder; received train, training.",
  );
  await refuses(
    classes(["a", "b"], 1, "val/"),
    "data(FOLDER): train part: expected a folder train; received only val. Training needs a folder named train beside it.",
  );
});

test("options out of range are refused", async () => {
  await refuses(
    classes(["a", "b"], 1),
    "data(FOLDER): size: expected whole numbers from 1 to 4096: a side, or height and width; received 0.\ndata(FOLDER): memoryBytes: expected >= 0; received -1.",
    { size: 0, memoryBytes: -1 },
  );
  await refuses(
    classes(["a", "b"], 4),
    "data(FOLDER): holdout: expected a fraction below 1 or a whole number below the 8 training examples; received 8.",
    { holdout: 8 },
  );
});

test("progress is told picture by picture", async () => {
  const told: string[] = [];
  await opens(classes(["a", "b"], 3), () => {}, { progress: (done, total) => told.push(`${done}/${total}`) });
  assert.deepEqual(told, ["1/6", "2/6", "3/6", "4/6", "5/6", "6/6"]);
});

test("one picture is read as the set reads it", async () => {
  await opens(classes(["a", "b"], 6), async ({ shape, normalisation, train }, folder) => {
    const one = await readPicture(join(folder, train.names?.[2] ?? ""), { shape, normalisation, decoder: "plain" });
    const other = new Float32Array(360);
    train.read(2, other, 0);
    assert.deepEqual(one, other);
  });
  await withFolder({ "x.jpg": "text" }, async (folder) => {
    const path = join(folder, "x.jpg");
    const form = { shape: [3, 8, 8], normalisation: { mean: [0, 0, 0], deviation: [1, 1, 1] } };
    await assert.rejects(readPicture(path, form), {
      message: `data(${path}): picture: expected a PNG, JPEG, WebP or GIF that can be read; received not a PNG, JPEG, WebP or GIF picture.`,
    });
    await assert.rejects(readPicture(join(folder, "y.jpg"), form), /picture: expected a file that can be read; received ENOENT/);
  });
});
