import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { type Raster, resize } from "./resize.ts";

function noise(width: number, height: number, channels: number): Raster {
  const draw = random(1, width, height);
  return { width, height, channels, data: Uint8Array.from({ length: width * height * channels }, () => draw.integer(0, 255)) };
}

test("the same size gives the same picture", () => {
  const raster = noise(7, 5, 3);
  assert.deepEqual(resize(raster, 7, 5), raster);
});

test("an even picture stays even at any size", () => {
  for (const [width, height] of [
    [1, 1],
    [3, 50],
    [64, 64],
    [200, 7],
  ]) {
    const { data } = resize({ width: 61, height: 47, channels: 2, data: new Uint8Array(61 * 47 * 2).fill(137) }, width, height);
    assert.equal(data.length, width * height * 2);
    assert.ok(data.every((value) => value === 137));
  }
});

test("a ramp stays a ramp, centred, when it is enlarged, reduced and reduced by blocks", () => {
  for (const [from, to] of [
    [20, 40],
    [60, 25],
    [400, 32],
    [401, 32],
  ]) {
    const data = Uint8Array.from({ length: from * 3 }, (_, cell) => Math.round((((cell % from) + 0.5) / from) * 255));
    const small = resize({ width: from, height: 3, channels: 1, data }, to, 3);
    for (let x = 4; x < to - 4; x++)
      assert.ok(Math.abs(small.data[x] - ((x + 0.5) / to) * 255) < 1.6, `${from} to ${to} at ${x}: ${small.data[x]}`);
  }
});

test("mirroring and resizing commute", () => {
  const raster = noise(37, 11, 3);
  const mirror = ({ width, height, channels, data }: Raster): Raster => {
    const result = new Uint8Array(data.length);
    for (let cell = 0; cell < width * height; cell++) {
      const from = cell - (cell % width) + (width - 1 - (cell % width));
      for (let channel = 0; channel < channels; channel++) result[cell * channels + channel] = data[from * channels + channel];
    }
    return { width, height, channels, data: result };
  };
  const one = resize(mirror(raster), 16, 22);
  const other = mirror(resize(raster, 16, 22));
  one.data.forEach((value, index) => {
    assert.ok(Math.abs(value - other.data[index]) <= 1);
  });
});
