import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { liveBytes } from "../../src/graph/recompute.ts";
import { prune } from "../../src/graph/rewrite.ts";
import type { Feeds, Session } from "../../src/graph/session.ts";
import {
  adam,
  batchNorm,
  conv,
  crossEntropy,
  dense,
  dropout,
  globalPool,
  initialise,
  type Layer,
  lenet5,
  relu,
  resnet20,
  sequential,
  type TracedStep,
  type TrainingOptions,
  traceTraining,
} from "../../src/index.ts";
import { open } from "../../src/node.ts";
import { plan } from "../../src/plan/plan.ts";
import { referenceTarget } from "../../src/targets/reference/session.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import { sampleNet } from "./sample-net.ts";

const algorithms = await everyAlgorithm();

const device = { tier: "wide", fma: true, wide: true } as const;

const shape = [3, 24, 16];
const classes = 7;

const traced = (net: Layer, batch: number, options: Partial<TrainingOptions>, example: readonly number[] = shape): TracedStep =>
  traceTraining(net, {
    batch,
    inputs: { input: { shape: example } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: adam(),
    average: 0.9,
    ...options,
  });

function feeds(batch: number, step: number, example: readonly number[] = shape): Feeds {
  const draw = random(3, step);
  return {
    input: Float32Array.from({ length: batch * example.reduce((a, b) => a * b) }, () => draw.normal()),
    label: Int32Array.from({ length: batch }, () => draw.integer(0, classes - 1)),
    ids: Int32Array.from({ length: batch }, (_, i) => step * batch + i),
    learningRate: 0.01,
    step,
    seed: 9,
  };
}

/** Every loss, output and state of some steps, the last of them with a short batch. */
async function train(session: Session, step: TracedStep, batch: number, example = shape): Promise<[string, number[]][]> {
  try {
    const program = await session.compile(step.graph);
    await initialise(session, [step], 5);
    const seen: [string, number[]][] = [];
    for (let index = 1; index <= 3; index++) {
      const outputs = await program.run(feeds(batch, index, example), index === 3 ? batch - 1 : batch);
      for (const [name, { data }] of Object.entries(outputs)) seen.push([`${name} of step ${index}`, [...data]]);
    }
    for (const name of session.states()) seen.push([name, [...(await session.read(name)).data]]);
    return seen;
  } finally {
    await session.close();
  }
}

const planned = ({ graph }: TracedStep): number => plan(graph, algorithms, device).memory.transientBytes;

test("sampled nets: recomputed values change no bit, whatever is kept", async () => {
  let longer = 0;
  for (let seed = 0; seed < 4; seed++) {
    const net = sampleNet(random(seed, 32));
    const plain = traced(net, 3, {}, [3, 16, 8]);
    const want = await train(await referenceTarget.open(), plain, 3, [3, 16, 8]);
    for (const recompute of [true, 0, 40_000]) {
      const step = traced(net, 3, { recompute }, [3, 16, 8]);
      if (step.graph.nodes.length > prune(plain.graph).nodes.length) longer++;
      assert.deepEqual(await train(await referenceTarget.open(), step, 3, [3, 16, 8]), want, `net ${seed}, recompute ${recompute}`);
    }
  }
  assert.ok(longer >= 4, `${longer} nets recompute anything`);
});

/** Draws numbers, and has running statistics. */
const deep = sequential(
  ...Array.from({ length: 12 }, () => sequential(conv(16, { kernel: 3, padding: "same", bias: false }), batchNorm(), relu(), dropout(0.1))),
  globalPool("average"),
  dense(classes),
);

test("the same algorithms give the same bits on wasm, in steps and in gradients of several batches", async () => {
  const session = (): ReturnType<typeof open> => open({ threads: 1, rounding: 1 });
  for (const phase of ["step", "accumulate"] as const) {
    const [plain, step] = [false, true].map((recompute) => traced(deep, 4, { phase, recompute }));
    const want = await train(await session(), plain, 4);
    assert.deepEqual(await train(await session(), step, 4), want, phase);
    assert.ok(
      want.some(([name]) => name.endsWith("mean")) &&
        want.some(([name]) => name.startsWith(phase === "step" ? "average/" : "accumulated/")),
    );
  }
});

test("planned memory falls: ResNet-20 to less than half, 12 layers to less than a third; LeNet-5 has nothing to win", () => {
  const bytes = (net: Layer, example: readonly number[], recompute: boolean): number =>
    planned(traced(net, 32, { recompute, average: undefined }, example));
  const ratio = (net: Layer, example: readonly number[]): number => bytes(net, example, true) / bytes(net, example, false);
  assert.ok(ratio(resnet20(10), [3, 32, 32]) < 1 / 2);
  assert.ok(ratio(deep, [3, 32, 32]) < 1 / 3);
  assert.ok(ratio(lenet5(10), [1, 28, 28]) <= 1);
});

test("a budget in bytes is met with as little work as it allows", () => {
  const plain = traced(deep, 8, {});
  const all = liveBytes(prune(plain.graph));
  let work = prune(plain.graph).nodes.length;
  for (const share of [1, 0.8, 0.6, 0.4]) {
    const { graph } = traced(deep, 8, { recompute: share * all });
    assert.ok(liveBytes(graph) <= share * all, `${liveBytes(graph)} of ${share * all}`);
    assert.ok(graph.nodes.length >= work, `${graph.nodes.length} nodes at ${share}`);
    work = graph.nodes.length;
  }
  assert.equal(traced(deep, 8, { recompute: all }).graph.nodes.length, prune(plain.graph).nodes.length);
  const least = liveBytes(traced(deep, 8, { recompute: 0 }).graph);
  assert.ok(least < 0.4 * all && least <= liveBytes(traced(deep, 8, { recompute: true }).graph));
});
