import assert from "node:assert/strict";
import { test } from "node:test";
import { lenet5, traceEvaluation } from "../../index.ts";
import { plan } from "../../plan/plan.ts";
import { everyAlgorithm } from "./list.ts";
import { isWorthSharing } from "./worth.ts";

const algorithms = await everyAlgorithm();

const device = { tier: "wide", fma: true, wide: true } as const;
const planned = (batch: number): ReturnType<typeof plan> =>
  plan(traceEvaluation(lenet5(10), { batch, inputs: { image: { shape: [1, 28, 28] } } }).graph, algorithms, device);

test("one picture of LeNet-5 is not worth a second thread, a batch is", () => {
  assert.equal(isWorthSharing(planned(1)), false);
  assert.equal(isWorthSharing(planned(64)), true);
});
