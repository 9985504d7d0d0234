import type { Border } from "../../grid/axis.ts";
import type { Margin } from "../../ops/contract.ts";
import * as ops from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { layer } from "./layer.ts";

/** All cells of an example on one axis. Shapes: [N, ...] -> [N, cells]. */
export const flatten = (): Layer => layer("flatten", {}, (input) => ops.flatten(input));

/** The same cells in the same order under other extents. Shapes: [N, ...] -> [N, ...shape]; one extent may be -1. Throws: when the numbers of cells differ. */
export const reshape = (shape: readonly number[]): Layer => layer("reshape", { shape }, (input) => ops.reshape(input, shape));

/** Channels laid out as finer cells. Source: Shi et al. 2016, eq. 4. Shapes: [N, C r^d, ...m] -> [N, C, ...m r]. Throws: when r^d does not divide the channels. */
export const pixelShuffle = (factor: number): Layer => layer("pixelShuffle", { factor }, (input) => ops.pixelShuffle(input, factor));

/** Every cell repeated: nearest upsampling by whole factors, one for all axes or one each. Shapes: [N, C, ...m] -> [N, C, ...m factor]. */
export const upsample = (factors: number | readonly number[]): Layer =>
  layer("upsample", { factors }, (input) => ops.upsample(input, factors));

type Cells = number | readonly (number | Margin)[];

/** Cells put around the last axes: zeros, a fill value, or what the border says. Shapes: [N, C, ...n] -> [N, C, ...(low + n + high)]. */
export const pad = (cells: Cells, options: { readonly border?: Border; readonly fill?: number } = {}): Layer =>
  layer("pad", { cells, ...options }, (input) => ops.pad(input, cells, options));

/** Cells taken off both ends of the last axes. Shapes: [N, C, ...n] -> [N, C, ...(n - low - high)]. Throws: when nothing is left. */
export const crop = (cells: Cells): Layer => layer("crop", { cells }, (input) => ops.crop(input, cells));

/** e^V over its sum along the channels. Source: Goodfellow et al. 2016, eq. 6.29. Shapes: [N, C, ...] -> the same. */
export const softmax = (): Layer => layer("softmax", {}, (input) => ops.softmax(input, 1));

/** log(softmax(V)) without cancellation. Shapes: [N, C, ...] -> the same. */
export const logSoftmax = (): Layer => layer("logSoftmax", {}, (input) => ops.logSoftmax(input, 1));
