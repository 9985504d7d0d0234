import {
  accuracy,
  clusterKernels,
  clusterPatches,
  conv,
  dense,
  type Gabor,
  gaborBank,
  gaborKernels,
  type Layer,
  maxPool,
  quadrature,
  random,
  relu,
  sequential,
  type Tensor,
  tensor,
} from "toeplitz";
import { digits } from "toeplitz/node";
import { chart, draw, pictures } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// digits of 14 x 14 cells, each the mean of four
const [side, taps, kernels, counts, tests] = [14, 5, 16, [50, 100, 200, 400], 400];
const set = digits({ train: 400, test: tests, holdout: 0 });
function read(split: typeof set.train): { cells: Float32Array; targets: Int32Array } {
  const [cells, whole] = [new Float32Array(split.count * side * side), new Float32Array(784)];
  for (let i = 0; i < split.count; i++) {
    split.read(i, whole, 0);
    for (let at = 0; at < 784; at++) cells[i * side * side + Math.floor(at / 56) * side + ((at % 28) >> 1)] += whole[at] / 4;
  }
  return { cells, targets: split.labels };
}
const [train, test] = [read(set.train), read(set.test ?? set.train)];

// 16 kernels that no label has a part in: drawn at random, found by k-means of whitened patches, or set by hand: Gabor functions of 8 directions, even and odd
const draws = random(4);
const bank = gaborBank({ extent: taps, orientations: 8, frequencies: [1] });
// in so few cells a bell that falls to a third at the edge
const waves: Gabor[] = bank.map((wave) => ({ ...wave, betaX: 0.3, betaY: 0.3 }));
const found = clusterPatches(train.cells, [1, side, side], { count: kernels, extent: taps, patches: 8000, seed: 2 });
const ways: Record<string, ArrayLike<number>> = {
  random: Float32Array.from({ length: kernels * taps * taps }, () => draws.normal()),
  "k-means": clusterKernels(found).data,
  Gabor: gaborKernels([...waves, ...waves.map(quadrature)], { extent: taps }).data,
};
/** Each kernel with norm 1, so that none is louder than another. */
function ofNormOne(cells: ArrayLike<number>): Float32Array {
  const each = (k: number): number[] => Array.from({ length: taps * taps }, (_, at) => cells[k * taps * taps + at]);
  return Float32Array.from(Array.from({ length: kernels }, (_, k) => each(k).map((cell) => cell / Math.hypot(...each(k)))).flat());
}

// the same net in each way; only the last layer learns, or both
const net: Layer = sequential(conv(kernels, { kernel: taps, padding: "same" }), relu(), maxPool(7), dense(10));
async function score(count: number, cells: Float32Array | null): Promise<number> {
  const lesson = { shape: [1, side, side], cells: train.cells.subarray(0, count * side * side), targets: train.targets.subarray(0, count) };
  const start: Record<string, Tensor> = cells === null ? {} : { "0-conv/kernel": tensor([kernels, 1, taps, taps], cells) };
  const still = (name: string): boolean => cells !== null && name.startsWith("0-conv");
  const { results, session } = await learn(net, lesson, { steps: 400, rate: 0.02, frozen: still, start });
  const right = 100 * accuracy(await results(test.cells), test.targets);
  await session.close();
  return right;
}
const scores: Record<string, number[]> = {};
for (const [name, cells] of [...Object.entries(ways), ["learnt with the rest", null] as const]) {
  scores[name] = [];
  for (const count of counts) scores[name].push(await score(count, cells === null ? null : ofNormOne(cells)));
  console.log(
    `measured: ${name}: right on other digits with ${counts.map((count, i) => `${count}: ${scores[name][i].toFixed(0)} %`).join(", ")}`,
  );
}

const [blind, clustered, byHand, learnt] = Object.values(scores);
const mean = (list: readonly number[]): number => list.reduce((sum, one) => sum + one, 0) / list.length;
claim(
  "a classifier of random kernels is right far more often than by chance; of hand-set ones it is better, and of clustered ones better still",
  blind[3] > 60 && mean(byHand) > mean(blind) + 1 && mean(clustered) > mean(byHand) + 1,
);
claim(
  "with 100 examples clustered kernels are as good as those that are learnt with the rest, within 5 of 100; with 400 these are the best",
  clustered[1] > learnt[1] - 5 && [blind, clustered, byHand].every((way) => learnt[3] > way[3] + 1),
);

/** Four rows of four kernels, a cell apart. */
function sheet(cells: Float32Array): number[] {
  const width = 4 * (taps + 1) - 1;
  return Array.from({ length: width * width }, (_, at) => {
    const [row, column] = [Math.floor(at / width), at % width];
    const [y, x] = [row % (taps + 1), column % (taps + 1)];
    if (y === taps || x === taps) return 0;
    return cells[(4 * Math.floor(row / (taps + 1)) + Math.floor(column / (taps + 1))) * taps * taps + y * taps + x];
  });
}
const sheets = Object.entries(ways).map(([caption, cells]) => ({ caption, rows: 23, columns: 23, cells: sheet(ofNormOne(cells)) }));
draw("features", pictures("Kernels that no label had a part in: random, by k-means of patches, Gabor functions", sheets, { side: 160 }));
const title = "Share of other digits recognised, by the number of examples and where the kernels come from";
const series = Object.entries(scores).map(([name, y]) => ({ name, x: counts, y }));
draw("measured-features", chart({ title, x: "examples", y: "right, %", logX: true, series }));
