import assert from "node:assert/strict";
import { test } from "node:test";
import { tensorType } from "../../base/types.ts";
import { GraphTracer, tensor } from "../../graph/trace.ts";
import { referenceTarget } from "../../targets/reference/session.ts";
import { type Layer, TracingScope } from "../scope.ts";
import { averagePool } from "./pool.ts";

async function pooled(net: Layer, shape: readonly number[], cells: readonly number[]): Promise<number[]> {
  const tracer = new GraphTracer();
  tracer.output("output", net.apply(tracer.input("input", tensorType(shape, true)), new TracingScope(tracer, false, shape[0])));
  const program = await (await referenceTarget.open()).compile(tracer.finish());
  return [...(await program.run({ input: tensor(shape, cells).data as Float32Array })).output.data];
}

test("average pooling weighted by the distance from the middle", async () => {
  const binomial = averagePool(3, { stride: 1, weights: "binomial" });
  assert.deepEqual(await pooled(binomial, [1, 1, 4], [4, 0, 8, 4]), [(4 + 0 + 8) / 4, (0 + 16 + 4) / 4]);
  const sigma = 0.7;
  const side = Math.exp(-1 / (2 * sigma ** 2));
  const [value] = await pooled(averagePool(3, { weights: { gaussian: sigma } }), [1, 1, 3, 3], [0, 0, 0, 0, 0, 1, 0, 0, 0]);
  assert.ok(Math.abs(value - side / (1 + 2 * side) ** 2) < 1e-7);
  // cells of padding left out: the weights that remain are the mean's
  const bordered = averagePool(3, { stride: 1, padding: 1, countPadding: false, weights: "binomial" });
  const [first] = await pooled(bordered, [1, 1, 3], [3, 6, 0]);
  assert.ok(Math.abs(first - (2 * 3 + 6) / 3) < 1e-6);
  assert.throws(
    () => averagePool(3, { weights: { gaussian: 0 } }),
    /averagePool\(weights\): gaussian: expected a standard deviation > 0, in cells; received 0/,
  );
});
