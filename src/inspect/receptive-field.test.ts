import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import type { Graph } from "../graph/graph.ts";
import { relu } from "../nn/layers/activation.ts";
import { upsample } from "../nn/layers/arrange.ts";
import { type Container, residual, sequential } from "../nn/layers/compose.ts";
import { conv, transposedConv } from "../nn/layers/linear.ts";
import { averagePool, maxPool } from "../nn/layers/pool.ts";
import { models } from "../nn/models/index.ts";
import type { Layer } from "../nn/scope.ts";
import { traceEvaluation } from "../nn/step.ts";
import { receptiveFields } from "./receptive-field.ts";
import { summarise } from "./summary.ts";

/** For each cell of the output the first and last input cell that it depends on, by the terms of the reference: a NaN in an input cell shows at the output. */
function seenSpans(graph: Graph, extent: number): { first: number; last: number }[] {
  const { value } = graph.outputs[0];
  const spans = Array.from({ length: graph.values[value].type.shape[2] }, () => ({ first: Number.POSITIVE_INFINITY, last: -1 }));
  for (let poisoned = 0; poisoned < extent; poisoned++) {
    const cells = graph.values.map(({ source, type }): Float64Array => {
      const length = type.shape.reduce((a, b) => a * b, 1);
      if (source.kind === "input") return Float64Array.from({ length }, (_, index) => (index === poisoned ? Number.NaN : 1));
      return new Float64Array(length).fill(0.5);
    });
    for (const node of graph.nodes) {
      const results = node.operator.reference(
        node.plan,
        node.inputs.map((input) => cells[input]),
      );
      node.outputs.forEach((output, index) => {
        cells[output] = results[index];
      });
    }
    spans.forEach((span, cell) => {
      if (!Number.isNaN(cells[value][cell])) return;
      span.first = Math.min(span.first, poisoned);
      span.last = poisoned;
    });
  }
  return spans;
}

function sampleNet(seed: number): Container {
  const draw = random(seed);
  const layer = (): Layer => {
    const [kernel, stride, dilation] = [draw.integer(1, 4), draw.integer(1, 3), draw.integer(1, 2)];
    return draw.pick<() => Layer>([
      () => conv(1, { kernel, stride, dilation }),
      () => maxPool(kernel, { stride }),
      () => averagePool(kernel, { stride }),
      () => transposedConv(1, { kernel, stride }),
      () => upsample(2),
      () => residual(sequential(conv(1, { kernel: 3, padding: "same" }), relu())),
    ])();
  };
  return sequential(layer(), layer(), layer());
}

test("the receptive field is the span of the input cells that reach an output cell, for 40 sampled nets", () => {
  const extent = 60;
  let [exact, starts] = [0, 0];
  for (let seed = 1; seed <= 40; seed++) {
    const { graph, layers } = traceEvaluation(sampleNet(seed), { batch: 1, inputs: { input: { shape: [1, extent] } } });
    const field = receptiveFields(graph)[graph.outputs[0].value];
    assert.ok(field !== null);
    const spans = seenSpans(graph, extent);
    const widest = Math.max(...spans.map(({ first, last }) => last - first + 1));
    const { size, jump, start } = field[0];
    // which of the alignments a cell has is not followed
    const slack = layers.some(({ kind }) => kind === "upsample" || kind === "transposedConv") ? 10 : 0;
    spans.forEach(({ first, last }, cell) => {
      if (last < 0) return;
      const from = start + cell * jump;
      assert.ok(first >= Math.floor(from) - slack, `seed ${seed}, cell ${cell}: sees ${first}, said ${from}`);
      assert.ok(last <= Math.ceil(from + size) + slack, `seed ${seed}, cell ${cell}: sees ${last}, said ${from} + ${size}`);
      if (first > 0 && first === from) starts++;
    });
    assert.ok(widest <= Math.ceil(field[0].size), `seed ${seed}: sees ${widest}, said ${field[0].size}`);
    if (widest === Math.min(extent, field[0].size)) exact++;
  }
  // upsampling and transposed windows see one of several alignments: there the size is an upper bound
  assert.ok(exact >= 30, `only ${exact} of 40 are exact`);
  assert.ok(starts >= 200, `only ${starts} cells begin where it is said`);
});

test("dense layers and global pools see the whole input", () => {
  const step = traceEvaluation(models.lenet5([1, 28, 28], 10), { batch: 1, inputs: { input: { shape: [1, 28, 28] } } });
  const { layers, parameters, multiplyAdds } = summarise(step);
  assert.equal(parameters, 61_706);
  assert.ok(multiplyAdds > 416_520, "the multiply-adds of the convolutions and dense layers alone");
  assert.deepEqual(
    layers.map(({ path, receptiveField }) => [path, receptiveField]),
    [
      ["0-conv", "5 x 5"],
      ["1-relu", "5 x 5"],
      ["2-maxPool", "6 x 6"],
      ["3-conv", "14 x 14"],
      ["4-relu", "14 x 14"],
      ["5-maxPool", "16 x 16"],
      ["6-flatten", "28 x 28"],
      ["7-dense", "28 x 28"],
      ["8-relu", "28 x 28"],
      ["9-dense", "28 x 28"],
      ["10-relu", "28 x 28"],
      ["11-dense", "28 x 28"],
    ],
  );
  assert.deepEqual(layers[3], {
    path: "3-conv",
    kind: "conv",
    output: "[16, 10, 10]",
    parameters: 16 * 6 * 25 + 16,
    multiplyAdds: 16 * 100 * 6 * 25 + 1600,
    receptiveField: "14 x 14",
    jump: "2 x 2",
    start: "-2 x -2",
  });
});

test("what a net computes outside of its layers has lines of its own, and every parameter is counted once", () => {
  const net = sequential(residual(conv(2, { kernel: 3, padding: "same" })), relu());
  const { layers, parameters } = summarise(traceEvaluation(net, { batch: 4, inputs: { input: { shape: [2, 9] } } }));
  assert.deepEqual(
    layers.map(({ path, kind, parameters: own }) => [path, kind, own]),
    [
      ["0-residual/body", "conv", 14],
      ["0-residual", "residual", 0],
      ["1-relu", "relu", 0],
    ],
  );
  assert.equal(parameters, 14);
  // per example, whatever the batch was
  assert.equal(layers[1].multiplyAdds, 18);
});
