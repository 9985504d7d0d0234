import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { type Graph, inputsOf, statesOf } from "../../src/graph/graph.ts";
import {
  conv,
  crossEntropy,
  dense,
  flatten,
  type Layer,
  maxPool,
  relu,
  sequential,
  sgd,
  traceEvaluation,
  traceTraining,
} from "../../src/index.ts";
import type { Algorithm } from "../../src/ops/contract.ts";
import { printNode } from "../../src/plan/candidates.ts";
import { plan } from "../../src/plan/plan.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import { devices } from "../laws/judge.ts";
import { PlannedRun } from "../laws/planned.ts";

const algorithms = await everyAlgorithm();
const [wide] = devices;
const traced = (net: Layer, shape: readonly number[], batch = 2): Graph =>
  traceEvaluation(net, { batch, inputs: { input: { shape } } }).graph;
const nodesOf = (graph: Graph, given = algorithms): string[] => plan(graph, given, wide).graph.nodes.map(printNode);
const net = (...pool: Parameters<typeof maxPool>): Layer => sequential(conv(20, { kernel: 3, padding: 1 }), relu(), maxPool(...pool));

/** The algorithm with another estimate of what it takes with windows in it. */
const taking =
  (times: number) =>
  (own: Algorithm): Algorithm => ({
    ...own,
    estimate: (given, choice, fusion, ...rest) => own.estimate(given, choice, fusion, ...rest) * (fusion?.pool === undefined ? 1 : times),
  });

test("windows side by side go into the convolution before them, and explain() says so", () => {
  const [only, ...others] = nodesOf(traced(net(2), [3, 33, 30]));
  assert.deepEqual(others, []);
  assert.match(only, /\| relu\(add\(0,1\)\), max pool 2x2 \|/);
});

test("windows stay a node of their own where they overlap, are padded, or the cells are asked for too", () => {
  const apart = (graph: Graph): void => assert.match(nodesOf(graph).join("\n"), /window select/);
  apart(traced(net(3, { stride: 2 }), [3, 33, 30]));
  apart(traced(net(2, { padding: 1 }), [3, 33, 30]));
  apart(traced(net(2, { ceil: true }), [3, 33, 30]));
  const graph = traced(net(2), [3, 33, 30]);
  const cells = graph.nodes.find(({ operator }) => operator.name === "window")?.inputs[0] ?? 0;
  apart({ ...graph, outputs: [...graph.outputs, { name: "cells", value: cells }] });
});

test("training keeps windows apart, whose places the backward pass asks for", () => {
  const { graph } = traceTraining(sequential(net(2), flatten(), dense(3)), {
    batch: 2,
    inputs: { input: { shape: [3, 33, 30] } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd(),
  });
  assert.match(nodesOf(graph).join("\n"), /window select/);
});

test("windows stay a node of their own where that is predicted to take less time", () => {
  assert.match(nodesOf(traced(net(2), [3, 33, 30]), algorithms.map(taking(100))).join("\n"), /window select/);
});

/** The outputs with the convolution by one algorithm, with windows in it and without. */
function bothWays(graph: Graph, convolution: RegExp, device: (typeof devices)[number]): Float64Array[] {
  const own = algorithms.filter(({ id }) => !id.startsWith("wasm-grid-linear") || convolution.test(id));
  const without = own.map(({ pools: _, ...rest }): Algorithm => rest);
  return [own.map(taking(1e-3)), without].map((given, turn) => {
    const run = new PlannedRun(graph, given, device);
    const draw = random(5);
    const cells = (count: number): Float32Array => Float32Array.from({ length: count }, () => draw.normal());
    for (const { name, type } of statesOf(graph)) run.write(name, { data: cells(size(type.shape)) });
    const [{ type }] = inputsOf(graph);
    const input = cells(size(type.shape));
    input[3] = Number.NaN;
    input[input.length - 5] = Number.NEGATIVE_INFINITY;
    const { outputs, damage } = run.run({ input });
    assert.deepEqual(damage, []);
    assert.equal(
      run.plan.graph.nodes.some(({ operator }) => operator.name === "window"),
      turn === 1,
    );
    return Object.values(outputs)[0];
  });
}

const shapes: readonly (readonly [channels: number, extents: readonly number[], windows: readonly number[]])[] = [
  [3, [50], [4]],
  [20, [1001], [2]],
  [2, [21, 37], [2, 2]],
  [20, [22, 15], [1, 4]],
  [17, [8, 9, 18], [2, 2, 2]],
  [1, [5, 6, 7], [3, 2, 1]],
];

for (const algorithm of ["forward-blocked", "forward-flat", "forward-winograd-4", "forward-winograd-2"]) {
  test(`cells pooled by ${algorithm} have the same bits as a node of their own gives`, () => {
    let tried = 0;
    for (const device of devices) {
      for (const [channels, extents, windows] of shapes) {
        if (algorithm === "forward-flat" ? channels > 7 : channels < 8) continue;
        const fits = algorithm.includes("winograd") ? Number(algorithm.at(-1)) : 12;
        if (algorithm.includes("winograd") && windows.slice(-2).some((extent) => fits % extent > 0)) continue;
        // without windows in it, tiles at a border leave padding out, and add in another order
        const padding = algorithm === "forward-blocked" ? 0 : 1;
        const graph = traced(sequential(conv(20, { kernel: 3, padding }), maxPool(windows)), [channels, ...extents], 3);
        const [pooled, apart] = bothWays(graph, new RegExp(algorithm), device);
        const wrong = pooled.findIndex((cell, i) => !Object.is(cell, apart[i]));
        assert.equal(wrong, -1, `${extents.join("x")} in ${windows.join("x")} on ${device.tier}: cell ${wrong}`);
        assert.equal(pooled.length, apart.length);
        tried++;
      }
    }
    assert.ok(tried >= 6, `${tried} tried`);
  });
}
