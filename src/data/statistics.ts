import { size } from "../base/types.ts";
import type { Normalisation } from "./dataset.ts";
import { shapeAt } from "./unequal.ts";

/** Examples that the statistics look at; more change them by less than it matters. */
const sampleSize = 10_000;

/** A deviation below this is taken as 1: a channel that never changes is left as it is. */
const leastDeviation = 1e-6;

/** Sum and sum of squares per channel of one u8 example: exact integers, [channels, 2]. */
export function byteMoments(pixels: Uint8Array, from: number, shape: readonly number[], into: Float64Array, at: number): void {
  const cells = size(shape) / shape[0];
  for (let channel = 0; channel < shape[0]; channel++) {
    let sum = 0;
    let squares = 0;
    const start = from + channel * cells;
    for (let cell = start; cell < start + cells; cell++) {
      sum += pixels[cell];
      squares += pixels[cell] ** 2;
    }
    into[at + 2 * channel] = sum;
    into[at + 2 * channel + 1] = squares;
  }
}

/** An evenly spread sample of the rows. */
function sampleOf(rows: ArrayLike<number>): number[] {
  const used = Math.min(sampleSize, rows.length);
  return Array.from({ length: used }, (_, index) => rows[Math.floor((index * rows.length) / used)]);
}

function normalisationOf(origins: readonly number[], sums: Float64Array, count: number, unit: number): Normalisation {
  const average = origins.map((_, channel) => sums[2 * channel] / Math.max(1, count));
  const spread = average.map((value, channel) => Math.sqrt(Math.max(0, sums[2 * channel + 1] / Math.max(1, count) - value * value)) * unit);
  return {
    mean: average.map((value, channel) => (origins[channel] + value) * unit),
    deviation: spread.map((value) => (value < leastDeviation ? 1 : value)),
  };
}

/** Mean and deviation of v = u8 / 255 per channel, from the moments of each row [rows, channels, 2]. */
export function momentStatistics(
  moments: Float64Array,
  shape: readonly number[],
  rows: ArrayLike<number>,
  extents?: Int32Array,
): Normalisation {
  const channels = shape[0];
  const sums = new Float64Array(2 * channels);
  const sample = sampleOf(rows);
  for (const row of sample) for (let item = 0; item < 2 * channels; item++) sums[item] += moments[row * 2 * channels + item];
  return normalisationOf(new Array<number>(channels).fill(0), sums, countCells(sample, shape, extents), 1 / 255);
}

/** Cells of one channel in all rows together. */
const countCells = (rows: readonly number[], shape: readonly number[], extents?: Int32Array): number =>
  rows.reduce((cells, row) => cells + size(shapeAt(shape, extents, row)) / shape[0], 0);

/**
 * Mean and deviation of v per channel over the rows of a set, or an evenly spread sample of 10,000 of them.
 *
 * Shapes: pixels [examples, channels, ...cells]; of rows with extents of their own those come first.
 * Units: v = u8 / 255, or the stored f32.
 */
export function channelStatistics(
  pixels: Uint8Array | Float32Array,
  shape: readonly number[],
  rows: ArrayLike<number>,
  extents?: Int32Array,
): Normalisation {
  const sample = sampleOf(rows);
  const channels = shape[0];
  const room = size(shape);
  const count = countCells(sample, shape, extents);
  const sums = new Float64Array(2 * channels);
  if (pixels instanceof Uint8Array) {
    const one = new Float64Array(2 * channels);
    for (const row of sample) {
      byteMoments(pixels, row * room, shapeAt(shape, extents, row), one, 0);
      for (let item = 0; item < 2 * channels; item++) sums[item] += one[item];
    }
    return normalisationOf(new Array<number>(channels).fill(0), sums, count, 1 / 255);
  }
  // about the first value, so that a large mean costs no digits
  const cellsOf = (row: number): number => size(shapeAt(shape, extents, row)) / channels;
  const origins = Array.from({ length: channels }, (_, channel) =>
    sample.length === 0 ? 0 : pixels[sample[0] * room + channel * cellsOf(sample[0])],
  );
  for (const row of sample) {
    const cells = cellsOf(row);
    for (let channel = 0; channel < channels; channel++) {
      const start = row * room + channel * cells;
      for (let cell = start; cell < start + cells; cell++) {
        const value = pixels[cell] - origins[channel];
        sums[2 * channel] += value;
        sums[2 * channel + 1] += value * value;
      }
    }
  }
  return normalisationOf(origins, sums, count, 1);
}
