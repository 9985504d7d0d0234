import { size, tensorType } from "../../src/base/types.ts";
import { gradients } from "../../src/graph/differentiate.ts";
import type { Target } from "../../src/graph/session.ts";
import { GraphTracer } from "../../src/graph/trace.ts";
import { binaryCrossEntropy, crossEntropy, type Loss, meanAbsoluteError, meanSquaredError, smoothL1 } from "../../src/nn/losses.ts";
import { mean, multiply, sum } from "../../src/ops.ts";
import { type Case, eachCase } from "./cases.ts";
import { assertClose } from "./judge.ts";

function lossOf(one: Case): Loss {
  const {
    kind,
    label_smoothing: labelSmoothing = 0,
    weighted = false,
  } = one.asked as { kind: string; label_smoothing?: number; weighted?: boolean };
  switch (kind) {
    case "mse":
      return meanSquaredError();
    case "l1":
      return meanAbsoluteError();
    case "smooth_l1":
      return smoothL1();
    case "bce_logits":
      return binaryCrossEntropy();
    default:
      return crossEntropy({ labelSmoothing, ...(weighted && { classWeights: [...one.tensor("class_weight").data] }) });
  }
}

eachCase("loss", 10, async (one: Case, target: Target) => {
  const [x, labels] = [one.tensor("x"), one.tensor("target")];
  const tracer = new GraphTracer();
  const output = tracer.input("x", tensorType(x.shape, true));
  const given = tracer.input("target", tensorType(labels.shape, true, labels.dtype));
  const losses = lossOf(one)({ output }, { target: given });
  // ours is the mean over each example's cells
  const cells = size(labels.shape.slice(1));
  const total = one.asked.reduction === "sum" ? multiply(sum(losses), cells) : mean(losses);
  tracer.output("y", total);
  tracer.output("gradient", gradients(total, [output])[0]!);
  const session = await target.open();
  try {
    const program = await session.compile(tracer.finish());
    const outputs = await program.run({ x: x.data as Float32Array, target: labels.data as Float32Array | Int32Array });
    assertClose("loss", outputs.y, one.tensor("y"));
    assertClose("gradient", outputs.gradient, one.tensor("grad_x"));
  } finally {
    await session.close();
  }
});
