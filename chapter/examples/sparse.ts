import { countMatrix, matrixOf } from "toeplitz";

// m inputs, n outputs: every output of a dense layer sees m inputs, of a convolution k
const cells = 256;
const kinds = {
  "dense (k = m)": `grid-linear forward n1 ci${cells} co${cells} g1 | -`,
  "locally connected, k = 3": `grid-linear forward n1 ci1 co1 g1 | i${cells} k3 s1 d1 p1:1 t${cells} zero`,
  "tiled, k = 3, t = 4": `grid-linear forward n1 ci1 co1 g1 | i${cells} k3 s1 d1 p1:1 t4 zero`,
  "convolution, k = 3": `grid-linear forward n1 ci1 co1 g1 | i${cells} k3 s1 d1 p1:1 t1 zero`,
};
console.log("layer                     connections   numbers   most outputs of an input");
for (const [name, line] of Object.entries(kinds)) {
  const matrix = matrixOf(line);
  const { nonZeros, distinct } = countMatrix(matrix);
  const reached = new Int32Array(matrix.columns);
  for (const input of matrix.column) reached[input]++;
  console.log(
    `${name.padEnd(26)}${String(nonZeros).padStart(11)}${String(distinct).padStart(10)}${String(Math.max(...reached)).padStart(27)}`,
  );
}
