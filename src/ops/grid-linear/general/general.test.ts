import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../../../test/laws/isolated.ts";
import { random } from "../../../base/random.ts";
import { size } from "../../../base/types.ts";
import { gridLinear } from "../index.ts";
import { generalGridLinear } from "./wasm-general.ts";

test("the general algorithm equals the reference on integers, for 300 sampled plans", () => {
  const draw = random(7);
  for (let i = 0; i < 300; i++) {
    const plan = gridLinear.sample(draw);
    const inputs = gridLinear.inputs(plan).map((type) => Float64Array.from({ length: size(type.shape) }, () => draw.integer(-4, 4)));
    const { outputs, damage } = runAlone({
      operator: gridLinear,
      algorithm: generalGridLinear,
      plan,
      device: { tier: "plain", fma: false, wide: false },
      inputs,
    });
    assert.deepEqual(damage, [], gridLinear.line(plan));
    assert.deepEqual(outputs, gridLinear.reference(plan, inputs), gridLinear.line(plan));
  }
});
