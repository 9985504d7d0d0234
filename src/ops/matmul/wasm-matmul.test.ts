import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../../test/laws/isolated.ts";
import { random } from "../../base/random.ts";
import { size } from "../../base/types.ts";
import { matmulOperator } from "./index.ts";
import { plainMatmul } from "./wasm-matmul.ts";

test("wasm-matmul-rows equals the reference on integers for 300 sampled plans", () => {
  const draw = random(3);
  for (let i = 0; i < 300; i++) {
    const plan = matmulOperator.sample(draw);
    const inputs = [plan.a, plan.b].map((type) => Float64Array.from({ length: size(type.shape) }, () => draw.integer(-4, 4)));
    const { outputs, damage } = runAlone({
      operator: matmulOperator,
      algorithm: plainMatmul,
      plan,
      device: { tier: "plain", fma: false, wide: false },
      inputs,
      outputHalo: { low: 2, high: 1, fill: 3 },
    });
    assert.deepEqual(damage, [], matmulOperator.line(plan));
    assert.deepEqual(outputs, matmulOperator.reference(plan, inputs), matmulOperator.line(plan));
  }
});
