import { accuracy, conv, dense, globalPool, type Layer, localConv, random, relu, reshape, sequential, tiledConv } from "toeplitz";
import { chart, draw } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// which of 6 signs of 4 x 4 cells stands somewhere in a noisy picture of 12 x 12
const [side, size, classes, counts] = [12, 4, 6, [60, 240, 960, 1920]];
const draws = random(1);
const signs = Array.from({ length: classes }, () => Array.from({ length: size * size }, () => draws.pick([-1, 1])));
function examples(count: number): { cells: Float32Array; targets: Int32Array } {
  const cells = Float32Array.from({ length: count * side * side }, () => 0.4 * draws.normal());
  const targets = Int32Array.from({ length: count }, (_, i) => i % classes);
  for (let i = 0; i < count; i++) {
    const [row, column] = [draws.integer(0, side - size), draws.integer(0, side - size)];
    signs[i % classes].forEach((ink, at) => {
      cells[(i * side + row + Math.floor(at / size)) * side + column + (at % size)] += ink;
    });
  }
  return { cells, targets };
}
const [train, test] = [examples(1920), examples(600)];

// one hidden layer of 8 x 9 x 9 units, connected in four ways; then the largest of each channel, and a classifier
const layers: Record<string, Layer> = {
  dense: sequential(dense(8 * 81), reshape([8, 9, 9])),
  "locally connected": localConv(8, { kernel: size }),
  "tiled, t = 3": tiledConv(8, { kernel: size, period: 3 }),
  convolution: conv(8, { kernel: size }),
};
const scores: Record<string, number[]> = {};
for (const [name, layer] of Object.entries(layers)) {
  const net = sequential(layer, relu(), globalPool("max"), dense(classes));
  let numbers = 0;
  scores[name] = [];
  for (const count of counts) {
    const lesson = {
      shape: [1, side, side],
      cells: train.cells.subarray(0, count * side * side),
      targets: train.targets.subarray(0, count),
    };
    const { results, parameters, session } = await learn(net, lesson, { steps: 300, rate: 0.01 });
    scores[name].push(100 * accuracy(await results(test.cells), test.targets));
    numbers = parameters - 9 * classes;
    await session.close();
  }
  console.log(`${name}: ${numbers} numbers in the hidden layer`);
  console.log(`measured: right with ${counts.map((count, i) => `${count}: ${scores[name][i].toFixed(0)} %`).join(", ")}`);
}
const ordered = [1, 2].every((at) => Object.values(scores).every((list, i, all) => i === 0 || list[at] > all[i - 1][at] + 3));
claim("with 240 and with 960 examples every step to more sharing is better", ordered);
const title = "Share of signs recognised, by the number of examples and the kind of hidden layer";
const series = Object.entries(scores).map(([name, y]) => ({ name, x: counts, y }));
draw("measured-efficiency", chart({ title, x: "examples", y: "right, %", logX: true, series }));
