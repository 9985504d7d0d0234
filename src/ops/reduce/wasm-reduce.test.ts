import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { runAlone } from "../../../test/laws/isolated.ts";
import { type Random, random } from "../../base/random.ts";
import { size, type TensorType } from "../../base/types.ts";
import type { Algorithm, Device, Layout, Operator } from "../contract.ts";
import { printLayout } from "../layout.ts";
import { sampleFold } from "./fold.ts";
import { momentsOperator, reduceOperator } from "./index.ts";
import { wasmMoments } from "./wasm-moments.ts";
import { wasmReduce } from "./wasm-reduce.ts";

const devices: readonly Device[] = [
  { tier: "wide", fma: true, wide: true },
  { tier: "plain", fma: false, wide: false },
];

interface FoldPlan {
  readonly input: TensorType;
  readonly output: TensorType;
}

/** Problem lines of the room, then random folds, small and with spare lanes, then some that need parts and slots. */
function plans(name: string, draws: Random, count: number, operator: Operator<FoldPlan>): FoldPlan[] {
  const lines = readFileSync(new URL("./problems.txt", import.meta.url), "utf8")
    .split("\n")
    .map((line) => line.replace(/^[^:]+: /, ""));
  const named = lines.filter((line) => line.startsWith(`${name} `)).map((line) => operator.parse(line));
  const sampled = Array.from({ length: count }, () => {
    const { input, keep, shape } = sampleFold(draws, name === "moments");
    return operator.plan({ operation: "sum", keep, shape }, [input]);
  });
  const type = (shape: number[], batched = true): TensorType => ({ dtype: "f32", shape, batched });
  const large: [TensorType, boolean, number[]][] = [
    [type([3, 24, 31, 33]), false, [24, 1, 1]],
    [type([3, 17, 40, 41]), true, [17, 1, 1]],
    [type([5, 20, 9, 7]), false, [1, 20, 1, 1]],
    [type([50000], false), false, []],
    [type([3, 40000], false), false, [3, 1]],
    [type([9, 5000]), false, [5000]],
    [type([2, 3, 150, 151]), true, [1, 1, 1]],
    [type([70, 33]), true, [1]],
    [type([4, 32, 12, 12]), true, [32, 1, 12]],
    [type([2, 4, 64, 96]), false, [4, 2, 3]],
  ];
  return [...named, ...sampled, ...large.map(([input, keep, shape]) => operator.plan({ operation: "sum", keep, shape }, [input]))];
}

/** Runs every layout of every plan and hands the results to `check`, with the plan for the examples that were run. */
function runAll(
  name: string,
  algorithm: Algorithm<FoldPlan>,
  operator: Operator<FoldPlan>,
  cells: (draws: Random) => number,
  check: (found: readonly Float64Array[], plan: FoldPlan, cells: Float64Array, text: string) => void,
): void {
  const draws = random(29);
  plans(name, draws, 60, operator).forEach((plan, round) => {
    const device = devices[round % 2];
    const { input } = plan;
    const examples = input.batched ? draws.integer(1, input.shape[0]) : 1;
    const values = Float32Array.from({ length: size(input.shape) }, () => cells(draws));
    const run = input.batched ? operator.parse(operator.line(plan).replace(/ n\d+/, ` n${examples}`)) : plan;
    for (const choice of algorithm.layouts(plan, null, device)) {
      const axes = input.shape.length - 2;
      const halo =
        input.batched && axes > 0 && draws.uniform() < 0.5
          ? Array.from({ length: axes }, () => ({ low: draws.integer(0, 2), high: draws.integer(0, 2) }))
          : [];
      const from: Layout = { block: choice.inputs[0].block, halo, fill: Number.NaN };
      const text = `${operator.line(plan)} of ${examples} in ${printLayout(from)} -> b${choice.outputs[0]}`;
      const { outputs, damage } = runAlone({
        operator,
        algorithm,
        plan,
        device,
        examples,
        inputs: [values],
        choice: { ...choice, inputs: [from] },
        ...(draws.uniform() < 0.4 ? { outputHalo: { low: 1, high: 2, fill: 7 } } : {}),
        ...(draws.uniform() < 0.5 ? { order: (chunks: number) => draws.permutation(chunks) as unknown as number[] } : {}),
      });
      assert.deepEqual(damage, [], text);
      check(outputs, run, Float64Array.from(values.subarray(0, size(run.input.shape))), text);
    }
  });
}

const sums = reduceOperator as unknown as Operator<FoldPlan>;
const moments = momentsOperator as unknown as Operator<FoldPlan>;

test("sums of whole numbers are exact in every layout, beside halos, for short batches and chunks in any order", () => {
  runAll(
    "reduce",
    wasmReduce as unknown as Algorithm<FoldPlan>,
    sums,
    (draws) => draws.integer(-8, 8),
    ([found], plan, cells, text) => {
      const [expected] = sums.reference(plan, [cells]);
      const wrong = found.findIndex((value, i) => value !== expected[i]);
      assert.equal(wrong, -1, `${text}: cell ${wrong} is ${found[wrong]}, expected ${expected[wrong]}`);
    },
  );
});

test("sums of real numbers keep the rounding bound", () => {
  runAll(
    "reduce",
    wasmReduce as unknown as Algorithm<FoldPlan>,
    sums,
    (draws) => Math.fround(draws.uniform()),
    ([found], plan, cells, text) => {
      const [expected] = sums.reference(plan, [cells]);
      const [absolute] = sums.reference(plan, [cells.map(Math.abs)]);
      const bound = 2 ** -24 * (4 + Math.sqrt(size(plan.input.shape) / size(plan.output.shape)));
      const wrong = found.findIndex((value, i) => Math.abs(value - expected[i]) > bound * absolute[i]);
      assert.equal(wrong, -1, `${text}: cell ${wrong} is ${found[wrong]}, expected ${expected[wrong]}`);
    },
  );
});

test("mean and variance are right at mean 1000, deviation 1", () => {
  runAll(
    "moments",
    wasmMoments as unknown as Algorithm<FoldPlan>,
    moments,
    (draws) => Math.fround(1000 + draws.normal()),
    ([mean, variance], plan, cells, text) => {
      const [means, variances] = moments.reference(plan, [cells]);
      const wrong = mean.findIndex(
        (value, i) =>
          Math.abs(value - means[i]) > 2e-7 * means[i] || Math.abs(variance[i] - variances[i]) > 1e-5 * Math.max(variances[i], 1e-3),
      );
      assert.equal(
        wrong,
        -1,
        `${text}: cell ${wrong} is ${mean[wrong]} and ${variance[wrong]}, expected ${means[wrong]} and ${variances[wrong]}`,
      );
    },
  );
});
