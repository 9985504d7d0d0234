import type { Normalisation } from "./dataset.ts";

/** Normalisation in the form that inner loops use: v = stored * unit; result = (v - mean) / deviation. */
export interface Scale {
  /** 1 / 255 for u8, 1 for f32. */
  readonly unit: number;
  readonly channels: number;
  readonly cells: number;
  readonly normalisation: Normalisation;
  /** Result for every u8 value: [channels, 256]. Empty for f32. */
  readonly table: Float32Array;
}

/** Prepares the normalisation of examples of a shape [channels, ...extents]. */
export function scaleOf(shape: readonly number[], normalisation: Normalisation, isBytes: boolean): Scale {
  const [channels, ...extents] = shape;
  const unit = isBytes ? 1 / 255 : 1;
  const table = new Float32Array(isBytes ? channels * 256 : 0);
  for (let cell = 0; cell < table.length; cell++) {
    const channel = cell >> 8;
    table[cell] = ((cell & 255) * unit - normalisation.mean[channel]) / normalisation.deviation[channel];
  }
  return { unit, channels, cells: extents.reduce((product, extent) => product * extent, 1), normalisation, table };
}

/** Copies one example from `pixels` at `from` to `into` at `offset`, normalised. */
export function normaliseInto(pixels: Uint8Array | Float32Array, from: number, scale: Scale, into: Float32Array, offset: number): void {
  const { channels, cells, table, normalisation } = scale;
  for (let channel = 0; channel < channels; channel++) {
    const source = from + channel * cells;
    const target = offset + channel * cells;
    if (pixels instanceof Uint8Array) {
      const row = channel << 8;
      for (let cell = 0; cell < cells; cell++) into[target + cell] = table[row + pixels[source + cell]];
    } else {
      const mean = normalisation.mean[channel];
      const deviation = normalisation.deviation[channel];
      for (let cell = 0; cell < cells; cell++) into[target + cell] = (pixels[source + cell] - mean) / deviation;
    }
  }
}
