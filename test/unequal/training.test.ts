import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { relu } from "../../src/nn/layers/activation.ts";
import { flatten } from "../../src/nn/layers/arrange.ts";
import { sequential } from "../../src/nn/layers/compose.ts";
import { conv, dense } from "../../src/nn/layers/linear.ts";
import { batchNorm } from "../../src/nn/layers/normalise.ts";
import { averagePool, globalPool, maxPool } from "../../src/nn/layers/pool.ts";
import { learnedPool } from "../../src/nn/layers/pool-learned.ts";
import { fractionalPool } from "../../src/nn/layers/pool-random.ts";
import { crossEntropy, diceLoss, type Loss, meanSquaredError } from "../../src/nn/losses.ts";
import { sgd } from "../../src/nn/optimisers.ts";
import type { Layer } from "../../src/nn/scope.ts";
import { checkExtents, initialise, type TracedStep, traceEvaluation, traceTraining } from "../../src/nn/step.ts";
import { target } from "../../src/node.ts";
import { referenceTarget } from "../../src/targets/reference/session.ts";

const own = [
  [8, 6],
  [5, 10],
  [8, 10],
];
const whole = [8, 10];
const extents = Int32Array.from(own.flat());

function examples(channels: number): { batch: Float32Array; singles: Float32Array[] } {
  const draws = random(2);
  const batch = new Float32Array(own.length * channels * 80).fill(Number.NaN);
  const singles = own.map(([rows, columns], example) => {
    const single = Float32Array.from({ length: channels * rows * columns }, () => draws.normal());
    single.forEach((cell, i) => {
      const [column, rest] = [i % columns, Math.floor(i / columns)];
      batch[(example * channels + Math.floor(rest / rows)) * 80 + (rest % rows) * 10 + column] = cell;
    });
    return single;
  });
  return { batch, singles };
}

const stepOf = (net: Layer, batch: number, shape: readonly number[], unequal: boolean): TracedStep =>
  traceTraining(net, {
    batch,
    inputs: { input: { shape, unequal } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd(),
  });

/** What one step of rate 1 changes in every parameter. */
async function changes(traced: TracedStep, feeds: Record<string, Float32Array | Int32Array>): Promise<Map<string, Float32Array>> {
  const session = await target.open({ threads: 1 });
  const program = await session.compile(traced.graph);
  await initialise(session, [traced], 4);
  const read = async (name: string): Promise<Float32Array> => Float32Array.from((await session.read(name)).data);
  const before = new Map<string, Float32Array>();
  for (const { name } of traced.parameters) before.set(name, await read(name));
  await program.run({ ...feeds, learningRate: 1, step: 1 });
  const changed = new Map<string, Float32Array>();
  for (const [name, cells] of before) {
    const after = await read(name);
    changed.set(
      name,
      cells.map((cell, i) => after[i] - cell),
    );
  }
  await session.close();
  return changed;
}

test("the gradient of a batch of unequal extents is the mean of the gradients of its examples", async () => {
  const net = sequential(
    conv(6, { kernel: 3, padding: 1 }),
    relu(),
    maxPool(2),
    conv(5, { kernel: 2 }),
    relu(),
    globalPool(),
    flatten(),
    dense(3),
  );
  const { batch, singles } = examples(2);
  const together = await changes(stepOf(net, 3, [2, ...whole], true), {
    input: batch,
    "input.extents": extents,
    label: Int32Array.of(0, 1, 2),
  });
  const alone: Map<string, Float32Array>[] = [];
  for (const [i, shape] of own.entries())
    alone.push(await changes(stepOf(net, 1, [2, ...shape], false), { input: singles[i], label: Int32Array.of(i) }));
  for (const [name, change] of together)
    change.forEach((got, i) => {
      const mean = alone.reduce((sum, one) => sum + (one.get(name) as Float32Array)[i], 0) / 3;
      assert.ok(Math.abs(got - mean) < 2e-6, `${name} ${i}: ${got}, ${mean}`);
    });
});

test("batch statistics run over the valid cells", async () => {
  const { batch, singles } = examples(2);
  const traced = stepOf(sequential(batchNorm({ momentum: 1 }), globalPool(), flatten(), dense(3)), 3, [2, ...whole], true);
  const session = await target.open({ threads: 1 });
  const program = await session.compile(traced.graph);
  await initialise(session, [traced], 4);
  await program.run({ input: batch, "input.extents": extents, label: Int32Array.of(0, 1, 2), learningRate: 0.1, step: 1 });
  for (const channel of [0, 1]) {
    const cells = singles.flatMap((single) => [...single.subarray((channel * single.length) / 2, ((channel + 1) * single.length) / 2)]);
    const mean = cells.reduce((a, b) => a + b, 0) / cells.length;
    const variance = cells.reduce((a, b) => a + (b - mean) ** 2, 0) / (cells.length - 1);
    assert.ok(Math.abs((await session.read("0-batchNorm/mean")).data[channel] - mean) < 1e-6);
    assert.ok(Math.abs((await session.read("0-batchNorm/variance")).data[channel] - variance) < 1e-5);
  }
  await session.close();
});

test("losses of every cell run over the valid cells: those of the examples alone", async () => {
  const { batch, singles } = examples(3);
  const draws = random(6);
  const labels = singles.map((single) => Int32Array.from({ length: single.length / 3 }, () => draws.integer(0, 2)));
  const values = singles.map((single) => Float32Array.from({ length: single.length }, () => draws.uniform()));
  const inBatch = <T extends Float32Array | Int32Array>(cells: readonly T[], made: T, channels: number): T => {
    own.forEach(([rows, columns], example) => {
      cells[example].forEach((cell, i) => {
        const [column, rest] = [i % columns, Math.floor(i / columns)];
        made[(example * channels + Math.floor(rest / rows)) * 80 + (rest % rows) * 10 + column] = cell;
      });
    });
    return made;
  };
  const losses: Readonly<Record<string, { loss: Loss; dense?: true }>> = {
    "cross-entropy": { loss: crossEntropy() },
    "cross-entropy, smoothed": { loss: crossEntropy({ labelSmoothing: 0.1, classWeights: [1, 2, 0.5] }) },
    "cross-entropy, one label ignored": { loss: crossEntropy({ ignore: 1 }) },
    dice: { loss: diceLoss() },
    "dice, one label ignored": { loss: diceLoss({ ignore: 2, classes: [0, 1] }) },
    "mean squared": { loss: meanSquaredError(), dense: true },
  };
  const net = conv(3, { kernel: 3, padding: "same" });
  for (const [name, { loss, dense: isDense }] of Object.entries(losses)) {
    const traceOf = (examplesOf: number, extentsOf: readonly number[], unequal: boolean): TracedStep =>
      traceEvaluation(net, {
        batch: examplesOf,
        inputs: { input: { shape: [3, ...extentsOf], unequal } },
        targets: {
          target: { shape: isDense ? [3, ...extentsOf] : extentsOf, dtype: isDense ? "f32" : "i32", unequal: unequal ? "input" : false },
        },
        loss,
      });
    for (const one of [referenceTarget, target]) {
      const session = await one.open({ threads: 1 });
      const together = traceOf(3, whole, true);
      const program = await session.compile(together.graph);
      await initialise(session, [together], 4);
      const wanted = isDense ? inBatch(values, new Float32Array(720).fill(Number.NaN), 3) : inBatch(labels, new Int32Array(240).fill(1), 1);
      const got = Float32Array.from((await program.run({ input: batch, "input.extents": extents, target: wanted })).loss.data);
      for (const [i, shape] of own.entries()) {
        const single = await session.compile(traceOf(1, shape, false).graph);
        const [alone] = (await single.run({ input: singles[i], target: isDense ? values[i] : labels[i] })).loss.data;
        assert.ok(Math.abs(got[i] - alone) < 2e-6, `${name} of example ${i}: ${got[i]}, alone ${alone}`);
      }
      await session.close();
    }
  }
});

test("empty examples and extents that do not fit are told", () => {
  const net = sequential(conv(2, { kernel: 3 }), maxPool(2), conv(2, { kernel: 3 }), globalPool());
  const traced = traceEvaluation(net, { batch: 3, inputs: { input: { shape: [1, 12, 12], unequal: true } } });
  assert.doesNotThrow(() => checkExtents(traced, "input", [12, 12, 8, 9, 8, 8]));
  assert.throws(
    () => checkExtents(traced, "input", [12, 13, 7, 12]),
    /net\(input\.extents\):[\s\S]*extents of example 0: expected 1 to 12 x 12; received 12 x 13[\s\S]*cells of example 1 after 2-conv: expected >= 1; received none, of 7 x 12/,
  );
  const shape = [1, 12, 12];
  const refused =
    (layer: Layer): (() => unknown) =>
    () =>
      traceEvaluation(layer, { batch: 2, inputs: { input: { shape, unequal: true } } });
  assert.throws(refused(conv(2, { kernel: 3, padding: 1, border: "wrap" })), /Axis 0 continues by wrap at the batch's border/);
  assert.throws(refused(flatten()), /Axis 1 has extents of its examples, and would be joined with others/);
  const parts = traceEvaluation(sequential(fractionalPool({ extents: 4 })), { batch: 2, inputs: { input: { shape, unequal: true } } });
  assert.throws(
    () => checkExtents(parts, "input", [12, 4, 3, 12]),
    /net\(input\.extents\): cells of example 1 before 0-fractionalPool: expected >= 4; received 3, of 3 x 12\. Leave the example out/,
  );
  const holes = traceEvaluation(sequential(maxPool(2, { dilation: 3, padding: 2 })), {
    batch: 1,
    inputs: { input: { shape, unequal: true } },
  });
  assert.doesNotThrow(() => checkExtents(holes, "input", [3, 3]));
  assert.throws(() => checkExtents(holes, "input", [1, 12]), /cells of example 0 before 0-maxPool: expected >= 2; received 1, of 1 x 12/);
  assert.throws(
    refused(averagePool(3, { padding: "same", stride: 2, countPadding: false })),
    /averagePool: padding on axis 0: expected cells, for examples of unequal extents; received "same" with stride 2, which pads by the extent\. Give cells, such as 1\./,
  );
  assert.throws(refused(learnedPool(2)), /learnedPool: grid: expected cells of a structure for examples of unequal extents; received none/);
});
