import { invariant } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import type { KernelPicture } from "./data.ts";

/**
 * Pictures of the first kernels of a layer: in colour for three channels on two axes, else one channel each;
 * one-axis kernels of several channels as an image of channel by tap.
 * Shapes: kernel [channelsOut, channelsIn, ...taps], row-major, 1 to 3 axes of taps.
 */
export function kernelPictures(shape: readonly number[], data: Float32Array, limit = 64): KernelPicture[] {
  const [, channelsIn, ...taps] = shape;
  invariant(
    taps.length >= 1 && taps.length <= 3 && size(shape) === data.length,
    () => `kernel [${shape.join(",")}] of ${data.length} values`,
  );
  const whole = channelsIn === 1 || (channelsIn === 3 && taps.length === 2);
  const layered = taps.length === 1 && channelsIn > 1;
  const each = whole || layered ? channelsIn * size(taps) : size(taps);
  const count = Math.min(limit, data.length / each);
  return Array.from({ length: count }, (_, index): KernelPicture => {
    const values = data.slice(index * each, (index + 1) * each);
    const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0).toPrecision(2);
    const place = whole || layered ? `${index}` : `${Math.floor(index / channelsIn)} of input ${index % channelsIn}`;
    return {
      caption: `${place}, max ${largest}`,
      picture: { channels: whole && channelsIn === 3 ? 3 : 1, extents: layered ? [channelsIn, ...taps] : taps, data: values },
    };
  });
}
