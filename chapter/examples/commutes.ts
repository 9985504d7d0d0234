import { evaluate, referenceTarget, type Tensor, tensor } from "toeplitz";
import { convolve } from "toeplitz/ops";

const session = await referenceTarget.open();
const full = async (k: Tensor, v: Tensor, flip: boolean): Promise<number[]> => {
  const kernel = k.shape.slice(2);
  const { z } = await evaluate(session, { k, v }, (given) => ({ z: convolve({ kernel, padding: "full", flip }, given.k, given.v) }));
  return [...z.data];
};

const a = tensor([1, 1, 3], [1, 2, 3]);
const b = tensor([1, 1, 4], [4, 0, -1, 2]);
console.log(`convolution (9.3):       a * b = ${await full(a, b, true)}`);
console.log(`                         b * a = ${await full(b, a, true)}`);
console.log(`cross-correlation (9.6): a . b = ${await full(a, b, false)}`);
console.log(`                         b . a = ${await full(b, a, false)}`);

// several channels: the channels of V are summed, those of K are not, so the two cannot change places
const k = tensor([2, 2, 2], [1, 2, 0, 1, -1, 0, 3, 1]);
const v = tensor([2, 2, 2], [2, 0, 1, 1, 0, 5, 1, 2]);
console.log(`two channels:            k * v = ${await full(k, v, true)}`);
console.log(`                         v * k = ${await full(v, k, true)}`);
