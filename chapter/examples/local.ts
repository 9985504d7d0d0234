import {
  conv,
  dense,
  denseMatrix,
  depthwiseConv,
  drawMatrix,
  evaluate,
  localConv,
  matrixOf,
  random,
  referenceTarget,
  sequential,
  tensor,
  tiledConv,
  traceEvaluation,
} from "toeplitz";
import { summarise } from "toeplitz/node";
import { convolve } from "toeplitz/ops";
import { draw } from "../draw.ts";

// one layer from 4 to 8 channels on 32 x 32 cells, by how its kernels are shared
const options = { kernel: 3, padding: "same", bias: false } as const;
const kinds = {
  "dense (all with all)": sequential(dense(8 * 1024, { bias: false })),
  "locally connected (9.9)": sequential(localConv(8, options)),
  "tiled, t = 2 x 2 (9.10)": sequential(tiledConv(8, { ...options, period: 2 })),
  "convolution (9.7)": sequential(conv(8, options)),
  "depthwise, 2 each": sequential(depthwiseConv({ ...options, multiplier: 2 })),
};
for (const [name, net] of Object.entries(kinds)) {
  const { parameters, multiplyAdds } = summarise(traceEvaluation(net, { batch: 1, inputs: { input: { shape: [4, 32, 32] } } }));
  console.log(`${name.padEnd(24)}${String(parameters).padStart(9)} numbers, ${String(multiplyAdds).padStart(9)} multiply-adds`);
}

// period 1 is the convolution, a period of all outputs the locally connected layer; tied, they are one
const draws = random(7);
const row = tensor(
  [1, 1, 8],
  Array.from({ length: 8 }, () => draws.integer(-4, 4)),
);
const own = [2, -1, 3];
const session = await referenceTarget.open();
for (const period of [1, 2, 4, 8]) {
  const k = tensor([1, 1, ...(period === 1 ? [] : [period]), 3], Array.from({ length: period }, () => own).flat());
  const { z } = await evaluate(session, { k, v: row }, (given) => ({
    z: convolve({ kernel: [3], padding: "same", period: [period] }, given.k, given.v),
  }));
  console.log(`t = ${period}, all ${period} copies of the kernel equal: ${[...z.data]}`);
  const matrix = matrixOf(`grid-linear forward n1 ci1 co1 g1 | i8 k3 s1 d1 p1:1 t${period} zero`);
  if (denseMatrix(matrix, k.data).length !== 64) throw new Error("8 x 8");
  if (period !== 4) draw(`local-t${period}`, drawMatrix(matrix, `8 cells, kernel of 3, period ${period}: equal colours are equal numbers`));
}
