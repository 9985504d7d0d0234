import assert from "node:assert/strict";
import { test } from "node:test";
import { size } from "../../base/types.ts";
import { referenceTarget } from "../../targets/reference/session.ts";
import { crossEntropy, diceLoss, weightedLoss } from "../losses.ts";
import { sgd } from "../optimisers.ts";
import { initialise, traceEvaluation, traceTraining } from "../step.ts";
import { defaultNet, models, netOf, recipeOf, recurrentLabelling, unet } from "./index.ts";

function traced(name: string, shape: readonly number[], classes: number) {
  const step = traceEvaluation(models[name](shape, classes), { batch: 2, inputs: { input: { shape } } });
  const { value } = step.graph.outputs[0];
  return {
    step,
    parameters: step.parameters.reduce((sum, { type }) => sum + size(type.shape), 0),
    output: step.graph.values[value].type.shape,
  };
}

test("named models have the parameters of their papers", () => {
  const expected: [string, number[], number, number][] = [
    ["lenet5", [1, 28, 28], 10, 61_706],
    ["resnet20", [3, 32, 32], 10, 272_474],
    ["resnet18", [3, 224, 224], 1000, 11_689_512],
    ["mobilenetv2", [3, 224, 224], 1000, 3_504_872],
  ];
  for (const [name, shape, classes, parameters] of expected) {
    const net = traced(name, shape, classes);
    assert.equal(net.parameters, parameters, name);
    assert.deepEqual(net.output, [2, classes], name);
  }
});

test("residual models take 1, 2 and 3 axes", () => {
  for (const shape of [
    [2, 64],
    [3, 32, 24],
    [1, 16, 16, 16],
  ]) {
    assert.deepEqual(traced("resnet20", shape, 7).output, [2, 7]);
    assert.deepEqual(traced("resnet18", shape, 7).output, [2, 7]);
  }
});

test("the default net fits any data of 1 to 3 axes, and stays small", () => {
  for (const shape of [
    [1, 28, 28],
    [3, 64, 64],
    [3, 32, 32],
    [1, 8000],
    [1, 100],
    [9, 128],
    [1, 28, 28, 28],
    [1, 16, 64, 64],
    [1, 5],
    [2, 1, 1],
    [3, 224, 224],
    [1, 4, 300],
  ]) {
    const { output, parameters } = traced("default", shape, 5);
    assert.deepEqual(output, [2, 5]);
    assert.ok(parameters < 1_000_000, `${shape.join("x")}: ${parameters}`);
  }
  assert.throws(() => defaultNet([3], 5), /defaultNet: shape of an example: expected \[channels, 1 to 3 extents\]; received \[3\]/);
});

const outputOf = (net: ReturnType<typeof unet>, shape: readonly number[], taps: readonly string[] = []) => {
  const step = traceEvaluation(net, { batch: 2, inputs: { input: { shape } }, taps });
  return { step, shape: step.graph.values[step.graph.outputs[0].value].type.shape };
};

test("nets of cells give logits of every cell, on 1 to 3 axes and any extents", () => {
  for (const shape of [
    [1, 64],
    [3, 20, 17],
    [2, 8, 12, 9],
    [1, 5, 6],
    [1, 1],
  ]) {
    for (const up of ["transposed", "nearest", "linear"] as const)
      assert.deepEqual(outputOf(unet({ classes: 4, channels: 2, depth: 2, up }), shape).shape, [2, 4, ...shape.slice(1)]);
    assert.deepEqual(traced("unet", shape, 3).output, [2, 3, ...shape.slice(1)]);
    assert.deepEqual(traced("recurrent", shape, 3).output, [2, 3, ...shape.slice(1)]);
  }
  assert.throws(() => unet({ classes: 0, depth: -1 }), /unet: classes: expected a whole number >= 1; received 0[\s\S]*depth/);
});

test("the parameters of nets of cells do not depend on the extents, and are made again from plain data", () => {
  const net = unet({ classes: 2, channels: 4, depth: 2 });
  const names = (shape: readonly number[], of = net) =>
    outputOf(of, shape).step.parameters.map(({ name, type }) => `${name} ${type.shape}`);
  assert.deepEqual(names([1, 16, 16]), names([1, 30, 41]));
  const recipe = JSON.parse(JSON.stringify(recipeOf(net)));
  assert.deepEqual(names([1, 16, 16]), names([1, 16, 16], netOf(recipe) as typeof net));
  assert.equal(recipeOf(defaultNet([1, 8, 8], 2)), undefined);
});

test("recurrent labelling shares its kernels over the steps: more steps, the same parameters", async () => {
  const parameters = (steps: number) =>
    outputOf(recurrentLabelling({ classes: 2, channels: 3, kernel: 3, steps }), [1, 6, 5]).step.parameters.map(({ name }) => name);
  assert.deepEqual(parameters(2), ["image/kernel", "image/bias", "label/kernel", "label/bias", "estimate/kernel"]);
  assert.deepEqual(parameters(5), parameters(2));
  // one axis, one channel, kernels by hand: H = relu(U x + W softmax(Y)), Y = V H
  const net = recurrentLabelling({ classes: 2, channels: 1, kernel: 1, steps: 2 });
  const { step } = outputOf(net, [1, 1], ["estimate-1"]);
  const session = await referenceTarget.open();
  const program = await session.compile(step.graph);
  const write = (name: string, shape: number[], data: number[]) =>
    session.write(name, { dtype: "f32", shape, data: Float32Array.from(data) });
  await write("image/kernel", [1, 1, 1], [2]);
  await write("image/bias", [1, 1], [0.5]);
  await write("label/kernel", [2, 1, 1], [1, -1]);
  await write("label/bias", [2, 1], [0, 0]);
  await write("estimate/kernel", [1, 2, 1], [3, 0]);
  const outputs = await program.run({ input: Float32Array.of(0.25) }, 1);
  // H(1) = 2 * 0.25 + 0.5 = 1, Y(1) = [1, -1]
  assert.deepEqual([...outputs["estimate-1"].data], [1, -1]);
  const hidden = 1 + 3 / (1 + Math.exp(-2));
  [...outputs.output.data].forEach((value, index) => assert.ok(Math.abs(value - [hidden, -hidden][index]) < 1e-6));
});

test("nets of cells learn a labelling that needs the neighbours", async () => {
  // class 1 from the first cell above zero on
  const [count, extent] = [8, 8];
  const input = Float32Array.from({ length: count * extent }, (_, cell) => (cell % extent === (cell >> 3) % 7 ? 2 : -0.1));
  const label = Int32Array.from({ length: count * extent }, (_, cell) => (cell % extent >= (cell >> 3) % 7 ? 1 : 0));
  const loss = weightedLoss([
    [1, crossEntropy()],
    [1, diceLoss()],
  ]);
  for (const net of [unet({ classes: 2, channels: 4, depth: 2 }), recurrentLabelling({ classes: 2, channels: 6, kernel: 5, steps: 4 })]) {
    const step = traceTraining(net, {
      batch: count,
      inputs: { input: { shape: [1, extent] } },
      targets: { label: { shape: [extent], dtype: "i32" } },
      loss,
      optimiser: sgd({ momentum: 0.9 }),
    });
    const session = await referenceTarget.open();
    const program = await session.compile(step.graph);
    await initialise(session, [step], 1);
    let last = Number.NaN;
    let first = Number.NaN;
    for (let at = 1; at <= 60; at++) {
      last = (await program.run({ input, label, learningRate: 0.05, step: at }, count)).loss.data[0];
      if (at === 1) first = last;
    }
    assert.ok(last < 0.35 * first, `${net.kind}: ${first} to ${last}`);
  }
});

test("the default net pools the last cells of examples with extents of their own, and leaves out those of a fixed size", () => {
  const shape = [3, 90, 90];
  const lastStage = (unequal: boolean): readonly number[] => {
    const { layers } = traceEvaluation(defaultNet(shape, 5, unequal), { batch: 1, inputs: { input: { shape, unequal } } });
    return layers.find(({ path }) => path === "stage4/3-maxPool")?.output.shape ?? [];
  };
  assert.deepEqual(lastStage(true), [1, 128, 6, 6]);
  assert.deepEqual(lastStage(false), [1, 128, 5, 5]);
});
