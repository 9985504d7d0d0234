import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size, type Tensor } from "../../src/base/types.ts";
import type { Dataset } from "../../src/data/dataset.ts";
import { type ArrayExample, arrays } from "../../src/data/memory.ts";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { relu } from "../../src/nn/layers/activation.ts";
import { flatten } from "../../src/nn/layers/arrange.ts";
import { type Container, sequential } from "../../src/nn/layers/compose.ts";
import { conv, dense } from "../../src/nn/layers/linear.ts";
import { batchNorm } from "../../src/nn/layers/normalise.ts";
import { globalPool, maxPool } from "../../src/nn/layers/pool.ts";
import { defaultNet } from "../../src/nn/models/index.ts";
import { target } from "../../src/node.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";
import { type FitResult, fit, type Keeper } from "../../src/train/fit.ts";
import { decodeModel } from "../../src/train/model.ts";
import type { FitOptions } from "../../src/train/settings.ts";

/** Examples of random extents: waves along the last axis, short for class 0, long for class 1. */
function waves(count: number, largest: readonly number[], seed = 1): ArrayExample[] {
  const draw = random(seed, largest.length);
  return Array.from({ length: count }, (_, index) => {
    const shape = [1, ...largest.map((most) => draw.integer(Math.ceil(most / 2), most))];
    const last = shape[shape.length - 1];
    const [turn, phase] = [index % 2 === 0 ? 2.2 : 0.9, 6 * draw.uniform()];
    const cells = Float32Array.from({ length: size(shape) }, (_, cell) => Math.sin(turn * (cell % last) + phase) + 0.2 * draw.normal());
    return { cells, shape, class: index % 2 === 0 ? "short" : "long" };
  });
}

const net = (): Container =>
  sequential(
    conv(6, { kernel: 3, padding: "same" }),
    batchNorm(),
    relu(),
    maxPool(2),
    conv(8, { kernel: 2 }),
    relu(),
    globalPool("average"),
    dense(2),
  );
const train = (data: Dataset, options: FitOptions = {}, keeper?: Keeper, made = net()): Promise<FitResult> =>
  fit(made, data, { epochs: 5, batch: 8, learningRate: 0.02, seed: 1, threads: 1, ...options }, target, keeper);
const tensorOf = ({ cells, shape }: ArrayExample, { mean, deviation }: Dataset["normalisation"]): Tensor => ({
  dtype: "f32",
  shape,
  data: Float32Array.from(cells, (cell) => (cell - mean[0]) / deviation[0]),
});

for (const largest of [[40], [10, 14], [7, 8, 12]]) {
  test(`a net learns examples of unequal extents on ${largest.length} axes, and says the same of each alone`, async () => {
    const set = arrays(waves(80, largest), { holdout: 10 });
    const { model, test: scores } = await train(set, { roundTo: 4 });
    assert.ok((scores.accuracy as number) > 0.9, `${scores.accuracy}`);
    const { least, grids } = model.description.unequal ?? { least: [], grids: {} };
    assert.deepEqual(
      least,
      largest.map(() => 4),
    );
    assert.ok(Object.keys(grids).length > 0 && Object.keys(grids).length < 8);
    const others = waves(20, largest, 2).map((example) => tensorOf(example, set.normalisation));
    const together = await model.predict(others);
    for (const [place, example] of others.entries()) {
      const [alone] = await model.predict([example]);
      assert.equal(alone.class, together[place].class);
      alone.probabilities.forEach((share, index) => assert.ok(Math.abs(share - together[place].probabilities[index]) < 1e-5));
    }
    // a model file remembers it
    const again = decodeModel(model.encode(), "file", target, { threads: 1 });
    assert.deepEqual(await again.predict(others), together);
    const scored = await again.score(set.test!);
    assert.equal(scored.accuracy, scores.accuracy);
    assert.deepEqual(scored.predicted, scores.predicted);
    assert.ok(Math.abs(scored.loss - scores.loss) < 1e-5);
    // examples of the whole shape may come as cells alone, and sets of equal extents are scored too
    const whole = { ...others[0], shape: set.shape, data: new Float32Array(size(set.shape)).map((_, cell) => Math.sin(cell)) };
    assert.deepEqual(await again.predict(whole.data), await again.predict([whole]));
    const even = arrays(
      waves(8, largest, 3).map((example) => ({
        ...example,
        shape: [1, ...least.map((cells) => cells + 1)],
        cells: Array.from(example.cells).slice(0, size(least.map((cells) => cells + 1))),
      })),
      { holdout: 0 },
    );
    assert.equal((await again.score({ ...even.train, labels: even.train.labels })).count, even.train.count);
    for (const one of [model, again, set, even]) await one.close?.();
  });
}

test("scores do not depend on who shares a batch", async () => {
  const set = arrays(waves(60, [12, 20]), { holdout: 10 });
  const { model } = await train(set, { epochs: 2 });
  const given = waves(16, [12, 20], 5).map((example) => tensorOf(example, set.normalisation));
  const [all, backwards] = [await model.predict(given), await model.predict([...given].reverse())];
  assert.deepEqual(backwards.reverse(), all);
  await model.close();
});

test("runs of unequal extents give equal bits, and go on to the same bits", async () => {
  const set = arrays(waves(70, [10, 14]), { holdout: 10 });
  const states: { checkpoint?: Uint8Array; model?: Uint8Array } = {};
  const keeper = (): Keeper => ({
    async begin() {
      if (states.checkpoint === undefined) return null;
      const best = states.model === undefined ? null : readSafetensors(states.model, "memory").tensors;
      return { checkpoint: decodeCheckpoint(states.checkpoint, "memory"), where: "memory", best };
    },
    async save(checkpoint: Checkpoint, model) {
      states.checkpoint = encodeCheckpoint(checkpoint);
      if (model !== null) states.model = model.encode();
    },
  });
  const augment = { flip: [1], crop: 0.8, rotate: 5 };
  const [one, two] = [
    await train(set, { augment, average: 0.9, roundTo: 2 }),
    await train(set, { augment, average: 0.9, roundTo: 2, threads: 2 }),
  ];
  assert.deepEqual(one.model.encode(), two.model.encode());
  let steps = 0;
  await train(set, { augment, average: 0.9, roundTo: 2, onStep: () => (++steps === 13 ? "stop" : undefined) }, keeper());
  const resumed = await train(set, { augment, average: 0.9, roundTo: 2 }, keeper());
  assert.deepEqual(resumed.notes, []);
  assert.deepEqual(resumed.model.encode(), one.model.encode());
  await assert.rejects(
    train(set, { augment, average: 0.9, roundTo: 3 }, keeper()),
    /checkpoint\(memory\): roundTo: expected 2; received 3/,
  );
});

test("gradients of several batches are added, on grids of their own", async () => {
  const set = arrays(waves(50, [30]), { holdout: 8 });
  const { history } = await train(set, { accumulate: 2, roundTo: 6, epochs: 6 });
  assert.ok(history[5].loss < 0.7 * history[0].loss, history.map(({ loss }) => loss).join());
});

test("the default net takes unequal extents, small examples too", async () => {
  const set = arrays(waves(60, [12, 16]), { holdout: 10 });
  const { test: scores } = await train(set, { epochs: 8 }, undefined, defaultNet(set.shape, 2, true));
  assert.ok((scores.accuracy as number) > 0.8, `${scores.accuracy}`);
});

test("what does not fit is told: a net that flattens, examples that pooling empties, bad options", async () => {
  const set = arrays(waves(40, [10, 14]), { holdout: 8, name: "waves" });
  await assert.rejects(
    train(set, {}, undefined, sequential(conv(2, { kernel: 3 }), flatten(), dense(2))),
    /Axis 1 has extents of its examples, and would be joined with others\. Pool them to a fixed size before: globalPool\(\), or adaptivePool\(4\)\./,
  );
  const pooled = sequential(conv(2, { kernel: 3 }), maxPool(5), globalPool(), dense(2));
  await assert.rejects(train(set, {}, undefined, pooled), (error: Error) => {
    assert.match(
      error.message,
      /^fit\(waves\): extents of example \d+ \(train\): expected at least 7 x 7, of which the net leaves cells; received [56] x \d+\. Leave it out, enlarge it, or pool less\./,
    );
    assert.equal(error.message.split("\n").length, 10);
    return true;
  });
  await assert.rejects(train(set, { roundTo: 0 }), /fit\(waves\): roundTo: expected a whole number >= 1; received 0/);
  const { model } = await train(set, { epochs: 1 });
  const wrong: Tensor[] = [
    { dtype: "f32", shape: [1, 3, 14], data: new Float32Array(42) },
    { dtype: "f32", shape: [1, 10, 15], data: new Float32Array(150) },
    { dtype: "f32", shape: [1, 10, 14], data: new Float32Array(141) },
  ];
  await assert.rejects(model.predict(wrong), {
    message: [
      "model(predict): shape of example 0: expected [1, 4 to 10, 4 to 14]; received [1, 3, 14].",
      "model(predict): shape of example 1: expected [1, 4 to 10, 4 to 14]; received [1, 10, 15].",
      "model(predict): cells of example 2: expected f32, 140 = 1 x 10 x 14; received f32, 141.",
    ].join("\n"),
  });
  await model.close();
});
