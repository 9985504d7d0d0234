import assert from "node:assert/strict";
import { after, test } from "node:test";
import { type LayerCost, nearName } from "../../src/inspect/attribute.ts";
import type { NetCost } from "../../src/inspect/measure.ts";
import type { NetSummary } from "../../src/inspect/summary.ts";
import { conv, dense, measureLayers, relu, sequential, traceEvaluation } from "../../src/node.ts";
import { Workplace, writeStripes } from "./command.ts";

const place = new Workplace();
after(() => place.remove());
const library = new URL("../../src/index.ts", import.meta.url).href;
// two inputs of one sum, so that the net has work outside of its layers
place.write(
  "own.ts",
  `import { add } from "${library.replace("index.ts", "ops.ts")}";
import { averagePool, conv, dense, globalPool, relu, sequential } from "${library}";
const [first, left, right] = [conv(8, { kernel: 3 }), conv(8, { kernel: 3, padding: "same" }), averagePool(3, { stride: 1, padding: "same" })];
const head = sequential(relu(), globalPool("average"), dense(4));
export const net = ({ input }, scope) => {
  const seen = scope.apply(first, input);
  return scope.apply(head, add(scope.apply(left, seen), scope.apply(right, seen)));
};
`,
);

const measured = async (...argv: string[]): Promise<NetCost> => (await place.events("inspect", ...argv))[0] as unknown as NetCost;
const sum = (layers: readonly LayerCost[], pick: (layer: LayerCost) => number): number =>
  layers.reduce((total, layer) => total + pick(layer), 0);

/** What holds for every table: parts make the whole, and what has no time is said to be computed elsewhere. */
function checkSums({ layers, total }: NetCost): void {
  for (const key of ["multiplyAdds", "bytes", "ns"] as const) {
    const added = sum(layers, (layer) => layer.total[key]);
    assert.ok(Math.abs(added - total[key]) <= 1e-6 * total[key], `${key}: ${added}, ${total[key]}`);
  }
  for (const { path, total: own, within, includes } of layers) {
    if (within !== undefined)
      assert.ok(own.ns === 0 && layers.some((layer) => layer.path === within && layer.includes.includes(path)), path);
    for (const other of includes) assert.ok(other !== path && layers.some((layer) => layer.path === other), `${path} with ${other}`);
    assert.equal(own.ns > 0, own.bytes > 0, path);
  }
}

test("inspect --measure: the counts of inspect times the batch, and bytes and time of every layer", async () => {
  for (const net of ["lenet5", "own.ts"]) {
    const input = ["--input", "1x20x20"];
    const [summary] = (await place.events("inspect", net, ...input)) as unknown as NetSummary[];
    const cost = await measured(net, ...input, "--measure", "--batch", "3");
    checkSums(cost);
    assert.equal(cost.batch, 3);
    assert.ok(cost.runNs > 0);
    const counts = new Map(cost.layers.map(({ path, total }) => [path, total.multiplyAdds]));
    for (const { path, multiplyAdds } of summary.layers) assert.equal(counts.get(path) ?? 0, 3 * multiplyAdds, `${net}: ${path}`);
    // forward alone
    for (const { phases } of cost.layers) assert.deepEqual([phases.backward.ns, phases.update.ns], [0, 0]);
    // the least that a convolution reads and writes: its input, its kernel, its output
    const first = cost.layers[0];
    assert.ok(first.kind === "conv" && first.total.bytes >= 4 * 3 * 20 * 20, `${first.total.bytes}`);
  }
});

test("inspect --training: backward passes of the kernels and of the inputs, updates by the layer of their parameter", async () => {
  const forward = await measured("own.ts", "--input", "1x20x20", "--measure", "--batch", "4");
  const step = await measured("own.ts", "--input", "1x20x20", "--training", "--batch", "4");
  checkSums(step);
  const of = (path: string): LayerCost => step.layers.find((layer) => layer.path === path) as LayerCost;
  const [first, left] = [of("0-conv"), of("1-conv")];
  const alone = forward.layers.find(({ path }) => path === "1-conv") as LayerCost;
  assert.equal(left.phases.forward.multiplyAdds, alone.total.multiplyAdds);
  // the kernel's gradient and the input's; the net's own input needs none
  const linear = 4 * 8 * 8 * (3 * 18 - 2) ** 2;
  assert.ok(left.phases.backward.multiplyAdds >= 2 * linear && left.phases.backward.multiplyAdds < 2.1 * linear);
  assert.ok(first.phases.backward.multiplyAdds < 1.5 * first.phases.forward.multiplyAdds);
  for (const { path, parameters, phases } of step.layers) assert.equal(phases.update.multiplyAdds > 0, parameters > 0, path);
  for (const { phases } of [first, left]) assert.ok(phases.forward.ns > 0 && phases.backward.ns > 0);
});

test("the tables name every layer, and what is fused", async () => {
  const { code, lines } = await place.call("inspect", "lenet5", "--measure");
  assert.equal(code, 0);
  assert.match(lines[0], /^lenet5, inference; numbers are for one run of 1 example, times of layers for one thread$/);
  assert.match(lines[1], /^layer +kind +output +parameters +multiply-adds +bytes +time +share +GFLOP\/s +GB\/s +fused$/);
  assert.match(lines[3], /^0-conv +conv +\[6, 28, 28\] +156 +112,440 .* %.* with 1-relu.*$/);
  assert.match(lines[4], /^1-relu +relu +\[6, 28, 28\] +0 +4,704( +–){5} +in 0-conv$/);
  assert.match(lines.at(-2) as string, /^425,986 multiply-adds, .* GFLOP\/s, .* GB\/s; the whole run with wasm .*: .* [mu]?s$/);
  const training = await place.call("inspect", "lenet5", "--training", "--batch", "2");
  assert.match(training.lines[1], /^layer +kind +forward +backward +update +parameters/);
});

test("saved models are measured with their own numbers; their training step is refused", async () => {
  writeStripes(place, "stripes", 20);
  await place.events("train", "stripes", "--model", "lenet5", "--epochs", "1", "--name", "kept");
  const cost = await measured("kept", "--measure", "--batch", "2", "--threads", "1");
  checkSums(cost);
  assert.match(cost.session, /, 1 thread$/);
  const refused = await place.call("inspect", "kept", "--training");
  assert.equal(refused.code, 2);
  assert.match(
    refused.stderr,
    /^model\(kept\): training step: expected the name of a model, .*; received a model file, which holds inference alone\./,
  );
});

test("measureLayers measures nets of a program", async () => {
  const net = sequential(conv(8, { kernel: 3 }), relu(), dense(10));
  const { layers } = await measureLayers(traceEvaluation(net, { batch: 8, inputs: { input: { shape: [1, 30] } } }), {
    budget: 20,
    threads: 1,
  });
  assert.deepEqual(
    layers.map(({ path }) => path),
    ["0-conv", "1-relu", "2-dense", "(results)"],
  );
  // three taps and a bias
  assert.equal(layers[0].total.multiplyAdds, 8 * 28 * 8 * (3 + 1));
});

test("paths are printed without the folders that both are in", () => {
  assert.equal(nearName("a/b/0-conv", "a/b/1-relu"), "0-conv");
  assert.equal(nearName("a/b/body/3-conv", "a/b"), "b/body/3-conv");
  assert.equal(nearName("a/1-relu", "a/b/body/3-conv"), "1-relu");
  assert.equal(nearName("head", "head"), "head");
});
