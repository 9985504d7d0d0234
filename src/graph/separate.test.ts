import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { size } from "../base/types.ts";
import type { Padding } from "../grid/axis.ts";
import { forward, type GridLinearPlan, gridLinear, transposed } from "../ops/grid-linear/index.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { rankOneFactors } from "./factors.ts";
import type { Graph } from "./graph.ts";
import { separate } from "./separate.ts";
import { GraphTracer, tensor } from "./trace.ts";

/** Multiply-adds as time: passes are always fewer, from 3 x 3 taps on. */
const work = ({ plan }: { plan: unknown }): number => gridLinear.cost(plan as GridLinearPlan).multiplyAdds;

interface Case {
  readonly extents: readonly number[];
  readonly taps: readonly (readonly number[])[];
  readonly stride: number;
  readonly padding: Padding;
}

/** A constant kernel for each of two channels, the second twice the first, over data or as its input gradient. */
function graphOf({ extents, taps, stride, padding }: Case, role: "forward" | "input"): Graph {
  const tracer = new GraphTracer();
  const cells = taps.reduce<readonly number[]>((before, own) => before.flatMap((a) => own.map((b) => a * b)), [1]);
  const kernel = tracer.constant(tensor([2, 1, ...taps.map(({ length }) => length)], [...cells, ...cells.map((value) => 2 * value)]));
  const options = { kernel: taps.map(({ length }) => length), stride, padding, groups: 2 };
  const input = { dtype: "f32", shape: [3, 2, ...extents], batched: true } as const;
  const plan = gridLinear.plan({ ...options, role: "forward" }, [kernel.type, input]);
  const value =
    role === "forward"
      ? forward(options, kernel, tracer.input("data", input))
      : transposed({ ...options, input: extents, channelsIn: 2 }, kernel, tracer.input("data", gridLinear.outputs(plan)[0]));
  tracer.output("result", value);
  return tracer.finish();
}

const cases: readonly Case[] = [
  { extents: [9, 8], taps: [[1, 2, 1], [1, 4, 6, 4, 1]], stride: 1, padding: "same" }, // biome-ignore format: one line
  { extents: [11, 12], taps: [[1, 3, 3, 1], [1, -1, 0, 2, 1]], stride: 2, padding: 1 }, // biome-ignore format: one line
  { extents: [6, 7, 8], taps: [[1, 1, 1], [1, 2, 1], [1, 0, -1]], stride: 1, padding: "full" }, // biome-ignore format: one line
  { extents: [9, 5, 8], taps: [[1, 3, 3, 1], [1], [1, 0, -1]], stride: 1, padding: 0 }, // biome-ignore format: one line
];

for (const role of ["forward", "input"] as const)
  test(`passes give the same sums as the whole kernel, role ${role}`, async () => {
    const draw = random(4);
    for (const own of cases) {
      const graph = graphOf(own, role);
      const passes = separate(graph, work);
      assert.equal(passes.nodes.length, own.taps.filter(({ length }) => length > 1).length, own.extents.join("x"));
      const [{ type }] = graph.values.filter(({ source }) => source.kind === "input");
      const data = tensor(
        type.shape,
        Array.from({ length: size(type.shape) }, () => draw.integer(-4, 4)),
      );
      const session = await referenceTarget.open();
      const [wanted, found] = await Promise.all(
        [graph, passes].map(async (each) => {
          const { result } = await (await session.compile(each)).run({ data: data.data as Float32Array });
          return result.data as Float32Array;
        }),
      );
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      assert.equal(found.length, wanted.length);
      // factors are rounded to f32
      found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= 1e-6 * largest, `${own.extents.join("x")}: cell ${i}`));
    }
  });

test("kernels stay whole where passes would not be faster, or not the same", () => {
  const plain: Case = { extents: [9, 9], taps: [[1, 2, 1], [1, 2, 1]], stride: 1, padding: "same" }; // biome-ignore format: one line
  const graph = graphOf(plain, "forward");
  assert.equal(separate(graph, () => 1), graph); // biome-ignore format: one line
  const tracer = new GraphTracer();
  const kernel = tracer.constant(tensor([1, 1, 2, 2], [1, 2, 3, 4]));
  tracer.output(
    "result",
    forward({ kernel: [2, 2], groups: 1 }, kernel, tracer.input("data", { dtype: "f32", shape: [1, 1, 5, 5], batched: true })),
  );
  const whole = tracer.finish();
  assert.equal(separate(whole, work), whole);
  const learned = new GraphTracer();
  const state = learned.state("kernel", { dtype: "f32", shape: [1, 1, 3, 3], batched: false });
  learned.output("result", forward({ kernel: [3, 3] }, state, learned.input("data", { dtype: "f32", shape: [1, 1, 5, 5], batched: true })));
  const trained = learned.finish();
  assert.equal(separate(trained, work), trained);
});

test("factors of a Sobel kernel, of rounded Gaussians, and none of a kernel of rank two", () => {
  assert.deepEqual(
    rankOneFactors([1, 0, -1, 2, 0, -2, 1, 0, -1], [3, 3])?.map((factor) => [...factor].map((value) => value + 0)),
    [
      [1, 2, 1],
      [1, 0, -1],
    ],
  );
  const bell = Array.from({ length: 9 }, (_, i) => Math.exp(-((i - 4) ** 2) / 8));
  const cells = bell.flatMap((a) => bell.map((b) => Math.fround(a * b)));
  assert.ok(rankOneFactors(cells, [9, 9]) !== null);
  assert.equal(rankOneFactors([1, 0, 0, 1], [2, 2]), null);
  cells[3] *= 1 + 1e-4;
  cells[40] *= 1 + 2e-5;
  assert.equal(rankOneFactors(cells, [9, 9]), null);
  assert.deepEqual(rankOneFactors([0, 0, 0, 0], [2, 2])?.map((factor) => [...factor]), [[0, 0], [0, 0]]); // biome-ignore format: one line
});
