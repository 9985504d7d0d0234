import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../../test/laws/isolated.ts";
import { random } from "../../base/random.ts";
import { size } from "../../base/types.ts";
import { windowOperator } from "./index.ts";
import { windowTypes } from "./plan.ts";
import { unrolledWindow } from "./wasm-unrolled.ts";
import { blockedWindow, plainWindow } from "./wasm-window.ts";

for (const algorithm of [plainWindow, blockedWindow, unrolledWindow]) {
  test(`${algorithm.id} equals the reference, NaN and infinities included, for 120 sampled plans`, () => {
    const draw = random(11);
    const device = { tier: "plain", fma: false, wide: false } as const;
    let taken = 0;
    for (let i = 0; i < 120; i++) {
      const sampled = windowOperator.sample(draw);
      const channel = { ...sampled.axes[0], input: 17, kernel: 1, stride: 1, dilation: 1, low: 0, high: 0, output: 17 };
      const plan = algorithm !== plainWindow ? { ...sampled, batched: true, axes: [channel, ...sampled.axes.slice(1)] } : sampled;
      for (const choice of algorithm.layouts(plan, null, device)) {
        if (algorithm.refuses(plan, choice, null, device) !== null) continue;
        taken++;
        const { input } = windowTypes(plan);
        const cells = Float64Array.from({ length: size(input.shape) }, () =>
          draw.pick([
            draw.integer(-3, 3),
            draw.integer(-3, 3),
            draw.integer(-3, 3),
            Number.NEGATIVE_INFINITY,
            ...(i % 5 === 0 ? [Number.NaN] : []),
          ]),
        );
        const [values, index] = windowOperator.reference({ ...plan, role: "select" }, [cells]);
        const inputs = {
          select: [cells],
          scatter: [values.map((value) => (Number.isFinite(value) ? value : 1)), index],
          take: [cells, index],
        }[plan.role];
        const { outputs, damage } = runAlone({
          operator: windowOperator,
          algorithm,
          plan,
          device,
          inputs,
          choice,
          outputHalo: { low: 1, high: 2, fill: 5 },
        });
        assert.deepEqual(damage, [], windowOperator.line(plan));
        assert.deepEqual(outputs, windowOperator.reference(plan, inputs), windowOperator.line(plan));
      }
    }
    assert.ok(taken > 40, `${taken} plans taken`);
  });
}
