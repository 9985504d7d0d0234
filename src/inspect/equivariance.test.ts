import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import type { Session } from "../graph/session.ts";
import { relu } from "../nn/layers/activation.ts";
import { sequential } from "../nn/layers/compose.ts";
import { conv } from "../nn/layers/linear.ts";
import { averagePool, maxPool } from "../nn/layers/pool.ts";
import type { Layer } from "../nn/scope.ts";
import { initialise, type TracedStep, traceEvaluation } from "../nn/step.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { effectiveField } from "./effective-field.ts";
import { doubleSize, type EquivarianceRow, measureEquivariance, quarterTurn, shiftBy } from "./equivariance.ts";

async function opened(net: Layer, shape: readonly number[]): Promise<{ traced: TracedStep; session: Session }> {
  const traced = traceEvaluation(net, { batch: 2, inputs: { input: { shape } } });
  const session = await referenceTarget.open();
  await session.compile(traced.graph);
  await initialise(session, [traced], 3);
  return { traced, session };
}

const noise = (count: number): Float32Array => {
  const source = random(8);
  return Float32Array.from({ length: count }, () => source.normal());
};
const byPath = (rows: readonly EquivarianceRow[]): Record<string, EquivarianceRow> =>
  Object.fromEntries(rows.map((row) => [row.path, row]));

test("convolution is equivariant to shifts inside the picture and not at its borders; strides to multiples of their jump", async () => {
  const net = sequential(conv(4, { kernel: 3, padding: 1 }), relu(), maxPool(2), conv(3, { kernel: 3, padding: 1 }));
  const { traced, session } = await opened(net, [2, 16, 24]);
  const rows = byPath(await measureEquivariance(traced, session, noise(2 * 2 * 16 * 24), shiftBy(2, 4)));
  for (const path of ["0-conv", "1-relu", "2-maxPool", "3-conv"]) {
    assert.equal(rows[path].inside, 0, path);
    assert.ok((rows[path].border ?? 0) > 0.01 || path === "2-maxPool", `${path}: ${rows[path].border}`);
  }
  assert.ok((rows["0-conv"].border ?? 0) > 0.05);
  const odd = byPath(await measureEquivariance(traced, session, noise(2 * 2 * 16 * 24), shiftBy(1, 0)));
  assert.equal(odd["1-relu"].inside, 0);
  assert.equal(odd["2-maxPool"].inside, undefined, "half a cell of the pooled grid");
});

test("convolution is equivariant neither to turns nor to sizes", async () => {
  const { traced, session } = await opened(sequential(conv(4, { kernel: 3, padding: 1 })), [1, 12, 12]);
  for (const transform of [quarterTurn, doubleSize]) {
    const [row] = await measureEquivariance(traced, session, noise(2 * 144), transform);
    assert.ok((row.inside ?? 0) > 0.1, `${transform.name}: ${row.inside}`);
  }
});

test("the chapter's pooling example: shifted by one cell every detector value changes, and half of the pooled ones", async () => {
  // figure 9.8: pools of three cells, one apart, over detector values 0.1, 1, 0.2, 0.1, shifted to the right with 0.3 coming in
  const { traced, session } = await opened(sequential(maxPool(3, { stride: 1, padding: 1 })), [1, 4]);
  const program = await session.compile(traced.graph);
  const pooled = async (values: readonly number[]): Promise<number[]> =>
    Array.from((await program.run({ input: Float32Array.from(values) }, 1)).output.data, (cell) => Math.round(cell * 10) / 10);
  const [before, after] = [
    [0.1, 1, 0.2, 0.1],
    [0.3, 0.1, 1, 0.2],
  ];
  assert.deepEqual(
    [await pooled(before), await pooled(after)],
    [
      [1, 1, 1, 0.2],
      [0.3, 1, 1, 1],
    ],
  );
  const { traced: both, session: own } = await opened(
    sequential(conv(3, { kernel: 3, padding: 1 }), maxPool(5, { stride: 1, padding: 2 })),
    [1, 64],
  );
  const rows = byPath(await measureEquivariance(both, own, noise(128), shiftBy(1)));
  assert.ok(rows["0-conv"].unchanged < 0.05, `${rows["0-conv"].unchanged}`);
  assert.ok(rows["1-maxPool"].unchanged > 0.5, `${rows["1-maxPool"].unchanged}`);
});

test("the effective field lies inside the theoretical one, and is what a box kernel sees", async () => {
  const { traced, session } = await opened(sequential(averagePool(5, { stride: 1 })), [1, 15, 15]);
  const box = await effectiveField(traced, session, noise(2 * 225), "0-averagePool");
  assert.deepEqual(
    box.spread.map((cells) => Math.round(cells * 1e6) / 1e6),
    [5, 5],
  );
  assert.equal(box.weight.filter((weight) => weight > 0).length, 25);
  const deep = await opened(sequential(conv(4, { kernel: 3 }), relu(), conv(4, { kernel: 3 })), [1, 15]);
  const field = await effectiveField(deep.traced, deep.session, noise(30), "2-conv");
  field.weight.forEach((weight, cell) => {
    const first = field.field[0].start + field.cell[0] * field.field[0].jump;
    if (cell < first || cell >= first + field.field[0].size) assert.equal(weight, 0);
  });
  await assert.rejects(
    effectiveField(deep.traced, deep.session, noise(30), "7-conv"),
    /layer: expected one of 0-conv, 1-relu, 2-conv; received 7-conv/,
  );
});

test("what differs by less than the tolerance is unchanged", async () => {
  const { traced, session } = await opened(sequential(averagePool(5, { stride: 1 })), [1, 40]);
  const share = async (tolerance: number): Promise<number> =>
    (await measureEquivariance(traced, session, noise(80), shiftBy(1), { tolerance }))[0].unchanged;
  const [exact, some, all] = [await share(0), await share(0.5), await share(100)];
  assert.deepEqual([exact, all], [0, 1]);
  assert.ok(some > 0.2 && some < 0.9, `${some}`);
  await assert.rejects(share(-1), /tolerance: expected >= 0, a part of the root mean square; received -1/);
});
