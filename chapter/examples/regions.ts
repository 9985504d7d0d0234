import { adaptivePool, dynamicPool, initialise, type Layer, learnedPool, referenceTarget, sequential, traceEvaluation } from "toeplitz";

// two rows of 24 cells with two features each, of strengths 1 and 3; the pools have two regions
const rows = [
  [14, 20],
  [2, 9],
].map(([a, b]) => Array.from({ length: 24 }, (_, i) => (Math.abs(i - a) < 2 ? 1 : Math.abs(i - b) < 2 ? 3 : 0)));
for (const row of rows) console.log(`row: ${row.join("")}`);
const pools: Record<string, Layer> = {
  "even halves": adaptivePool(2),
  "clustered for each row": dynamicPool(2, { iterations: 10, sharpness: 8 }),
  "learned, before learning": learnedPool(2),
};
for (const [name, pool] of Object.entries(pools)) {
  const traced = traceEvaluation(sequential(pool), { batch: 2, inputs: { input: { shape: [1, 24] } } });
  const session = await referenceTarget.open();
  const program = await session.compile(traced.graph);
  await initialise(session, [traced], 1);
  const { data } = (await program.run({ input: Float32Array.from(rows.flat()) })).output;
  const means = Array.from(data, (mean) => mean.toFixed(2));
  const numbers = traced.parameters.reduce((sum, { type }) => sum + type.shape.reduce((a, b) => a * b, 1), 0);
  console.log(`${name}, ${numbers} numbers: means ${means.slice(0, 2).join(" and ")}; ${means.slice(2).join(" and ")}`);
}
