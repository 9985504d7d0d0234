import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { conv, crossEntropy, gelu, type Layer, models, sequential, sgd, sigmoid, traceEvaluation, traceTraining } from "../../src/index.ts";
import type { Buffer } from "../../src/plan/buffers.ts";
import { bufferBytes, planMemory } from "../../src/plan/memory.ts";
import { type Plan, plan } from "../../src/plan/plan.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import { sampleNet } from "./sample-net.ts";

const algorithms = await everyAlgorithm();

const device = { tier: "wide", fma: true, wide: true } as const;

/** Most bytes of an arena for each byte of the largest sum of what lives at one time. */
const allowed = 1.25;

const training = (net: Layer, shape: readonly number[], batch: number): Graph =>
  traceTraining(net, {
    batch,
    inputs: { input: { shape } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd({ momentum: 0.9 }),
  }).graph;
const inference = (net: Layer, shape: readonly number[], batch: number): Graph =>
  traceEvaluation(net, { batch, inputs: { input: { shape } } }).graph;

/** Pairs of buffers that overlap though both hold something then, but for a result over an operand of its own step. */
function overlaps({ buffers, schedule, memory, steps }: Plan): string[] {
  const { lives, derived, stages } = schedule;
  const order = [...derived, ...stages];
  const placed = buffers.filter(({ id }) => memory.offsets[id] >= 0 && !memory.kept[id]);
  const end = ({ id, words }: Buffer): number => memory.offsets[id] + bufferBytes(words);
  const isOver = (a: Buffer, b: Buffer): boolean =>
    lives[a.id].last === lives[b.id].first &&
    memory.offsets[a.id] === memory.offsets[b.id] &&
    a.words === b.words &&
    order[lives[b.id].first].every((step) => {
      const reads = steps[step].operands.some(({ buffer }) => buffer === a.id);
      const writes = steps[step].operands.some(({ buffer }) => buffer === b.id);
      return reads === writes && (!writes || steps[step].inPlace === true);
    });
  const found: string[] = [];
  placed.forEach((a, i) => {
    for (const b of placed.slice(i + 1)) {
      const meet = lives[a.id].first <= lives[b.id].last && lives[b.id].first <= lives[a.id].last;
      const overlap = memory.offsets[a.id] < end(b) && memory.offsets[b.id] < end(a);
      if (meet && overlap && !isOver(a, b) && !isOver(b, a)) found.push(`buffers ${a.id} and ${b.id}`);
    }
  });
  for (const buffer of placed) if (end(buffer) > memory.transientBytes) found.push(`buffer ${buffer.id} beyond the end`);
  return found;
}

function check(name: string, graph: Graph): void {
  const planned = plan(graph, algorithms, device);
  const { transientBytes, liveBytes } = planned.memory;
  assert.ok(transientBytes <= allowed * liveBytes, `${name}: ${transientBytes} bytes where ${liveBytes} live`);
  assert.deepEqual(overlaps(planned), [], name);
}

for (const [name, shape, classes] of [
  ["default", [3, 32, 32], 10],
  ["lenet5", [1, 28, 28], 10],
  ["resnet20", [3, 32, 32], 10],
  ["resnet18", [3, 224, 224], 1000],
  ["mobilenetv2", [3, 224, 224], 1000],
] as const) {
  test(`${name}: the arena is at most ${allowed} times what lives at one time`, () => {
    const net = models[name](shape, classes);
    check(`${name} in training`, training(net, shape, 32));
    for (const batch of [1, 8]) check(`${name} at batch ${batch}`, inference(net, shape, batch));
  });
}

test("sampled nets: the same", () => {
  for (let seed = 0; seed < 12; seed++) {
    const net = sampleNet(random(seed, 31));
    const shape = [3, 64, 48];
    check(`net ${seed} in training`, training(net, shape, 5));
    check(`net ${seed} in inference`, inference(net, shape, 2));
  }
});

test("results go over operands that nothing else reads, and only there", () => {
  // formulas that are kept apart: bias, sigmoid and gelu in one place
  const net = sequential(conv(16, { kernel: 1 }), sigmoid(), gelu());
  const planned = plan(inference(net, [8, 40, 40], 1), algorithms, device, { fusion: false });
  const { transientBytes } = planned.memory;
  const apart = planMemory(
    planned.buffers,
    planned.steps.map((step) => ({ ...step, inPlace: false })),
    planned.schedule,
  );
  assert.ok(transientBytes < apart.transientBytes, `${transientBytes} in place, ${apart.transientBytes} apart`);
  assert.deepEqual(overlaps(planned), []);
});
