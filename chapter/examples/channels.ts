import { evaluate, random, referenceTarget, tensor } from "toeplitz";
import { convolve } from "toeplitz/ops";

// 9.7: Z[i, j, k] = sum over l, m, n of V[l, j + m, k + n] K[i, l, m, n], channels first, counted from 0
const [inputs, outputs, rows, columns, taps] = [3, 2, 6, 7, 3];
const draws = random(1);
const integers = (count: number): number[] => Array.from({ length: count }, () => draws.integer(-3, 3));
const [k, v] = [integers(outputs * inputs * taps * taps), integers(inputs * rows * columns)];
const [down, across] = [rows - taps + 1, columns - taps + 1];
const byHand: number[] = [];
for (let i = 0; i < outputs; i++)
  for (let j = 0; j < down; j++)
    for (let c = 0; c < across; c++) {
      let z = 0;
      for (let l = 0; l < inputs; l++)
        for (let m = 0; m < taps; m++)
          for (let n = 0; n < taps; n++) z += v[(l * rows + j + m) * columns + c + n] * k[((i * inputs + l) * taps + m) * taps + n];
      byHand.push(z);
    }
const session = await referenceTarget.open();
const { z } = await evaluate(
  session,
  { k: tensor([outputs, inputs, taps, taps], k), v: tensor([1, inputs, rows, columns], v) },
  (given) => ({ z: convolve({ kernel: [taps, taps] }, given.k, given.v) }),
);
console.log(`K [${outputs}, ${inputs}, ${taps}, ${taps}], V [${inputs}, ${rows}, ${columns}] -> Z [${z.shape.slice(1).join(", ")}]`);
console.log(`channel 0 of Z, first row: ${Array.from(z.data.slice(0, across))}`);
console.log(`cells that differ from the sum by hand: ${byHand.filter((cell, i) => cell !== z.data[i]).length} of ${byHand.length}`);
