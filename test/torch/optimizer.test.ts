import assert from "node:assert/strict";
import { isDeepStrictEqual } from "node:util";
import type { Target } from "../../src/graph/session.ts";
import { zeros } from "../../src/nn/initialisers.ts";
import * as make from "../../src/nn/optimisers.ts";
import type { Net } from "../../src/nn/scope.ts";
import { initialise, traceTraining } from "../../src/nn/step.ts";
import { call, type Expression } from "../../src/ops/contract.ts";
import { multiply, sum } from "../../src/ops.ts";
import { type Case, eachCase } from "./cases.ts";
import { assertClose, floats } from "./judge.ts";

function optimiserOf({ asked }: Case): make.Optimiser {
  const { kind, betas, ...given } = asked as Record<string, number> & { kind: string; betas?: [number, number]; centered?: boolean };
  const [beta1, beta2] = betas ?? [0.9, 0.999];
  // PyTorch's names to ours
  const names: Record<string, string> = { weight_decay: "weightDecay", lr_decay: "rateDecay" };
  const options = Object.fromEntries(Object.entries(given).map(([name, value]) => [names[name] ?? name, value]));
  const { adam, adamW, nadam, rmsprop, adagrad, adadelta, adamax, sgd } = make;
  const adams = { adam, adamw: adamW, nadam, adamax };
  if (kind in adams) return adams[kind as keyof typeof adams]({ beta1, beta2, ...options });
  return { sgd, rmsprop, adagrad, adadelta }[kind as "sgd"](options);
}

/**
 * The PyTorch that made the cases counts mu_t twice in the momentum's bias of NAdam (mended in PyTorch 2.0, pull request 92699):
 * 1 - mu_1 ... mu_t mu_(t+1) has one factor mu_t more. Everything else of ours is checked as it is.
 */
function withMuTwice(nadam: make.Optimiser): make.Optimiser {
  return {
    ...nadam,
    rules: (next) => {
      const { slots, parameter } = nadam.rules(next);
      const product = slots[2];
      assert.ok(product.kind === "call");
      const mu = product.inputs[1];
      let changed = 0;
      const twice = (part: Expression): Expression => {
        if (part.kind !== "call") return part;
        const inputs = part.inputs.map(twice);
        const found = part.name === "multiply" && isDeepStrictEqual(part.inputs[0], next(2));
        if (found) changed++;
        return found ? call("multiply", call("multiply", inputs[0], mu), inputs[1]) : call(part.name, ...inputs);
      };
      const formula = twice(parameter);
      assert.equal(changed, 1);
      return { slots, parameter: formula };
    },
  };
}

eachCase("optimizer", 13, async (one: Case, target: Target) => {
  const steps = Number(one.asked.steps);
  const { shape } = one.tensor("p0");
  // J = sum(p g), whose gradient is g
  const net: Net = ({ gradient }, scope) => multiply(scope.parameter("p", shape, zeros), gradient);
  const step = traceTraining(net, {
    batch: 1,
    inputs: { gradient: { shape } },
    targets: {},
    loss: ({ output }) => sum(output, [1, 2]),
    optimiser: one.asked.kind === "nadam" ? withMuTwice(optimiserOf(one)) : optimiserOf(one),
  });
  const session = await target.open();
  try {
    const program = await session.compile(step.graph);
    await initialise(session, [step], 1);
    await session.write("p", one.tensor("p0"));
    for (let index = 0; index < steps; index++) {
      await program.run({ gradient: floats(one.tensor(`g${index}`)), learningRate: Number(one.asked.lr), step: index + 1 });
      assertClose(`parameter after step ${index + 1}`, await session.read("p"), one.tensor(`p${index + 1}`));
    }
  } finally {
    await session.close();
  }
});
