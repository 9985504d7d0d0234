import { averagePool, conv, dense, maxPool, meanAbsoluteError, partialPool, random, relu, sequential } from "toeplitz";
import { draw, pictures } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// find a corner: where its point lies, in cells. Every picture has a line and a blob too, so a detector is needed
const side = 16;
const draws = random(12);
function examples(count: number): { cells: Float32Array; targets: Float32Array } {
  const [cells, targets] = [new Float32Array(count * side * side), new Float32Array(2 * count)];
  for (let i = 0; i < count; i++) {
    const ink = (row: number, column: number): void => {
      if (row >= 0 && row < side && column >= 0 && column < side) cells[i * side * side + row * side + column] = 1;
    };
    const [row, column] = [draws.integer(0, side - 5), draws.integer(0, side - 5)];
    for (let step = 0; step < 5; step++) {
      ink(row, column + step);
      ink(row + step, column);
    }
    const [line, from] = [draws.integer(0, side - 1), draws.integer(0, side - 5)];
    for (let step = 0; step < 5; step++) ink(line, from + step);
    targets.set([row / side, column / side], 2 * i);
  }
  return { cells, targets };
}
const detect = [conv(8, { kernel: 5, padding: "same" }), relu()];
const nets = {
  "no pooling": sequential(...detect, dense(2)),
  "max of 8 x 8": sequential(...detect, maxPool(8), dense(2)),
  "average of 8 x 8": sequential(...detect, averagePool(8), dense(2)),
  "max of 8 x 8 for 6 of 8 channels": sequential(...detect, partialPool(6, maxPool(8), { others: "folded" }), dense(2)),
};
const [train, test] = [examples(2000), examples(500)];
const tasks = [0, 1, 2].map((i) => ({
  caption: "",
  rows: side,
  columns: side,
  cells: train.cells.slice(i * side * side, (i + 1) * side * side),
}));
draw("corner", pictures("Three pictures: where is the corner?", tasks, { side: 120 }));
const errors: number[] = [];
for (const [name, net] of Object.entries(nets)) {
  const { results, parameters } = await learn(
    net,
    { shape: [1, side, side], target: [2], ...train },
    { steps: 800, rate: 0.01, loss: meanAbsoluteError() },
  );
  const error = async ({ cells, targets }: typeof train): Promise<number> => {
    const found = (await results(cells)).data;
    return targets.reduce((sum, target, i) => sum + side * Math.abs(target - found[i]), 0) / targets.length;
  };
  const [own, other] = [await error(train), await error(test)];
  errors.push(own);
  console.log(`measured: ${name}, ${parameters} numbers: off by ${own.toFixed(1)} cells in training, ${other.toFixed(1)} in the test`);
}
const [none, most, mean, some] = errors;
claim(
  "pooling all channels underfits: at least twice the error in training of no pooling, and of pooling some",
  Math.min(most, mean) > 2 * none && most > 2 * some,
);
