import { fail, Problems } from "../../base/errors.ts";
import type { Value } from "../../ops/contract.ts";
import { concat, crop, pad } from "../../ops.ts";
import { lecun } from "../initialisers.ts";
import { relu } from "../layers/activation.ts";
import { named, sequential } from "../layers/compose.ts";
import { type LayerWith, layer, partsOf, perAxis } from "../layers/layer.ts";
import { conv, transposedConv } from "../layers/linear.ts";
import { batchNorm } from "../layers/normalise.ts";
import { maxPool } from "../layers/pool.ts";
import { resize } from "../layers/resize.ts";
import type { Layer, Scope } from "../scope.ts";

/** Options of `unet`: plain data, so that a model file can hold them. */
export interface UnetOptions {
  readonly classes: number;
  /** Channels at full resolution; twice as many at every level below. Default 16. */
  readonly channels?: number;
  /** Levels below full resolution. Default 3. */
  readonly depth?: number;
  /** By how much a level is coarser, one for all axes or one each. Default 2. */
  readonly factor?: number | readonly number[];
  /** How cells become finer: a transposed convolution, or a resize and a 1x1 convolution. Default `transposed`. */
  readonly up?: "transposed" | "nearest" | "linear";
}

const block = (channels: number): Layer =>
  sequential(...[0, 1].flatMap(() => [conv(channels, { kernel: 3, padding: "same", bias: false }), batchNorm(), relu()]));

/** Names of the parts are set, so that a parameter has one name whatever is done at its borders. */
const part = (scope: Scope, name: string, body: Layer, input: Value): Value => scope.apply(named(name, body), input);

function upwards(up: NonNullable<UnetOptions["up"]>, channels: number, factor: readonly number[]): Layer {
  if (up === "transposed") return transposedConv(channels, { kernel: factor, stride: factor });
  return sequential(conv(channels, { kernel: 1 }), resize({ factor, method: up }));
}

/** One level and all below it: the skip connection is a concatenation. */
function level(input: Value, scope: Scope, depth: number, channels: number, options: Required<UnetOptions>): Value {
  const { up } = options;
  const factor = perAxis(options.factor, input.type.shape.length - 2, "unet", "factors");
  const fine = part(scope, "down", block(channels), input);
  if (depth === 0) return fine;
  const coarse = scope.within("below", () => level(part(scope, "pool", maxPool(factor), fine), scope, depth - 1, 2 * channels, options));
  return part(scope, "join", block(channels), concat([fine, part(scope, "up", upwards(up, channels, factor), coarse)]));
}

function checkOptions({ classes, channels, depth, up }: Required<UnetOptions>): void {
  const problems = new Problems("unet");
  const whole = (value: number, least: number): boolean => Number.isInteger(value) && value >= least;
  problems.check(whole(classes, 1), "classes", "a whole number >= 1", classes);
  problems.check(whole(channels, 1), "channels", "a whole number >= 1", channels);
  problems.check(whole(depth, 0), "depth", "a whole number >= 0", depth);
  problems.check(["transposed", "nearest", "linear"].includes(up), "up", "transposed, nearest or linear", up);
  problems.throwIfAny();
}

/**
 * U-Net: levels of two convolutions with batch norm and relu, each coarser by max pooling and with twice the channels, then back up, where every level is joined
 * to the one of its resolution on the way down; a 1x1 convolution gives the logits of every cell. Extents that the coarsest level does not divide are padded with
 * their border cells, and the padding is cut off again.
 * Source: Ronneberger et al. 2015, figure 1 (there with valid convolutions); batch norm as in Cicek et al. 2016.
 * Shapes: [N, C, ...m] -> logits [N, classes, ...m]; 1 to 3 axes, taken from the data, of any extents.
 * Throws: when an option is out of range.
 * Example: `unet({ classes: 2, channels: 16, depth: 3 })`
 */
export function unet(options: UnetOptions): LayerWith<UnetOptions> {
  const whole: Required<UnetOptions> = { channels: 16, depth: 3, factor: 2, up: "transposed", ...options };
  checkOptions(whole);
  return layer("unet", options, (input, scope) => {
    const { extents } = partsOf(input, "unet");
    const factor = perAxis(whole.factor, extents.length, "unet", "factors");
    const wrong = factor.find((by) => !Number.isInteger(by) || by < 1);
    if (wrong !== undefined) fail("unet", "", "factor", "whole numbers >= 1", wrong);
    const missing = extents.map((extent, axis) => {
      const together = factor[axis] ** whole.depth;
      return (together - (extent % together)) % together;
    });
    const margins = missing.map((cells) => ({ low: cells >> 1, high: cells - (cells >> 1) }));
    const isPadded = missing.some((cells) => cells > 0);
    const cells = level(isPadded ? pad(input, margins, { border: "replicate" }) : input, scope, whole.depth, whole.channels, whole);
    const logits = part(scope, "head", conv(whole.classes, { kernel: 1, initialiser: lecun() }), cells);
    return isPadded ? crop(logits, margins) : logits;
  });
}

/** The U-Net for examples of a shape: three levels, or as many as leave 4 cells on the axes that are halved; axes shorter than 8 cells keep their extent. */
export function unetFor([, ...extents]: readonly number[], classes: number): LayerWith<UnetOptions> {
  const factor = extents.map((extent) => (extent >= 8 ? 2 : 1));
  const halved = extents.filter((extent) => extent >= 8);
  const depth = Math.min(3, ...halved.map((extent) => Math.floor(Math.log2(extent / 4))));
  return unet({ classes, depth: halved.length === 0 ? 0 : depth, factor });
}
