import * as toeplitz from "toeplitz";
import {
  conv,
  dense,
  denseMatrix,
  distanceFromConvolution,
  localConv,
  matrixOf,
  multiplySparse,
  random,
  reshape,
  sequential,
} from "toeplitz";
import { draw, type Picture, pictures } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// a convolution of a row of 16 cells is a dense layer whose matrix has zeros outside of the fields, and the same numbers along diagonals
const cells = 16;
const matrix = matrixOf("grid-linear forward n1 ci1 co1 g1 | i16 k3 s1 d1 p1:1 t1 zero");
const kernel = [1, -2, 0.5];
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`.padStart(5);
const drawn: Picture[] = [];
function tell(caption: string, weights: ArrayLike<number>): number {
  const { outside, untied, kernel: nearest } = distanceFromConvolution(matrix, weights);
  const numbers = Array.from(nearest, (k) => k.toFixed(1).padStart(4));
  console.log(
    `${drawn.length === 0 ? "" : "measured: "}${caption.padEnd(23)} outside the fields ${percent(outside)}, untied ${percent(untied)}, nearest kernel ${numbers}`,
  );
  drawn.push({ caption, rows: cells, columns: cells, cells: weights });
  return outside + untied;
}
tell("the convolution", denseMatrix(matrix, kernel));

// layers that are to learn it from noisy examples
const draws = random(2);
const distances: number[] = [];
const layers = {
  dense: sequential(dense(cells, { bias: false }), reshape([1, cells])),
  localConv: sequential(localConv(1, { kernel: 3, padding: 1, bias: false })),
  conv: sequential(conv(1, { kernel: 3, padding: 1, bias: false })),
};
for (const count of [16, 256]) {
  const rows = Float32Array.from({ length: count * cells }, () => draws.normal());
  const targets = new Float32Array(rows.length);
  const product = toeplitz.sparseRows(matrix, kernel);
  for (let i = 0; i < rows.length; i += cells) targets.set(multiplySparse(product, rows.subarray(i, i + cells)), i);
  const lesson = { shape: [1, cells], cells: rows, target: [1, cells], targets: targets.map((z) => z + draws.normal()) };
  for (const [name, net] of Object.entries(layers)) {
    const { session } = await learn(net, lesson, { loss: toeplitz.meanSquaredError(), steps: 400, rate: 0.1 });
    const { data } = await session.read(`0-${name}/kernel`);
    const own = matrixOf({ ...matrix.plan, axes: matrix.plan.axes.map((axis) => ({ ...axis, period: name === "conv" ? 1 : cells })) });
    distances.push(tell(`${name}, ${count} examples`, name === "dense" ? data : denseMatrix(own, data)));
  }
}
claim("a dense layer comes nearer to a convolution with more examples", distances[0] > 0.3 && distances[3] < 0.05);
claim("a local layer is near from the start, as it lacks the ties alone", distances[1] < 0.05 && distances[4] < 0.01);
const title = "The matrix of a convolution, and of layers that were to learn it from examples";
draw("measured-prior", pictures(title, drawn.slice(0, 6), { side: 160, perRow: 3 }));
