import {
  denseMatrix,
  evaluate,
  gradients,
  matrixOf,
  multiplySparse,
  random,
  referenceTarget,
  sparseRows,
  type Tensor,
  tensor,
  transposeMatrix,
} from "toeplitz";
import { convolve, multiply, sum } from "toeplitz/ops";

// J = sum of G Z, Z = c(K, V) with stride 2. Small integers: every sum is exact, and so is a difference of J over 2 cells, as J is linear in each
const draws = random(3);
const integers = (...shape: number[]): Tensor =>
  tensor(
    shape,
    Array.from({ length: shape.reduce((a, b) => a * b) }, () => draws.integer(-4, 4)),
  );
const [k, v, g] = [integers(2, 3, 3, 3), integers(1, 3, 7, 6), integers(1, 2, 4, 3)];
const options = { kernel: [3, 3], stride: [2, 2], padding: [1, 1] };
const session = await referenceTarget.open();
const cost = (given: { k: Tensor; v: Tensor; g: Tensor }): Promise<Record<"j" | "dk" | "dv", Tensor>> =>
  evaluate(session, given, (values) => {
    const j = sum(multiply(convolve(options, values.k, values.v), values.g));
    const [dk, dv] = gradients(j, [values.k, values.v]);
    if (dk === null || dv === null) throw new Error("no gradient");
    return { j, dk, dv };
  });
const { dk, dv } = await cost({ k, v, g });
const moved = ({ shape, data }: Tensor, at: number, by: number): Tensor =>
  tensor(
    shape,
    Array.from(data, (cell, i) => (i === at ? cell + by : cell)),
  );
let wrong = 0;
for (let i = 0; i < k.data.length; i++)
  if ((await cost({ k: moved(k, i, 1), v, g })).j.data[0] - (await cost({ k: moved(k, i, -1), v, g })).j.data[0] !== 2 * dk.data[i])
    wrong++;
console.log(`9.11, kernel gradient g(G, V): ${wrong} of ${k.data.length} differ from finite differences`);
wrong = 0;
for (let i = 0; i < v.data.length; i++)
  if ((await cost({ k, v: moved(v, i, 1), g })).j.data[0] - (await cost({ k, v: moved(v, i, -1), g })).j.data[0] !== 2 * dv.data[i])
    wrong++;
console.log(`9.12, input gradient h(K, G):  ${wrong} of ${v.data.length} differ from finite differences`);

// 9.13: h is the product with the transposed matrix of c
const matrix = matrixOf("grid-linear forward n1 ci3 co2 g1 | i7x6 k3x3 s2 d1 p1:1 t1 zero");
const back = multiplySparse(sparseRows(transposeMatrix(matrix), k.data), g.data);
console.log(
  `M is ${matrix.rows} x ${matrix.columns}; M^T G differs from h(K, G) in ${back.filter((cell, i) => cell !== dv.data[i]).length} of ${back.length} cells`,
);
const other = matrixOf("grid-linear input n1 ci3 co2 g1 | i7x6 k3x3 s2 d1 p1:1 t1 zero");
const [a, b] = [denseMatrix(transposeMatrix(matrix), k.data), denseMatrix(other, k.data)];
console.log(`the matrix of h is M^T: ${a.every((entry, i) => entry === b[i])}`);
