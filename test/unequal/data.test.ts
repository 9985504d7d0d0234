import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { type BatchOptions, batches } from "../../src/data/batches.ts";
import type { Augmentation } from "../../src/data/dataset.ts";
import { imageFolder, readPictureTensor } from "../../src/data/image-folder.ts";
import { type ArrayExample, arrays } from "../../src/data/memory.ts";
import { gridFor, gridsOf, placeCells } from "../../src/data/unequal.ts";
import { png, withFolder } from "../data/pictures.ts";

/** Examples of random extents: class b is brighter. */
function examples(count: number, largest: readonly number[], seed = 1): ArrayExample[] {
  const draw = random(seed);
  return Array.from({ length: count }, (_, index) => {
    const shape = [largest[0], ...largest.slice(1).map((most) => draw.integer(Math.ceil(most / 2), most))];
    const cells = Float32Array.from({ length: size(shape) }, () => draw.normal() + (index % 2) * 3);
    return { cells, shape, class: index % 2 === 0 ? "a" : "b" };
  });
}

test("cells lie at the low end of every axis, with zeros beyond", () => {
  const into = new Float32Array(14).fill(7);
  placeCells(Float32Array.of(1, 2, 3, 4, 5, 6), [1, 2, 3], into, 1, [1, 3, 4]);
  assert.deepEqual([...into], [7, 1, 2, 3, 0, 4, 5, 6, 0, 0, 0, 0, 0, 7]);
  const cube = new Float32Array(2 * 2 * 2 * 3);
  placeCells(Float32Array.of(1, 2, 3, 4), [2, 1, 2, 1], cube, 0, [2, 2, 2, 3]);
  assert.deepEqual(
    [...cube].flatMap((cell, at) => (cell === 0 ? [] : [at, cell])),
    [0, 1, 3, 2, 12, 3, 15, 4],
  );
});

test("grids are extents rounded up, at most 8, and the whole is one of them", () => {
  const extents = Int32Array.of(96, 60, 64, 96, 96, 96, 61, 96);
  assert.deepEqual(gridsOf(extents, [96, 96], 12), [
    [96, 60],
    [72, 96],
    [96, 96],
  ]);
  assert.deepEqual(gridsOf(extents.subarray(0, 4), [96, 96], 1).length, 3);
  const many = gridsOf(
    Int32Array.from({ length: 60 }, (_, index) => 1 + index),
    [100],
    1,
  );
  assert.equal(many.length, 8);
  assert.deepEqual(many.at(-1), [100]);
  for (let extent = 1; extent <= 60; extent++) assert.ok(many[gridFor(many, [extent])][0] >= extent);
  // the fewest cells are wasted where the steps are even
  const waste = Array.from({ length: 60 }, (_, index) => many[gridFor(many, [index + 1])][0] - index - 1).reduce((a, b) => a + b, 0);
  assert.ok(waste < 60 * 6, `${waste}`);
});

test("arrays of unequal extents in 1, 2 and 3 axes: what a batch holds is each example, normalised over the valid cells", async () => {
  for (const largest of [
    [2, 40],
    [3, 9, 12],
    [1, 4, 5, 6],
  ]) {
    const given = examples(24, largest);
    const set = arrays(given, { holdout: 4, seed: 2 });
    assert.deepEqual(set.classes, ["a", "b"]);
    assert.equal(set.train.extents?.length, set.train.count * (largest.length - 1));
    const { mean, deviation } = set.normalisation;
    const trained = [...set.train.ids].map((id) => given[id]);
    const channel = trained.flatMap(({ cells, shape }) => [...Array.from(cells).slice(0, cells.length / shape[0])]);
    const average = channel.reduce((a, b) => a + b, 0) / channel.length;
    assert.ok(Math.abs(mean[0] - average) < 1e-5);
    assert.ok(Math.abs(deviation[0] - Math.sqrt(channel.reduce((a, b) => a + (b - average) ** 2, 0) / channel.length)) < 1e-4);
    const grids = gridsOf(set.train.extents as Int32Array, set.shape.slice(1), 2);
    const seen = new Set<number>();
    for await (const batch of batches(set.train, { batch: 5, shuffle: true, seed: 1, grids, threads: 0 })) {
      const cells = size(batch.shape);
      assert.equal(batch.input.length, batch.count * cells);
      for (let index = 0; index < batch.count; index++) {
        const example = given[batch.ids[index]];
        seen.add(batch.ids[index]);
        assert.deepEqual(
          [...(batch.extents as Int32Array)].slice(index * (largest.length - 1), (index + 1) * (largest.length - 1)),
          example.shape.slice(1),
        );
        assert.equal(set.train.ids[batch.places[index]], batch.ids[index]);
        const plane = size(example.shape.slice(1));
        const normalised = Float32Array.from(
          example.cells,
          (cell, at) => (Math.fround(cell) - mean[Math.floor(at / plane)]) / deviation[Math.floor(at / plane)],
        );
        const wanted = new Float32Array(cells);
        placeCells(normalised, example.shape, wanted, 0, batch.shape);
        assert.deepEqual(batch.input.slice(index * cells, (index + 1) * cells), wanted);
      }
    }
    assert.equal(seen.size, set.train.count);
    await set.close?.();
  }
});

test("examples of like extents come together, and the order is that of the seed", async () => {
  const set = arrays(examples(60, [1, 12, 16]), { holdout: 0 });
  const grids = gridsOf(set.train.extents as Int32Array, [12, 16], 4);
  const collect = async (options: Partial<BatchOptions>): Promise<{ ids: number[]; cells: number[] }> => {
    const [ids, cells]: [number[], number[]] = [[], []];
    for await (const batch of batches(set.train, { batch: 8, shuffle: true, threads: 0, ...options })) {
      ids.push(...batch.ids);
      cells.push(size(batch.shape));
    }
    return { ids, cells };
  };
  const [plain, grouped, again, other] = [
    await collect({}),
    await collect({ grids }),
    await collect({ grids }),
    await collect({ grids, epoch: 1 }),
  ];
  const sum = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0);
  assert.ok(sum(grouped.cells) < 0.9 * sum(plain.cells), `${sum(grouped.cells)}, ${sum(plain.cells)}`);
  assert.deepEqual(grouped, again);
  assert.notDeepEqual(grouped.ids, other.ids);
  assert.deepEqual([...grouped.ids].sort(), [...plain.ids].sort());
  // a resumed run goes on with the same batches
  assert.deepEqual((await collect({ grids, from: 3 })).ids, grouped.ids.slice(24));
});

test("an example is changed by itself: the same cells whatever batch it lies in", async () => {
  const augment: Augmentation = { flip: [0, 1], crop: 0.6, shift: 0.1, rotate: 20, scale: 0.1, brightness: 0.2, noise: 0.1, cutout: 0.3 };
  const given = examples(6, [1, 10, 14]);
  const set = arrays(given, { holdout: 0 });
  const changed = new Map<number, Float32Array>();
  for (const example of set.train.ids) {
    // the same example in a set of its own extents, under its own id
    const { cells, shape } = given[example];
    const alone = arrays(
      [
        { cells, shape, class: "a" },
        { cells, shape, class: "b" },
      ],
      { holdout: 0, classes: ["a", "b"] },
    );
    const split = { ...alone.train, ids: Int32Array.of(example, 99), examples: undefined, read: set.train.read };
    const read = (_: number, into: Float32Array, offset: number): void => set.train.read(set.train.ids.indexOf(example), into, offset);
    for await (const batch of batches({ ...split, read }, { batch: 1, augment, seed: 3, shape })) {
      if (batch.ids[0] === example) changed.set(example, batch.input.slice());
    }
  }
  for await (const batch of batches(
    { ...set.train, examples: undefined },
    {
      batch: 4,
      augment,
      seed: 3,
      shape: set.shape,
      grids: [
        [8, 12],
        [10, 14],
      ],
    },
  )) {
    const cells = size(batch.shape);
    for (let index = 0; index < batch.count; index++) {
      const wanted = new Float32Array(cells);
      placeCells(changed.get(batch.ids[index]) as Float32Array, given[batch.ids[index]].shape, wanted, 0, batch.shape);
      assert.deepEqual(batch.input.slice(index * cells, (index + 1) * cells), wanted);
    }
  }
});

test("bad arrays are named, all of them", () => {
  const cells = new Float32Array(6);
  assert.throws(
    () =>
      arrays(
        [
          { cells, shape: [1, 2, 3], class: "a" },
          { cells, shape: [1, 6], class: "a" },
          { cells, shape: [1, 2, 4], class: "a" },
          { cells: [0, 0, Number.NaN, 0, 0, 0], shape: [1, 2, 3], class: "c" },
        ],
        { name: "mine", classes: ["a", "b"] },
      ),
    (error: Error) => {
      assert.equal(
        error.message,
        [
          "data(mine): channels and axes of example 1: expected 1 and 2, as of example 0; received 1 and 1.",
          "data(mine): cells of example 2: expected 8 = 1 x 2 x 4; received 6.",
          "data(mine): cell 2 of example 3: expected a finite number; received NaN.",
          "data(mine): class of example 3: expected one of a, b; received c.",
        ].join("\n"),
      );
      return true;
    },
  );
  assert.throws(() => arrays([], { name: "none" }), /data\(none\): training examples: expected >= 1; received 0/);
});

const pictures = Object.fromEntries(
  ["a", "b"].flatMap((name, label) =>
    Array.from({ length: 8 }, (_, index) => [`${name}/${index}.png`, png(40 - 3 * index, 13 + 4 * index, 3, label * 10 + index)]),
  ),
);

test("pictures keep their proportions: the longer side is the size", async () => {
  await withFolder(pictures, async (folder) => {
    for (const memoryBytes of [undefined, 0]) {
      const set = await imageFolder(folder, { size: 24, proportions: "kept", decoder: "plain", memoryBytes });
      assert.deepEqual(set.shape, [3, 24, 24]);
      for (const split of [set.train, set.validation, set.test]) {
        for (let index = 0; index < (split?.count ?? 0); index++) {
          const number = Number(split?.names?.[index].slice(2, 3));
          const [width, height] = [40 - 3 * number, 13 + 4 * number];
          const longer = Math.max(width, height);
          const own = [Math.round((height * 24) / longer), Math.round((width * 24) / longer)];
          assert.deepEqual([...(split?.extents ?? [])].slice(2 * index, 2 * index + 2), own);
          const one = await readPictureTensor(join(folder, split?.names?.[index] ?? ""), {
            shape: set.shape,
            normalisation: set.normalisation,
            proportions: "kept",
            decoder: "plain",
          });
          assert.deepEqual(one.shape, [3, ...own]);
          const read = new Float32Array(size(one.shape));
          split?.read(index, read, 0);
          assert.deepEqual(read, one.data);
        }
      }
      let sum = 0;
      let count = 0;
      for await (const { input, shape, extents, count: some } of batches(set.train, { batch: 4, shuffle: true })) {
        for (let index = 0; index < some; index++) {
          const own = [...(extents as Int32Array)].slice(2 * index, 2 * index + 2);
          const cells = size(shape);
          const example = input.subarray(index * cells, (index + 1) * cells);
          count += own[0] * own[1];
          sum += example.subarray(0, cells / 3).reduce((a, b) => a + b, 0);
          example.forEach((cell, at) => {
            const [y, x] = [Math.floor(at / shape[2]) % shape[1], at % shape[2]];
            if (y >= own[0] || x >= own[1]) assert.equal(cell, 0);
          });
        }
      }
      assert.ok(Math.abs(sum / count) < 1e-4, "the mean over the valid cells is 0");
      await set.close?.();
    }
  });
});

test("very long forms are squeezed to 4:1, and the options are checked", async () => {
  await withFolder({ "a/1.png": png(60, 3), "a/2.png": png(9, 9), "b/1.png": png(3, 60), "b/2.png": png(60, 30) }, async (folder) => {
    const set = await imageFolder(folder, { size: 32, proportions: "kept", decoder: "plain", holdout: 0 });
    const extents = [...set.train.ids].map((id, index) => [id, ...[...(set.train.extents as Int32Array)].slice(2 * index, 2 * index + 2)]);
    for (const wanted of [
      [0, 8, 32],
      [2, 32, 8],
    ])
      assert.ok(extents.some((own) => own.join() === wanted.join()) || !set.train.ids.includes(wanted[0]));
    await assert.rejects(
      imageFolder(folder, { size: [32, 24], proportions: "kept" }),
      /size: expected the longer side alone, where proportions are kept; received 32 x 24/,
    );
    await set.close?.();
  });
});
