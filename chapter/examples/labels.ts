import { crossEntropy, predictions, random, recurrentLabelling } from "toeplitz";
import { draw, pictures } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// label every cell: inside of a ring or not. Only the ring is seen, with gaps and noise, so labels must spread from neighbour to neighbour
const [side, count, steps] = [12, 400, 4];
const draws = random(3);
const [cells, targets] = [new Float32Array(count * side * side), new Int32Array(count * side * side)];
for (let i = 0; i < count; i++) {
  const [row, column, radius] = [draws.integer(5, 6), draws.integer(5, 6), 2.5 + 2 * draws.uniform()];
  for (let at = 0; at < side * side; at++) {
    const distance = Math.hypot(Math.floor(at / side) - row, (at % side) - column);
    targets[i * side * side + at] = distance < radius ? 1 : 0;
    const seen = Math.abs(distance - radius) < 0.7 && draws.uniform() < 0.9;
    cells[i * side * side + at] = (seen ? 1 : 0) + 0.2 * draws.normal();
  }
}
// H(t) = relu(U * X + W * Y(t - 1)), Y(t) = V * H(t), the same U, V and W at every step
const net = recurrentLabelling({ classes: 2, steps, channels: 8, kernel: 5 });
const { results, parameters } = await learn(
  net,
  { shape: [1, side, side], cells, target: [side, side], targets },
  { steps: 500, batch: 16, rate: 0.01, loss: crossEntropy() },
);
console.log(`${parameters} numbers, used ${steps} times`);
const estimates: Int32Array[] = [];
for (let step = 1; step <= steps; step++) estimates.push(predictions(await results(cells, `estimate-${step}`)));
const right = estimates.map((labels) => labels.filter((label, i) => label === targets[i]).length / targets.length);
for (const [step, share] of right.entries())
  console.log(`measured: estimate ${step + 1} is right in ${(100 * share).toFixed(1)} % of the cells`);
claim("the last estimate is better than the first", right[steps - 1] > right[0] + 0.05);
const one = (caption: string, list: ArrayLike<number>): { caption: string; rows: number; columns: number; cells: number[] } => ({
  caption,
  rows: side,
  columns: side,
  cells: Array.from(list).slice(0, side * side),
});
draw(
  "measured-labels",
  pictures(
    "A picture, estimates of the labels of its cells, and the labels",
    [one("picture", cells), ...estimates.map((labels, i) => one(`estimate ${i + 1}`, labels)), one("labels", targets)],
    { side: 100, perRow: 6 },
  ),
);
