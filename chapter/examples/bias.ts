import { type Bias, conv, meanSquaredError, random, sequential } from "toeplitz";
import { chart, draw } from "../draw.ts";
import { claim, learn } from "../learn.ts";

// the mean of 5 neighbours of a bright row; with padding of zeros it is too dark near the ends
const [cells, count] = [24, 400];
const draws = random(5);
const rows = Float32Array.from({ length: count * cells }, () => 1 + 0.15 * draws.normal());
const targets = rows.map((_, i) => {
  const [first, at] = [i - (i % cells), i % cells];
  return [-2, -1, 0, 1, 2].reduce((sum, tap) => sum + rows[first + Math.min(cells - 1, Math.max(0, at + tap))] / 5, 0);
});
const schemes: Record<string, Bias> = { none: false, "per channel": "channel", "tiled, t = 4": { period: 4 }, "per location": "location" };
const errors: Record<string, number[]> = {};
for (const [name, bias] of Object.entries(schemes)) {
  const net = sequential(conv(1, { kernel: 5, padding: "same", bias }));
  const { results, parameters } = await learn(
    net,
    { shape: [1, cells], cells: rows, target: [1, cells], targets },
    { loss: meanSquaredError(), steps: 1500, rate: 0.02 },
  );
  const found = (await results(rows)).data;
  errors[name] = Array.from({ length: cells }, (_, at) => {
    let squares = 0;
    for (let i = at; i < rows.length; i += cells) squares += (found[i] - targets[i]) ** 2 / count;
    return Math.sqrt(squares);
  });
  const [end, middle] = [errors[name][0], errors[name][cells / 2]];
  console.log(`bias ${name}: ${parameters - 5} numbers`);
  console.log(`measured: root mean square error in the first cell ${end.toFixed(2)}, in the middle ${middle.toFixed(2)}`);
}
claim(
  "a bias per location makes the first cell's error less than two thirds of any other scheme's",
  Object.entries(errors).every(([name, [end]]) => name === "per location" || end > 1.5 * errors["per location"][0]),
);
const x = Array.from({ length: cells }, (_, at) => at);
draw(
  "measured-bias",
  chart({
    title: "Error by cell, for four ways to share a bias",
    x: "cell",
    y: "error",
    series: Object.entries(errors).map(([name, y]) => ({ name, x, y })),
  }),
);
