/**
 * One trial of memory.test.ts in a process of its own, on the built package: `steps MODEL COUNT` or `sessions COUNT`.
 * Prints one JSON object with resident sizes in MiB. Plain JavaScript, since stripping types would count too.
 */
import {
  conv,
  crossEntropy,
  dense,
  globalPool,
  initialise,
  lenet5,
  relu,
  resnet20,
  sequential,
  sgd,
  traceTraining,
} from "../../dist/index.js";
import { open } from "../../dist/node.js";

const [kind, ...rest] = process.argv.slice(2);
const resident = () => {
  globalThis.gc?.();
  return process.memoryUsage().rss / 2 ** 20;
};

async function steps(model, count) {
  const [net, shape] = model === "lenet5" ? [lenet5(10), [1, 28, 28]] : [resnet20(10), [3, 32, 32]];
  const batch = 32;
  const step = traceTraining(net, {
    batch,
    inputs: { input: { shape } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd({ momentum: 0.9 }),
  });
  const session = await open({ threads: 2 });
  const program = await session.compile(step.graph);
  await initialise(session, [step], 1);
  const input = new Float32Array(batch * shape.reduce((a, b) => a * b)).fill(0.5);
  const label = new Int32Array(batch).map((_, i) => i % 10);
  const feeds = { input, label, learningRate: 0.001, step: 1, seed: 1, ids: label };
  const early = Math.ceil(count / 10);
  for (let i = 0; i < early; i++) await program.run(feeds);
  const before = resident();
  for (let i = early; i < count; i++) await program.run(feeds);
  const after = resident();
  await session.close();
  return { planned: program.plannedBytes / 2 ** 20, before, after, peak: process.resourceUsage().maxRSS / 1024 };
}

async function sessions(count) {
  const net = sequential(conv(8, { kernel: 3 }), relu(), globalPool("average"), dense(3));
  const step = traceTraining(net, {
    batch: 4,
    inputs: { input: { shape: [1, 8, 8] } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd(),
  });
  const once = async () => {
    const session = await open({ threads: 2 });
    const program = await session.compile(step.graph);
    await initialise(session, [step], 1);
    await program.run({ input: new Float32Array(256).fill(1), label: new Int32Array(4), learningRate: 0.1, step: 1 });
    await session.close();
    // a turn of the event loop, in which the engine lets go of the workers
    await new Promise((resolve) => setTimeout(resolve, 1));
  };
  // the engine's own pools fill during the first 150 or so, and then stay
  for (let i = 0; i < 150; i++) await once();
  const before = resident();
  for (let i = 0; i < count; i++) await once();
  return { before, after: resident() };
}

const result = kind === "steps" ? await steps(rest[0], Number(rest[1])) : await sessions(Number(rest[0]));
console.log(JSON.stringify(result));
