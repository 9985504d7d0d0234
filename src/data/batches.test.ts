import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { augmentations } from "./augmentations.ts";
import { type BatchOptions, batches, epochOrder } from "./batches.ts";
import type { Split } from "./dataset.ts";
import { examplePixels, storedExamples, storedSplit } from "./examples.ts";

const shape = [3, 6, 5];
const normalisation = { mean: [0.4, 0.5, 0.3], deviation: [0.2, 0.25, 0.3] };

function makeSplit(count: number): Split & { close(): Promise<void> } {
  const draw = random(8);
  const pixels = examplePixels(count, shape);
  for (let cell = 0; cell < pixels.length; cell++) pixels[cell] = draw.integer(0, 255);
  const rows = Int32Array.from({ length: count }, (_, row) => count - 1 - row);
  const examples = storedExamples(pixels, shape, normalisation);
  const split = storedSplit(examples, { rows, ids: rows.map((row) => row + 100), labels: rows.map((row) => row % 7) });
  return { ...split, close: () => examples.close() };
}

interface Copied {
  readonly count: number;
  readonly input: number[];
  readonly labels: number[];
  readonly ids: number[];
}

async function collect(split: Split, options: BatchOptions): Promise<Copied[]> {
  const all: Copied[] = [];
  for await (const { count, input, labels, ids } of batches(split, options))
    all.push({ count, input: [...input], labels: [...labels], ids: [...ids] });
  return all;
}

test("every example comes once, as read() gives it; the last batch is short", async () => {
  const split = makeSplit(23);
  const all = await collect(split, { batch: 5, shuffle: true, seed: 3, epoch: 2 });
  assert.deepEqual(
    all.map(({ count }) => count),
    [5, 5, 5, 5, 3],
  );
  const places = new Map(Array.from(split.ids, (id, index) => [id, index]));
  assert.equal(new Set(all.flatMap(({ ids }) => ids)).size, 23);
  const expected = new Float32Array(90);
  for (const { input, ids, labels, count } of all) {
    assert.equal(input.length, count * 90);
    ids.forEach((id, index) => {
      const place = places.get(id) ?? -1;
      split.read(place, expected, 0);
      assert.equal(labels[index], split.labels[place]);
      assert.deepEqual(input.slice(index * 90, (index + 1) * 90), [...expected]);
    });
  }
});

test("order depends on seed, epoch and id, not on the place in the split", () => {
  const ids = Int32Array.from({ length: 1000 }, (_, index) => index * 3);
  const named = (order: Int32Array, list: Int32Array): number[] => Array.from(order, (index) => list[index]);
  const first = named(epochOrder(ids, 1, 0), ids);
  assert.deepEqual(
    [...first].sort((a, b) => a - b),
    [...ids],
  );
  const turned = ids.slice().reverse();
  assert.deepEqual(named(epochOrder(turned, 1, 0), turned), first);
  assert.notDeepEqual(named(epochOrder(ids, 2, 0), ids), first);
  assert.notDeepEqual(named(epochOrder(ids, 1, 1), ids), first);
  const without = ids.filter((id) => id !== 300);
  assert.deepEqual(
    named(epochOrder(without, 1, 0), without),
    first.filter((id) => id !== 300),
  );
});

test("without shuffling the order is that of the split", async () => {
  const split = makeSplit(7);
  assert.deepEqual(
    (await collect(split, { batch: 3 })).flatMap(({ ids }) => ids),
    [...split.ids],
  );
});

test("0, 1 and 2 threads give the same bits, with and without random changes", async () => {
  const split = makeSplit(50);
  for (const augment of [undefined, { ...augmentations.photographs, noise: 0.1, cutout: 0.3, shift: 0.1 }]) {
    const options = { batch: 8, shuffle: true, seed: 4, epoch: 1, ...(augment && { augment }) };
    const alone = await collect(split, { ...options, threads: 0 });
    assert.deepEqual(await collect(split, { ...options, threads: 1 }), alone);
    assert.deepEqual(await collect(split, { ...options, threads: 2, prefetch: 5 }), alone);
    await split.close();
    assert.deepEqual(await collect(split, { ...options, threads: 2, prefetch: 1 }), alone, "after closing, other threads are started");
  }
  await split.close();
});

test("an example is changed alike in a batch of any size", async () => {
  const split = makeSplit(12);
  const byId = async (batch: number): Promise<Map<number, number[]>> => {
    const all = await collect(split, { batch, shuffle: batch > 2, augment: augmentations.photographs, threads: 0 });
    return new Map(all.flatMap(({ ids, input }) => ids.map((id, index) => [id, input.slice(index * 90, (index + 1) * 90)])));
  };
  const one = await byId(1);
  for (const [id, values] of await byId(5)) assert.deepEqual(values, one.get(id));
});

test("a resumed epoch gives the rest of it", async () => {
  const split = makeSplit(23);
  for (const threads of [0, 1]) {
    const options = { batch: 4, shuffle: true, seed: 9, epoch: 3, augment: augmentations.photographs, threads };
    const whole = await collect(split, options);
    for (const from of [0, 1, 4, 5, 6]) assert.deepEqual(await collect(split, { ...options, from }), whole.slice(from));
  }
  await split.close();
});

test("buffers are used again", async () => {
  const split = makeSplit(64);
  for (const threads of [0, 1]) {
    const buffers = new Set<ArrayBufferLike>();
    for await (const { input } of batches(split, { batch: 4, augment: augmentations.photographs, threads, prefetch: 2 }))
      buffers.add(input.buffer);
    assert.equal(buffers.size, threads === 0 ? 1 : 3);
  }
  await split.close();
});

test("leaving early is clean, and the next epoch is whole", async () => {
  const split = makeSplit(40);
  const options = { batch: 4, augment: augmentations.photographs, threads: 2 };
  for await (const { count } of batches(split, options)) {
    assert.equal(count, 4);
    break;
  }
  assert.equal((await collect(split, options)).length, 10);
  await split.close();
});

test("a split with read() alone works, with random changes in its own units", async () => {
  const split: Split = {
    count: 5,
    labels: Int32Array.from([0, 1, 0, 1, 0]),
    ids: Int32Array.from([10, 11, 12, 13, 14]),
    read: (index, into, offset) => into.fill(index, offset, offset + 4),
  };
  const all = await collect(split, { batch: 2, shape: [1, 2, 2], augment: { shift: 0.5, fill: "edge" } });
  assert.deepEqual(
    all.flatMap(({ input }) => input),
    [0, 1, 2, 3, 4].flatMap((value) => [value, value, value, value]),
  );
  assert.throws(() => batches(split, { batch: 2 }), {
    message: "batches: shape: expected the shape of one example; received none. Give the option shape for a split without examples.",
  });
});

test("an empty split gives no batches", async () => {
  assert.deepEqual(
    await collect(
      { count: 0, labels: new Int32Array(0), ids: new Int32Array(0), read: () => {} },
      { batch: 4, shape: [1, 2], shuffle: true },
    ),
    [],
  );
});

test("options out of range are refused at once", () => {
  const split = makeSplit(10);
  assert.throws(() => batches(split, { batch: 0, seed: 0.5, epoch: -1, prefetch: 0, threads: -1 }), {
    message:
      "batches: batch: expected a whole number >= 1; received 0.\n" +
      "batches: seed: expected a whole number; received 0.5.\n" +
      "batches: epoch: expected a whole number >= 0; received -1.\n" +
      "batches: prefetch: expected a whole number >= 1; received 0.\n" +
      "batches: threads: expected a whole number >= 0; received -1.",
  });
  assert.throws(() => batches(split, { batch: 4, from: 4 }), { message: "batches: from: expected a batch from 0 to 3; received 4." });
  assert.throws(() => batches(split, { batch: 4, augment: { flip: [2] } }), /flip: expected axes from 0 to 1/);
});
