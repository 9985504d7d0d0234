import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size, tensorType } from "../../src/base/types.ts";
import { gradients } from "../../src/graph/differentiate.ts";
import type { Graph } from "../../src/graph/graph.ts";
import type { Session, Target } from "../../src/graph/session.ts";
import { GraphTracer } from "../../src/graph/trace.ts";
import { relu, sigmoid } from "../../src/nn/layers/activation.ts";
import { adaptivePool } from "../../src/nn/layers/adaptive.ts";
import { sequential } from "../../src/nn/layers/compose.ts";
import { dropout } from "../../src/nn/layers/dropout.ts";
import { conv } from "../../src/nn/layers/linear.ts";
import { averagePool, maxPool, powerPool, unpooled } from "../../src/nn/layers/pool.ts";
import { channelPool, partialPool } from "../../src/nn/layers/pool-channels.ts";
import { dynamicPool, learnedPool } from "../../src/nn/layers/pool-learned.ts";
import { fractionalPool, stochasticPool } from "../../src/nn/layers/pool-random.ts";
import { type Layer, TracingScope } from "../../src/nn/scope.ts";
import { unequalInput } from "../../src/nn/step.ts";
import { target } from "../../src/node.ts";
import { multiply, sum } from "../../src/ops.ts";
import { referenceTarget } from "../../src/targets/reference/session.ts";
import { counted } from "../nn/layer.ts";

interface Case {
  readonly net: Layer;
  /**
   * What has the same bits on wasm: not sums over whole maps, whose rows are of other lengths than in the example alone, nor gradients of convolutions
   * for which another algorithm may be chosen. All when left out.
   */
  readonly exact?: "all" | "output" | "nothing";
}

/** Poolings whose regions depend on the extents of an example, its draws, or its features. */
const cases: Readonly<Record<string, Case>> = {
  stochastic: { net: stochasticPool(2) },
  "stochastic, strided, padded": { net: stochasticPool(3, { stride: 2, padding: 1 }) },
  "stochastic, ceil": { net: stochasticPool(3, { stride: 2, ceil: true }) },
  "stochastic over channels": { net: channelPool(2, "stochastic") },
  dropout: { net: sequential(dropout(0.4), maxPool(2)) },
  "dropout of channels": { net: dropout(0.4, { channels: true }) },
  fractional: { net: fractionalPool({ ratio: 1.45 }) },
  "fractional, overlapping": { net: fractionalPool({ ratio: 1.45, overlapping: true }) },
  "fractional average": { net: fractionalPool({ ratio: 1.3, kind: "average" }) },
  "fractional power": { net: fractionalPool({ ratio: 1.6, kind: { power: 3 } }) },
  "fractional, drawn order": { net: fractionalPool({ ratio: 1.45, regions: "random" }) },
  "fractional, drawn order, overlapping": { net: fractionalPool({ ratio: 1.45, regions: "random", overlapping: true, kind: "average" }) },
  "fractional to extents": { net: fractionalPool({ extents: 2 }) },
  "fractional to extents, drawn order": { net: fractionalPool({ extents: 2, regions: "random" }) },
  "average, ceil": { net: averagePool(3, { stride: 2, ceil: true }), exact: "output" },
  "average, ceil, padded": { net: averagePool(3, { stride: 2, padding: 1, ceil: true }), exact: "output" },
  "average of cells, ceil": { net: averagePool(3, { stride: 2, padding: 1, ceil: true, countPadding: false }), exact: "output" },
  "average of cells": { net: averagePool(2, { padding: 1, countPadding: false }), exact: "output" },
  "average, gaussian, ceil": { net: averagePool(3, { stride: 2, ceil: true, weights: { gaussian: 0.8 } }), exact: "nothing" },
  "power, ceil": { net: powerPool(2, 3, { stride: 2, ceil: true }), exact: "nothing" },
  "max and back": { net: unpooled(maxPool(2), sigmoid()) },
  "max and back, ceil": { net: unpooled(maxPool(3, { stride: 2, ceil: true, padding: 1 }), relu()) },
  "adaptive average": { net: adaptivePool(3) },
  "max, same by stride": { net: maxPool(3, { stride: 2, padding: "same" }) },
  "max, same by stride, ceil": { net: maxPool(3, { stride: 2, padding: "same", ceil: true }) },
  "average, same by stride": { net: averagePool(3, { stride: 2, padding: "same" }), exact: "nothing" },
  "power, same by stride": { net: powerPool(3, 2, { stride: 3, padding: "same" }), exact: "nothing" },
  "convolution, same by stride": { net: conv(3, { kernel: 3, stride: 2, padding: "same" }), exact: "nothing" },
  "convolution, same by long stride": { net: conv(3, { kernel: 2, stride: 3, padding: "same" }), exact: "nothing" },
  dynamic: { net: dynamicPool(2), exact: "nothing" },
  "dynamic max": { net: sequential(relu(), dynamicPool(2, { kind: "max", iterations: 2 })), exact: "nothing" },
  "dynamic max of any sign": { net: dynamicPool(2, { kind: "max", iterations: 1 }), exact: "nothing" },
  learned: { net: learnedPool(2, { grid: 4 }), exact: "nothing" },
  "learned after a convolution": { net: sequential(conv(4, { kernel: 2 }), learnedPool(2, { grid: 3 })), exact: "nothing" },
  "some channels, folded": { net: partialPool(2, stochasticPool(3, { stride: 1, padding: 1 })) },
};

interface Setting {
  readonly whole: readonly number[];
  readonly own: readonly (readonly number[])[];
}

const settings: readonly Setting[] = [
  { whole: [17], own: [[11], [17], [8], [4], [5]] },
  {
    whole: [9, 12],
    own: [
      [9, 7],
      [4, 12],
      [9, 12],
      [5, 6],
    ],
  },
  {
    whole: [5, 6, 7],
    own: [
      [5, 4, 7],
      [4, 6, 4],
    ],
  },
];
const channels = 4;

/** Cells of an example of such extents, in the batch's. */
function cellsOf(own: readonly number[], whole: readonly number[]): number[] {
  return own.reduce<number[]>(
    (before, extent, axis) => before.flatMap((cell) => counted(extent).map((at) => cell * whole[axis] + at)),
    [0],
  );
}

interface Traced {
  readonly graph: Graph;
  readonly scope: TracingScope;
  readonly parameters: readonly string[];
}

/** A net with the gradients of the sum of its squared results. */
function traced(net: Layer, shape: readonly number[], training: boolean, unequal: boolean): Traced {
  const tracer = new GraphTracer();
  const fed = tracer.input("input", tensorType(shape, true));
  const input = unequal ? unequalInput(tracer, "input", "input", fed) : fed;
  const scope = new TracingScope(tracer, training, shape[0]);
  const output = net.apply(input, scope);
  tracer.output("output", output);
  const parameters = [...scope.parameters.values()];
  const found = gradients(
    tracer.plain(() => sum(multiply(output, output))),
    [fed, ...parameters.map(({ value }) => value)],
  );
  found.forEach((gradient, i) => {
    if (gradient !== null) tracer.output(i === 0 ? "slope" : `slope of ${parameters[i - 1].name}`, gradient);
  });
  return { graph: tracer.finish(), scope, parameters: parameters.map(({ name }) => name) };
}

type Cells = Readonly<Record<string, { readonly shape: readonly number[]; readonly cells: readonly number[] }>>;

async function runOf(
  session: Session,
  { graph, scope }: Traced,
  cells: Float32Array,
  ids: readonly number[],
  extents?: readonly number[],
): Promise<Cells> {
  const program = await session.compile(graph);
  for (const { name, type } of scope.parameters.values()) {
    const draws = random(9, name.length);
    await session.write(name, {
      dtype: "f32",
      shape: type.shape,
      data: Float32Array.from({ length: size(type.shape) }, () => draws.normal()),
    });
  }
  const all = { input: cells, seed: 5, step: 3, ids: Int32Array.from(ids), "input.extents": Int32Array.from(extents ?? []) };
  const names = new Set(graph.values.flatMap(({ source }) => (source.kind === "input" ? [source.name] : [])));
  const outputs = await program.run(Object.fromEntries(Object.entries(all).filter(([name]) => names.has(name))));
  return Object.fromEntries(Object.entries(outputs).map(([name, { shape, data }]) => [name, { shape: [...shape], cells: [...data] }]));
}

/** Equal, to the bit where `exact`. */
function same(got: number, alone: number, most: number, exact: boolean, where: string): void {
  const near = exact ? Object.is(got + 0, alone + 0) : Math.abs(got - alone) <= 2e-5 * most;
  assert.ok(near, `${where}: ${got}, alone ${alone}`);
}

async function check(one: Target, { net, exact = "all" }: Case, { whole, own }: Setting, training: boolean): Promise<void> {
  const session = await one.open({ threads: 1 });
  const draws = random(7);
  const all = size(whole);
  const singles = own.map((extents) => Float32Array.from({ length: channels * size(extents) }, () => draws.normal()));
  // what lies beyond an example's extents must not be looked at
  const batch = new Float32Array(own.length * channels * all).fill(Number.NaN);
  own.forEach((extents, example) => {
    const cells = cellsOf(extents, whole);
    singles[example].forEach((value, i) => {
      batch[(example * channels + Math.floor(i / cells.length)) * all + cells[i % cells.length]] = value;
    });
  });
  const ids = own.map((_, example) => 40 + 3 * example);
  const traces = traced(net, [own.length, channels, ...whole], training, true);
  const together = await runOf(session, traces, batch, ids, own.flat());
  const totals = new Map<string, number[]>();
  for (const [example, extents] of own.entries()) {
    const alone = await runOf(session, traced(net, [1, channels, ...extents], training, false), singles[example], [ids[example]]);
    for (const name of ["output", "slope"]) {
      const [expected, { shape, cells }] = [alone[name], together[name]];
      const [, kept, ...left] = expected.shape;
      assert.equal(shape[1], kept);
      const each = size(shape.slice(2));
      const valid = cellsOf(left, shape.slice(2));
      const most = expected.cells.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
      const bits = one === target && (exact === "all" || exact === name);
      const seen = new Set<number>();
      expected.cells.forEach((value, i) => {
        const at = (example * kept + Math.floor(i / valid.length)) * each + valid[i % valid.length];
        seen.add(at);
        same(cells[at], value, most, bits, `${name} of example ${example} of ${whole.join("x")}, cell ${i}`);
      });
      for (let at = example * kept * each; at < (example + 1) * kept * each; at++)
        if (!seen.has(at)) assert.equal(cells[at] + 0, 0, `${name} beyond example ${example}`);
    }
    for (const name of traces.parameters) {
      const { cells } = alone[`slope of ${name}`];
      totals.set(
        name,
        (totals.get(name) ?? cells.map(() => 0)).map((total, i) => total + cells[i]),
      );
    }
  }
  for (const [name, expected] of totals) {
    const most = expected.reduce((a, b) => Math.max(a, Math.abs(b)), 1);
    expected.forEach((value, i) => {
      same(together[`slope of ${name}`].cells[i], value, most, false, `gradient of ${name} ${i}`);
    });
  }
  await session.close();
}

const targets: readonly (readonly [string, Target])[] = [
  ["reference", referenceTarget],
  ["wasm", target],
];
for (const [targetName, one] of targets)
  for (const [name, own] of Object.entries(cases))
    for (const training of [false, true])
      test(`${targetName}: ${name}: what an example gives alone, ${training ? "in training, with the same draws" : "in inference"}`, async () => {
        for (const setting of settings) await check(one, own, setting, training);
      });
