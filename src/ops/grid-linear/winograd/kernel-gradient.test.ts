import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone } from "../../../../test/laws/isolated.ts";
import { devices } from "../../../../test/laws/judge.ts";
import { random } from "../../../base/random.ts";
import { size } from "../../../base/types.ts";
import { nodeHost } from "../../../hosts/node-host.ts";
import type { Algorithm } from "../../contract.ts";
import { gridLinear } from "../index.ts";
import { kernelBlocked } from "../kernel/wasm-blocked.ts";
import type { GridLinearPlan } from "../plan.ts";
import { winogradKernelAlgorithms } from "./wasm-kernel-gradient.ts";

nodeHost.enableWide();

type Plan = GridLinearPlan;
const parse = (line: string): Plan => gridLinear.parse(`grid-linear kernel ${line}`);
const [four, two] = winogradKernelAlgorithms;
const draws = (plan: Plan, draw: () => number): Float64Array[] =>
  gridLinear.inputs(plan).map(({ shape }) => Float64Array.from({ length: size(shape) }, draw));
/** A product with 0 may have either sign. */
const unsigned = (cells: Float64Array): Float64Array => cells.map((value) => value + 0);

/** Rests on either axis, odd channels, one to three axes, several slots, several rectangles, values that all chunks share. */
const lines = [
  "n2 ci16 co16 g1 | i9x7 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci24 co40 g1 | i7x7 k3x3 s1 d1 p1:1 t1 zero flip",
  "n2 ci17 co8 g1 | i11x16 k3x3 s1 d1 p2:0x0:2 t1 zero",
  "n3 ci32 co20 g1 | i31 k3 s1 d1 p1:1 t1 zero",
  "n4 ci32 co32 g1 | i33x29 k3x3 s1 d1 p1:1 t1 zero",
  "n1 ci96 co112 g1 | i9x8 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci16 co16 g1 | i5x6x7 k3x3x3 s1 d1 p1:1 t1 zero flip",
  "n3 ci9 co24 g1 | i4x6x9 k2x3x3 s1 d1 p0:0x1:1x1:1 t1 zero",
];

for (const algorithm of [four, two])
  test(`${algorithm.id} equals the oracle, in any order of chunks, with fewer examples`, () => {
    const draw = random(3);
    for (const [at, line] of lines.entries()) {
      const plan = parse(line);
      const inputs = draws(plan, () => draw.integer(-4, 4));
      const runs = [plan.examples, 1].map((examples) => {
        const given = inputs.map((cells) => cells.slice(0, (cells.length / plan.examples) * examples));
        return { examples, given, wanted: gridLinear.reference({ ...plan, examples }, given)[0] };
      });
      // each line on one tier: the laws try all of them on every one
      for (const device of [devices[at % devices.length]]) {
        const trial = { operator: gridLinear, algorithm, plan, device, inputHalo: { low: 0, high: 1 } };
        for (const { examples, given, wanted } of runs) {
          const name = `${line} on ${device.tier}, ${examples} examples`;
          const { outputs, damage } = runAlone({ ...trial, inputs: given, examples });
          assert.deepEqual(damage, [], name);
          const order = (chunks: number): number[] => Array.from({ length: chunks }, (_, i) => chunks - 1 - i);
          const turned = runAlone({ ...trial, inputs: given, examples, order });
          assert.deepEqual(turned.outputs[0], outputs[0], `${name}, chunks in another order`);
          const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
          if (algorithm === two) assert.deepEqual(unsigned(outputs[0]), unsigned(wanted), name);
          else outputs[0].forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 2e-6 * largest, `${name}: cell ${i}`));
        }
      }
    }
  });

test("rounding stays within what is declared, on normal, same-sign and rectified data", () => {
  const draw = random(7);
  const kinds = [() => draw.normal(), () => 0.25 + 2 * draw.uniform(), () => Math.max(0, draw.normal())];
  for (const line of [
    "n4 ci16 co16 g1 | i7x7 k3x3",
    "n16 ci16 co8 g1 | i2x2 k3x3",
    "n4 ci8 co8 g1 | i32x32 k3x3",
    "n8 ci16 co16 g1 | i17 k3",
  ]) {
    const plan = parse(`${line} s1 d1 p1:1 t1 zero`);
    for (const kind of kinds) {
      const inputs = draws(plan, () => Math.fround(kind()));
      const [wanted] = gridLinear.reference(plan, inputs);
      const [most] = gridLinear.reference(
        plan,
        inputs.map((cells) => cells.map(Math.abs)),
      );
      const [terms] = gridLinear.reference(
        plan,
        inputs.map((cells) => cells.map(() => 1)),
      );
      for (const algorithm of [four, two])
        for (const device of devices.slice(1)) {
          const [found] = runAlone({ operator: gridLinear, algorithm, plan, device, inputs }).outputs;
          const taps = size(plan.axes.map(({ kernel }) => kernel));
          const bounds = most.map((cell, i) => 2 ** -24 * (4 + Math.sqrt(terms[i])) * cell);
          found.forEach((value, i) => {
            const first = i - (i % taps);
            const rounding = Math.abs(value - wanted[i]) / Math.max(...bounds.slice(first, first + taps));
            assert.ok(rounding <= (algorithm.rounding ?? 1), `${algorithm.id}: ${rounding} at ${line}, cell ${i}`);
          });
        }
    }
  }
});

test("what the form does not take is refused in a sentence", () => {
  const refusal = (line: string): string => {
    const plan = parse(line);
    assert.deepEqual(four.layouts(plan, null, devices[0]), []);
    return four.refuses(plan, { inputs: [], operands: [], outputs: [] }, null, devices[0]) ?? "";
  };
  assert.match(refusal("n9 ci16 co16 g1 | i6x6 k3x3 s2 d1 p1:1 t1 zero"), /stride 1/);
  assert.match(refusal("n9 ci16 co16 g1 | i6x6x6 k3x3x3 s2x1x1 d1 p1:1 t1 zero"), /first of three axes/);
  assert.match(refusal("n9 ci16 co16 g2 | i6x6 k3x3 s1 d1 p1:1 t1 zero"), /one group/);
  assert.match(refusal("n1 ci16 co16 g1 | i7x9 k3x3 s1 d1 p1:1 t1 zero"), /63 cells are too few/);
});

test("predicted times choose by maps and channels as measured ones do", () => {
  const given = [kernelBlocked, four, two];
  const fastest = (line: string): Algorithm<Plan> => {
    const plan = parse(`${line} s1 d1 p1:1 t1 zero`);
    const times = given.map((algorithm) => algorithm.estimate(plan, algorithm.layouts(plan, null, devices[0])[0], null, devices[0]));
    return given[times.indexOf(Math.min(...times))];
  };
  for (const line of [
    "n8 ci64 co64 g1 | i56x56 k3x3",
    "n8 ci512 co512 g1 | i7x7 k3x3",
    "n32 ci16 co16 g1 | i32x32 k3x3",
    "n8 ci16 co32 g1 | i16x32x32 k3x3x3",
  ])
    assert.equal(fastest(line), four, line);
  for (const line of ["n32 ci128 co128 g1 | i6x6 k3x3", "n32 ci256 co256 g1 | i2x2 k3x3"]) assert.equal(fastest(line), two, line);
});
