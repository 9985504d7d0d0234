import { random } from "../../src/base/random.ts";
import type { Picture, ReportData, ReportEpoch, ReportExample, ReportLayer } from "../../src/train/report/data.ts";
import { kernelPictures } from "../../src/train/report/kernels.ts";

const segments = ["abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg"];
const strokes: Readonly<Record<string, readonly [number, number, number, number]>> = {
  a: [8, 5, 19, 5],
  b: [19, 5, 19, 14],
  c: [19, 14, 19, 23],
  d: [8, 23, 19, 23],
  e: [8, 14, 8, 23],
  f: [8, 5, 8, 14],
  g: [8, 14, 19, 14],
};

/** A made-up digit: seven strokes, slanted, soft at the edge. */
export function digit(value: number, seed: number): Picture {
  const draw = random(seed, value);
  const [slant, shift, thick] = [draw.uniform() * 0.5 - 0.25, draw.uniform() * 3 - 1.5, 1.2 + draw.uniform()];
  const data = new Uint8Array(28 * 28);
  for (let cell = 0; cell < data.length; cell++) {
    const [y, x] = [Math.floor(cell / 28), (cell % 28) + slant * (Math.floor(cell / 28) - 14) + shift];
    const distance = Math.min(
      ...[...segments[value]].map((name) => {
        const [x0, y0, x1, y1] = strokes[name];
        return Math.hypot(x - Math.min(Math.max(x, x0), x1), y - Math.min(Math.max(y, y0), y1));
      }),
    );
    data[cell] = Math.max(0, Math.min(255, Math.round(255 * (thick - distance) + draw.normal() * 6)));
  }
  return { channels: 1, extents: [28, 28], data };
}

/** Waves under a bell, one per output channel and input channel, like the kernels that nets learn. */
export function waves(shape: readonly number[]): Float32Array {
  const draw = random(5, shape.length);
  const [channelsOut, channelsIn, ...taps] = shape;
  const cells = taps.reduce((product, extent) => product * extent, 1);
  const data = new Float32Array(channelsOut * channelsIn * cells);
  for (let channel = 0; channel < channelsOut * channelsIn; channel++) {
    const slopes = taps.map(() => draw.normal());
    const phase = draw.uniform() * 6;
    for (let cell = 0; cell < cells; cell++) {
      let rest = cell;
      const place = taps.map((extent) => {
        const at = (rest % extent) - (extent - 1) / 2;
        rest = Math.floor(rest / extent);
        return at;
      });
      const turn = place.reduce((sum, at, axis) => sum + at * slopes[axis], phase);
      const bell = Math.exp(-place.reduce((sum, at, axis) => sum + (at / taps[axis]) ** 2, 0) * 3);
      data[channel * cells + cell] = 0.4 * Math.sin(turn) * bell + draw.normal() * 0.02;
    }
  }
  return data;
}

export function epochs(count: number): ReportEpoch[] {
  const draw = random(3);
  return Array.from({ length: count }, (_, index) => {
    const part = (index + 1) / count;
    const trainLoss = 2.1 * Math.exp(-5 * part) + 0.03 + 0.01 * draw.uniform();
    const validationLoss = 1.9 * Math.exp(-5 * part) + 0.05 + 0.03 * part ** 3 + 0.01 * draw.uniform();
    return {
      epoch: index + 1,
      trainLoss,
      validationLoss,
      trainAccuracy: 1 - 0.36 * trainLoss,
      validationAccuracy: 1 - 0.36 * validationLoss,
      learningRate: 0.05 * (1 + Math.cos(Math.PI * (index / count))),
      seconds: 3.4 + draw.uniform() * 0.2,
    };
  });
}

/** A confusion matrix of digits as a trained net leaves it: few mistakes, some pairs more often. */
export function confusion(classes: number): number[][] {
  const draw = random(4, classes);
  return Array.from({ length: classes }, (_, given) =>
    Array.from({ length: classes }, (_, predicted) => {
      if (given === predicted) return draw.integer(180, 200);
      return (given * 7 + predicted * 3) % 11 === 0 ? draw.integer(1, 9) : draw.uniform() < 0.15 ? 1 : 0;
    }),
  );
}

const layers: readonly ReportLayer[] = [
  {
    path: "0.conv",
    kind: "conv 16, kernel 5, padding same",
    output: "[16, 28, 28]",
    parameters: 416,
    multiplyAdds: 313600,
    receptiveField: "5 x 5",
  },
  { path: "1.relu", kind: "relu", output: "[16, 28, 28]", parameters: 0, multiplyAdds: 0, receptiveField: "5 x 5" },
  { path: "2.maxPool", kind: "maxPool 2", output: "[16, 14, 14]", parameters: 0, multiplyAdds: 0, receptiveField: "6 x 6" },
  {
    path: "3.conv",
    kind: "conv 32, kernel 5, padding same",
    output: "[32, 14, 14]",
    parameters: 12832,
    multiplyAdds: 2508800,
    receptiveField: "14 x 14",
  },
  { path: "4.relu", kind: "relu", output: "[32, 14, 14]", parameters: 0, multiplyAdds: 0, receptiveField: "14 x 14" },
  { path: "5.globalPool", kind: "globalPool average", output: "[32]", parameters: 0, multiplyAdds: 6272, receptiveField: "28 x 28" },
  { path: "6.dense", kind: "dense 10", output: "[10]", parameters: 330, multiplyAdds: 320, receptiveField: "28 x 28" },
];

/** Made-up but realistic data of a run on digits. */
export function sampleReport(): ReportData {
  const matrix = confusion(10);
  const count = matrix.flat().reduce((sum, cell) => sum + cell, 0);
  const right = matrix.reduce((sum, row, index) => sum + row[index], 0);
  const example = (given: number, predicted: number, probability: number, index: number): ReportExample => ({
    file: `test/${given}/digit-${String(index * 37).padStart(5, "0")}.png`,
    given: String(given),
    predicted: String(predicted),
    probability,
    picture: digit(given, index),
  });
  return {
    name: "digits-lenet5-seed1",
    command: "npx toeplitz train demo:digits --model lenet5 --epochs 12 --seed 1 --batch 64 --learning-rate 0.1 --schedule cosine",
    date: "2026-03-14 15:09 UTC",
    settings: {
      data: "demo:digits",
      model: "lenet5",
      epochs: 12,
      batch: 64,
      optimiser: { name: "sgd", momentum: 0.9, nesterov: true },
      learningRate: 0.1,
      augment: ["shift 2", "rotate 10"],
      earlyStopping: false,
      classWeights: null,
    },
    environment: {
      toeplitz: "0.1.0",
      node: "v24.21.0",
      processor: "AMD EPYC 7B13, 2 cores",
      system: "linux x64",
      tier: "256-bit",
      threads: 2,
    },
    seed: 1,
    classes: Array.from({ length: 10 }, (_, index) => String(index)),
    epochs: epochs(12),
    bestEpoch: 11,
    task: "classification",
    test: { accuracy: right / count, loss: 0.0612, confusion: matrix, count },
    mistakes: Array.from({ length: 10 }, (_, index) =>
      example(index, (index * 3 + 5) % 10 === index ? 0 : (index * 3 + 5) % 10, 0.99 - index * 0.03, index),
    ),
    rights: Array.from({ length: 8 }, (_, index) => example(index, index, 0.999, index + 50)),
    kernels: kernelPictures([16, 1, 5, 5], waves([16, 1, 5, 5])),
    layers,
    notes: [
      "2 broken pictures were left out: train/3/broken.png, train/7/empty.png.",
      "Stopped early at epoch 12: no better validation loss for 5 epochs.",
    ],
  };
}
