import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../../test/laws/isolated.ts";
import { type Random, random } from "../../base/random.ts";
import { size, type TensorType } from "../../base/types.ts";
import { call, constant, type Device, type Expression, type Layout, operand } from "../contract.ts";
import { printLayout } from "../layout.ts";
import { pointwiseOperator } from "./index.ts";
import { type PointwisePlan, planPointwise } from "./plan.ts";
import { wasmPointwise } from "./wasm-pointwise.ts";

const devices: readonly Device[] = [
  { tier: "wide", fma: true, wide: true },
  { tier: "plain", fma: false, wide: false },
];

/** A formula that is exact on small integers. */
function exactFormula(draws: Random, operands: number): Expression {
  const all = Array.from({ length: operands }, (_, i) => operand(i)).filter((_, i) => i === 0 || draws.uniform() < 0.85);
  const joined = all.reduce<Expression>(
    (sum, part) => call(draws.pick(["add", "subtract", "multiply", "max", "min"]), sum, part),
    constant(1),
  );
  return draws.pick([
    joined,
    call("select", call("less", operand(0), constant(1)), joined, constant(3)),
    call("relu", joined),
    call("floor", call("multiply", joined, constant(0.5))),
  ]);
}

function samplePlan(draws: Random): PointwisePlan {
  const batched = draws.uniform() < 0.8;
  const axes = draws.integer(0, 3);
  const tile = draws.uniform() < 0.25;
  const examples = draws.integer(1, 4);
  const extents = [draws.pick([1, 3, 5, 8, 16, 17, 24, 40]), ...Array.from({ length: axes }, () => draws.pick([1, 2, 3, 4, 7, 9, 16, 21]))];
  const rest = draws.uniform() < 0.1 ? [] : extents;
  const full: TensorType = { dtype: "f32", shape: batched ? [examples, ...rest] : rest, batched };
  const others = Array.from({ length: draws.integer(0, 3) }, (): TensorType => {
    const own = batched && draws.uniform() < 0.5;
    const form = draws.pick(["full", "channel", "scalar", "mixed"]);
    const shape = rest.map((extent, axis) => {
      if (form === "full" || (form === "channel" && axis === 0)) return extent;
      if (form !== "mixed") return 1;
      return tile && draws.uniform() < 0.5 ? draws.integer(1, extent) : draws.pick([1, extent]);
    });
    const lead = draws.uniform() < 0.3 ? shape.findIndex((extent) => extent !== 1) : 0;
    const whole = batched && draws.uniform() < 0.2 ? [1, ...shape] : shape.slice(lead < 0 ? shape.length : lead);
    return { dtype: form !== "full" && draws.uniform() < 0.3 ? "i32" : "f32", shape: own ? [examples, ...shape] : whole, batched: own };
  });
  const operands = [full, ...others];
  return planPointwise({ expression: exactFormula(draws, operands.length), tile }, operands);
}

/** The layouts of the algorithm, some with halos of other consumers. */
function withHalos(draws: Random, types: readonly TensorType[], layouts: readonly Layout[]): Layout[] {
  return layouts.map((layout, i) => {
    const axes = types[i].shape.length - (types[i].batched ? 2 : 1);
    if (axes < 1 || !types[i].batched || draws.uniform() < 0.5) return layout;
    return {
      ...layout,
      halo: Array.from({ length: axes }, () => ({ low: draws.integer(0, 2), high: draws.integer(0, 2) })),
      fill: Number.NaN,
    };
  });
}

test("formulas of whole numbers are exact in every layout, beside halos, for short batches and chunks in any order", () => {
  const draws = random(11);
  for (let round = 0; round < 60; round++) {
    const plan = samplePlan(draws);
    const device = devices[round % 2];
    const examples = plan.output.batched ? draws.integer(1, plan.output.shape[0]) : 1;
    const inputs = plan.operands.map((type) => Float64Array.from({ length: size(type.shape) }, () => draws.integer(-4, 4)));
    const cut = plan.operands.map((type, i) =>
      type.batched ? inputs[i].slice(0, (inputs[i].length / type.shape[0]) * examples) : inputs[i],
    );
    const types = plan.operands.map((type) => (type.batched ? { ...type, shape: [examples, ...type.shape.slice(1)] } : type));
    const [expected] = pointwiseOperator.reference(planPointwise({ expression: plan.expression, tile: plan.tile }, types), cut);
    for (const choice of wasmPointwise.layouts(plan, null, device)) {
      if (plan.operands.some(({ dtype }, i) => dtype === "i32" && choice.inputs[i].block > 1)) continue;
      const haloed = { ...choice, inputs: withHalos(draws, plan.operands, choice.inputs) };
      const trial = {
        operator: pointwiseOperator,
        algorithm: wasmPointwise,
        plan,
        device,
        inputs,
        choice: haloed,
        examples,
        ...(draws.uniform() < 0.5 ? { outputHalo: { low: 1, high: 2, fill: 7 } } : {}),
        ...(draws.uniform() < 0.5 ? { order: (chunks: number) => draws.permutation(chunks) as unknown as number[] } : {}),
      };
      const { outputs, damage } = runAlone(trial);
      const name = `${pointwiseOperator.line(plan)} in ${haloed.inputs.map(printLayout).join(" ")} -> ${choice.outputs[0]}`;
      assert.deepEqual(damage, [], name);
      const wrong = outputs[0].findIndex((value, i) => value !== expected[i]);
      assert.equal(wrong, -1, `${name}: cell ${wrong} is ${outputs[0][wrong]}, expected ${expected[wrong]}`);
    }
  }
});
