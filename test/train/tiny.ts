import { random } from "../../src/base/random.ts";
import type { Dataset, Split } from "../../src/data/dataset.ts";
import { relu } from "../../src/nn/layers/activation.ts";
import { type Container, sequential } from "../../src/nn/layers/compose.ts";
import { dropout } from "../../src/nn/layers/dropout.ts";
import { conv, dense } from "../../src/nn/layers/linear.ts";
import { batchNorm } from "../../src/nn/layers/normalise.ts";
import { globalPool } from "../../src/nn/layers/pool.ts";

const extent = 8;

/** Signals of 8 cells: class 0 rises, class 1 falls, with noise. */
function split(count: number, seed: number): Split {
  const cells = new Float32Array(count * extent);
  const labels = new Int32Array(count);
  const draw = random(seed);
  for (let example = 0; example < count; example++) {
    labels[example] = draw.integer(0, 1);
    const slope = labels[example] === 0 ? 1 : -1;
    for (let cell = 0; cell < extent; cell++) cells[example * extent + cell] = slope * (cell / 4 - 1) + 0.1 * draw.normal();
  }
  return {
    count,
    labels,
    ids: Int32Array.from({ length: count }, (_, id) => 1000 * seed + id),
    read: (index, into, offset) => into.set(cells.subarray(index * extent, (index + 1) * extent), offset),
  };
}

/** A set that a net learns in milliseconds. */
export const tinyData = (train = 20): Dataset => ({
  name: "tiny",
  shape: [1, extent],
  classes: ["rising", "falling"],
  train: split(train, 1),
  validation: split(10, 2),
  test: split(14, 3),
  normalisation: { mean: [0], deviation: [1] },
  notes: ["made by hand"],
});

/** A net with everything that a checkpoint must hold: statistics, random draws, parameters. */
export const tinyNet = (): Container =>
  sequential(conv(3, { kernel: 3 }), batchNorm(), relu(), dropout(0.2), globalPool("average"), dense(2));
