import type { Layer } from "../scope.ts";
import { relu } from "./activation.ts";
import { type Container, named, sequential } from "./compose.ts";
import { type ConvOptions, conv } from "./linear.ts";
import { maxPool } from "./pool.ts";

export interface ConvLayerOptions extends ConvOptions {
  readonly channels: number;
  /** Second stage, a nonlinearity: relu when left out, null for none. */
  readonly detector?: Layer | null;
  /** Third stage: maxPool(2) when left out, null for none. */
  readonly pooling?: Layer | null;
}

/**
 * A convolutional layer of three stages under their names: affine transform, detector, pooling. In the chapter's complex terminology it is
 * one layer; in the simple one each of `convolution`, `detector` and `pooling` is. `complexLayers` tells a net in both.
 * Source: Goodfellow et al. 2016, figure 9.7.
 * Shapes: those of its stages, one after another.
 * Throws: as its stages.
 * Example: `sequential(convLayer({ channels: 16, kernel: 5, padding: "same" }), dense(10))`
 */
export function convLayer({ channels, detector = relu(), pooling = maxPool(2), ...options }: ConvLayerOptions): Container {
  const stages = [
    named("convolution", conv(channels, options)),
    ...(detector === null ? [] : [named("detector", detector)]),
    ...(pooling === null ? [] : [named("pooling", pooling)]),
  ];
  return Object.freeze({ ...sequential(...stages), kind: "convLayer" });
}
