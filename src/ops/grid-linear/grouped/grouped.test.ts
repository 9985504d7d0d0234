import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import { runAlone } from "../../../../test/laws/isolated.ts";
import { devices } from "../../../../test/laws/judge.ts";
import { random } from "../../../base/random.ts";
import { size } from "../../../base/types.ts";
import { gridLinear } from "../index.ts";
import { forwardGrouped, inputGrouped } from "./wasm-grouped.ts";
import { kernelGrouped } from "./wasm-kernel.ts";
import { paddedAlgorithms } from "./wasm-padded.ts";

// so that the wide tier is compiled as in use: optimised, its pairs packed
v8.setFlagsFromString("--no-liftoff");
v8.setFlagsFromString("--experimental-wasm-revectorize");

/** Multipliers, more and fewer results than sources, lanes that no group has, several blocks of groups, 1 to 3 axes. */
const lines = [
  "n2 ci20 co40 g20 | i9x7 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci54 co36 g18 | i8x5 k3x2 s2x1 d1 p1:1x0:1 t1 zero flip",
  "n2 ci64 co96 g16 | i5x6 k3x3 s1 d1 p1:1 t1 zero",
  "n3 ci12 co20 g4 | i13 k5 s1 d2 p4:4 t1 zero",
  "n1 ci34 co17 g17 | i5x4x6 k2x3x2 s1x2x1 d1 p1:0 t1 zero",
  "n2 ci99 co66 g33 | i6x9 k1x4 s1x3 d1 p0:0x2:1 t1 zero flip",
];

/** Few groups, of fewer and of more than a block, one of their sides made of whole blocks. */
const fewGroups = [
  "n2 ci15 co21 g3 | i6x7 k3x3 s2 d1 p1:1 t1 zero flip",
  "n3 ci40 co26 g2 | i9 k4 s1 d2 p3:2 t1 zero",
  "n1 ci16 co22 g2 | i4x5x6 k2x3x2 s1x2x1 d1 p1:0 t1 zero",
];
const [forwardPadded, inputPadded, kernelPadded] = paddedAlgorithms;

for (const { algorithm, role } of [
  { algorithm: forwardGrouped, role: "forward" },
  { algorithm: inputGrouped, role: "input" },
  { algorithm: kernelGrouped, role: "kernel" },
  { algorithm: forwardPadded, role: "forward" },
  { algorithm: inputPadded, role: "input" },
  { algorithm: kernelPadded, role: "kernel" },
] as const) {
  test(`${algorithm.id} equals the oracle exactly on integers, chunks in any order`, () => {
    const draw = random(7);
    for (const line of [...lines, ...fewGroups]) {
      const plan = gridLinear.parse(`grid-linear ${role} ${line}`);
      const inputs = gridLinear.inputs(plan).map(({ shape }) => Float64Array.from({ length: size(shape) }, () => draw.integer(-4, 4)));
      const [expected] = gridLinear.reference(plan, inputs);
      for (const device of devices) {
        const order = (count: number): number[] => Array.from({ length: count }, (_, i) => count - 1 - i);
        const choices = algorithm.layouts(plan, null, device);
        // 260 pairs of channels are too many depthwise gradients
        assert.equal(choices.length > 0, algorithm !== kernelGrouped || !line.includes("co26"), line);
        for (const choice of choices) {
          const { outputs, damage } = runAlone({ operator: gridLinear, algorithm, plan, device, inputs, choice, order });
          const name = `${line} on ${device.tier}, ${choice.inputs[1].block} to ${choice.outputs[0]}`;
          assert.deepEqual(damage, [], name);
          // a product with 0 may have either sign
          assert.deepEqual(
            outputs[0].map((cell) => cell + 0),
            expected.map((cell) => cell + 0),
            name,
          );
        }
      }
    }
  });
}

test("what other algorithms do better, and what has no lanes, is refused in a sentence", () => {
  const refusal = (line: string): string | null =>
    forwardGrouped.refuses(gridLinear.parse(`grid-linear forward ${line}`), { inputs: [], operands: [], outputs: [] }, null, devices[0]);
  assert.match(refusal("n1 ci4 co4 g4 | i5 k3 s1 d1 p1:1 t1 zero") ?? "", /depthwise/);
  assert.match(refusal("n1 ci4 co4 g1 | i5 k3 s1 d1 p1:1 t1 zero") ?? "", /one group/);
  assert.match(refusal("n1 ci32 co16 g2 | i5 k3 s1 d1 p1:1 t1 zero") ?? "", /block by block/);
  assert.match(refusal("n1 ci4 co4 g2 | i5 k3 s1 d1 p1:1 t1 wrap") ?? "", /border/);
  assert.equal(refusal("n1 ci4 co4 g2 | i5 k3 s1 d1 p1:1 t1 zero"), null);
});
