import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import type { Feeds, Session } from "../graph/session.ts";
import { sum } from "../ops.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { sigmoid } from "./layers/activation.ts";
import { named, sequential } from "./layers/compose.ts";
import { layer } from "./layers/layer.ts";
import { conv, dense } from "./layers/linear.ts";
import { batchNorm } from "./layers/normalise.ts";
import { crossEntropy } from "./losses.ts";
import { sgd } from "./optimisers.ts";
import { initialise, type TracedStep, type TrainingOptions, traceEvaluation, traceTraining } from "./step.ts";

const classes = 3;
const net = sequential(named("body", conv(4, { kernel: 3 })), sigmoid(), named("head", dense(classes)));
const common = { inputs: { input: { shape: [2, 8] } }, targets: { label: { shape: [], dtype: "i32" as const } }, loss: crossEntropy() };

function batch(examples: number, seed = 1): Record<string, Float32Array | Int32Array> {
  const draw = random(seed);
  return {
    input: Float32Array.from({ length: examples * 16 }, () => draw.normal()),
    label: Int32Array.from({ length: examples }, () => draw.integer(0, classes - 1)),
  };
}

const traced = (options: Partial<TrainingOptions> = {}, examples = 4): TracedStep =>
  traceTraining(net, { ...common, batch: examples, optimiser: sgd(), ...options });

/** Runs steps in one session from seed 1 and returns its state. */
async function train(runs: readonly (readonly [TracedStep, Feeds, number?])[], seed = 1): Promise<Record<string, number[]>> {
  const session = await referenceTarget.open();
  const steps = [...new Set(runs.map(([step]) => step))];
  const programs = new Map<TracedStep, Awaited<ReturnType<Session["compile"]>>>();
  for (const step of steps) programs.set(step, await session.compile(step.graph));
  await initialise(session, steps, seed);
  for (const [index, [step, feeds, examples]] of runs.entries())
    await programs.get(step)!.run({ learningRate: 0.5, step: index + 1, ...feeds }, examples);
  return readAll(session);
}

async function readAll(session: Session): Promise<Record<string, number[]>> {
  return Object.fromEntries(
    await Promise.all(session.states().map(async (name): Promise<[string, number[]]> => [name, [...(await session.read(name)).data]])),
  );
}

function assertClose(got: readonly number[], expected: readonly number[], bound = 1e-6): void {
  assert.equal(got.length, expected.length);
  got.forEach((value, cell) => assert.ok(Math.abs(value - expected[cell]) <= bound, `cell ${cell}: ${value}, ${expected[cell]}`));
}

const start = await train([[traced({ frozen: () => true }), batch(4)]]);
const plain = await train([[traced(), batch(4)]]);
const change = (after: Record<string, number[]>, name: string): number[] => after[name].map((value, cell) => value - start[name][cell]);
const names = Object.keys(start).filter((name) => /kernel|bias/.test(name));

test("first values depend on seed and name alone", async () => {
  assert.deepEqual(names.sort(), ["body/bias", "body/kernel", "head/bias", "head/kernel"]);
  assert.deepEqual(await train([[traced({ frozen: () => true }), batch(4, 2)]]), start);
  assert.notDeepEqual((await train([[traced({ frozen: () => true }), batch(4)]], 2))["body/kernel"], start["body/kernel"]);
});

test("frozen parameters stay, the others move as without", async () => {
  const after = await train([[traced({ frozen: (name) => name.startsWith("body/") }), batch(4)]]);
  assert.deepEqual(after["body/kernel"], start["body/kernel"]);
  assert.deepEqual(after["head/kernel"], plain["head/kernel"]);
  assert.notDeepEqual(plain["body/kernel"], start["body/kernel"]);
});

test("clipping by value bounds every cell, by norm scales all together", async () => {
  const byValue = await train([[traced({ clip: { value: 0.01 } }), batch(4)]]);
  for (const name of names) {
    assertClose(
      change(byValue, name),
      change(plain, name).map((moved) => Math.min(0.005, Math.max(-0.005, moved))),
    );
  }
  const norm = Math.hypot(...names.flatMap((name) => change(plain, name))) / 0.5;
  const byNorm = await train([[traced({ clip: { norm: norm / 4 } }), batch(4)]]);
  for (const name of names) {
    assertClose(
      change(byNorm, name),
      change(plain, name).map((moved) => moved / 4),
    );
  }
  const far = await train([[traced({ clip: { norm: norm * 2 } }), batch(4)]]);
  for (const name of names) assertClose(far[name], plain[name]);
});

test("gradients of two batches accumulate to the gradient of both together, and the sum is cleared", async () => {
  const { input, label } = batch(4);
  const halves = [0, 1].map((half) => ({
    input: input.slice(half * 32, half * 32 + 32),
    label: label.slice(half * 2, half * 2 + 2),
    batches: 2,
  }));
  const [accumulate, apply] = (["accumulate", "apply"] as const).map((phase) => traced({ phase, optimiser: sgd({ momentum: 0.9 }) }, 2));
  const momentum = traced({ optimiser: sgd({ momentum: 0.9 }) });
  const expected = await train([
    [momentum, { input, label }],
    [momentum, { input, label }],
  ]);
  const got = await train([
    [accumulate, halves[0]],
    [apply, { ...halves[1], step: 1 }],
    [accumulate, halves[0]],
    [apply, { ...halves[1], step: 2 }],
  ]);
  for (const name of [...names, "optimiser/velocity/head/kernel"]) assertClose(got[name], expected[name]);
  assert.ok(got["accumulated/head/kernel"].every((value) => value === 0));
});

test("averages copy at first, then follow slowly; frozen parameters have them too; an evaluation can read them", async () => {
  const frozen = (name: string): boolean => name.startsWith("body/");
  const training = traced({ average: 0.5, frozen });
  const session = await referenceTarget.open();
  const step = await session.compile(training.graph);
  const options = { ...common, batch: 4 };
  const [raw, averaged] = [traceEvaluation(net, options), traceEvaluation(net, { ...options, averaged: true })];
  const programs = [await session.compile(raw.graph), await session.compile(averaged.graph)];
  await initialise(session, [training, raw, averaged], 1);
  const loss = async (index: number): Promise<number[]> => [...(await programs[index].run(batch(4))).loss.data];
  let average: number[] = [];
  for (let index = 1; index <= 9; index++) {
    await step.run({ ...batch(4, index), learningRate: 0.5, step: index });
    const state = await readAll(session);
    const weight = Math.min(0.5, (index - 1) / (index + 8));
    average = state["head/kernel"].map((value, cell) => (index === 1 ? value : weight * average[cell] + (1 - weight) * value));
    assertClose(state["average/head/kernel"], average);
    assertClose(state["average/body/kernel"], state["body/kernel"]);
    if (index === 1) assert.deepEqual(await loss(0), await loss(1));
  }
  assert.notDeepEqual(await loss(0), await loss(1));
  await session.write("head/kernel", await session.read("average/head/kernel"));
  await session.write("head/bias", await session.read("average/head/bias"));
  assertClose(await loss(0), await loss(1));
});

test("a short batch on the same program is the step of its examples alone", async () => {
  const { input, label } = batch(3);
  const padded = { input: Float32Array.of(...input, ...new Float32Array(16).fill(1e6)), label: Int32Array.of(...label, 0) };
  const short = await train([[traced(), padded, 3]]);
  const exact = await train([[traced({}, 3), { input, label }]]);
  for (const name of names) assertClose(short[name], exact[name]);
});

test("running statistics move in training, also of frozen layers, and not in evaluation", async () => {
  const normed = sequential(named("norm", batchNorm({ momentum: 0.5 })), dense(classes));
  const training = traceTraining(normed, { ...common, batch: 4, optimiser: sgd(), frozen: (name) => name.startsWith("norm/") });
  const evaluation = traceEvaluation(normed, { ...common, batch: 4 });
  assert.deepEqual(
    training.states.map(({ name, fill }) => [name, fill]),
    [
      ["norm/mean", 0],
      ["norm/variance", 1],
    ],
  );
  const still = await train([[evaluation, batch(4)]]);
  assert.deepEqual(
    [still["norm/mean"], still["norm/variance"]],
    [
      [0, 0],
      [1, 1],
    ],
  );
  const moved = await train([[training, batch(4)]]);
  const { input } = batch(4);
  const channel = Array.from({ length: 4 }, (_, example) => [...input.slice(example * 16, example * 16 + 8)]).flat();
  const mean = channel.reduce((a, b) => a + b) / 32;
  const unbiased = channel.reduce((total, value) => total + (value - mean) ** 2, 0) / 31;
  assert.ok(Math.abs(moved["norm/mean"][0] - mean / 2) < 1e-6);
  assert.ok(Math.abs(moved["norm/variance"][0] - (1 + unbiased) / 2) < 1e-6);
  assert.deepEqual(moved["norm/scale"], [1, 1]);
});

test("taps return inner values by path, losses are checked, layers take one input", async () => {
  const tapped = sequential(
    named(
      "first",
      layer("tapped", {}, (input, scope) => scope.tap("inside", sigmoid().apply(input, scope))),
    ),
    dense(classes),
  );
  const evaluation = traceEvaluation(tapped, { ...common, batch: 2, taps: ["first/inside"] });
  const session = await referenceTarget.open();
  const program = await session.compile(evaluation.graph);
  const { input } = batch(2);
  const outputs = await program.run(batch(2));
  assert.deepEqual(Object.keys(outputs).sort(), ["first/inside", "loss", "output"]);
  assertClose(
    [...outputs["first/inside"].data],
    [...input].map((value) => 1 / (1 + Math.exp(-value))),
  );
  assert.deepEqual(outputs["first/inside"].shape, [2, 2, 8]);
  const missing = { ...common, batch: 2, taps: ["nothing"] };
  assert.throws(() => traceEvaluation(tapped, missing), /net\(taps\): name of a tap: expected first\/inside; received nothing/);
  const total = { ...common, batch: 2, optimiser: sgd(), loss: ({ output }: Parameters<typeof common.loss>[0]) => sum(output) };
  assert.throws(
    () => traceTraining(net, total),
    /loss: result: expected \[examples\]; received \[\]\. A loss is one number for each example/,
  );
  assert.throws(
    () => traceEvaluation(() => 3 as never, { ...common, batch: 2 }),
    /net: result: expected a value, or values by name; received number/,
  );
  const two = { ...common, batch: 2, inputs: { a: { shape: [2, 8] }, b: { shape: [2, 8] } } };
  assert.throws(() => traceEvaluation(net, two), /net\(sequential\): inputs of a layer: expected 1; received 2 \(a, b\)/);
});
