import { accuracy, conv, dense, globalPool, random, relu, sequential } from "toeplitz";
import { draw, type Picture, pictures } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// the same layers on every kind of grid: the axes come from the data. Two classes of each; signals are made here, the layers do not know
const draws = random(1);
type Signal = (label: number, at: readonly number[], phase: number) => number;
const wave = (rate: number, t: number, phase: number): number => Math.sin(2 * Math.PI * (rate * t + phase));
const ball = (size: number, radius: number, at: readonly number[]): number =>
  Math.hypot(...at.map((cell) => cell - size / 2)) < radius ? 1 : 0;
const kinds: Record<string, { shape: readonly number[]; signal: Signal }> = {
  "1-D, one channel: sound wave (time)": { shape: [1, 64], signal: (label, [, t], phase) => wave(label === 0 ? 0.06 : 0.11, t, phase) },
  "1-D, several: joint angles (time)": {
    shape: [4, 32],
    signal: (label, [joint, t], phase) => wave(0.08, t, phase + (label === 0 ? joint / 4 : -joint / 4)),
  },
  "2-D, one: spectrogram (pitch, time)": {
    shape: [1, 16, 16],
    signal: (label, [, pitch, t], phase) => (Math.abs(pitch - 8 - (label === 0 ? 1 : -1) * (t - 8) * 0.6 - 2 * phase) < 1.2 ? 1 : 0),
  },
  "2-D, several: colour picture": {
    shape: [3, 12, 12],
    signal: (label, [colour, row, column], phase) => wave(0.17, label === 0 ? row : column, phase) * (colour + 1),
  },
  "3-D, one: CT volume": {
    shape: [1, 8, 8, 8],
    signal: (label, [, ...at], phase) => ball(8, 3 + phase, at) - (label === 0 ? 0 : ball(8, 1.5 + phase, at)),
  },
  "3-D, several: colour video (time first)": {
    shape: [3, 6, 8, 8],
    signal: (label, [colour, t, , column], phase) => wave(0.15, column + (label === 0 ? t : -t), phase) * (colour === 1 ? 1 : 0.3),
  },
};
function examples(
  { shape, signal }: { shape: readonly number[]; signal: Signal },
  count: number,
): { cells: Float32Array; targets: Int32Array } {
  const each = shape.reduce((a, b) => a * b);
  const cells = new Float32Array(count * each);
  const targets = Int32Array.from({ length: count }, (_, i) => i % 2);
  for (let i = 0; i < count; i++) {
    const phase = draws.uniform();
    for (let cell = 0; cell < each; cell++) {
      let rest = cell;
      const at = shape.map(() => 0);
      for (let axis = shape.length - 1; axis >= 0; rest = Math.floor(rest / shape[axis]), axis--) at[axis] = rest % shape[axis];
      cells[i * each + cell] = signal(i % 2, at, phase) + 0.2 * draws.normal();
    }
  }
  return { cells, targets };
}
const net = sequential(
  conv(8, { kernel: 3, padding: "same" }),
  relu(),
  conv(8, { kernel: 3, padding: "same" }),
  relu(),
  globalPool("average"),
  dense(2),
);
const drawn: Picture[] = [];
for (const [name, kind] of Object.entries(kinds)) {
  const [train, test] = [examples(kind, 128), examples(kind, 128)];
  const { results, parameters, session } = await learn(net, { shape: kind.shape, ...train }, { steps: 200, batch: 16, rate: 0.01 });
  const right = accuracy(await results(test.cells), test.targets);
  claim(
    `${name.padEnd(40)}${`[${kind.shape.join(", ")}]`.padEnd(13)} ${String(parameters).padStart(4)} numbers, more than 90 % right`,
    right > 0.9,
  );
  await session.close();
  // the first channel of a grid, in 3-D its middle plane; of a row all channels, one below another
  const { shape } = kind;
  const columns = shape[shape.length - 1];
  const rows = shape.length === 2 ? columns / 2 : shape[shape.length - 2];
  const from = shape.length === 4 ? Math.floor(shape[1] / 2) * rows : 0;
  const line = (row: number): number => (shape.length === 2 ? Math.floor((row * shape[0]) / rows) : from + row);
  const cells = Array.from({ length: rows * columns }, (_, at) => train.cells[line(Math.floor(at / columns)) * columns + (at % columns)]);
  drawn.push({ caption: name.split(" (")[0], rows, columns, cells });
}
draw("kinds", pictures("One example of each kind of data; in 3-D a plane of it", drawn, { side: 200, perRow: 3 }));
