import type { Target } from "../../src/graph/session.ts";
import * as act from "../../src/nn/layers/activation.ts";
import { logSoftmax, softmax } from "../../src/nn/layers/arrange.ts";
import { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm } from "../../src/nn/layers/normalise.ts";
import type { Layer } from "../../src/nn/scope.ts";
import { type Case, eachCase } from "./cases.ts";
import { judge } from "./judge.ts";

function norm({ asked }: Case): Layer {
  const { kind, eps: epsilon, momentum, groups, size, alpha, beta, k } = asked as Record<string, number> & { kind: string };
  if (kind === "lrn") return localResponseNorm({ size, alpha, beta, k });
  if (kind === "group") return groupNorm(groups, { epsilon });
  if (kind === "instance") return instanceNorm({ epsilon, affine: true });
  return kind === "layer" ? layerNorm({ epsilon }) : batchNorm({ epsilon, momentum });
}

eachCase("norm", 12, async (one, target) => {
  const affine = one.has("w");
  const running = one.has("running_mean_in");
  await judge(target, {
    layer: norm(one),
    training: one.asked.kind !== "batch_eval",
    x: one.tensor("x"),
    y: one.tensor("y"),
    gradY: one.tensor("grad_y"),
    gradX: one.tensor("grad_x"),
    ...(affine && {
      parameters: {
        scale: { value: one.tensor("w"), gradient: one.tensor("grad_w") },
        shift: { value: one.tensor("b"), gradient: one.tensor("grad_b") },
      },
    }),
    ...(running && {
      statistics: {
        mean: { before: one.tensor("running_mean_in"), after: one.tensor("running_mean_out") },
        variance: { before: one.tensor("running_var_in"), after: one.tensor("running_var_out") },
      },
    }),
  });
});

const activations: Readonly<Record<string, () => Layer>> = {
  relu: act.relu,
  leaky_relu: () => act.leakyRelu(0.1),
  elu: act.elu,
  selu: act.selu,
  celu: () => act.celu(0.7),
  gelu: act.gelu,
  gelu_tanh: () => act.gelu({ approximate: true }),
  silu: act.silu,
  mish: act.mish,
  sigmoid: act.sigmoid,
  tanh: act.tanh,
  softplus: act.softplus,
  softsign: act.softsign,
  hardswish: act.hardSwish,
  hardsigmoid: act.hardSigmoid,
  hardtanh: act.hardTanh,
  relu6: act.relu6,
  softmax_c: softmax,
  log_softmax_c: logSoftmax,
  abs: act.absolute,
};

eachCase("activation", 20, (one: Case, target: Target) =>
  judge(target, {
    layer: activations[String(one.asked.kind)](),
    x: one.tensor("x"),
    y: one.tensor("y"),
    gradY: one.tensor("grad_y"),
    gradX: one.tensor("grad_x"),
  }),
);
