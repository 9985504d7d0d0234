import { conv, matrixOf, relu, sequential, traceEvaluation } from "toeplitz";
import { summarise } from "toeplitz/node";
import { draw, pictures } from "../draw.ts";

// outputs that each input cell has a part in, kernel of 5 on a row of 10 and on a picture of 10 x 10
const paddings = { valid: [0, 0], same: [2, 2], full: [4, 4] };
const drawn = [];
for (const [name, [low, high]] of Object.entries(paddings)) {
  const visits = (extents: string, kernel: string): Int32Array => {
    const matrix = matrixOf(`grid-linear forward n1 ci1 co1 g1 | i${extents} k${kernel} s1 d1 p${low}:${high} t1 zero`);
    const counts = new Int32Array(matrix.columns);
    for (const column of matrix.column) counts[column]++;
    return counts;
  };
  const row = visits("10", "5");
  console.log(`${name.padEnd(5)}: 10 cells -> ${10 + low + high - 4}; visits of each ${[...row].join(" ")}`);
  drawn.push({ caption: `${name}: visits of each cell`, rows: 10, columns: 10, cells: visits("10x10", "5x5") });
}
draw("borders", pictures("How many outputs each cell of a picture has a part in", drawn));

// figure 9.13: 16 cells, kernel of 6; without padding every layer loses 5 cells
for (const padding of ["valid", "same"] as const) {
  const extents = [16];
  while (extents.length < 4 && extents[extents.length - 1] >= 6) {
    const layers = extents.flatMap(() => [conv(1, { kernel: 6, padding }), relu()]);
    const { layers: rows } = summarise(traceEvaluation(sequential(...layers), { batch: 1, inputs: { input: { shape: [1, 16] } } }));
    extents.push(Number(/(\d+)\]$/.exec(rows[rows.length - 1].output)?.[1]));
  }
  console.log(`${padding}: ${extents.join(" -> ")}`);
}
