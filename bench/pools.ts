/** Times of every kind of pooling beside max pooling, gradients included: `node bench/pools.ts [examples x channels x extents]`, 16x32x32x32 when left out. */

import * as net from "../src/index.ts";
import { GraphTracer, gradients, type Layer, random, type Tensor, tensorType } from "../src/index.ts";
import { TracingScope } from "../src/nn/scope.ts";
import { target } from "../src/node.ts";
import { multiply, sum } from "../src/ops.ts";

const shape = (process.argv[2] ?? "16x32x32x32").split("x").map(Number);
const cells = shape.reduce((a, b) => a * b, 1);
const halves = shape.slice(2).map((extent) => Math.floor(extent / 2));
const kinds: Readonly<Record<string, Layer>> = {
  "max 2": net.maxPool(2),
  "max 3, stride 2": net.maxPool(3, { stride: 2, padding: 1 }),
  "average 2": net.averagePool(2),
  "gaussian 3, stride 2": net.averagePool(3, { stride: 2, padding: 1, weights: { gaussian: 1 } }),
  "power 2": net.powerPool(2, 2),
  "power 2.5": net.powerPool(2.5, 2),
  "power 2.3": net.powerPool(2.3, 2),
  stochastic: net.stochasticPool(2),
  fractional: net.fractionalPool({ ratio: 1.9 }),
  "fractional, drawn order": net.fractionalPool({ ratio: 1.9, regions: "random" }),
  "fractional average": net.fractionalPool({ ratio: 1.9, kind: "average" }),
  "fractional power 2": net.fractionalPool({ ratio: 1.9, kind: { power: 2 } }),
  "adaptive max": net.adaptivePool(halves, "max"),
  "adaptive average": net.adaptivePool(halves),
  quadrants: net.quadrantPool(),
  "pyramid of 3 levels": net.pyramidPool(),
  "max and back": net.unpooled(net.maxPool(2), net.identity()),
  maxout: net.maxout(4),
  "channels, average": net.channelPool(4),
  "channels, power 2": net.channelPool(4, { power: 2 }),
  "channels, stochastic": net.channelPool(4, "stochastic"),
  "half of the channels": net.partialPool(0.5, net.maxPool(2)),
  "half, others folded": net.partialPool(0.5, net.maxPool(2), { others: "folded" }),
  dynamic: net.dynamicPool(2),
  learned: net.learnedPool(2),
};

async function prepare(layer: Layer): Promise<() => Promise<unknown>> {
  const tracer = new GraphTracer();
  const input = tracer.input("input", tensorType(shape, true));
  const scope = new TracingScope(tracer, true, shape[0]);
  const output = layer.apply(input, scope);
  tracer.output("output", output);
  const [slope] = gradients(sum(multiply(output, output)), [input]);
  if (slope !== null) tracer.output("slope", slope);
  const graph = tracer.finish();
  const session = await target.open({ threads: 1 });
  const program = await session.compile(graph);
  const draws = random(3);
  for (const { name, type, initialiser } of scope.parameters.values()) {
    const data = new Float32Array(type.shape.reduce((a, b) => a * b, 1));
    initialiser.fill(data, type.shape, draws);
    const content: Tensor = { dtype: "f32", shape: type.shape, data };
    await session.write(name, content);
  }
  const feeds: Record<string, Float32Array | Int32Array | number> = {
    input: Float32Array.from({ length: cells }, () => Math.max(0, draws.normal())),
    seed: 1,
    step: 1,
    ids: Int32Array.from({ length: shape[0] }, (_, i) => i),
  };
  const names = new Set(graph.values.flatMap(({ source }) => (source.kind === "input" ? [source.name] : [])));
  const own = Object.fromEntries(Object.entries(feeds).filter(([name]) => names.has(name)));
  return () => program.run(own);
}

const programs: { name: string; run: () => Promise<unknown>; best: number }[] = [];
const only = new RegExp(process.argv[3] ?? "");
for (const [name, layer] of Object.entries(kinds).filter(([own], i) => i === 0 || only.test(own)))
  programs.push({ name, run: await prepare(layer), best: Number.POSITIVE_INFINITY });
for (let turn = 0; turn < 60; turn++) {
  for (const program of programs) {
    const start = performance.now();
    await program.run();
    program.best = Math.min(program.best, performance.now() - start);
  }
}
for (const { name, best } of programs)
  console.log(`${name.padEnd(26)}${best.toFixed(3).padStart(8)} ms  ${(best / programs[0].best).toFixed(2)} x`);
process.exit(0);
