import { evaluate, random, referenceTarget, tensor } from "toeplitz";
import { convolve } from "toeplitz/ops";
import { chart, draw } from "../draw.ts";

// a tone with harmonics, and the same tone an octave higher
const rate = 8000;
const sound = (pitch: number): Float64Array =>
  Float64Array.from({ length: 8000 }, (_, t) =>
    [1, 2, 3, 4].reduce((sum, n) => sum + Math.cos((2 * Math.PI * n * pitch * t) / rate) / n, 0),
  );
const [low, high] = [sound(110), sound(220)];

/** Strength of one frequency in the middle of a sound, over a window of so many samples that falls off smoothly. */
function strength(wave: Float64Array, frequency: number, samples: number): number {
  let [re, im] = [0, 0];
  for (let i = 0; i < samples; i++) {
    const share = (1 - Math.cos((2 * Math.PI * (i + 0.5)) / samples)) / samples;
    const value = wave[Math.floor(4000 - samples / 2) + i] * share;
    re += value * Math.cos((2 * Math.PI * frequency * i) / rate);
    im += value * Math.sin((2 * Math.PI * frequency * i) / rate);
  }
  return Math.hypot(re, im);
}
// constant Q: 12 bins to the octave, windows of 34 periods each; and an axis of equal steps with one window
const bins = Array.from({ length: 48 }, (_, bin) => 80 * 2 ** (bin / 12));
const constantQ = (wave: Float64Array): number[] => bins.map((frequency) => strength(wave, frequency, Math.round((34 * rate) / frequency)));
const linear = (wave: Float64Array): number[] => bins.map((_, bin) => strength(wave, 80 + 25 * bin, 1600));

// detectors along the frequency axis: what they find in the higher tone is what they find in the lower one, an octave (12 bins) up
const draws = random(5);
const kernel = tensor(
  [4, 1, 9],
  Array.from({ length: 36 }, () => draws.normal()),
);
const session = await referenceTarget.open();
const detect = async (spectrum: readonly number[]): Promise<number[][]> => {
  const { z } = await evaluate(session, { k: kernel, v: tensor([1, 1, 48], spectrum) }, ({ k, v }) => ({
    z: convolve({ kernel: [9], padding: "same" }, k, v),
  }));
  return [0, 1, 2, 3].map((channel) => Array.from(z.data.slice(48 * channel, 48 * (channel + 1))));
};
for (const [name, axis] of Object.entries({ "constant Q, shifted by 12 bins": constantQ, "equal steps, best of all shifts": linear })) {
  const [lower, higher] = [await detect(axis(low)), await detect(axis(high))];
  const error = (shift: number): number => {
    let [squares, all] = [0, 0];
    lower.forEach((row, channel) => {
      for (let bin = 4; bin + shift < 44; bin++) {
        squares += (higher[channel][bin + shift] - row[bin]) ** 2;
        all += row[bin] ** 2;
      }
    });
    return Math.sqrt(squares / all);
  };
  const shifts = axis === constantQ ? [12] : Array.from({ length: 30 }, (_, shift) => shift);
  console.log(`${name}: f(higher) differs from the shifted f(lower) by ${(100 * Math.min(...shifts.map(error))).toFixed(1)} %`);
}
const x = bins.map((_, bin) => bin);
draw(
  "octave",
  chart({
    title: "A tone and the tone an octave above it on an axis of constant Q: the same pattern 12 bins on",
    x: "bin, 12 to the octave from 80 Hz",
    y: "strength",
    series: [
      { name: "110 Hz", x, y: constantQ(low) },
      { name: "220 Hz", x, y: constantQ(high) },
    ],
  }),
);
