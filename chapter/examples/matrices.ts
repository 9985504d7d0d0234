import { drawMatrix, matrixOf, nameStructure } from "toeplitz";
import { draw } from "../draw.ts";

const problems = {
  "toeplitz-1d": "grid-linear forward n1 ci1 co1 g1 | i12 k4 s1 d1 p2:1 t1 zero",
  "circulant-2d": "grid-linear forward n1 ci1 co1 g1 | i5x6 k3x3 s1 d1 p1:1 t1 wrap",
  "channels-2d": "grid-linear forward n1 ci3 co2 g1 | i4x4 k3x3 s1 d1 p1:1 t1 zero",
};
for (const [name, line] of Object.entries(problems)) {
  const matrix = matrixOf(line);
  console.log(`${matrix.rows} x ${matrix.columns}, ${matrix.parameters} numbers: ${nameStructure(matrix)}`);
  draw(name, drawMatrix(matrix, `The matrix of ${line}`));
}
