import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLayer, counted, made } from "../../../test/nn/layer.ts";
import { random } from "../../base/random.ts";
import { tensorType } from "../../base/types.ts";
import { target } from "../../node.ts";
import { crossEntropy } from "../losses.ts";
import { sgd } from "../optimisers.ts";
import { initialise, traceTraining } from "../step.ts";
import { sequential } from "./compose.ts";
import { convLayer } from "./conv-layer.ts";
import { dense } from "./linear.ts";
import { dynamicPool, learnedPool } from "./pool-learned.ts";

test("without rounds, and with sharp borders, dynamic pooling is the mean of even parts", async () => {
  const pool = dynamicPool(2, { iterations: 0, sharpness: 400 });
  const { shape, cells } = await made(pool, [1, 1, 4, 4], counted(16));
  assert.deepEqual(shape, [1, 1, 2, 2]);
  [2.5, 4.5, 10.5, 12.5].forEach((mean, i) => {
    assert.ok(Math.abs(cells[i] - mean) < 1e-4, `${cells[i]}, ${mean}`);
  });
});

test("regions follow the strong features of each example", async () => {
  // two features in one half of an example: the even halves put both into one region, clusters give each a region of its own
  const left = [0, 8, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0];
  const both = [...left, ...[...left].reverse()];
  const pooled = async (iterations: number): Promise<readonly number[]> =>
    (await made(dynamicPool(2, { iterations, sharpness: 30, kind: "max" }), [2, 1, 12], both)).cells;
  const expected = [8, 4, 4, 8];
  (await pooled(12)).forEach((value, i) => {
    assert.ok(Math.abs(value - expected[i]) < 0.2, `region ${i}: ${value}, feature ${expected[i]}`);
  });
  const even = await pooled(0);
  assert.ok(even[1] < 3 && even[2] < 3, `${even}`);
});

test("dynamic pooling is differentiable with respect to the features, in 1 to 3 axes", () => {
  for (const kind of ["average", "max"] as const) {
    checkLayer(`line ${kind}`, dynamicPool(2, { kind }), [2, 2, 7]);
    checkLayer(`grid ${kind}`, dynamicPool([2, 3], { kind, iterations: 2 }), [1, 2, 4, 5]);
    checkLayer(`volume ${kind}`, dynamicPool(2, { kind, iterations: 1 }), [1, 1, 3, 2, 4]);
  }
});

test("learned regions: shares of each cell, of one structure for all examples", () => {
  checkLayer("line", learnedPool(2), [2, 2, 5], [tensorType([2, 5])]);
  checkLayer("grid", learnedPool([2, 1]), [2, 2, 3, 4], [tensorType([2, 3, 4])]);
  checkLayer("volume", learnedPool(2), [1, 1, 2, 3, 2], [tensorType([8, 2, 3, 2])]);
});

test("learned regions begin as an even grid and move to what tells classes apart", async () => {
  // the class is the sign of cells 3 to 5, which an even split of 8 cells cuts in two and drowns in noise
  const traced = traceTraining(sequential(learnedPool(2), dense(2)), {
    batch: 32,
    inputs: { input: { shape: [1, 8] } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd(),
  });
  const session = await target.open({ threads: 1 });
  const program = await session.compile(traced.graph);
  await initialise(session, [traced], 3);
  const shares = async (): Promise<number[]> => {
    const { data } = await session.read("0-learnedPool/regions");
    return counted(8).map((cell) => 1 / (1 + Math.exp(data[8 + cell] - data[cell])));
  };
  const before = await shares();
  before.forEach((share, cell) => {
    assert.ok(Math.abs(share + before[7 - cell] - 1) < 1e-6);
  });
  const draws = random(4);
  for (let step = 1; step <= 600; step++) {
    const label = Int32Array.from({ length: 32 }, () => draws.integer(0, 1));
    const input = Float32Array.from({ length: 256 }, (_, i) => {
      const signal = i % 8 >= 3 && i % 8 <= 5 ? 2 * label[Math.floor(i / 8)] - 1 : 0;
      return signal + 1.5 * draws.normal();
    });
    await program.run({ input, label, learningRate: 1, step });
  }
  const after = await shares();
  await session.close();
  const mean = (cells: number[]): number => cells.reduce((sum, cell) => sum + after[cell], 0) / cells.length;
  const apart = Math.abs(mean([3, 4, 5]) - mean([0, 1, 2, 6, 7]));
  assert.ok(apart > 0.5, `shares ${after.map((share) => share.toFixed(2)).join(" ")}`);
});

test("bad input of dynamic and learned pooling", async () => {
  await assert.rejects(made(dynamicPool(9), [1, 1, 8], counted(8)), /dynamicPool: regions: expected 1 to 8 on each axis; received \[9\]/);
  assert.throws(() => dynamicPool(2, { iterations: -1 }), /dynamicPool: iterations: expected a whole number >= 0; received -1/);
  assert.throws(() => learnedPool(2, { sharpness: 0 }), /learnedPool: sharpness: expected > 0; received 0/);
});

test("a layer in three stages", () => {
  const traced = traceTraining(
    sequential(convLayer({ channels: 4, kernel: 3, padding: "same" }), convLayer({ channels: 2, kernel: 3, pooling: null })),
    {
      batch: 1,
      inputs: { input: { shape: [1, 8, 8] } },
      targets: { label: { shape: [2, 2], dtype: "i32" } },
      loss: crossEntropy(),
      optimiser: sgd(),
    },
  );
  assert.deepEqual(
    traced.layers.filter(({ path }) => path !== "").map(({ path, kind }) => `${path} ${kind}`),
    [
      "0-convLayer/convolution conv",
      "0-convLayer/detector relu",
      "0-convLayer/pooling maxPool",
      "1-convLayer/convolution conv",
      "1-convLayer/detector relu",
    ],
  );
});
