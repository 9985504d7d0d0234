import assert from "node:assert/strict";
import { test } from "node:test";
import { layerCases } from "./cases/layers.ts";
import { lenet5, mobilenetv2, modelCases, resnet18 } from "./cases/models.ts";
import { resnet20, trainingCases } from "./cases/training.ts";
import { callWork } from "./drivers/gauges.ts";
import { channelsFirst, channelsLast, reordered } from "./drivers/layout.ts";
import { goalTable } from "./goals.ts";
import { deviation, summary } from "./measure.ts";
import { multiplyAdds, type Net } from "./net.ts";
import { meanRatio } from "./report.ts";
import { digits, markdownTable, printTable } from "./table.ts";

const trained = ({ parameters }: Net): number =>
  parameters
    .filter(({ trainable }) => trainable)
    .reduce((sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1), 0);

test("nets have the parameters and multiply-adds of their papers", () => {
  assert.equal(trained(lenet5(1)), 61_706);
  // 11,689,512 and 3,504,872 with scale and shift for each channel; folded, one bias for each
  assert.equal(trained(resnet18(1)), 11_684_712);
  assert.equal(trained(mobilenetv2(1)), 3_487_816);
  assert.equal(Math.round(multiplyAdds(resnet18(1)) / 1e6), 1814);
  assert.equal(Math.round(multiplyAdds(mobilenetv2(1)) / 1e6), 301);
  assert.equal(multiplyAdds(resnet20(32)), 32 * multiplyAdds(resnet20(1)));
});

test("every case has a name of its own and ends in its output", () => {
  for (const cases of [modelCases(), trainingCases(), layerCases()]) {
    assert.equal(new Set(cases.map(({ name }) => name)).size, cases.length);
    for (const { net } of cases) assert.equal(net.nodes[net.nodes.length - 1].output, net.output);
  }
});

test("work of a layer counts every tap", () => {
  const work = (wanted: string): number => multiplyAdds((layerCases().find(({ name }) => name === wanted) ?? assert.fail(wanted)).net);
  assert.equal(work("resnet 3x3 64 at 56, batch 1"), 64 * 64 * 9 * 56 * 56);
  assert.equal(work("kernel gradient 3x3 64 at 56, batch 8"), 8 * 64 * 64 * 9 * 56 * 56);
  assert.equal(work("input gradient 3x3 s2 64->128 at 56, batch 8"), 8 * 64 * 128 * 9 * 28 * 28);
  assert.equal(work("locally connected 5x5 64 at 14"), 64 * 64 * 25 * 14 * 14);
  assert.equal(work("dense 512, batch 512"), 512 ** 3);
});

test("deviation is relative to the largest, or to each, and NaN never agrees", () => {
  assert.equal(deviation(Float32Array.of(1, -4), Float32Array.of(1, -4), false), 0);
  assert.equal(deviation(Float32Array.of(1.5, -4), Float32Array.of(1, -4), false), 0.125);
  assert.equal(deviation(Float32Array.of(1.5, -4), Float32Array.of(1, -4), true), 0.5);
  assert.equal(deviation(Float32Array.of(Number.NaN), Float32Array.of(1), false), Number.POSITIVE_INFINITY);
  assert.equal(deviation(Float32Array.of(1), Float32Array.of(Number.NaN), false), Number.POSITIVE_INFINITY);
  assert.equal(deviation(Float32Array.of(1), Float32Array.of(1, 2), false), Number.POSITIVE_INFINITY);
});

test("disturbed samples do not count where enough others are left", () => {
  const quiet = [3, 1, 2].map((ms) => ({ ms, disturbed: false }));
  assert.deepEqual(summary([...quiet, { ms: 9, disturbed: true }]), { median: 2, lowest: 1, highest: 3, samples: 3, disturbed: 0 });
  const loud = [5, 6, 7, 8].map((ms) => ({ ms, disturbed: true }));
  assert.deepEqual(summary([...quiet, ...loud]), { median: 5, lowest: 1, highest: 8, samples: 7, disturbed: 4 });
});

test("the mean ratio is geometric, over rows that both have", () => {
  const row = (...medians: (number | undefined)[]) => ({
    name: "",
    threads: 1,
    multiplyAdds: 0,
    cells: medians.map((median) => ({ contender: "", ...(median === undefined ? { refused: "no" } : { median }) })),
  });
  const mean = meanRatio([row(1, 2), row(2, 16), row(1, undefined)], 1, 0);
  assert.equal(mean?.count, 2);
  assert.ok(Math.abs((mean?.ratio ?? 0) - 4) < 1e-12);
});

test("orders of axes undo each other", () => {
  const cells = Float32Array.from({ length: 2 * 3 * 4 * 5 }, (_, index) => index);
  const last = reordered(cells, [2, 3, 4, 5], channelsLast(4));
  assert.equal(last[1], 20);
  assert.deepEqual(reordered(last, [2, 4, 5, 3], channelsFirst(4)), cells);
});

test("tables print for a terminal and as Markdown", () => {
  const table = { title: "t", header: ["", "a"], rows: [[["x"], ["1", "2"]]], notes: ["n"] };
  assert.equal(printTable(table), "t\n\n   a\n-  -\nx  1\n   2\n\nn");
  assert.equal(markdownTable(table), "### t\n\n|  | a |\n| --- | --- |\n| x | 1<br>2 |\n\n- n\n");
  assert.deepEqual([0.01234, 1.2345, 123.45, 1234].map(digits), ["0.0123", "1.23", "123", "1234"]);
});

test("goals are held against the routines alone, and against the peer by whole programs", () => {
  const line = layerCases().find(({ name }) => name === "resnet 3x3 64 at 56, batch 1")?.line ?? assert.fail("no line");
  const loop = { gauge: "fma256", median: callWork.fma256 / 1e8, lowest: callWork.fma256 / 1e8 } as const;
  const routine = (algorithm: string, ms: number) => ({ algorithm, median: ms, lowest: ms, loop });
  const row = {
    name: "one",
    line,
    threads: 1,
    multiplyAdds: 1e8,
    cells: [
      { contender: "toeplitz", median: 2, lowest: 2, routine: routine("wasm-grid-linear-forward-winograd-4", 1) },
      { contender: "toeplitz-direct", median: 5, lowest: 5, routine: routine("wasm-grid-linear-forward-blocked", 2.5) },
      { contender: "onnxruntime-node", median: 3, lowest: 3 },
    ],
  };
  const shown = goalTable([row], () => undefined).rows.map((cells) => cells.flat());
  assert.deepEqual(
    shown.map(([work, must, , mean, least, where, lines]) => [work, must, mean, least, where, lines]),
    [
      ["3x3 stride 1, direct", "80 %", "80 % (80 %)", "80 % (80 %)", "one", "1 of 1"],
      ["3x3 stride 1, effective", "200 %", "200 % (200 %)", "200 % (200 %)", "one", "1 of 1"],
      ["3x3 stride 1, whole program, over onnxruntime-node", "1.80 x", "1.50 x (1.50 x)", "1.50 x (1.50 x)", "one", "0 of 1"],
    ],
  );
  const alone = goalTable([{ ...row, cells: row.cells.slice(0, 1) }], () => undefined).rows.map(([[work]]) => work);
  assert.deepEqual(alone, ["3x3 stride 1, effective"], "a transform is no direct sum");
});
