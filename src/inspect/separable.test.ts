import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { size, type Tensor } from "../base/types.ts";
import { tensor } from "../graph/trace.ts";
import { composeKernel, lowRankKernel, separateKernel } from "./separable.ts";

const drawn = (shape: readonly number[], seed: number): Tensor => {
  const draw = random(seed);
  return tensor(
    shape,
    Array.from({ length: size(shape) }, () => draw.normal()),
  );
};

const apart = (a: Tensor, b: Tensor): number => Math.max(...Array.from(a.data, (value, i) => Math.abs(value - b.data[i])));

test("a Gaussian and a Sobel kernel are products of two lines, on three axes of three", () => {
  const bell = Array.from({ length: 7 }, (_, i) => Math.exp(-((i - 3) ** 2) / 4));
  const gaussian = bell.flatMap((a) => bell.map((b) => a * b));
  const sobel = [1, 2, 1].flatMap((a) => [1, 0, -1].map((b) => a * b));
  const two = separateKernel(tensor([1, 1, 7, 7], gaussian));
  assert.ok(two !== null && two.error < 1e-7);
  assert.deepEqual(
    two.factors.map(({ shape }) => shape),
    [
      [1, 1, 1, 7],
      [1, 1, 1, 7],
    ],
  );
  assert.equal(separateKernel(tensor([1, 1, 3, 3], sobel))?.error, 0);
  const three = separateKernel(tensor([1, 1, 7, 7, 7], bell.flatMap((a) => gaussian.map((b) => a * b)))); // biome-ignore format: one line
  assert.ok(three !== null && three.error < 2e-7);
  assert.equal(separateKernel(drawn([2, 3, 3, 3], 1)), null);
});

test("the error of a low rank is the root of the left out singular values", () => {
  // singular values 4, 2, 1 of a diagonal kernel
  const kernel = tensor([1, 1, 3, 3], [0, 2, 0, 4, 0, 0, 0, 0, -1]);
  const errors = [1, 2, 3].map((rank) => lowRankKernel(kernel, rank).error);
  const wanted = [Math.sqrt(5 / 21), Math.sqrt(1 / 21), 0];
  errors.forEach((error, i) => assert.ok(Math.abs(error - wanted[i]) < 1e-7, `${error} at rank ${i + 1}`));
});

test("a kernel that is a sum of outer products is found again, on one to three axes", () => {
  for (const [extents, rank, seed] of [
    [[5], 1, 2],
    [[6, 4], 2, 3],
    [[4, 7], 3, 4],
    [[4, 5, 3], 2, 5],
    [[5, 5, 5], 3, 6],
  ] as const) {
    // biome-ignore format: one line
    const kernel = composeKernel(extents.map((extent, axis) => drawn([2, 3, rank, extent], 10 * seed + axis)));
    const found = lowRankKernel(kernel, rank, extents.length);
    assert.ok(found.error < 1e-5, `${extents.join("x")} rank ${rank}: ${found.error}`);
    assert.ok(apart(composeKernel(found.factors), kernel) < 1e-4);
  }
});

test("more terms never fit worse, and as many as a random kernel has lines fit it", () => {
  const kernel = drawn([2, 2, 5, 5], 7);
  const errors = [1, 2, 3, 4, 5, 6].map((rank) => lowRankKernel(kernel, rank).error);
  errors.slice(1).forEach((error, i) => assert.ok(error <= errors[i] + 1e-9));
  assert.ok(errors[0] > 0.3 && errors[3] > 1e-3 && errors[4] < 1e-6 && errors[5] < 1e-6);
});

test("what does not fit is told", () => {
  assert.throws(() => lowRankKernel(drawn([1, 1, 3, 3], 1), 0), /separable\(kernel\): rank: expected a whole number >= 1; received 0/);
  assert.throws(() => separateKernel(drawn([3], 1)), /axes: expected 1 to 3, of the 1 of \[3\]; received -1/);
});
