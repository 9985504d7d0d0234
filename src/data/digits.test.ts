import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { digits, drawDigit } from "./digits.ts";
import { openDataset } from "./open.ts";

const pixelsOf = (set: ReturnType<typeof digits>): Uint8Array => {
  const place = set.train.examples?.data.place;
  assert.ok(place?.kind === "stored" && place.pixels instanceof Uint8Array);
  return place.pixels;
};

test("the same drawing seed gives the same bits, another gives others", () => {
  const set = digits({ train: 200, test: 50 });
  assert.deepEqual(pixelsOf(digits({ train: 200, test: 50, seed: 9 })), pixelsOf(set));
  assert.notDeepEqual(pixelsOf(digits({ train: 200, test: 50, drawing: 1 })), pixelsOf(set));
});

test("a digit does not depend on how many there are; the test part is drawn apart", () => {
  const few = pixelsOf(digits({ train: 20, test: 20 }));
  const many = pixelsOf(digits({ train: 300, test: 20 }));
  assert.deepEqual(few.subarray(0, 20 * 784), many.subarray(0, 20 * 784));
  assert.deepEqual(few.subarray(20 * 784), many.subarray(300 * 784));
  assert.notDeepEqual(few.subarray(0, 784), few.subarray(20 * 784, 21 * 784));
});

test("every class equally often, in every part", async () => {
  const set = await openDataset("demo:digits:1000", { seed: 3 });
  assert.deepEqual([set.train.count, set.validation?.count, set.test?.count], [850, 150, 2000]);
  assert.deepEqual(set.shape, [1, 28, 28]);
  for (const split of [set.train, set.validation, set.test]) {
    const counts = new Int32Array(10);
    for (const label of split?.labels ?? []) counts[label]++;
    assert.ok(counts.every((count) => count === counts[0]));
  }
});

test("every digit is ink on a black border, inside the picture, and no two are alike", () => {
  const pixels = new Uint8Array(784);
  const seen = new Set<string>();
  for (let index = 0; index < 500; index++) {
    drawDigit(index % 10, random(4, index), pixels, 0);
    seen.add(pixels.join());
    const ink = pixels.filter((value) => value > 100).length;
    assert.ok(ink >= 8 && ink < 300, `digit ${index % 10}, example ${index}: ${ink} cells of ink`);
    for (let cell = 0; cell < 28; cell++) {
      for (const border of [cell, 27 * 28 + cell, cell * 28, cell * 28 + 27])
        assert.ok(pixels[border] < 40, `example ${index}: ink at the border`);
    }
  }
  assert.equal(seen.size, 500);
});

test("the classes are told apart by their nearest neighbours", () => {
  // a plain judge without a net: it needs digits that look like their kind, and that are not all the same
  const set = digits({ train: 1200, test: 300 });
  const pixels = pixelsOf(set);
  let right = 0;
  for (let index = 0; index < 300; index++) {
    let best = Number.POSITIVE_INFINITY;
    let label = -1;
    for (let other = 0; other < 1200; other++) {
      let distance = 0;
      for (let cell = 0; cell < 784 && distance < best; cell++)
        distance += (pixels[(1200 + index) * 784 + cell] - pixels[other * 784 + cell]) ** 2;
      if (distance < best) {
        best = distance;
        label = other % 10;
      }
    }
    if (label === index % 10) right++;
  }
  assert.ok(right >= 240 && right < 300, `${right} of 300 right`);
});

test("counts out of range are refused", () => {
  assert.throws(() => digits({ train: 5, test: 1.5 }), {
    message:
      "digits: train: expected a whole number from 10 to 1000000; received 5.\ndigits: test: expected a whole number from 10 to 1000000; received 1.5.",
  });
});
