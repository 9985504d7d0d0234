import { evaluate, random, referenceTarget, tensor } from "toeplitz";
import { convolve } from "toeplitz/ops";
import { chart, draw } from "../draw.ts";

// a laser measures the position of a ship that flies slowly along a curve; every reading is noisy
const draws = random(4);
const times = Array.from({ length: 160 }, (_, t) => t);
const position = times.map((t) => 5 * Math.sin(t / 40));
const reading = position.map((at) => at + 0.8 * draws.normal());

// the age a of a reading weighs w(a): nothing for what has not been read yet, and 1 in all, so it is a probability density
const weights = Array.from({ length: 12 }, (_, age) => Math.exp(-age / 4));
const total = weights.reduce((a, b) => a + b, 0);
const w = weights.map((weight) => weight / total);

const session = await referenceTarget.open();
const { s } = await evaluate(session, { k: tensor([1, 1, w.length], w), v: tensor([1, 1, reading.length], reading) }, ({ k, v }) => ({
  s: convolve({ kernel: [w.length], padding: "causal", flip: true }, k, v),
}));

const settled = times.slice(w.length);
const error = (estimate: ArrayLike<number>): number =>
  Math.sqrt(settled.reduce((sum, t) => sum + (estimate[t] - position[t]) ** 2, 0) / settled.length);
console.log(`weights sum to ${w.reduce((a, b) => a + b, 0).toFixed(3)}`);
console.log(`root mean square error of a reading ${error(reading).toFixed(2)}, of the weighted mean ${error(s.data).toFixed(2)}`);

draw(
  "spaceship",
  chart({
    title: "Noisy positions of a ship, their weighted mean, and where it was",
    x: "time",
    y: "position",
    series: [
      { name: "reading x", x: times, y: reading, points: true },
      { name: "s = x * w", x: times, y: s.data },
      { name: "true position", x: times, y: position, dashed: true },
    ],
  }),
);
