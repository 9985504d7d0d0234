import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { byteMoments, channelStatistics, momentStatistics } from "./statistics.ts";

test("mean and deviation per channel, over the rows asked for", () => {
  const shape = [2, 1, 2];
  // rows: [10, 20 | 100, 100], [255, 255 | 0, 0] (not asked for), [30, 40 | 100, 104]
  const pixels = Uint8Array.from([10, 20, 100, 100, 255, 255, 0, 0, 30, 40, 100, 104]);
  const { mean, deviation } = channelStatistics(pixels, shape, [0, 2]);
  assert.deepEqual(mean, [25 / 255, 101 / 255]);
  assert.ok(Math.abs(deviation[0] - Math.sqrt(125) / 255) < 1e-15);
  assert.ok(Math.abs(deviation[1] - Math.sqrt(3) / 255) < 1e-15);
});

test("moments kept per row give the same bits", () => {
  const draw = random(5);
  const shape = [3, 4, 5];
  const pixels = Uint8Array.from({ length: 60 * 20 }, () => draw.integer(0, 255));
  const moments = new Float64Array(20 * 6);
  for (let row = 0; row < 20; row++) byteMoments(pixels, row * 60, shape, moments, row * 6);
  const rows = [0, 3, 4, 9, 19];
  assert.deepEqual(momentStatistics(moments, shape, rows), channelStatistics(pixels, shape, rows));
});

test("numbers with mean 1000 and deviation 1 keep their deviation", () => {
  const draw = random(6);
  const pixels = Float32Array.from({ length: 40_000 }, () => 1000 + draw.normal());
  const { mean, deviation } = channelStatistics(
    pixels,
    [1, 100],
    Array.from({ length: 400 }, (_, row) => row),
  );
  assert.ok(Math.abs(mean[0] - 1000) < 0.02);
  assert.ok(Math.abs(deviation[0] - 1) < 0.02);
});

test("a channel that never changes is left as it is", () => {
  assert.deepEqual(channelStatistics(new Uint8Array(8).fill(51), [1, 4], [0, 1]), { mean: [0.2], deviation: [1] });
});
