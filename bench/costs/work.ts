import { fail } from "../../src/base/errors.ts";
import type { TensorType } from "../../src/base/types.ts";
import type { Graph, Source } from "../../src/graph/graph.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { models } from "../../src/nn/models/index.ts";
import { sgd } from "../../src/nn/optimisers.ts";
import { traceEvaluation, traceTraining } from "../../src/nn/step.ts";
import type { Layout } from "../../src/ops/contract.ts";
import { operatorOfLine } from "../../src/ops/index.ts";
import { blockedLayout, plainLayout } from "../../src/ops/layout.ts";
import { layerCases } from "../cases/layers.ts";

/** A graph whose nodes are measured, each alone. */
export interface Work {
  readonly name: string;
  readonly graph: Graph;
}

/** A graph of one problem line; kernels are states, as in a net. */
export function graphOfLine(line: string): Graph {
  const operator = operatorOfLine(line) ?? fail("costs", "problems", "problem line", "one of an operator", line);
  const plan = operator.parse(line);
  const inputs = operator.inputs(plan);
  const sourceOf = (type: TensorType, i: number): Source => ({ kind: type.batched ? "input" : "state", name: `x${i}` });
  const values = inputs.map((type, i) => ({ type, source: sourceOf(type, i) }));
  const made = operator.outputs(plan).map((type, output) => ({ type, source: { kind: "node", node: 0, output } as const }));
  const node = {
    operator,
    options: null,
    plan,
    inputs: inputs.map((_, i) => i),
    outputs: made.map((_, i) => inputs.length + i),
    path: "",
    fusion: null,
  };
  const outputs = made.map((_, i) => ({ name: `y${i}`, value: inputs.length + i }));
  return { values: [...values, ...made], nodes: [node], outputs, updates: [] };
}

const nets = [
  { model: "lenet5", shape: [1, 28, 28], batch: 1 },
  { model: "resnet18", shape: [3, 224, 224], batch: 1 },
  { model: "mobilenetv2", shape: [3, 224, 224], batch: 1 },
  { model: "resnet20", shape: [3, 32, 32], batch: 32, training: true },
  { model: "lenet5", shape: [1, 28, 28], batch: 32, training: true },
  { model: "default", shape: [3, 64, 64], batch: 16, training: true },
] as const;

/** The nodes of usual nets, with what is fused into them, and the problem lines of the bench. */
export function workOf(match: RegExp): Work[] {
  const ofNets = nets.map(({ model, shape, batch, ...rest }): Work => {
    const training = "training" in rest;
    const net = models[model](shape, 10);
    const inputs = { input: { shape } };
    const targets = { label: { shape: [], dtype: "i32" as const } };
    const { graph } = training
      ? traceTraining(net, { batch, inputs, targets, loss: crossEntropy(), optimiser: sgd({ momentum: 0.9 }) })
      : traceEvaluation(net, { batch, inputs });
    return { name: `${model}${training ? " step" : ""}, batch ${batch}`, graph };
  });
  const ofLines = layerCases().flatMap(({ name, line }): Work[] => (line === undefined ? [] : [{ name, graph: graphOfLine(line) }]));
  return [...ofNets, ...ofLines].filter(({ name }) => match.test(name));
}

/** Conversions that are timed: values inside and outside the caches, with and without halos. */
export const moves: readonly { readonly type: TensorType; readonly from: Layout; readonly to: Layout }[] = [
  [1, 64, 56, 56],
  [8, 64, 56, 56],
  [1, 256, 14, 14],
  [32, 16, 32, 32],
  [1, 512, 7, 7],
  [1, 3, 224, 224],
  [32, 20, 100],
  [8, 32, 8, 16, 16],
].flatMap((shape) => {
  const type: TensorType = { dtype: "f32", shape, batched: true };
  const halo = shape.slice(2).map(() => ({ low: 1, high: 1 }));
  const [b8, b16] = [blockedLayout(8), blockedLayout(16)];
  const pairs = [
    [plainLayout, { ...plainLayout, halo }],
    [plainLayout, { ...b16, halo }],
    [plainLayout, b8],
    [b16, plainLayout],
    [b8, { ...plainLayout, halo }],
    [b16, { ...b16, halo }],
    [b8, b16],
    [b16, b8],
  ];
  return pairs.map(([from, to]) => ({ type, from, to }));
});
