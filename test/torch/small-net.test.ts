import assert from "node:assert/strict";
import { tensorType } from "../../src/base/types.ts";
import { gradients } from "../../src/graph/differentiate.ts";
import type { Session, Target } from "../../src/graph/session.ts";
import { GraphTracer } from "../../src/graph/trace.ts";
import { relu } from "../../src/nn/layers/activation.ts";
import { flatten } from "../../src/nn/layers/arrange.ts";
import { sequential } from "../../src/nn/layers/compose.ts";
import { conv, dense } from "../../src/nn/layers/linear.ts";
import { batchNorm } from "../../src/nn/layers/normalise.ts";
import { globalPool, maxPool } from "../../src/nn/layers/pool.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { sgd } from "../../src/nn/optimisers.ts";
import { type Layer, TracingScope } from "../../src/nn/scope.ts";
import { initialise, traceEvaluation, traceTraining } from "../../src/nn/step.ts";
import { mean } from "../../src/ops.ts";
import { type Case, eachCase } from "./cases.ts";
import { assertClose, floats, write } from "./judge.ts";

/** PyTorch's names of the states and ours. */
const names: Readonly<Record<string, string>> = {
  "0.weight": "0-conv/kernel",
  "0.bias": "0-conv/bias",
  "1.weight": "1-batchNorm/scale",
  "1.bias": "1-batchNorm/shift",
  "1.running_mean": "1-batchNorm/mean",
  "1.running_var": "1-batchNorm/variance",
  "4.weight": "4-conv/kernel",
  "4.bias": "4-conv/bias",
  "8.weight": "8-dense/kernel",
  "8.bias": "8-dense/bias",
};

function netOf(one: Case): Layer {
  return sequential(
    conv(one.tensor("init.0.weight").shape[0], { kernel: 3, padding: 1 }),
    batchNorm(),
    relu(),
    maxPool(2),
    conv(one.tensor("init.4.weight").shape[0], { kernel: 3, stride: 2, padding: 1, groups: 2 }),
    relu(),
    globalPool("average"),
    flatten(),
    dense(5),
  );
}

async function writeStates(session: Session, one: Case): Promise<void> {
  for (const [theirs, ours] of Object.entries(names))
    await write(session, ours, (await session.read(ours)).shape, one.tensor(`init.${theirs}`));
}

/** Logits and gradients of the first step, before anything is updated. */
async function checkGradients(one: Case, target: Target, net: Layer, feeds: Record<string, Float32Array | Int32Array>): Promise<void> {
  const tracer = new GraphTracer();
  const scope = new TracingScope(tracer, true, one.tensor("x").shape[0]);
  const logits = net.apply(tracer.input("input", tensorType(one.tensor("x").shape, true)), scope);
  const label = tracer.input("label", tensorType(one.tensor("target").shape, true, "i32"));
  const parameters = [...scope.parameters.values()];
  const made = gradients(
    mean(crossEntropy()({ logits }, { label })),
    parameters.map(({ value }) => value),
  );
  tracer.output("logits", logits);
  for (const [index, { name }] of parameters.entries()) tracer.output(name, made[index]!);
  // keeps the running statistics among the states
  for (const { statistic, value } of scope.statisticUpdates.values()) tracer.update(statistic, value);
  const session = await target.open();
  try {
    const program = await session.compile(tracer.finish());
    await writeStates(session, one);
    const outputs = await program.run(feeds);
    assertClose("first logits", outputs.logits, one.tensor("logits0"));
    const trained = Object.entries(names).filter(([theirs]) => !theirs.includes("running"));
    assert.equal(trained.length, parameters.length);
    for (const [theirs, ours] of trained) assertClose(`first gradient of ${ours}`, outputs[ours], one.tensor(`grad0.${theirs}`));
  } finally {
    await session.close();
  }
}

eachCase("small_net_training", 6, async (one: Case, target: Target) => {
  const [x, labels] = [one.tensor("x"), one.tensor("target")];
  const net = netOf(one);
  const feeds = { input: floats(x), label: labels.data as Int32Array };
  await checkGradients(one, target, net, feeds);
  const options = {
    batch: x.shape[0],
    inputs: { input: { shape: x.shape.slice(1) } },
    targets: { label: { shape: [], dtype: "i32" as const } },
  };
  const training = traceTraining(net, { ...options, loss: crossEntropy(), optimiser: sgd({ momentum: 0.9 }) });
  const evaluation = traceEvaluation(net, options);
  const session = await target.open();
  try {
    const [step, evaluate] = [await session.compile(training.graph), await session.compile(evaluation.graph)];
    await initialise(session, [training, evaluation], 1);
    await writeStates(session, one);
    const losses: number[] = [];
    for (let index = 1; index <= Number(one.asked.steps); index++) {
      losses.push((await step.run({ ...feeds, learningRate: 0.1, step: index })).loss.data[0]);
    }
    assertClose("losses", { dtype: "f32", shape: [losses.length], data: Float32Array.from(losses) }, one.tensor("losses"));
    for (const [theirs, ours] of Object.entries(names)) assertClose(ours, await session.read(ours), one.tensor(`final.${theirs}`));
    assertClose("evaluation", (await evaluate.run(feeds)).output, one.tensor("eval_logits"));
  } finally {
    await session.close();
  }
});
