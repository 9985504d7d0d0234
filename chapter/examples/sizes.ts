import {
  conv,
  dense,
  globalPool,
  initialise,
  type Layer,
  pyramidPool,
  quadrantPool,
  random,
  relu,
  sequential,
  traceEvaluation,
} from "toeplitz";
import { open } from "toeplitz/node";
import { claim } from "../learn.ts";

// one classifier, pictures of four sizes; each is run alone, and all together in one batch whose cells beyond a picture are not looked at
const sizes = [
  [24, 18],
  [16, 32],
  [9, 11],
  [24, 32],
];
const [whole, channels] = [[24, 32], 3];
const draws = random(4);
const pictures = sizes.map(([rows, columns]) => Float32Array.from({ length: channels * rows * columns }, () => draws.normal()));
const batch = new Float32Array(sizes.length * channels * whole[0] * whole[1]).fill(Number.NaN);
for (const [i, [rows, columns]] of sizes.entries())
  for (let row = 0; row < channels * rows; row++) {
    const at = ((i * channels + Math.floor(row / rows)) * whole[0] + (row % rows)) * whole[1];
    batch.set(pictures[i].subarray(row * columns, (row + 1) * columns), at);
  }

const heads: Record<string, Layer> = {
  "global average": globalPool("average"),
  "largest of each quadrant": quadrantPool("max"),
  "pyramid of 1, 2 and 4": pyramidPool([1, 2, 4]),
};
for (const [name, pool] of Object.entries(heads)) {
  const net = sequential(conv(8, { kernel: 3, padding: 1 }), relu(), pool, dense(5));
  const session = await open({ threads: 1 });
  const together = traceEvaluation(net, { batch: sizes.length, inputs: { input: { shape: [channels, ...whole], unequal: true } } });
  const program = await session.compile(together.graph);
  await initialise(session, [together], 1);
  const { output } = await program.run({ input: batch, "input.extents": Int32Array.from(sizes.flat()) });
  const all = Float32Array.from(output.data);
  let gap = 0;
  for (const [i, extents] of sizes.entries()) {
    const { graph } = traceEvaluation(net, { batch: 1, inputs: { input: { shape: [channels, ...extents] } } });
    const alone = (await (await session.compile(graph)).run({ input: pictures[i] })).output.data;
    for (let k = 0; k < 5; k++) gap = Math.max(gap, Math.abs(all[5 * i + k] - alone[k]));
  }
  claim(`${name}: pictures of ${sizes.map((size) => size.join(" x ")).join(", ")} give in one batch what each gives alone`, gap < 1e-4);
  await session.close();
}
