import assert from "node:assert/strict";
import { test } from "node:test";
import { tensorType } from "../base/types.ts";
import { add, exp, matmul, maximum, mean, pad, reshape } from "../ops.ts";
import { inputsOf, statesOf } from "./graph.ts";
import { loadGraph, saveGraph } from "./save.ts";
import { GraphTracer, tensor } from "./trace.ts";

/** A small graph with every kind of leaf, a path, a large constant and an update. */
function sample(): GraphTracer {
  const tracer = new GraphTracer();
  const input = tracer.input("input", tensorType([3, 2, 4], true));
  const bias = tracer.state("bias", tensorType([2, 1]));
  const matrix = tracer.constant(
    tensor(
      [4, 20],
      Array.from({ length: 80 }, (_, cell) => Math.sin(cell)),
    ),
  );
  const sum = tracer.within("first", () => add(input, bias));
  const product = tracer.within("second", () => matmul(sum, matrix));
  const bounded = maximum(product, tracer.constant({ shape: [], fill: Number.NEGATIVE_INFINITY }));
  exp(product);
  tracer.output("mean", mean(bounded));
  tracer.output("padded", pad(reshape(bounded, [1, 40]), [1]));
  tracer.update(bias, reshape(mean(bounded, [0, 2], { keepAxes: true }), [2, 1]));
  return tracer;
}

test("a graph comes back as it was: lines, paths, names, types, updates; what nothing needs is left out", () => {
  const graph = sample().finish();
  const loaded = loadGraph(saveGraph(graph));
  const lines = (of: typeof graph): string[] => of.nodes.map((node) => `${node.path} ${node.operator.line(node.plan)}`);
  assert.deepEqual(
    lines(loaded),
    lines(graph).filter((line) => !line.includes("exp")),
  );
  assert.deepEqual(
    inputsOf(loaded).map(({ name, type }) => [name, type]),
    inputsOf(graph).map(({ name, type }) => [name, type]),
  );
  assert.deepEqual(
    statesOf(loaded).map(({ name }) => name),
    ["bias"],
  );
  assert.deepEqual(
    loaded.outputs.map(({ name }) => name),
    ["mean", "padded"],
  );
  assert.deepEqual(
    loaded.updates.map(({ state }) => state),
    ["bias"],
  );
  const constants = (of: typeof graph): unknown[] =>
    of.values.flatMap(({ source }) => (source.kind === "constant" ? [source.content] : []));
  assert.deepEqual(constants(loaded), constants(graph));
  assert.equal(saveGraph(loaded), saveGraph(graph));
});

test("the largest number of examples can be another", () => {
  const loaded = loadGraph(saveGraph(sample().finish()), 7);
  assert.deepEqual(inputsOf(loaded)[0].type.shape, [7, 2, 4]);
  assert.throws(() => loadGraph(saveGraph(sample().finish()), 0), /graph\(load\): examples: expected a whole number >= 1; received 0/);
});

test("damaged text gives one clear error", () => {
  const text = saveGraph(sample().finish());
  const changed = (change: (saved: Record<string, never[]>) => void): string => {
    const saved = JSON.parse(text);
    change(saved);
    return JSON.stringify(saved);
  };
  const cases: [string, RegExp][] = [
    [text.slice(0, -9), /graph\(load\): text: expected JSON; received \{"format".* The file is damaged/],
    ["[]", /format: expected "toeplitz graph 1"; received \[\]/],
    [changed((saved) => Object.assign(saved, { format: "other" })), /format: expected "toeplitz graph 1"; received other/],
    [
      changed((saved) => Object.assign(saved.nodes[0], { operator: "warp" })),
      /operator of node 0: expected grid-linear, .*; received warp/,
    ],
    [changed((saved) => Object.assign(saved.nodes[0], { options: 7 })), /node 0: expected options of pointwise; received 7/],
    [changed((saved) => Object.assign(saved.nodes[0], { inputs: [99] })), /number of a value: expected 0 to \d+; received 99/],
    [changed((saved) => Object.assign(saved.leaves[0], { type: { dtype: "f16" } })), /input input: expected a name and a type/],
    [
      changed((saved) => Object.assign(saved.leaves[2], { cells: "AAAA" })),
      /cells of a constant: expected 320 bytes for f32\[4,20\]; received 3/,
    ],
    [changed((saved) => Object.assign(saved, { outputs: 3 })), /parts: expected lists of leaves/],
  ];
  for (const [damaged, message] of cases) assert.throws(() => loadGraph(damaged), message);
});
