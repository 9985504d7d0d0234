import assert from "node:assert/strict";
import { test } from "node:test";
import { relu, tanh } from "../nn/layers/activation.ts";
import { flatten } from "../nn/layers/arrange.ts";
import { named, sequential } from "../nn/layers/compose.ts";
import { dropout } from "../nn/layers/dropout.ts";
import { conv, dense } from "../nn/layers/linear.ts";
import { batchNorm } from "../nn/layers/normalise.ts";
import { averagePool, maxPool } from "../nn/layers/pool.ts";
import type { Layer } from "../nn/scope.ts";
import { traceEvaluation } from "../nn/step.ts";
import { complexLayers } from "./stages.ts";

const stages = (net: Layer): string[] =>
  complexLayers(traceEvaluation(net, { batch: 1, inputs: { input: { shape: [1, 16, 16] } } })).map((layer) =>
    layer.stages.map(({ stage, kind }) => `${stage} ${kind}`).join(", "),
  );

test("a convolution stage begins a layer; detectors and pools behind it belong to it", () => {
  const net = sequential(
    named("first", sequential(conv(4, { kernel: 3 }), batchNorm(), relu(), maxPool(2))),
    conv(4, { kernel: 3 }),
    tanh(),
    averagePool(2),
    flatten(),
    dropout(0.5),
    dense(3),
  );
  assert.deepEqual(stages(net), [
    "convolution conv, other batchNorm, detector relu, pooling maxPool",
    "convolution conv, detector tanh, pooling averagePool, other flatten, other dropout",
    "convolution dense",
  ]);
});

test("what comes before the first convolution is a layer of its own", () => {
  assert.deepEqual(stages(sequential(maxPool(2), conv(2, { kernel: 3 }))), ["pooling maxPool", "convolution conv"]);
});
