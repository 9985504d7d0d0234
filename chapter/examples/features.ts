import { accuracy, conv, dense, type Layer, maxPool, random, relu, sequential, type Tensor, tensor } from "toeplitz";
import { digits } from "toeplitz/node";
import { draw, pictures } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// digits of 14 x 14 cells; kernels of 5 x 5 that are random, clustered, or learnt. The classifier behind them is learnt in each case
const [side, taps, kernels, count, tests] = [14, 5, 12, 400, 400];
const set = digits({ train: count, test: tests, holdout: 0 });
function read(split: typeof set.train, examples: number): { cells: Float32Array; targets: Int32Array } {
  const [cells, whole] = [new Float32Array(examples * side * side), new Float32Array(784)];
  for (let i = 0; i < examples; i++) {
    split.read(i, whole, 0);
    for (let at = 0; at < 784; at++) cells[i * side * side + Math.floor(at / 56) * side + ((at % 28) >> 1)] += whole[at] / 4;
  }
  return { cells, targets: split.labels.slice(0, examples) };
}
const [train, test] = [read(set.train, count), read(set.test ?? set.train, tests)];

/** K-means of patches with mean 0 and norm 1, by the angle between them; patches without contrast are left out. */
function cluster(draws = random(4)): Tensor {
  const patches: number[][] = [];
  while (patches.length < 3000) {
    const [i, row, column] = [draws.integer(0, count - 1), draws.integer(0, side - taps), draws.integer(0, side - taps)];
    const raw = Array.from(
      { length: taps * taps },
      (_, at) => train.cells[(i * side + row + Math.floor(at / taps)) * side + column + (at % taps)],
    );
    const mean = raw.reduce((a, b) => a + b, 0) / raw.length;
    const norm = Math.hypot(...raw.map((cell) => cell - mean));
    if (norm > 2) patches.push(raw.map((cell) => (cell - mean) / norm));
  }
  let centres = patches.slice(0, kernels);
  const likeness = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, cell, at) => sum + cell * b[at], 0);
  for (let round = 0; round < 15; round++) {
    const sums = centres.map((centre) => centre.map(() => 0));
    for (const patch of patches) {
      const near = centres.map((centre) => likeness(patch, centre));
      const best = sums[near.indexOf(Math.max(...near))];
      patch.forEach((cell, at) => {
        best[at] += cell;
      });
    }
    centres = sums.map((sum) => sum.map((cell) => cell / (Math.hypot(...sum) || 1)));
  }
  return tensor([kernels, 1, taps, taps], centres.flat());
}
const net: Layer = sequential(conv(kernels, { kernel: taps, padding: "same" }), relu(), maxPool(7), dense(10));
const clustered = cluster();
const still = (name: string): boolean => name.startsWith("0-conv");
const ways = { random: { frozen: still }, clustered: { frozen: still, start: { "0-conv/kernel": clustered } }, learnt: {} };
const scores: Record<string, number> = {};
for (const [name, way] of Object.entries(ways)) {
  const { results } = await learn(net, { shape: [1, side, side], ...train }, { steps: 500, rate: 0.01, ...way });
  scores[name] = 100 * accuracy(await results(test.cells), test.targets);
  console.log(`measured: ${name} kernels: right on ${scores[name].toFixed(0)} % of other digits`);
}
claim(
  "a classifier of random kernels is right far more often than by chance, and clustered kernels are better",
  scores.random > 40 && scores.clustered > scores.random,
);
const shown = Array.from({ length: kernels }, (_, i) => ({
  caption: "",
  rows: taps,
  columns: taps,
  cells: clustered.data.slice(25 * i, 25 * (i + 1)),
}));
draw("features", pictures("Kernels by clustering patches of digits", shown, { side: 70, perRow: 6 }));
