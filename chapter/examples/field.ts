import {
  conv,
  effectiveField,
  initialise,
  type Layer,
  maxPool,
  random,
  referenceTarget,
  relu,
  sequential,
  traceEvaluation,
} from "toeplitz";
import { draw, type Picture, pictures } from "../draw.ts";

// what the middle cell of the last layer sees, by theory and by the gradient that reaches the picture, mean of 4 nets and 2 pictures
const extent = 31;
const block = (options: object = {}): Layer[] => [conv(3, { kernel: 3, padding: "same", bias: false, ...options }), relu()];
const repeat = (times: number): Layer[] => Array.from({ length: times }, () => block()).flat();
const nets: Record<string, Layer[]> = {
  "1 layer, k = 3": repeat(1),
  "2 layers": repeat(2),
  "4 layers": repeat(4),
  "8 layers": repeat(8),
  "4 layers, dilation 1, 2, 4, 4": [1, 2, 4, 4].flatMap((dilation) => block({ dilation })),
  "3 layers, 2 pools between": [...block(), maxPool(2), ...block(), maxPool(2), ...block()],
};
const draws = random(3);
const noise = Float32Array.from({ length: 2 * extent * extent }, () => draws.normal());
const drawn: Picture[] = [];
for (const [caption, layers] of Object.entries(nets)) {
  const net = sequential(...layers);
  const last = `${layers.length - 2}-conv`;
  const weight = new Float64Array(extent * extent);
  let [theory, spread] = ["", 0];
  for (const seed of [1, 2, 3, 4]) {
    const session = await referenceTarget.open();
    const traced = traceEvaluation(net, { batch: 2, inputs: { input: { shape: [1, extent, extent] } } });
    await session.compile(traced.graph);
    await initialise(session, [traced], seed);
    const field = await effectiveField(traced, session, noise, last);
    field.weight.forEach((share, cell) => {
      weight[cell] += share;
    });
    theory = field.field.map(({ size }) => size).join(" x ");
    spread += field.spread[0] / 4;
  }
  console.log(`${caption.padEnd(31)}theory ${theory.padEnd(9)}effective ${spread.toFixed(1)}`);
  drawn.push({ caption, rows: extent, columns: extent, cells: weight });
}
draw("field", pictures("How much each cell of a picture matters to the middle cell of the last layer", drawn, { side: 170, perRow: 3 }));
