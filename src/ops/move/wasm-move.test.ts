import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../../test/laws/isolated.ts";
import { random } from "../../base/random.ts";
import { size } from "../../base/types.ts";
import { moveOperator } from "./index.ts";
import { plainMove } from "./wasm-move.ts";

test("wasm-move-plain equals the reference for 400 sampled plans", () => {
  const draw = random(5);
  for (let i = 0; i < 400; i++) {
    const plan = moveOperator.sample(draw);
    const inputs = plan.inputs.map((type) => Float64Array.from({ length: size(type.shape) }, () => draw.integer(-4, 7)));
    if (plan.move.kind === "reshape") continue;
    const outputHalo = { low: 2, high: 1, fill: 3 };
    const { outputs, damage } = runAlone({
      operator: moveOperator,
      algorithm: plainMove,
      plan,
      device: { tier: "plain", fma: false, wide: false },
      inputs,
      outputHalo,
    });
    assert.deepEqual(damage, [], moveOperator.line(plan));
    assert.deepEqual(
      outputs.map((cells) => Array.from(cells)),
      moveOperator.reference(plan, inputs).map((cells) => Array.from(cells)),
      moveOperator.line(plan),
    );
  }
});
