import assert from "node:assert/strict";
import { test } from "node:test";
import { tensorType } from "../base/types.ts";
import { gradients } from "../graph/differentiate.ts";
import { GraphTracer } from "../graph/trace.ts";
import { sum } from "../ops.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { binaryCrossEntropy, crossEntropy, diceLoss, type Loss, meanAbsoluteError, meanSquaredError, weightedLoss } from "./losses.ts";

/** Losses of each example, and the gradient of their sum with respect to the outputs. */
async function run(
  loss: Loss,
  output: readonly number[],
  shape: readonly number[],
  labels: Int32Array | Float32Array,
  labelShape: readonly number[],
) {
  const tracer = new GraphTracer();
  const value = tracer.input("output", tensorType(shape, true));
  const target = tracer.input("target", tensorType(labelShape, true, labels instanceof Int32Array ? "i32" : "f32"));
  const losses = loss({ output: value }, { target });
  tracer.output("losses", losses);
  tracer.output("gradient", gradients(sum(losses), [value])[0]!);
  const program = await (await referenceTarget.open()).compile(tracer.finish());
  const outputs = await program.run({ output: Float32Array.from(output), target: labels });
  return { losses: [...outputs.losses.data], gradient: [...outputs.gradient.data] };
}

const near = (got: readonly number[], expected: readonly number[]): void =>
  got.forEach((value, index) =>
    assert.ok(Math.abs(value - expected[index]) < 1e-5, `${index}: ${got.join(" ")}, expected ${expected.join(" ")}`),
  );

const logits = [1, 2, 0.5, -1, 0, 3];
const log = (row: number, k: number): number => {
  const own = logits.slice(3 * row, 3 * row + 3);
  return own[k] - Math.log(own.reduce((total, value) => total + Math.exp(value), 0));
};

test("cross-entropy: plain, weighted, smoothed, ignored", async () => {
  const labels = Int32Array.of(1, 0);
  near((await run(crossEntropy(), logits, [2, 3], labels, [2])).losses, [-log(0, 1), -log(1, 0)]);
  near((await run(crossEntropy({ classWeights: [3, 2, 1] }), logits, [2, 3], labels, [2])).losses, [-2 * log(0, 1), -3 * log(1, 0)]);
  const smooth = [0, 1].map((row) => -0.7 * log(row, labels[row]) - [0, 1, 2].reduce((total, k) => total + 0.1 * log(row, k), 0));
  near((await run(crossEntropy({ labelSmoothing: 0.3 }), logits, [2, 3], labels, [2])).losses, smooth);
  const ignored = await run(crossEntropy({ ignore: 255, labelSmoothing: 0.3 }), logits, [2, 3], Int32Array.of(1, 255), [2]);
  near(ignored.losses, [smooth[0], 0]);
  near(ignored.gradient.slice(3), [0, 0, 0]);
});

test("cross-entropy of cells is the mean over the cells that count", async () => {
  // one example, two classes, three cells
  const cells = [1, 0, 2, 0, 0, 1];
  const own = (cell: number, k: number): number => cells[3 * k + cell] - Math.log(Math.exp(cells[cell]) + Math.exp(cells[3 + cell]));
  near((await run(crossEntropy(), cells, [1, 2, 3], Int32Array.of(0, 1, 1), [1, 3])).losses, [-(own(0, 0) + own(1, 1) + own(2, 1)) / 3]);
  near((await run(crossEntropy({ ignore: -1 }), cells, [1, 2, 3], Int32Array.of(0, -1, 1), [1, 3])).losses, [-(own(0, 0) + own(2, 1)) / 2]);
  const none = await run(crossEntropy({ ignore: -1 }), cells, [1, 2, 3], Int32Array.of(-1, -1, -1), [1, 3]);
  near([...none.losses, ...none.gradient], new Array(7).fill(0));
});

test("losses stay finite where exp overflows", async () => {
  const far = await run(crossEntropy(), [2000, -2000, 0], [1, 3], Int32Array.of(1), [1]);
  near([...far.losses, ...far.gradient], [4000, 1, -1, 0]);
  const binary = await run(binaryCrossEntropy(), [3000, -3000, 3000], [1, 3], Float32Array.of(1, 0, 0), [1, 3]);
  near([...binary.losses, ...binary.gradient], [1000, 0, 0, 1 / 3]);
});

test("weighted losses add up", async () => {
  const both = weightedLoss([
    [2, meanSquaredError()],
    [0.5, meanAbsoluteError()],
  ]);
  near((await run(both, [1, 3, 0, 0], [2, 2], Float32Array.of(0, 0, 0, 0), [2, 2])).losses, [2 * 5 + 0.5 * 2, 0]);
});

test("soft Dice: the worked coefficient, ignored cells, chosen classes, absent classes", async () => {
  // one example, two classes, three cells; p_1 of each cell
  const cells = [0, 1, -1, 0, 3, 2];
  const p = [0, 1, 2].map((cell) => 1 / (1 + Math.exp(cells[cell] - cells[3 + cell])));
  const labels = Int32Array.of(0, 1, 1);
  const foreground = (2 * (p[1] + p[2]) + 1) / (p[0] + p[1] + p[2] + 2 + 1);
  const background = (2 * (1 - p[0]) + 1) / (3 - p[0] - p[1] - p[2] + 1 + 1);
  near((await run(diceLoss(), cells, [1, 2, 3], labels, [1, 3])).losses, [1 - (foreground + background) / 2]);
  near((await run(diceLoss({ classes: [1] }), cells, [1, 2, 3], labels, [1, 3])).losses, [1 - foreground]);
  const ignored = await run(diceLoss({ classes: [1], ignore: -1 }), cells, [1, 2, 3], Int32Array.of(0, 1, -1), [1, 3]);
  near(ignored.losses, [1 - (2 * p[1] + 1) / (p[0] + p[1] + 1 + 1)]);
  near([ignored.gradient[2], ignored.gradient[5]], [0, 0]);
  const sure = [60, -60, -60, -60, 60, 60];
  near((await run(diceLoss(), sure, [1, 2, 3], labels, [1, 3])).losses, [0]);
  near((await run(diceLoss({ classes: [1] }), [60, 60, -60, -60], [1, 2, 2], Int32Array.of(0, 0), [1, 2])).losses, [0]);
  // the gradient against differences of the loss
  const { gradient } = await run(diceLoss(), cells, [1, 2, 3], labels, [1, 3]);
  for (const at of [1, 5]) {
    const [more, less] = await Promise.all(
      [1e-4, -1e-4].map(async (step) => {
        const moved = cells.map((value, index) => value + (index === at ? step : 0));
        return (await run(diceLoss(), moved, [1, 2, 3], labels, [1, 3])).losses[0];
      }),
    );
    assert.ok(Math.abs((more - less) / 2e-4 - gradient[at]) < 1e-3, `${at}`);
  }
});

test("what does not fit is said", async () => {
  const output = (shape: readonly number[]) => new GraphTracer().input("output", tensorType(shape, true));
  const labels = (shape: readonly number[], dtype: "i32" | "f32" = "i32") =>
    new GraphTracer().input("label", tensorType(shape, true, dtype));
  const cases: [() => unknown, RegExp][] = [
    [
      () => crossEntropy()({ a: output([2, 3]) }, { label: labels([2, 1]) }),
      /crossEntropy: labels: expected i32\[n<=2\]; received i32\[n<=2,1\]\. One class for each cell of the logits \[n<=2,3\]/,
    ],
    [() => crossEntropy()({ a: output([2, 3]) }, { label: labels([2], "f32") }), /labels: expected i32\[n<=2\]; received \[n<=2\]/],
    [
      () => crossEntropy({ classWeights: [1, 2] })({ a: output([2, 3]) }, { label: labels([2]) }),
      /class weights: expected 3, one for each class; received 2/,
    ],
    [
      () => crossEntropy()({ a: output([2, 3]), b: output([2, 3]) }, { label: labels([2]) }),
      /loss: output: expected exactly one, or the name of one of a, b; received 2 \(a, b\)/,
    ],
    [() => crossEntropy({ output: "c" })({ a: output([2, 3]) }, { label: labels([2]) }), /loss: output: expected a; received c/],
    [
      () => meanSquaredError()({ a: output([2, 3]) }, { label: labels([2, 1, 3], "f32") }),
      /meanSquaredError: target: expected \[n<=2,3\]; received \[n<=2,1,3\]/,
    ],
    [() => diceLoss({ smooth: 0 }), /diceLoss: smooth: expected > 0; received 0/],
    [
      () => diceLoss({ classes: [0, 3] })({ a: output([2, 3]) }, { label: labels([2]) }),
      /diceLoss: classes: expected some of 0 to 2; received 3/,
    ],
    [() => diceLoss()({ a: output([2, 3, 4]) }, { label: labels([2]) }), /diceLoss: labels: expected i32\[n<=2,4\]; received i32\[n<=2\]/],
    [() => crossEntropy({ labelSmoothing: 1 }), /label smoothing: expected >= 0 and < 1; received 1/],
  ];
  for (const [make, message] of cases) assert.throws(make, message);
});
