import { evaluate, matrixOf, multiplySparse, random, referenceTarget, sparseRows, tensor } from "toeplitz";
import { convolve } from "toeplitz/ops";

// on a ring of cells convolution multiplies frequencies: transform both, multiply, transform back
const [cells, taps] = [32, 9];
interface Complex {
  readonly re: Float64Array;
  readonly im: Float64Array;
}
function transform({ re, im }: Complex, sign: 1 | -1): Complex {
  const sums = { re: new Float64Array(cells), im: new Float64Array(cells) };
  for (let f = 0; f < cells; f++)
    for (let i = 0; i < cells; i++) {
      const angle = (sign * 2 * Math.PI * f * i) / cells;
      sums.re[f] += re[i] * Math.cos(angle) - im[i] * Math.sin(angle);
      sums.im[f] += re[i] * Math.sin(angle) + im[i] * Math.cos(angle);
    }
  return sums;
}
const draws = random(3);
const real = (list: readonly number[]): Complex => ({
  re: Float64Array.from({ length: cells }, (_, i) => list[i] ?? 0),
  im: new Float64Array(cells),
});
const v = Array.from({ length: cells }, () => draws.normal());
const k = Array.from({ length: taps }, () => draws.normal());
const [a, b] = [transform(real(k), -1), transform(real(v), -1)];
const product = { re: a.re.map((re, f) => re * b.re[f] - a.im[f] * b.im[f]), im: a.re.map((re, f) => re * b.im[f] + a.im[f] * b.re[f]) };
const byFrequency = transform(product, 1).re.map((sum) => sum / cells);
const session = await referenceTarget.open();
const { z } = await evaluate(session, { k: tensor([1, 1, taps], k), v: tensor([1, 1, cells], v) }, (given) => ({
  z: convolve({ kernel: [taps], padding: [{ low: taps - 1, high: 0 }], border: "wrap", flip: true }, given.k, given.v),
}));
const gap = Math.max(...byFrequency.map((cell, i) => Math.abs(cell - z.data[i])));
console.log(`convolution of ${taps} taps on a ring of ${cells} cells: by frequencies the same up to rounding: ${gap < 1e-5}`);

// in other words: waves are the eigenvectors of a circulant matrix, and the transformed kernel holds its eigenvalues
const matrix = sparseRows(matrixOf(`grid-linear forward n1 ci1 co1 g1 | i${cells} k${taps} s1 d1 p${taps - 1}:0 t1 wrap flip`), k);
let worst = 0;
for (let f = 0; f < cells; f++) {
  const angle = (i: number): number => (2 * Math.PI * f * i) / cells;
  const [cosine, sine] = [Math.cos, Math.sin].map((wave) => Array.from({ length: cells }, (_, i) => wave(angle(i))));
  const made = multiplySparse(matrix, cosine);
  for (let i = 0; i < cells; i++) worst = Math.max(worst, Math.abs(made[i] - (a.re[f] * cosine[i] - a.im[f] * sine[i])));
}
console.log(`every wave is an eigenvector of the circulant matrix: ${worst < 1e-9}`);

// sums of products per cell of a picture of 256 x 256, with a fast transform (5 N log2 N each, real numbers: half of it)
for (const kernel of [3, 7, 15, 31, 63]) {
  const direct = 2 * kernel ** 2;
  const fast = (3 * 2.5 * 2 ** 16 * 16 + 6 * 2 ** 15) / 2 ** 16;
  console.log(`kernel ${kernel} x ${kernel}: ${direct} operations a cell directly, ${fast} by frequencies, ${4 * kernel} if separable`);
}
