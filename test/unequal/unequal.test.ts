import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import type { Session, Target } from "../../src/graph/session.ts";
import { relu, sigmoid } from "../../src/nn/layers/activation.ts";
import { adaptivePool, pyramidPool, quadrantPool } from "../../src/nn/layers/adaptive.ts";
import { flatten, pad, upsample } from "../../src/nn/layers/arrange.ts";
import { concatenated, residual, sequential } from "../../src/nn/layers/compose.ts";
import { conv, dense, depthwiseConv, tiledConv, transposedConv } from "../../src/nn/layers/linear.ts";
import { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm } from "../../src/nn/layers/normalise.ts";
import { averagePool, globalPool, maxPool, powerPool } from "../../src/nn/layers/pool.ts";
import { channelPool, maxout, partialPool } from "../../src/nn/layers/pool-channels.ts";
import type { Layer } from "../../src/nn/scope.ts";
import { initialise, traceEvaluation } from "../../src/nn/step.ts";
import { target } from "../../src/node.ts";
import { referenceTarget } from "../../src/targets/reference/session.ts";

/** Layers and nets by name, for any number of axes. */
const nets: Readonly<Record<string, Layer>> = {
  conv: conv(5, { kernel: 3, padding: 1 }),
  "conv valid, bias": sequential(conv(4, { kernel: 2 }), sigmoid()),
  "conv strided": conv(4, { kernel: 3, stride: 2, padding: { low: 1, high: 0 } }),
  "conv dilated full": conv(3, { kernel: 2, dilation: 2, padding: "full" }),
  depthwise: depthwiseConv({ kernel: 3, padding: "same", multiplier: 2 }),
  tiled: tiledConv(3, { kernel: 3, padding: "same", period: 2, bias: true }),
  transposed: transposedConv(3, { kernel: 2, stride: 2 }),
  "max pool": sequential(conv(4, { kernel: 1 }), maxPool(2)),
  "max pool padded": sequential(sigmoid(), maxPool(3, { stride: 2, padding: 1 })),
  "max pool ceil": sequential(sigmoid(), maxPool(3, { stride: 2, ceil: true })),
  "average pool": averagePool(2, { stride: 1, padding: 1 }),
  "average pool of cells": averagePool(3, { stride: 2, padding: 1, countPadding: false }),
  "power pool": powerPool(2, 2),
  "average pool dilated": averagePool(2, { dilation: 2, stride: 1 }),
  "adaptive average": sequential(conv(4, { kernel: 3, padding: 1 }), adaptivePool(3)),
  "adaptive max": sequential(conv(9, { kernel: 1 }), relu(), adaptivePool(2, "max"), flatten(), dense(3)),
  "adaptive power": sequential(sigmoid(), adaptivePool(2, { power: 2 })),
  "adaptive to more regions than cells": adaptivePool(8, "max"),
  quadrants: sequential(conv(8, { kernel: 1 }), quadrantPool()),
  pyramid: sequential(conv(4, { kernel: 3, padding: 1 }), relu(), pyramidPool([1, 2, 3]), dense(3)),
  "channels average": sequential(conv(6, { kernel: 3, padding: 1 }), channelPool(2)),
  "channels power": sequential(conv(6, { kernel: 3, padding: 1 }), channelPool(3, { power: 2 })),
  "some channels": sequential(conv(6, { kernel: 3, padding: 1 }), partialPool(2, maxPool(3, { stride: 1, padding: 1 }))),
  maxout: sequential(conv(6, { kernel: 3, padding: 1 }), maxout(3)),
  "global average": sequential(conv(4, { kernel: 3, padding: 1 }), relu(), globalPool("average"), flatten(), dense(3)),
  "global max": sequential(conv(4, { kernel: 1 }), globalPool("max"), flatten(), dense(3)),
  normalisations: sequential(batchNorm(), conv(4, { kernel: 3, padding: 1 }), instanceNorm(), sigmoid(), layerNorm({ over: "channels" })),
  "group norm": sequential(conv(4, { kernel: 1 }), groupNorm(2), relu()),
  "response norm": localResponseNorm({ size: 3 }),
  residual: sequential(conv(4, { kernel: 3, padding: 1 }), residual(sequential(conv(4, { kernel: 3, padding: 1 }), relu()))),
  branches: concatenated(conv(2, { kernel: 1 }), sequential(maxPool(3, { stride: 1, padding: 1 }), conv(3, { kernel: 3, padding: 1 }))),
  "pad and upsample": sequential(pad(1, { fill: 0.5 }), upsample(2), conv(2, { kernel: 3, padding: 1 })),
};

interface Setting {
  readonly channels: number;
  /** Extents of the batch's cells, and of each example. */
  readonly whole: readonly number[];
  readonly own: readonly (readonly number[])[];
}

const settings: readonly Setting[] = [
  { channels: 3, whole: [11], own: [[11], [7], [8], [3]] },
  {
    channels: 3,
    whole: [9, 12],
    own: [
      [9, 7],
      [4, 12],
      [9, 12],
      [5, 6],
    ],
  },
  {
    channels: 2,
    whole: [5, 6, 7],
    own: [
      [5, 4, 7],
      [4, 6, 3],
    ],
  },
];

function* cellsOf(extents: readonly number[], whole: readonly number[]): Generator<number> {
  const cell = extents.map(() => 0);
  for (let count = size(extents); count > 0; count--) {
    yield cell.reduce((position, at, axis) => position * whole[axis] + at, 0);
    for (let axis = extents.length - 1; axis >= 0 && ++cell[axis] === extents[axis]; axis--) cell[axis] = 0;
  }
}

/** Runs all examples as one batch of unequal extents, and each alone; calls with both. */
async function compare(
  open: () => Promise<Session>,
  net: Layer,
  { channels, whole, own }: Setting,
  draw: () => number,
  check: (got: readonly number[], alone: Float32Array, extents: readonly number[]) => void,
): Promise<void> {
  const session = await open();
  const shape = [channels, ...whole];
  const cells = size(whole);
  // what lies beyond an example's extents must not be looked at
  const batch = new Float32Array(own.length * channels * cells).fill(Number.NaN);
  const singles = own.map((extents, example) => {
    const single = Float32Array.from({ length: channels * size(extents) }, draw);
    let at = 0;
    for (let channel = 0; channel < channels; channel++)
      for (const cell of cellsOf(extents, whole)) batch[(example * channels + channel) * cells + cell] = single[at++];
    return single;
  });
  const together = traceEvaluation(net, { batch: own.length, inputs: { input: { shape, unequal: true } } });
  const program = await session.compile(together.graph);
  await initialise(session, [together], 5);
  // parameters of small whole numbers, so that sums are exact
  for (const { name, type } of together.parameters) {
    const draws = random(9, name.length);
    await session.write(name, {
      dtype: "f32",
      shape: type.shape,
      data: Float32Array.from({ length: size(type.shape) }, () => draws.integer(-3, 3)),
    });
  }
  const { output } = await program.run({ input: batch, "input.extents": Int32Array.from(own.flat()) });
  const [, outputs, ...made] = [...output.shape];
  const results = Float32Array.from(output.data);
  for (const [example, extents] of own.entries()) {
    const alone = traceEvaluation(net, { batch: 1, inputs: { input: { shape: [channels, ...extents] } } });
    const single = (await (await session.compile(alone.graph)).run({ input: singles[example] })).output;
    const extentsAlone = single.shape.slice(2);
    const got: number[] = [];
    const each = size(made);
    for (let channel = 0; channel < outputs; channel++)
      for (const cell of cellsOf(extentsAlone, made)) got.push(results[(example * outputs + channel) * each + cell]);
    check(got, single.data as Float32Array, extentsAlone);
    const valid = new Set(cellsOf(extentsAlone, made));
    for (let channel = 0; channel < outputs; channel++)
      for (let cell = 0; cell < each; cell++)
        if (!valid.has(cell)) assert.equal(results[(example * outputs + channel) * each + cell], 0, "a cell beyond the extents");
  }
  await session.close();
}

const targets: readonly (readonly [string, Target])[] = [
  ["reference", referenceTarget],
  ["wasm", target],
];
for (const [targetName, one] of targets) {
  for (const [name, net] of Object.entries(nets)) {
    test(`${targetName}: examples of unequal extents give what they give alone: ${name}`, async () => {
      for (const setting of settings) {
        // on three axes it joins the axes of the grid
        if (name === "response norm" && setting.whole.length === 3) continue;
        const draws = random(7);
        await compare(
          () => one.open({ threads: 1 }),
          net,
          setting,
          () => draws.integer(-3, 3),
          (got, alone) => {
            assert.equal(got.length, alone.length);
            const most = alone.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
            got.forEach((cell, i) => {
              assert.ok(Math.abs(cell - alone[i]) <= 2e-5 * most, `cell ${i} of ${setting.whole.join("x")}: ${cell}, alone ${alone[i]}`);
            });
          },
        );
      }
    });
  }
}
