import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { clusterFeatures, clusterKernels } from "./cluster-features.ts";
import { clusterPatches, eigen, type PatchClusters } from "./clusters.ts";
import { complexCell, complexCells, type Gabor, gabor, gaborBank, gaborKernels, quadrature, simpleCell } from "./features.ts";
import { givenCells } from "./initialisers.ts";
import { frozen, named, sequential } from "./layers/compose.ts";
import { conv } from "./layers/linear.ts";
import { meanSquaredError } from "./losses.ts";
import { sgd } from "./optimisers.ts";
import type { Layer } from "./scope.ts";
import { initialise, traceEvaluation, traceTraining } from "./step.ts";

const near = (got: number, expected: number, bound: number, what = ""): void =>
  assert.ok(Math.abs(got - expected) <= bound, `${what} ${got}, ${expected}`);

async function run(net: Layer, shape: readonly number[], input: Float32Array): Promise<{ shape: readonly number[]; data: Float32Array }> {
  const step = traceEvaluation(net, { batch: 1, inputs: { input: { shape } } });
  const session = await referenceTarget.open();
  const program = await session.compile(step.graph);
  await initialise(session, [step], 1);
  const { output } = await program.run({ input }, 1);
  return { shape: output.shape, data: output.data as Float32Array };
}

/** cos(f x' + phase) on a square. */
function wave(extent: number, f: number, tau: number, phase: number): { shape: number[]; data: Float32Array } {
  const middle = (extent - 1) / 2;
  const data = Float32Array.from({ length: extent * extent }, (_, cell) => {
    const [x, y] = [(cell % extent) - middle, Math.floor(cell / extent) - middle];
    return Math.cos(f * (x * Math.cos(tau) + y * Math.sin(tau)) + phase);
  });
  return { shape: [extent, extent], data };
}

const one: Gabor = { alpha: 2, betaX: 0.02, betaY: 0.01, f: 0.8, phi: 0.3, x0: 1, y0: -2, tau: Math.PI / 6 };

test("a Gabor function has the values of its eight parameters", () => {
  // at its centre the Gaussian is 1 and the wave cos(phi)
  near(gabor(one, 1, -2), 2 * Math.cos(0.3), 1e-12);
  // one cell along tau from the centre: x' = 1, y' = 0
  const [x, y] = [1 + Math.cos(Math.PI / 6), -2 + Math.sin(Math.PI / 6)];
  near(gabor(one, x, y), 2 * Math.exp(-0.02) * Math.cos(0.8 + 0.3), 1e-12);
  // across it: x' = 0, y' = 1
  near(gabor(one, 1 - Math.sin(Math.PI / 6), -2 + Math.cos(Math.PI / 6)), 2 * Math.exp(-0.01) * Math.cos(0.3), 1e-12);
  const kernels = gaborKernels([one], { extent: 5, channels: 2 });
  assert.deepEqual(kernels.shape, [1, 2, 5, 5]);
  // row 0 is y = -2, column 3 is x = 1
  near(kernels.data[3], 2 * Math.cos(0.3), 1e-6);
  near(kernels.data[25 + 3], 2 * Math.cos(0.3), 1e-6);
  assert.throws(
    () => gaborKernels([{ ...one, betaX: -1 }], { extent: 0 }),
    /gabor: kernel extent: [\s\S]*decays of function 0: expected >= 0; received -1, 0\.01/,
  );
});

test("a complex cell answers to its wave whatever the phase, where a simple cell does not", () => {
  const parameters: Gabor = { betaX: 0.015, betaY: 0.015, f: 0.9, tau: 0.4 };
  const extent = 31;
  const phases = Array.from({ length: 16 }, (_, index) => (2 * Math.PI * index) / 16);
  const answers = phases.map((phase) => complexCell(wave(extent, 0.9, 0.4, phase), parameters));
  const simple = phases.map((phase) => simpleCell(wave(extent, 0.9, 0.4, phase), parameters));
  const [least, most] = [Math.min(...answers), Math.max(...answers)];
  assert.ok((most - least) / most < 1e-5, `varies by ${(most - least) / most}`);
  // the simple cell follows the cosine of the phase
  simple.forEach((value, index) => near(value, most * Math.cos(phases[index]), 1e-4 * most, `phase ${index}`));
  for (const other of [wave(extent, 0.9, 0.4 + Math.PI / 2, 0), wave(extent, 0.3, 0.4, 0)])
    assert.ok(complexCell(other, parameters) < 0.1 * most, "another direction or frequency");
});

test("the layer of complex cells gives at every place what the functions give, and keeps its kernels", async () => {
  const bank = gaborBank({ extent: 7, orientations: 3 });
  const image = Float32Array.from({ length: 81 }, (_, cell) => Math.sin(cell * cell));
  const { shape, data } = await run(complexCells(bank, { extent: 7 }), [1, 9, 9], image);
  assert.deepEqual(shape, [1, 3, 3, 3]);
  // the place in the second row and third column of the result
  const part = Float32Array.from({ length: 49 }, (_, cell) => image[(1 + Math.floor(cell / 7)) * 9 + 2 + (cell % 7)]);
  bank.forEach((parameters, index) => {
    near(data[index * 9 + 3 + 2], complexCell({ shape: [7, 7], data: part }, parameters), 1e-5);
  });
  near(quadrature({ ...bank[0], phi: 1 }).phi ?? 0, 1 + Math.PI / 2, 1e-12);
  await assert.rejects(
    run(complexCells(bank, { extent: 7 }), [2, 9, 9], new Float32Array(162)),
    /complexCells: input channels: expected 1; received 2/,
  );
});

test("frozen layers keep given kernels while the others learn", async () => {
  const kernels = { dtype: "f32" as const, shape: [2, 1, 3], data: Float32Array.of(1, 0, -1, 0.5, 0.5, 0.5) };
  const net = sequential(
    named("given", frozen(conv(2, { kernel: 3, bias: false, initialiser: givenCells(kernels) }))),
    named("head", conv(1, { kernel: 1 })),
  );
  const step = traceTraining(net, {
    batch: 1,
    inputs: { input: { shape: [1, 6] } },
    targets: { target: { shape: [1, 4] } },
    loss: meanSquaredError(),
    optimiser: sgd({ momentum: 0.9, weightDecay: 0.1 }),
  });
  assert.deepEqual(
    step.parameters.map(({ name, frozen: isFrozen }) => [name, isFrozen]),
    [
      ["given/kernel", true],
      ["head/kernel", false],
      ["head/bias", false],
    ],
  );
  const session = await referenceTarget.open();
  const program = await session.compile(step.graph);
  await initialise(session, [step], 3);
  const before = await session.read("head/kernel");
  await program.run({ input: Float32Array.of(1, 2, 3, 4, 5, 6), target: Float32Array.of(1, 0, 0, 1), learningRate: 0.1, step: 1 }, 1);
  assert.deepEqual([...(await session.read("given/kernel")).data], [...kernels.data]);
  assert.notDeepEqual((await session.read("head/kernel")).data, before.data);
  assert.throws(
    () => givenCells(kernels).fill(new Float32Array(3), [1, 1, 3], random(1)),
    /givenCells: shape of the parameter: expected \[2, 1, 3\], as the given tensor; received \[1, 1, 3\]/,
  );
});

test("eigenvectors of a symmetric matrix", () => {
  const order = 6;
  const draw = random(4);
  const matrix = new Float64Array(order * order);
  for (let i = 0; i < order; i++) for (let j = 0; j <= i; j++) matrix[i * order + j] = matrix[j * order + i] = draw.normal();
  const { values, vectors } = eigen(matrix, order);
  for (let k = 0; k < order; k++) {
    for (let row = 0; row < order; row++) {
      let [product, other] = [0, 0];
      for (let column = 0; column < order; column++) {
        product += matrix[row * order + column] * vectors[column * order + k];
        other += vectors[column * order + k] * vectors[column * order + row];
      }
      near(product, values[k] * vectors[row * order + k], 1e-10);
      near(other, row === k ? 1 : 0, 1e-10);
    }
  }
});

/** Examples of 1 x 4 x 4 that are vertical or horizontal stripes of random contrast and level. */
function stripes(count: number): Float32Array {
  const draw = random(7);
  return Float32Array.from(
    { length: count * 16 },
    (() => {
      let [isVertical, size, level] = [false, 0, 0];
      return (_: unknown, cell: number) => {
        if (cell % 16 === 0) [isVertical, size, level] = [draw.uniform() < 0.5, 1 + draw.uniform(), draw.normal()];
        const place = isVertical ? cell % 4 : Math.floor((cell % 16) / 4);
        return level + (place % 2 === 0 ? size : -size);
      };
    })(),
  );
}

test("clusters of patches are the patterns that the data are made of", () => {
  const clusters = clusterPatches(stripes(300), [1, 4, 4], { count: 4, extent: 3, patches: 2000, seed: 1 });
  const kernels = clusterKernels(clusters);
  assert.deepEqual(kernels.shape, [4, 1, 3, 3]);
  // two phases of two directions: each kernel is constant along one axis and changes its sign along the other
  const kinds = Array.from({ length: 4 }, (_, index) => {
    const kernel = kernels.data.subarray(index * 9, index * 9 + 9);
    const isVertical = Math.abs(kernel[0] - kernel[3]) < 0.2 * Math.abs(kernel[0] - kernel[1]);
    const next = isVertical ? kernel[1] : kernel[3];
    assert.ok(kernel[0] * next < 0, [...kernel].join(" "));
    return `${isVertical} ${kernel[0] > 0}`;
  });
  assert.equal(new Set(kinds).size, 4, kinds.join(", "));
  assert.deepEqual(clusterPatches(stripes(300), [1, 4, 4], { count: 4, extent: 3, patches: 2000, seed: 1 }), clusters, "the same again");
  assert.throws(
    () => clusterPatches(new Float32Array(16), [1, 4, 4], { count: 0, extent: 5, patches: 3 }),
    /count: expected a whole number >= 1; received 0[\s\S]*extent: expected at most the extents 4 x 4 of an example; received 5/,
  );
});

/** The layer's equation for one patch, as the paper writes it. */
function distancesOf({ mean, whitening, centroids, count, contrast }: PatchClusters, patch: readonly number[]): number[] {
  const average = patch.reduce((sum, value) => sum + value, 0) / patch.length;
  const variance = patch.reduce((sum, value) => sum + (value - average) ** 2, 0) / patch.length;
  const centred = patch.map((value, cell) => (value - average) / Math.sqrt(variance + contrast) - mean[cell]);
  const white = centred.map((_, row) => centred.reduce((sum, value, cell) => sum + whitening[row * centred.length + cell] * value, 0));
  return Array.from({ length: count }, (_, k) => Math.hypot(...white.map((value, cell) => value - centroids[k * white.length + cell])));
}

test("features of clusters are the triangle, or the nearest, of the distances", async () => {
  const draw = random(9);
  const examples = Float32Array.from({ length: 40 * 2 * 25 }, () => draw.normal());
  const clusters = clusterPatches(examples, [2, 5, 5], { count: 5, extent: 3, patches: 500, rounds: 3 });
  const image = examples.slice(0, 50);
  const triangle = await run(clusterFeatures(clusters), [2, 5, 5], image);
  const hard = await run(clusterFeatures(clusters, { activation: "hard" }), [2, 5, 5], image);
  assert.deepEqual(triangle.shape, [1, 5, 3, 3]);
  for (let place = 0; place < 9; place++) {
    const patch = Array.from({ length: 18 }, (_, cell) => {
      const [channel, row, column] = [Math.floor(cell / 9), Math.floor((cell % 9) / 3), cell % 3];
      return image[channel * 25 + (Math.floor(place / 3) + row) * 5 + (place % 3) + column];
    });
    const distances = distancesOf(clusters, patch);
    const mean = distances.reduce((sum, value) => sum + value, 0) / 5;
    distances.forEach((distance, k) => {
      near(triangle.data[k * 9 + place], Math.max(0, mean - distance), 1e-4, `triangle ${k} at ${place}`);
      assert.equal(hard.data[k * 9 + place], distance === Math.min(...distances) ? 1 : 0, `hard ${k} at ${place}`);
    });
  }
  await assert.rejects(
    run(clusterFeatures(clusters), [1, 5, 5], image.slice(0, 25)),
    /clusterFeatures: input: expected \[N, 2, 2 extents\]; received \[1, 1, 5, 5\]/,
  );
});
