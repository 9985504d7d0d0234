import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyData, tinyNet } from "../../test/train/tiny.ts";
import type { Tensor } from "../base/types.ts";
import { readSafetensors } from "../formats/safetensors.ts";
import { dense } from "../nn/layers/linear.ts";
import { crossEntropy, meanSquaredError } from "../nn/losses.ts";
import type { Scope } from "../nn/scope.ts";
import { target } from "../node.ts";
import type { Value } from "../ops/contract.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "./checkpoint.ts";
import { type FitResult, fit, type Keeper } from "./fit.ts";
import type { EpochMetrics } from "./history.ts";
import type { FitOptions } from "./settings.ts";

const run = (options: FitOptions = {}, keeper?: Keeper): Promise<FitResult> =>
  fit(tinyNet(), tinyData(), { epochs: 3, batch: 6, learningRate: 0.02, seed: 1, threads: 1, ...options }, target, keeper);

/** Keeps checkpoints and models in memory, as bytes. */
function memoryKeeper(kept: { checkpoint?: Uint8Array; model?: Uint8Array }, saves: Checkpoint[] = []): Keeper {
  return {
    async begin() {
      if (kept.checkpoint === undefined) return null;
      const checkpoint = decodeCheckpoint(kept.checkpoint, "memory");
      const best = kept.model === undefined ? null : readSafetensors(kept.model, "memory").tensors;
      return { checkpoint, where: "memory", best };
    },
    async save(checkpoint, model) {
      saves.push(checkpoint);
      kept.checkpoint = encodeCheckpoint(checkpoint);
      if (model !== null) kept.model = model.encode();
    },
  };
}

const withoutTimes = (history: readonly EpochMetrics[]): object[] => history.map(({ seconds: _, examplesPerSecond: __, ...rest }) => rest);

test("it learns, measures every epoch, and keeps the weights of the lowest validation loss", async () => {
  const { history, best, test: scores, model, ending } = await run({ epochs: 12, patience: 12 });
  assert.equal(history.length, 12);
  assert.equal(ending, "epochs");
  assert.ok(history[11].loss < history[0].loss);
  const lowest = history.reduce((a, b) => ((b.validationLoss as number) < (a.validationLoss as number) ? b : a));
  assert.deepEqual(best, { epoch: lowest.epoch, loss: lowest.validationLoss, accuracy: lowest.validationAccuracy });
  assert.equal(scores.count, 14);
  assert.ok((scores.accuracy as number) >= 12 / 14, `${scores.accuracy}`);
  assert.equal(scores.predicted?.length, 14);
  // the model scores its test part as the run did
  const again = await model.score(tinyData().test!);
  assert.equal(again.accuracy, scores.accuracy);
  assert.ok(Math.abs(again.loss - scores.loss) < 1e-5);
});

test("without patience the last epoch is kept whose accuracy the validation examples cannot tell from the highest", async () => {
  const { history, best } = await run({ epochs: 12 });
  const { count } = tinyData().validation!;
  const top = Math.max(...history.map(({ validationAccuracy }) => validationAccuracy as number));
  const last = history.findLast(({ validationAccuracy, epoch }) => {
    const soFar = Math.max(...history.slice(0, epoch).map((metrics) => metrics.validationAccuracy as number));
    return (validationAccuracy as number) >= soFar - Math.sqrt((soFar * (1 - soFar)) / count);
  });
  assert.ok(top > 0);
  assert.equal(best?.epoch, last?.epoch);
});

test("epoch losses are means over the examples, of short batches too", async () => {
  const seen: { loss: number; examples: number }[] = [];
  const { history } = await run({ epochs: 1, onStep: ({ loss, examples }) => void seen.push({ loss, examples }) });
  assert.deepEqual(
    seen.map(({ examples }) => examples),
    [6, 6, 6, 2],
  );
  const mean = seen.reduce((sum, { loss, examples }) => sum + loss * examples, 0) / 20;
  assert.ok(Math.abs(history[0].loss - mean) < 1e-12);
});

test("equal seeds give equal bytes, others do not", async () => {
  const [first, same, other] = [await run(), await run(), await run({ seed: 2 })];
  assert.deepEqual(first.model.encode(), same.model.encode());
  assert.notDeepEqual(first.model.encode(), other.model.encode());
});

for (const [name, options] of [
  ["plainly", {}],
  ["with a moving average", { average: 0.8 }],
  ["with gradients of two batches", { accumulate: 2 }],
] as const) {
  test(`a run that is stopped at any step goes on to the same bytes, ${name}`, async () => {
    const straight = await run({ ...options, epochs: 2 });
    const steps = 2 * ("accumulate" in options ? 2 : 4);
    for (let stop = 1; stop <= steps; stop++) {
      const kept: { checkpoint?: Uint8Array; model?: Uint8Array } = {};
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }): void => {
        if (step === stop) controller.abort();
      };
      const first = await run({ ...options, epochs: 2, signal: controller.signal, onStep }, memoryKeeper(kept));
      assert.equal(first.ending, "signal");
      assert.equal(first.test.count, 0);
      const second = await run({ ...options, epochs: 2 }, memoryKeeper(kept));
      assert.deepEqual(second.model.encode(), straight.model.encode(), `stopped at step ${stop}`);
      assert.deepEqual(withoutTimes(second.history), withoutTimes(straight.history), `stopped at step ${stop}`);
      assert.deepEqual(second.best, straight.best);
    }
  });
}

test("a run goes on with the algorithms of its checkpoint, whatever would be chosen today", async () => {
  const saves: Checkpoint[] = [];
  const kept: { checkpoint?: Uint8Array; model?: Uint8Array } = {};
  await run({ epochs: 1, tune: true }, memoryKeeper(kept, saves));
  const last = saves[saves.length - 1];
  const { nodes } = last.choices.apply;
  assert.ok(nodes.length > 20 && last.choices.evaluate.nodes.length > 2);
  // as an earlier version could have chosen: a convolution by another algorithm
  const at = nodes.findIndex(({ node }) => node.startsWith("grid-linear kernel"));
  const other = { ...nodes[at], algorithm: "wasm-grid-linear-general", layouts: "plain, plain -> plain" };
  const resume = async (choice: object): Promise<FitResult> => {
    const apply = { ...last.choices.apply, nodes: nodes.with(at, { ...nodes[at], ...choice }) };
    return run(
      { epochs: 2 },
      memoryKeeper({ ...kept, checkpoint: encodeCheckpoint({ ...last, choices: { ...last.choices, apply } }) }, saves),
    );
  };
  assert.deepEqual((await resume(other)).notes, []);
  assert.equal(saves[saves.length - 1].choices.apply.nodes[at].algorithm, other.algorithm);
  const [note] = (await resume({ algorithm: "wasm-none" })).notes;
  assert.match(note, /other algorithms than the run began with/);
});

test("a checkpoint is written before the first step and after every epoch, whole", async () => {
  const saves: Checkpoint[] = [];
  await run({}, memoryKeeper({}, saves));
  assert.deepEqual(
    saves.map(({ progress }) => [progress.epoch, progress.batch, progress.step]),
    [
      [0, 0, 0],
      [1, 0, 4],
      [2, 0, 8],
      [3, 0, 12],
    ],
  );
  const names = [...saves[3].state.keys()].sort();
  assert.ok(
    names.some((name) => name.startsWith("optimiser/first/")) && names.some((name) => name.endsWith("batchNorm/variance")),
    names.join(),
  );
  assert.equal(saves[3].progress.history.length, 3);
});

test("patience ends the run so many epochs after the best one", async () => {
  // a rate of almost nothing: only noise tells the epochs apart
  const { ending, history, best } = await run({ epochs: 60, learningRate: 1e-9, patience: 3, schedule: "constant" });
  assert.equal(ending, "patience");
  assert.equal(history.length, (best?.epoch as number) + 3);
});

test("callbacks stop the run after a step or an epoch", async () => {
  const byStep = await run({ onStep: ({ step }) => (step === 5 ? "stop" : undefined) });
  assert.equal(byStep.ending, "callback");
  assert.equal(byStep.history.length, 1);
  const byEpoch = await run({ onEpoch: async ({ epoch }) => (epoch === 2 ? "stop" : undefined) });
  assert.equal(byEpoch.ending, "callback");
  assert.equal(byEpoch.history.length, 2);
  assert.equal(byEpoch.test.count, 14);
});

test("a loss that is not finite stops with the step, the rate and hints", async () => {
  const options: FitOptions = { learningRate: 1e30, optimiser: "sgd", schedule: "constant" };
  const failure = fit(dense(2), tinyData(), { epochs: 2, batch: 6, ...options }, target);
  const expected =
    /train\(epoch 1, step \d+\): loss: expected a finite number; received (NaN|Infinity) at learning rate 1e\+30\. Lower the learning rate, clip gradients/;
  await assert.rejects(failure, expected);
  await assert.rejects(
    fit(dense(2), tinyData(), { epochs: 2, batch: 6, ...options }, target, memoryKeeper({})),
    /The checkpoint after epoch 0 is whole\.$/,
  );
});

test("frozen parameters stay, first values are taken by name, and wrong ones are refused", async () => {
  const first = await run();
  const start = new Map([...first.model.tensors].filter(([name]) => name.startsWith("0-conv")));
  for (const average of [0, 0.9]) {
    const second = await run({ start, frozen: (name) => name.startsWith("0-conv"), seed: 5, average });
    for (const [name, { data }] of start) assert.deepEqual(second.model.tensors.get(name)?.data, data, `${name}, average ${average}`);
    assert.notDeepEqual(second.model.tensors.get("5-dense/kernel")?.data, first.model.tensors.get("5-dense/kernel")?.data);
  }
  const wrong = { "0-conv/kernels": { dtype: "f32", shape: [1], data: new Float32Array(1) } as Tensor };
  await assert.rejects(run({ start: wrong }), /fit\(start\): tensor 0-conv\/kernels: expected one of the net's: 0-conv\/kernel, /);
  const small = { "0-conv/kernel": { dtype: "f32", shape: [1], data: new Float32Array(1) } as Tensor };
  await assert.rejects(run({ start: small }), /fit\(start\): tensor 0-conv\/kernel: expected 3x1x3; received 1\./);
});

test("frozen takes patterns of paths, which must name something and leave something", async () => {
  const first = await run();
  const byPattern = await run({ start: first.model.tensors, frozen: "0-*", seed: 5 });
  const byName = await run({ start: first.model.tensors, frozen: (name) => name.startsWith("0-conv/"), seed: 5 });
  assert.deepEqual(byPattern.model.tensors, byName.model.tensors);
  await assert.rejects(
    run({ frozen: "0-conv/kernel, 0-con" }),
    /^ToeplitzError: fit\(.*\): frozen: expected names or patterns of 0-conv, 1-batchNorm, 5-dense; received 0-con\.$/,
  );
  await assert.rejects(run({ frozen: "*" }), /frozen: expected at least 1 parameter to train; received all \d+ parameters\.$/);
});

test("values that are computed again change rounding alone, and a run keeps to the choice", async () => {
  const kept: { checkpoint?: Uint8Array } = {};
  const [plain, again] = [await run({ accumulate: 2 }), await run({ accumulate: 2, recompute: true }, memoryKeeper(kept))];
  // the bias before the batch norm follows nothing but rounding, which validation sees
  plain.history.forEach(({ loss }, i) =>
    assert.ok(Math.abs(again.history[i].loss - loss) < 1e-5 * loss, `${again.history[i].loss}, not ${loss}`),
  );
  await assert.rejects(
    run({ accumulate: 2 }, memoryKeeper(kept)),
    /checkpoint\(memory\): recompute: expected true; received false\. A run goes on with the settings that it began with\.$/,
  );
});

test("nets of several inputs and outputs get their feeds from a function", async () => {
  const net = (inputs: Readonly<Record<string, Value>>, scope: Scope): Record<string, Value> => ({
    output: scope.within("class", () => dense(2).apply(inputs.input, scope)),
    copy: scope.within("copy", () => dense(8).apply(inputs.again, scope)),
  });
  const loss: FitOptions["loss"] = (outputs, targets) => crossEntropy()({ output: outputs.output }, { label: targets.label });
  const options: FitOptions = {
    epochs: 2,
    batch: 6,
    loss,
    inputs: { input: { shape: [1, 8] }, again: { shape: [1, 8] } },
    targets: { label: { shape: [], dtype: "i32" } },
    feeds: ({ input, labels }) => ({ input, again: input, label: labels }),
  };
  const { history, model } = await fit(net, tinyData(), options, target);
  assert.ok(history[1].accuracy !== undefined);
  assert.deepEqual([...model.tensors.keys()].sort(), ["class/bias", "class/kernel", "copy/bias", "copy/kernel"]);
});

test("a net that does not classify is measured by its loss alone", async () => {
  const options: FitOptions = {
    epochs: 2,
    batch: 6,
    loss: meanSquaredError(),
    targets: { target: { shape: [1] } },
    feeds: ({ input, labels }) => ({ input, target: Float32Array.from(labels) }),
  };
  const { history, best, test: scores } = await fit(dense(1), tinyData(), options, target);
  assert.equal(history[0].accuracy, undefined);
  assert.equal(history[0].validationAccuracy, undefined);
  assert.ok(history[0].validationLoss !== undefined && best !== null && best.accuracy === undefined);
  assert.equal(scores.accuracy, undefined);
  assert.equal(scores.count, 14);
});

test("without a validation part the last epoch is kept", async () => {
  const { validation: _, test: __, ...data } = tinyData();
  const { best, test: scores } = await fit(tinyNet(), data, { epochs: 3, batch: 6 }, target);
  assert.equal(best?.epoch, 3);
  assert.equal(scores.count, 0);
});

test("options out of range are named, all at once", async () => {
  await assert.rejects(
    run({
      epochs: 0,
      batch: 1.5,
      seed: 0.5,
      learningRate: -1,
      average: 1,
      optimiser: "sdg",
      schedule: "cos",
      clip: { norm: 0 },
      warmup: 2,
      recompute: 0,
    }),
    (error: Error) => {
      assert.deepEqual(error.message.split("\n"), [
        "fit(tiny): epochs: expected a whole number >= 1; received 0.",
        "fit(tiny): batch: expected a whole number >= 1; received 1.5.",
        "fit(tiny): recompute: expected true, false, or bytes > 0; received 0.",
        "fit(tiny): seed: expected a whole number of at most 31 bits; received 0.5.",
        "fit(tiny): learningRate: expected > 0; received -1.",
        "fit(tiny): average: expected >= 0 and < 1 (0 for none); received 1.",
        "fit(tiny): warmup: expected a share of the run, >= 0 and < 1; received 2.",
        "fit(tiny): clip norm: expected > 0; received 0.",
        "fit(tiny): optimiser: expected one of sgd, adam, adamW, nadam, rmsprop, adagrad, adadelta, adamax; received sdg.",
        "fit(tiny): schedule: expected one of constant, step, cosine, oneCycle; received cos.",
      ]);
      return true;
    },
  );
});

test("a run goes on only with the settings, the data and the net that it began with", async () => {
  const kept: { checkpoint?: Uint8Array } = {};
  await run({}, memoryKeeper(kept));
  await assert.rejects(
    run({ batch: 5 }, memoryKeeper(kept)),
    /checkpoint\(memory\): batch: expected 6; received 5\. A run goes on with the settings that it began with\.$/,
  );
  const fewer = fit(tinyNet(), tinyData(19), { epochs: 3, batch: 6, learningRate: 0.02, seed: 1 }, target, memoryKeeper(kept));
  await assert.rejects(fewer, /training examples of tiny: expected 20; received 19\. The data have changed since the run began\.$/);
  const other = fit(dense(2), tinyData(), { epochs: 3, batch: 6, learningRate: 0.02, seed: 1 }, target, memoryKeeper(kept));
  await assert.rejects(other, /state kernel: expected \[2,8\]; received none\. The checkpoint was made for another net or optimiser\./);
  // more epochs may be asked for
  const longer = await run({ epochs: 4 }, memoryKeeper(kept));
  assert.equal(longer.history.length, 4);
});
