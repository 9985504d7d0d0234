import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLayer, counted, made, type Part } from "../../../test/nn/layer.ts";
import { tensorType } from "../../base/types.ts";
import { GraphTracer } from "../../graph/trace.ts";
import { TracingScope } from "../scope.ts";
import { adaptivePool, pyramidPool, quadrantPool } from "./adaptive.ts";
import { maxPool } from "./pool.ts";
import { channelPool, maxout, partialPool } from "./pool-channels.ts";
import { fractionalPool, stochasticPool } from "./pool-random.ts";

const cellsOf = async (
  part: Part,
  shape: readonly number[],
  cells: readonly number[],
  training = false,
  step = 1,
): Promise<readonly number[]> => (await made(part, shape, cells, training, step)).cells;

function wrong(part: (input: ReturnType<GraphTracer["input"]>) => unknown, message: RegExp, shape = [2, 4, 5, 6]): void {
  const tracer = new GraphTracer();
  assert.throws(() => part(tracer.input("input", tensorType(shape, true))), { name: "ToeplitzError", message });
}

const tracing = (input: ReturnType<GraphTracer["input"]>, training = false): TracingScope =>
  new TracingScope(input.graph as GraphTracer, training, 2);

test("adaptive pooling covers any extent: regions floor(i n / m) to ceil((i + 1) n / m)", async () => {
  // 5 cells in 3 regions: 0 to 2, 1 to 4, 3 to 5
  assert.deepEqual(await cellsOf(adaptivePool(3, "max"), [1, 1, 5], [4, 1, 2, 3, 0]), [4, 3, 3]);
  assert.deepEqual(await cellsOf(adaptivePool(3), [1, 1, 5], [4, 2, 3, 1, 0]), [3, 2, 0.5]);
  assert.deepEqual(await cellsOf(adaptivePool(2, { power: 2 }), [1, 1, 4], [3, -4, 6, 8]), [5, 10]);
  for (const kind of ["max", "average", { power: 3 }] as const)
    for (const [shape, to] of [
      [[2, 2, 7], [3]],
      [
        [1, 2, 5, 4],
        [2, 3],
      ],
      [
        [1, 2, 3, 4, 5],
        [2, 2, 3],
      ],
    ] as const)
      checkLayer(`adaptive ${JSON.stringify(kind)}`, adaptivePool(to, kind), shape);
});

test("quadrants and pyramids", async () => {
  const cells = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  // rows and columns 0 to 2 and 1 to 3
  assert.deepEqual(await cellsOf(quadrantPool(), [1, 1, 3, 3], cells), [5, 6, 8, 9]);
  assert.deepEqual(await cellsOf(quadrantPool("average"), [1, 1, 3, 3], cells), [3, 4, 6, 7]);
  const pyramid = await made(pyramidPool([1, 2]), [1, 2, 4], [1, 2, 3, 4, 8, 7, 6, 5]);
  assert.deepEqual(pyramid.shape, [1, 6]);
  assert.deepEqual(pyramid.cells, [4, 8, 2, 4, 8, 6]);
  assert.deepEqual((await made(pyramidPool([1, 2, 4]), [2, 3, 9, 7], counted(378))).shape, [2, 3 * 21]);
  wrong(() => pyramidPool([]), /pyramidPool: levels: expected >= 1; received 0/);
  wrong((input) => pyramidPool([0]).apply(input, tracing(input)), /pyramidPool: extents: expected whole numbers >= 1; received \[0, 0\]/);
  wrong(() => adaptivePool(2, { power: 0.5 }), /adaptivePool: p: expected >= 1; received 0.5/);
});

test("stochastic pooling: weighted mean in inference, a drawn cell in training", async () => {
  // (1 + 9) / (1 + 3), and 0 where no cell is > 0
  assert.deepEqual(await cellsOf(stochasticPool(2), [1, 1, 4], [1, 3, -2, 0]), [2.5, 0]);
  const shares = [0, 0, 0];
  const steps = 40;
  const windows = 500;
  for (let step = 1; step <= steps; step++) {
    const drawn = await cellsOf(stochasticPool(3), [1, 1, 3 * windows], new Array(windows).fill([1, 5, 2]).flat(), true, step);
    for (const cell of drawn) shares[[1, 5, 2].indexOf(cell)]++;
  }
  // within 4 standard deviations of the shares 1/8, 5/8 and 2/8
  [1, 5, 2].forEach((weight, i) => {
    const p = weight / 8;
    const count = steps * windows;
    assert.ok(Math.abs(shares[i] - count * p) < 4 * Math.sqrt(count * p * (1 - p)), `${shares[i]} of ${count} draws of ${weight}`);
  });
  checkLayer("stochastic inference", stochasticPool([2, 3], { stride: 2, padding: 1 }), [2, 2, 5, 6]);
  // extents (5 + 2 - 2) / 2 + 1, (6 + 2 - 3) / 2 + 1
  checkLayer(
    "stochastic training",
    stochasticPool([2, 3], { stride: 2, padding: 1 }),
    [2, 2, 5, 6],
    [tensorType([2, 2, 3, 3], true)],
    true,
  );
  wrong(
    (input) => stochasticPool(7).apply(input, tracing(input)),
    /stochasticPool: window span on axis 0: expected <= padded input 5 = 0 \+ 5 \+ 0; received 7/,
  );
  wrong(
    (input) => stochasticPool(2, { padding: 3 }).apply(input, tracing(input)),
    /stochasticPool: padding on axis 0: expected every window to hold a cell of the 5 of the input; received window 0 wholly in padding \(low 3, high 3\)/,
  );
});

/** Boundaries of the regions of an axis, told by pooling its cell numbers. */
async function bounds(
  options: Parameters<typeof fractionalPool>[0],
  n: number,
  examples: number,
  training: boolean,
  step = 1,
): Promise<[number, number][][]> {
  const cells = Array.from({ length: examples }, () => counted(n)).flat();
  const last = await made(fractionalPool({ ...options, kind: "max" }), [examples, 1, n], cells, training, step);
  const negative = await made(
    fractionalPool({ ...options, kind: "max" }),
    [examples, 1, n],
    cells.map((cell) => -cell),
    training,
    step,
  );
  const m = last.shape[2];
  return Array.from({ length: examples }, (_, e) =>
    Array.from({ length: m }, (_, i): [number, number] => [0 - negative.cells[e * m + i], last.cells[e * m + i] + 1]),
  );
}

test("fractional pooling: regions of both sizes that cover the grid, drawn for each example and step, fixed in inference", async () => {
  for (const regions of ["pseudorandom", "random"] as const) {
    for (const overlapping of [false, true]) {
      for (const n of [7, 25, 64]) {
        const options = { ratio: 1.45, regions, overlapping };
        const m = Math.floor(n / 1.45);
        const cells = overlapping ? n - 1 : n;
        const sizes = new Set([Math.floor(cells / m), Math.ceil(cells / m)]);
        const drawn = await bounds(options, n, 6, true);
        for (const own of [...drawn, ...(await bounds(options, n, 2, false))]) {
          assert.equal(own.length, m);
          assert.equal(own[0][0], 0);
          assert.equal(own[m - 1][1], n);
          own.forEach(([start, end], i) => {
            assert.ok(sizes.has(end - start - (overlapping ? 1 : 0)), `region ${start} to ${end} of ${n} in ${m}`);
            if (i > 0) assert.equal(start, own[i - 1][1] - (overlapping ? 1 : 0));
          });
        }
        assert.ok(new Set(drawn.map((own) => JSON.stringify(own))).size > 1, "examples draw their own");
        assert.notDeepEqual(drawn, await bounds(options, n, 6, true, 2), "steps draw their own");
        const [one, two] = await bounds(options, n, 2, false);
        assert.deepEqual(one, two);
      }
    }
  }
});

test("fractional pooling of means and norms, in 1 to 3 axes, with gradients", async () => {
  // 5 cells in 3 regions with t = 2: boundaries floor((5 i + 2) / 3) = 0, 2, 4, 5
  assert.deepEqual(await cellsOf(fractionalPool({ extents: 3, kind: "average" }), [1, 1, 5], [1, 3, 5, 9, 4]), [2, 7, 4]);
  assert.deepEqual(await cellsOf(fractionalPool({ extents: 3, kind: { power: 2 } }), [1, 1, 5], [3, 4, 6, 8, 2]), [5, 10, 2]);
  for (const kind of ["max", "average", { power: 2 }] as const)
    for (const regions of ["pseudorandom", "random"] as const) {
      const draws = (m: number): ReturnType<typeof tensorType> => tensorType([2, regions === "random" ? m : 1], true);
      checkLayer(`fractional line ${regions}`, fractionalPool({ ratio: 1.5, kind, regions }), [2, 2, 8], [draws(5)], true);
      const grid = fractionalPool({ extents: [3, 4], kind, regions, overlapping: true });
      checkLayer(`fractional grid ${regions}`, grid, [2, 1, 6, 6], [draws(3), draws(4)], true);
      checkLayer(
        `fractional volume ${regions}`,
        fractionalPool({ extents: 2, kind, regions }),
        [2, 1, 3, 5, 3],
        [draws(2), draws(2), draws(2)],
        true,
      );
    }
});

test("fractional pooling: bad input", () => {
  wrong(
    () => fractionalPool({ ratio: 1.5, regions: "even" as never }),
    /fractionalPool: regions: expected pseudorandom or random; received "even"/,
  );
  wrong((input) => fractionalPool({}).apply(input, tracing(input)), /ratio or extents: expected one of them; received none/);
  wrong(
    (input) => fractionalPool({ ratio: 0.5 }).apply(input, tracing(input)),
    /regions on axis 0: expected 1 to 5 of 5 cells; received 10 = floor\(5 \/ 0.5\)/,
  );
  wrong(
    (input) => fractionalPool({ extents: 5, overlapping: true }).apply(input, tracing(input)),
    /regions on axis 0: expected 1 to 4 of 5 cells; received 5\. Overlapping regions need a cell more/,
  );
  wrong(
    (input) => fractionalPool({ ratio: 1.5, regions: "random" }).apply(input, tracing(input, true)),
    /regions on axis 0: expected <= 1024 in drawn order; received 1333/,
    [2, 1, 2000],
  );
});

test("statistics over channels", async () => {
  const cells = [3, 0, 4, 5, -1, 2, 1, -6];
  const over = (kind: Parameters<typeof channelPool>[1]): Promise<readonly number[]> => cellsOf(channelPool(2, kind), [1, 4, 2], cells);
  assert.deepEqual(await over("max"), [4, 5, 1, 2]);
  assert.deepEqual(await over("average"), [3.5, 2.5, 0, -2]);
  assert.deepEqual(await over({ power: 1 }), [7, 5, 2, 8]);
  assert.deepEqual(await over("stochastic"), [25 / 7, 5, 1, 2].map(Math.fround));
  assert.deepEqual(await over("max"), await cellsOf(maxout(2), [1, 4, 2], cells));
  const drawn = await cellsOf(channelPool(2, "stochastic"), [1, 4, 2], cells, true);
  drawn.forEach((cell, i) => {
    const [group, at] = [Math.floor(i / 2), i % 2];
    assert.ok([cells[4 * group + at], cells[4 * group + 2 + at]].includes(cell));
  });
  for (const kind of ["max", "average", { power: 2 }, "stochastic"] as const) checkLayer("channels", channelPool(3, kind), [2, 6, 2, 3]);
  checkLayer("drawn channels", channelPool(3, "stochastic"), [2, 6, 2, 3], [tensorType([2, 2, 2, 3], true)], true);
  wrong((input) => channelPool(3).apply(input, tracing(input)), /channelPool: pieces: expected a divisor of the 4 channels; received 3/);
});

test("some channels pool, the others pass on", async () => {
  const cells = [1, 4, 3, 2, 5, 6, 7, 8];
  assert.deepEqual(await cellsOf(partialPool(1, maxPool(2)), [1, 2, 4], cells), [4, 3, 5, 7]);
  const folded = await made(partialPool(0.5, maxPool(2), { others: "folded" }), [1, 2, 4], cells);
  assert.deepEqual(folded, { shape: [1, 3, 2], cells: [4, 3, 5, 7, 6, 8] });
  const aligned = partialPool(1, maxPool(3, { stride: 1, padding: "same" }));
  assert.deepEqual(await cellsOf(aligned, [1, 2, 4], cells), [4, 4, 4, 3, 5, 6, 7, 8]);
  // 2 x 2 windows of the second channel: its rows [0 1 2 3] and [4 5 6 7]
  const grid = await made(partialPool(1, maxPool(2), { others: "folded" }), [1, 2, 2, 4], [...counted(8), ...counted(8)]);
  assert.deepEqual(grid.shape, [1, 5, 1, 2]);
  assert.deepEqual(grid.cells, [5, 7, 0, 2, 1, 3, 4, 6, 5, 7]);
  for (const others of ["sampled", "folded"] as const) checkLayer(others, partialPool(2, maxPool([2, 3]), { others }), [2, 3, 4, 6]);
  wrong((input) => partialPool(4, maxPool(2)).apply(input, tracing(input)), /partialPool: channels: expected 1 to 3 of the 4/);
  wrong(
    (input) => partialPool(2, maxPool(2), { others: "folded" }).apply(input, tracing(input)),
    /partialPool: cells on axis 0: expected 2 windows of 2 = 4; received 5/,
  );
});
