import { size } from "../base/types.ts";
import type { Normalisation } from "./dataset.ts";

/** Examples that the statistics look at; more change them by less than it matters. */
const defaultSample = 10_000;

/** A deviation below this is taken as 1: a channel that never changes is left as it is. */
const leastDeviation = 1e-6;

/**
 * Mean and deviation of v per channel over the rows of a set, or an evenly spread sample of them.
 *
 * Shapes: pixels [examples, channels, ...cells].
 * Units: v = u8 / 255, or the stored f32.
 */
export function channelStatistics(
  pixels: Uint8Array | Float32Array,
  shape: readonly number[],
  rows: ArrayLike<number>,
  sample = defaultSample,
): Normalisation {
  const channels = shape[0];
  const cells = size(shape) / channels;
  const unit = pixels instanceof Uint8Array ? 1 / 255 : 1;
  const used = Math.min(sample, rows.length);
  const mean: number[] = [];
  const deviation: number[] = [];
  for (let channel = 0; channel < channels; channel++) {
    // about the first value, so that a large mean costs no digits
    const origin = used === 0 ? 0 : pixels[rows[0] * channels * cells + channel * cells];
    let sum = 0;
    let squares = 0;
    for (let index = 0; index < used; index++) {
      const row = rows[Math.floor((index * rows.length) / used)];
      const start = (row * channels + channel) * cells;
      for (let cell = start; cell < start + cells; cell++) {
        const value = pixels[cell] - origin;
        sum += value;
        squares += value * value;
      }
    }
    const count = Math.max(1, used * cells);
    const average = sum / count;
    const spread = Math.sqrt(Math.max(0, squares / count - average * average)) * unit;
    mean.push((origin + average) * unit);
    deviation.push(spread < leastDeviation ? 1 : spread);
  }
  return { mean, deviation };
}
