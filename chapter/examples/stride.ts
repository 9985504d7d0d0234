import { countMatrix, evaluate, matrixOf, random, referenceTarget, tensor } from "toeplitz";
import { convolve, slice } from "toeplitz/ops";

// 9.8: a stride samples the whole convolution, Z[j] = (sum over taps) V[j s + m] K[m], without computing the rest
const draws = random(2);
const [k, v] = [9, 60].map((count) => Array.from({ length: count }, () => draws.integer(-4, 4)));
const session = await referenceTarget.open();
const given = { k: tensor([1, 1, 9], k), v: tensor([1, 1, 60], v) };
const whole = "grid-linear forward n1 ci1 co1 g1 | i60 k9 s1 d1 p0:0 t1 zero";
console.log(`stride 1: ${countMatrix(matrixOf(whole)).nonZeros} products`);
for (const stride of [2, 3, 4]) {
  const { strided, sampled } = await evaluate(session, given, (values) => ({
    strided: convolve({ kernel: [9], stride: [stride] }, values.k, values.v),
    sampled: slice(convolve({ kernel: [9] }, values.k, values.v), 2, 0, 52, stride),
  }));
  const same = strided.data.every((cell, i) => cell === sampled.data[i]) && strided.data.length === sampled.data.length;
  const { nonZeros } = countMatrix(matrixOf(whole.replace("s1", `s${stride}`)));
  console.log(
    `stride ${stride}: ${strided.data.length} cells, ${nonZeros} products; ${same ? "the same as" : "OTHER than"} stride 1 sampled`,
  );
}
