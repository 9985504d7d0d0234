import { fail } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import { lecun } from "../initialisers.ts";
import { relu } from "../layers/activation.ts";
import { flatten } from "../layers/arrange.ts";
import { type Container, named, sequential } from "../layers/compose.ts";
import { dropout } from "../layers/dropout.ts";
import { conv, dense } from "../layers/linear.ts";
import { batchNorm } from "../layers/normalise.ts";
import { globalPool, maxPool } from "../layers/pool.ts";
import type { Layer } from "../scope.ts";

/** A small net's first number of channels; it doubles with every stage. */
const firstChannels = 16;

/** Examples of at most so many cells keep their cells for the dense layer. */
const smallCells = 1024;

/** Pooling factor of an axis: long ones (sound) by 4, others by 2, down to about 6 cells. */
const poolOf = (extent: number): number => (extent > 512 ? 4 : extent >= 8 ? 2 : 1);

/**
 * A small net for data of 1, 2 or 3 axes: stages of convolution, batch norm, relu and max pooling that double the channels until
 * about 6 cells are left on every axis; then a dense layer, over the mean of each channel, or over all cells where examples are small
 * and of equal extents (there, as in digits, it matters where something is: on MNIST 99.2 % after 3 epochs instead of 98.1 %).
 * Shapes: one example [C, ...extents] -> logits [N, classes].
 * Throws: when there are not 1 to 3 axes.
 */
export function defaultNet(shape: readonly number[], classes: number, unequal = false): Container {
  const [, ...extents] = shape;
  if (extents.length < 1 || extents.length > 3)
    fail("defaultNet", "", "shape of an example", "[channels, 1 to 3 extents]", `[${shape.join(",")}]`);
  const stages: Layer[] = [];
  let left = extents;
  for (let stage = 0; stage < 6 && (stage < 2 || left.some((extent) => poolOf(extent) > 1)); stage++) {
    const pool = left.map(poolOf);
    const channels = firstChannels * 2 ** Math.min(stage, 3);
    const kernel = left.map((extent) => (extent > 512 ? 9 : 3));
    stages.push(
      named(
        `stage${stage + 1}`,
        sequential(
          conv(channels, { kernel, padding: "same", bias: false }),
          batchNorm(),
          relu(),
          // with extents of their own, examples rarely divide by what is pooled: the last cells count too
          ...(pool.some((by) => by > 1) ? [maxPool(pool, { ceil: unequal })] : []),
        ),
      ),
    );
    left = left.map((extent, axis) => Math.floor(extent / pool[axis]));
  }
  const last = firstChannels * 2 ** Math.min(stages.length, 3);
  return sequential(
    ...stages,
    named("last", sequential(conv(last, { kernel: 3, padding: "same", bias: false }), batchNorm(), relu())),
    ...(size(extents) <= smallCells && !unequal ? [flatten()] : [globalPool("average")]),
    dropout(0.2),
    named("head", dense(classes, { initialiser: lecun() })),
  );
}
