import assert from "node:assert/strict";
import { test } from "node:test";
import { problemPlans } from "../../../test/ops/problems.ts";
import { crossEntropy, models, sgd, traceEvaluation, traceTraining } from "../../index.ts";
import { operators } from "../../ops/index.ts";
import { offers } from "../../plan/candidates.ts";
import { algorithmsFor } from "../../plan/families.ts";
import { plan } from "../../plan/plan.ts";
import { everyAlgorithm, families } from "./list.ts";

const device = { tier: "wide", fma: true, wide: true } as const;
const every = await everyAlgorithm();

test("every operator has a family that takes all its plans", async () => {
  for (const { name } of operators)
    assert.ok(
      families.some((family) => family.operators.includes(name) && family.refuses === undefined),
      name,
    );
});

test("a family refuses no plan that one of its algorithms takes, but for small transforms", async () => {
  let refused = 0;
  for (const family of families.filter(({ name, refuses }) => refuses !== undefined && !name.endsWith("fft"))) {
    const own = await family.load();
    for (const operator of operators.filter(({ name }) => family.operators.includes(name)))
      for (const problem of problemPlans(operator.name, operator)) {
        if (family.refuses?.(problem) === null) continue;
        refused++;
        for (const algorithm of own)
          assert.deepEqual(offers(algorithm, problem, null, device, []), [], `${algorithm.id}: ${operator.line(problem)}`);
      }
  }
  assert.ok(refused > 100, `${refused} refusals`);
});

test("named nets are planned as with every algorithm at hand, from a part of them", async () => {
  const graphs = [
    traceEvaluation(models.lenet5([1, 28, 28], 10), { batch: 1, inputs: { input: { shape: [1, 28, 28] } } }),
    traceEvaluation(models.mobilenetv2([3, 64, 64], 10), { batch: 1, inputs: { input: { shape: [3, 64, 64] } } }),
    traceTraining(models.resnet20([3, 32, 32], 10), {
      batch: 4,
      inputs: { input: { shape: [3, 32, 32] } },
      targets: { labels: { shape: [], dtype: "i32" } },
      loss: crossEntropy(),
      optimiser: sgd({ momentum: 0.9 }),
    }),
  ].map(({ graph }) => graph);
  for (const graph of graphs) {
    const some = await algorithmsFor(graph, families);
    assert.ok(some.length < every.length);
    const chosen = [some, every].map((list) => plan(graph, list, device).choices.map(({ algorithm }) => algorithm?.id));
    assert.deepEqual(chosen[0], chosen[1]);
  }
});
