import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLayer, counted, made, type Part } from "../../../test/nn/layer.ts";
import { tensorType } from "../../base/types.ts";
import { GraphTracer } from "../../graph/trace.ts";
import { identity } from "./compose.ts";
import { averagePool, maxPool, maxPoolIndices, powerPool, unpool, unpooled } from "./pool.ts";

const cellsOf = async (part: Part, shape: readonly number[], cells: readonly number[]): Promise<readonly number[]> =>
  (await made(part, shape, cells)).cells;

test("average pooling weighted by the distance from the middle", async () => {
  const binomial = averagePool(3, { stride: 1, weights: "binomial" });
  assert.deepEqual(await cellsOf(binomial, [1, 1, 4], [4, 0, 8, 4]), [(4 + 0 + 8) / 4, (0 + 16 + 4) / 4]);
  const sigma = 0.7;
  const side = Math.exp(-1 / (2 * sigma ** 2));
  const [value] = await cellsOf(averagePool(3, { weights: { gaussian: sigma } }), [1, 1, 3, 3], [0, 0, 0, 0, 0, 1, 0, 0, 0]);
  assert.ok(Math.abs(value - side / (1 + 2 * side) ** 2) < 1e-7);
  // cells of padding left out: the weights that remain are the mean's
  const bordered = averagePool(3, { stride: 1, padding: 1, countPadding: false, weights: "binomial" });
  const [first] = await cellsOf(bordered, [1, 1, 3], [3, 6, 0]);
  assert.ok(Math.abs(first - (2 * 3 + 6) / 3) < 1e-6);
  assert.throws(
    () => averagePool(3, { weights: { gaussian: 0 } }),
    /averagePool\(weights\): gaussian: expected a standard deviation > 0, in cells; received 0/,
  );
});

test("dilated windows: mean and norm of cells that lie apart", async () => {
  assert.deepEqual(await cellsOf(averagePool(2, { dilation: 2, stride: 1 }), [1, 1, 5], [1, 2, 3, 4, 9]), [2, 3, 6]);
  // taps at -1, 1; 1, 3; 3, 5: cells of padding do not count
  const bordered = averagePool(2, { dilation: 2, stride: 2, padding: 1, countPadding: false });
  assert.deepEqual(await cellsOf(bordered, [1, 1, 5], [1, 2, 3, 4, 9]), [2, 3, 4]);
  assert.deepEqual(await cellsOf(powerPool(2, 2, { dilation: 2, stride: 1 }), [1, 1, 4], [3, 6, 4, 8]), [5, 10]);
});

test("ceil: a last window that begins inside counts", async () => {
  assert.deepEqual(await cellsOf(powerPool(2, 2, { ceil: true }), [1, 1, 3], [3, 4, -7]), [5, 7]);
  assert.deepEqual(await cellsOf(averagePool(2, { ceil: true }), [1, 1, 3], [3, 4, 7]), [3.5, 7]);
  assert.deepEqual(await cellsOf(powerPool(1, 2), [1, 1, 3], [3, -4, 7]), [7]);
});

test("the norm of zeros is 0, and so is its slope", async () => {
  assert.deepEqual(await cellsOf(powerPool(3, 2), [1, 1, 4], [0, 0, 2, 0]), [0, 2]);
  for (const p of [1, 2, 3, 2.5]) checkLayer(`power ${p}`, powerPool(p, [2, 3], { stride: 1, padding: 1 }), [2, 2, 4, 5]);
});

test("largest cells, put back where they were", async () => {
  const cells = [1, 5, 2, 0, 3, 4, 9, 8];
  const both: Part = (input) => {
    const { value, indices } = maxPoolIndices(input, 2);
    return unpool(value, indices);
  };
  // windows of 2 x 2 on 2 x 4: 5 of cell 1, 9 of cell 6
  assert.deepEqual(await cellsOf(both, [1, 1, 2, 4], cells), [0, 5, 0, 0, 0, 0, 9, 0]);
  assert.deepEqual(await cellsOf(unpooled(maxPool(2), identity()), [1, 1, 2, 4], cells), [0, 5, 0, 0, 0, 0, 9, 0]);
  // a cell beyond the last window comes back as zero
  assert.deepEqual(await cellsOf(unpooled(maxPool(2), identity()), [1, 1, 5], [1, 2, 4, 3, 9]), [0, 2, 4, 0, 0]);
  // the second channel's cells are counted on from the first's
  const index: Part = (input) => maxPoolIndices(input, 2).indices.index;
  assert.deepEqual(await cellsOf(index, [1, 2, 4], [1, 2, 4, 3, 0, 7, 6, 5]), [1, 2, 5, 6]);
  const volume = await made(unpooled(maxPool(2, { stride: 1 }), identity()), [2, 3, 3, 4, 5], counted(360));
  assert.deepEqual(volume.shape, [2, 3, 3, 4, 5]);
  checkLayer("unpooled", unpooled(maxPool([2, 2]), averagePool(3, { stride: 1, padding: 1 })), [2, 2, 5, 6]);
});

test("bad input is told with its numbers", () => {
  const tracer = new GraphTracer();
  const input = tracer.input("input", tensorType([2, 3, 5, 6], true));
  const wrong = (part: (value: typeof input) => unknown, message: RegExp): void =>
    assert.throws(() => part(input), { name: "ToeplitzError", message });
  const scope = {} as never;
  wrong(
    (value) => averagePool(7, { padding: 0 }).apply(value, scope),
    /window span on axis 0: expected <= padded input 5 = 0 \+ 5 \+ 0; received 7 \(window 7, dilation 1\)/,
  );
  wrong(
    (value) => powerPool(2, [2, 4], { dilation: 2 }).apply(value, scope),
    /powerPool: window span on axis 1: expected <= padded input 6 = 0 \+ 6 \+ 0; received 7 \(window 4, dilation 2\)/,
  );
  wrong(
    (value) => maxPool(9, { padding: 1 }).apply(value, scope),
    /maxPool: window span on axis 0: expected <= padded input 7 = 1 \+ 5 \+ 1; received 9 \(window 9, dilation 1\)[^\n]*\nmaxPool: window span on axis 1/,
  );
  wrong(
    (value) => averagePool(2, { padding: 3, countPadding: false }).apply(value, scope),
    /averagePool: padding on axis 0: expected every window to hold a cell of the 5 of the input; received window 0 wholly in padding \(low 3, high 3\)/,
  );
  wrong(
    () => averagePool(2, { weights: "even" as never }),
    /averagePool: weights: expected equal, binomial or { gaussian: sigma }; received "even"/,
  );
  wrong((value) => maxPool(2, { stride: 0 }).apply(value, scope), /maxPool: strides: expected whole numbers >= 1; received \[0, 0\]/);
  wrong(
    (value) => unpool(value, maxPoolIndices(value, 2).indices),
    /window\(scatter\): output gradient: expected \[n<=2,3,2,3\]; received \[n<=2,3,5,6\]/,
  );
  wrong(() => powerPool(0.5, 2), /powerPool: p: expected >= 1; received 0.5\. Use max for the largest/);
});
