import { size } from "../base/types.ts";
import type { Normalisation } from "./dataset.ts";

/** Normalisation in the form that inner loops use: v = stored * unit; result = (v - mean) / deviation. */
export interface Scale {
  /** 1 / 255 for u8, 1 for f32. */
  readonly unit: number;
  readonly channels: number;
  readonly cells: number;
  readonly normalisation: Normalisation;
  /** Per channel the result for every u8 value; none for f32. */
  readonly tables: readonly Float32Array[];
}

/** Prepares the normalisation of examples of a shape [channels, ...extents]. */
export function scaleOf(shape: readonly number[], normalisation: Normalisation, isBytes: boolean): Scale {
  const [channels, ...extents] = shape;
  const unit = isBytes ? 1 / 255 : 1;
  const tables = Array.from({ length: isBytes ? channels : 0 }, (_, channel) => {
    const { mean, deviation } = normalisation;
    return Float32Array.from({ length: 256 }, (_, byte) => (byte * unit - mean[channel]) / deviation[channel]);
  });
  return { unit, channels, cells: extents.reduce((product, extent) => product * extent, 1), normalisation, tables };
}

/** The scale for an example of other extents. */
export const ownScale = (scale: Scale, shape: readonly number[]): Scale => ({ ...scale, cells: size(shape) / shape[0] });

/** Copies one example from `pixels` at `from` to `into` at `offset`, normalised. */
export function normaliseInto(pixels: Uint8Array | Float32Array, from: number, scale: Scale, into: Float32Array, offset: number): void {
  const { channels, cells, tables, normalisation } = scale;
  for (let channel = 0; channel < channels; channel++) {
    const source = from + channel * cells;
    const target = offset + channel * cells;
    if (pixels instanceof Uint8Array) lookUp(pixels, source, source + cells, tables[channel], into, target);
    else {
      const mean = normalisation.mean[channel];
      const deviation = normalisation.deviation[channel];
      for (let cell = 0; cell < cells; cell++) into[target + cell] = (pixels[source + cell] - mean) / deviation;
    }
  }
}

// a function of its own, with running indices: nearly twice as quick
function lookUp(pixels: Uint8Array, from: number, end: number, table: Float32Array, into: Float32Array, to: number): void {
  let target = to;
  for (let source = from; source < end; source++) into[target++] = table[pixels[source]];
}
