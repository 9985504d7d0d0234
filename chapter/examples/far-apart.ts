import { conv, dense, globalPool, type Layer, random, relu, sequential } from "toeplitz";
import { claim, learn } from "../learn.ts";

// two pulses in a row of 40 cells: 16 cells apart, or 13 to 15 or 17 to 19
const length = 40;
const draws = random(9);
function examples(count: number): { cells: Float32Array; targets: Int32Array } {
  const [cells, targets] = [new Float32Array(count * length), new Int32Array(count)];
  for (let i = 0; i < count; i++) {
    targets[i] = i % 2;
    const apart = i % 2 === 1 ? 16 : draws.pick([13, 14, 15, 17, 18, 19]);
    const first = draws.integer(0, length - 1 - apart);
    for (const at of [first, first + apart]) cells[i * length + at] = 1;
  }
  return { cells, targets };
}
const [train, test] = [examples(1000), examples(500)];
const net = (...layers: Layer[]): Layer => sequential(...layers, globalPool("max"), dense(2));
const same = (options: object): Layer[] => [conv(8, { padding: "same", kernel: 3, ...options }), relu()];
const nets: Record<string, Layer> = {
  "kernel 3, 2 layers: sees 5 cells": net(...same({}), ...same({})),
  "kernel 3, 4 layers: sees 9 cells": net(...same({}), ...same({}), ...same({}), ...same({})),
  "dilation 1 and 8: sees 19 cells": net(...same({}), ...same({ dilation: 8 })),
  "dense layer: sees all": sequential(dense(32), relu(), dense(2)),
};
const right: number[] = [];
for (const [name, layers] of Object.entries(nets)) {
  const { results } = await learn(layers, { shape: [1, length], ...train }, { steps: 500, rate: 0.01 });
  const score = async ({ cells, targets }: typeof train): Promise<number> => {
    const { data } = await results(cells);
    return targets.reduce((sum, target, i) => sum + (data[2 * i + target] > data[2 * i + 1 - target] ? 1 : 0), 0) / targets.length;
  };
  const [own, other] = [await score(train), await score(test)];
  right.push(own);
  console.log(`measured: ${name}: right on ${(100 * own).toFixed(0)} % in training, ${(100 * other).toFixed(0)} % in the test`);
}
claim("what sees at most 9 cells underfits: it is right on less than 70 % even in training", Math.max(right[0], right[1]) < 0.7);
claim("what sees both pulses is right on more than 95 % in training", Math.min(right[2], right[3]) > 0.95);
