import { evaluate, gradients, matrixOf, multiplySparse, random, referenceTarget, sparseRows, type Tensor, tensor } from "toeplitz";
import { convolve, convolveTransposed, multiply, square, subtract, sum } from "toeplitz/ops";

// 9.14: R = h(K, H) rebuilds a picture from hidden units H; E is the gradient of the loss with respect to R
const draws = random(11);
const integers = (...shape: number[]): Tensor =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => draws.integer(-3, 3)),
  );
const [k, hidden, picture] = [integers(4, 2, 3, 3), integers(1, 4, 4, 4), integers(1, 2, 6, 6)];
const session = await referenceTarget.open();
const { e, dk, dh, direct } = await evaluate(session, { k, hidden, picture }, (given) => {
  const rebuilt = convolveTransposed({ kernel: [3, 3], input: [6, 6], channelsIn: 2 }, given.k, given.hidden);
  const difference = subtract(rebuilt, given.picture);
  const [toKernel, toHidden] = gradients(sum(square(difference)), [given.k, given.hidden]);
  if (toKernel === null || toHidden === null) throw new Error("no gradient");
  const error = multiply(difference, 2);
  return { e: error, dk: toKernel, dh: toHidden, direct: convolve({ kernel: [3, 3] }, given.k, error) };
});
const differ = (a: ArrayLike<number>, b: ArrayLike<number>): string =>
  `${Array.from(a).filter((cell, i) => cell !== b[i]).length} of ${a.length} differ`;
const asKernel = matrixOf("grid-linear kernel n1 ci2 co4 g1 | i6x6 k3x3 s1 d1 p0:0 t1 zero");
console.log(`gradient of the decoder's kernel is g(H, E): ${differ(dk.data, multiplySparse(sparseRows(asKernel, e.data), hidden.data))}`);
console.log(`gradient of the hidden units is c(K, E):    ${differ(dh.data, direct.data)}`);
