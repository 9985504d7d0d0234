import { countMatrix, GraphTracer, matrixOf, multiplySparse, sparseRows, tensorType } from "toeplitz";
import { open } from "toeplitz/node";
import { convolve, matmul, type Value } from "toeplitz/ops";

// every cell minus its left neighbour: a picture of 280 rows and 320 columns, a kernel of two taps
const matrix = matrixOf("grid-linear forward n1 ci1 co1 g1 | i280x320 k1x2 s1 d1 p0:0 t1 zero");
const { rows, columns, nonZeros, distinct } = countMatrix(matrix);
const operations = rows * 3; // two products and one sum for each cell of the result
const dense = 2 * rows * columns;
console.log(`the result has 280 x 319 = ${rows} cells: ${operations} operations, ${distinct} numbers`);
console.log(`the matrix has ${rows} x ${columns} = ${rows * columns} numbers: ${dense} operations; ${nonZeros} of them are not zero`);
console.log(`${Math.round(dense / operations)} times as many operations`);

// and by the clock, on one thread. The matrix would take 32 GB: 256 of its rows are timed, the rest is extrapolated
const session = await open({ threads: 1 });
const picture = Float32Array.from({ length: columns }, (_, i) => Math.sin(i / 50));
async function milliseconds(
  shape: readonly number[],
  fill: Float32Array,
  body: (k: Value, v: Value) => Value,
  v: readonly number[],
): Promise<number> {
  const tracer = new GraphTracer();
  tracer.output("z", body(tracer.state(`k${shape.join("x")}`, tensorType(shape)), tracer.input("v", tensorType(v))));
  const program = await session.compile(tracer.finish());
  await session.write(`k${shape.join("x")}`, { dtype: "f32", shape, data: fill });
  const times: number[] = [];
  for (let run = 0; run < 20; run++) {
    const start = performance.now();
    await program.run({ v: picture });
    times.push(performance.now() - start);
  }
  return Math.min(...times);
}
const taps = Float32Array.of(-1, 1);
const convolution = await milliseconds([1, 1, 1, 2], taps, (k, v) => convolve({ kernel: [1, 2] }, k, v), [1, 1, 280, 320]);
const slice = 256;
const some = await milliseconds([slice, columns], new Float32Array(slice * columns), (k, v) => matmul(k, v), [columns, 1]);
const sparse = sparseRows(matrix, taps);
multiplySparse(sparse, picture);
const start = performance.now();
multiplySparse(sparse, picture);
const product = performance.now() - start;
const whole = (some * rows) / slice;
console.log(
  `measured: convolution ${convolution.toFixed(3)} ms, sparse product ${product.toFixed(2)} ms, dense product ${(whole / 1000).toFixed(1)} s (extrapolated): ${Math.round(whole / convolution)} times as long`,
);
await session.close();
if (whole / convolution < 100) throw new Error("the dense product should take far longer");
