import {
  averagePool,
  conv,
  evaluate,
  initialise,
  maxPool,
  measureEquivariance,
  powerPool,
  random,
  referenceTarget,
  relu,
  sequential,
  shiftBy,
  tensor,
  traceEvaluation,
} from "toeplitz";
import { maxWindow } from "toeplitz/ops";

// figure 9.8: the detector values of a row, and the same after the picture moved one cell to the right; pools of three, one apart
const session = await referenceTarget.open();
const detectors = [0.1, 1, 0.2, 0.1];
const moved = [0.3, 0.1, 1, 0.2];
const pool = async (values: readonly number[]): Promise<number[]> => {
  const { z } = await evaluate(session, { v: tensor([4], values) }, ({ v }) => ({
    z: maxWindow(v, { kernel: [3], low: [1], high: [1] }).value,
  }));
  return Array.from(z.data, (cell) => Number(cell.toFixed(1)));
};
const changed = (a: readonly number[], b: readonly number[]): string =>
  `${a.filter((cell, i) => cell !== b[i]).length} of ${a.length} changed`;
console.log(`detectors ${detectors} -> ${moved}: ${changed(detectors, moved)}`);
console.log(`pooled    ${await pool(detectors)} -> ${await pool(moved)}: ${changed(await pool(detectors), await pool(moved))}`);

// the same of a net on noise: how many values change by less than 10 % of their size when the picture moves by one cell
const draws = random(4);
const pictures = Float32Array.from({ length: 4 * 784 }, () => draws.normal());
const kinds = {
  "max of 5 x 5": maxPool(5, { stride: 1 }),
  "average of 5 x 5": averagePool(5, { stride: 1 }),
  "L2 norm of 5 x 5": powerPool(2, 5, { stride: 1 }),
};
for (const [name, kind] of Object.entries(kinds)) {
  const net = sequential(conv(8, { kernel: 3 }), relu(), kind);
  const traced = traceEvaluation(net, { batch: 4, inputs: { input: { shape: [1, 28, 28] } } });
  const own = await referenceTarget.open();
  await own.compile(traced.graph);
  await initialise(own, [traced], 2);
  const rows = await measureEquivariance(traced, own, pictures, shiftBy(0, 1), { tolerance: 0.1 });
  const [detector, pooled] = [rows[1], rows[2]].map(({ unchanged }) => `${Math.round(100 * unchanged)} %`);
  console.log(`hardly changed: detectors ${detector}, ${name} ${pooled}`);
}
