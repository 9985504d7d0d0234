import { binaryCrossEntropy, conv, maxout, random, referenceTarget, sequential } from "toeplitz";
import { draw, pictures } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// a hook drawn at three angles, in noise; and noise alone
const side = 9;
const angles = [-60, 0, 60];
function hook(angle: number): number[] {
  const [c, s] = [Math.cos((angle * Math.PI) / 180), Math.sin((angle * Math.PI) / 180)];
  return Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [(i % side) - 4, Math.floor(i / side) - 4];
    const [u, v] = [c * x + s * y, c * y - s * x];
    const stem = Math.abs(u) < 0.8 && Math.abs(v) < 3.4;
    return stem || (Math.abs(v - 2.7) < 0.8 && u > 0 && u < 2.7) ? 1 : 0;
  });
}
const draws = random(6);
const count = 600;
const cells = new Float32Array(count * side * side);
const targets = new Float32Array(count);
for (let i = 0; i < count; i++) {
  targets[i] = i % 2;
  const pattern = i % 2 === 1 ? hook(draws.pick(angles)) : hook(0).map(() => 0.15);
  pattern.forEach((cell, at) => {
    cells[i * side * side + at] = cell + 0.3 * draws.normal();
  });
}

// three detectors, each with a kernel of its own, and the largest of them
const net = sequential(conv(3, { kernel: side }), maxout(3));
const { session, results } = await learn(
  net,
  { shape: [1, side, side], cells, target: [1, 1, 1], targets },
  { session: await referenceTarget.open(), loss: binaryCrossEntropy(), steps: 150, rate: 0.02, seed: 3 },
);
const kernels = (await session.read("0-conv/kernel")).data;
const bias = (await session.read("0-conv/bias")).data;
const answer = (unit: number, picture: readonly number[]): number =>
  picture.reduce((sum, cell, at) => sum + cell * kernels[unit * side * side + at], bias[unit]);
const winners = angles.map((angle) => {
  const answers = [0, 1, 2].map((unit) => answer(unit, hook(angle)));
  const best = answers.indexOf(Math.max(...answers));
  console.log(
    `hook at ${String(angle).padStart(3)} degrees: detectors answer ${answers.map((one) => one.toFixed(0).padStart(3))}; the largest, ${Math.max(...answers).toFixed(0)}, is of detector ${best}`,
  );
  return best;
});
claim("each angle has a detector of its own, and the largest answer is high for all", new Set(winners).size === 3);
const scores = (await results(cells)).data;
const right = targets.filter((target, i) => scores[i] > 0 === (target === 1)).length / count;
console.log(`right on ${(100 * right).toFixed(0)} % of the patterns`);
draw(
  "maxout",
  pictures(
    "Patterns at three angles, and the kernels that were learnt",
    [
      ...angles.map((angle) => ({ caption: `${angle} degrees`, rows: side, columns: side, cells: hook(angle) })),
      ...winners.map((unit) => ({
        caption: `kernel ${unit}`,
        rows: side,
        columns: side,
        cells: kernels.slice(unit * side * side, (unit + 1) * side * side),
      })),
    ],
    { side: 110, perRow: 3 },
  ),
);
