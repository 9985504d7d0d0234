import assert from "node:assert/strict";
import { test } from "node:test";
import { runAlone, type Trial } from "../../../../test/laws/isolated.ts";
import { devices } from "../../../../test/laws/judge.ts";
import { type Random, random } from "../../../base/random.ts";
import { size, tensorType } from "../../../base/types.ts";
import { axisTerms, outputExtent } from "../../../grid/axis.ts";
import { type Algorithm, call, type Device, type Fusion, operand } from "../../contract.ts";
import { flatForward, flatInput } from "../blocked/wasm-flat.ts";
import { denseForward, denseInput, denseKernel } from "../dense/wasm-dense.ts";
import { gridLinear } from "../index.ts";
import { kernelBlocked } from "../kernel/wasm-blocked.ts";
import { flatKernel } from "../kernel/wasm-flat.ts";
import { narrowKernel } from "../kernel/wasm-narrow.ts";
import { narrowForward } from "../narrow/wasm-narrow.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";

const draws = (plan: GridLinearPlan, draw: () => number): Float64Array[] =>
  gridLinear.inputs(plan).map((type) => Float64Array.from({ length: size(type.shape) }, draw));

/** Terms that one result cell sums at most. */
function depth(plan: GridLinearPlan): number {
  const terms = plan.axes.reduce((product, axis) => product * axisTerms(axis).length, 1);
  const { channelsIn, channelsOut, groups, examples } = plan;
  return plan.role === "forward"
    ? (terms * channelsIn) / groups
    : plan.role === "input"
      ? (terms * channelsOut) / groups
      : terms * examples;
}

/** The same plan and inputs with fewer examples. */
function shortened(
  plan: GridLinearPlan,
  inputs: readonly Float64Array[],
  examples: number,
): { plan: GridLinearPlan; inputs: Float64Array[] } {
  const types = gridLinear.inputs(plan);
  return {
    plan: { ...plan, examples },
    inputs: inputs.map((cells, i) => (types[i].batched ? cells.slice(0, (cells.length / plan.examples) * examples) : cells)),
  };
}

/** Runs a plan against the oracle: exactly on integers, within the bound on reals, with a short batch, with chunks in another order. */
function check(algorithm: Algorithm<GridLinearPlan>, plan: GridLinearPlan, device: Device, draw: Random): number {
  const name = `${gridLinear.line(plan)} | ${device.tier}`;
  // the first and the last of several: the others are mixtures of the two
  const choices = algorithm.layouts(plan, null, device).filter((_, i, all) => i === 0 || i === all.length - 1);
  for (const choice of choices) {
    if (algorithm.refuses(plan, choice, null, device) !== null) continue;
    const whole = draws(plan, () => draw.integer(-4, 4));
    const trial: Trial<GridLinearPlan> = {
      operator: gridLinear,
      algorithm,
      plan,
      device,
      inputs: whole,
      choice,
      outputHalo: { low: 1, high: 2, fill: 7 },
      inputHalo: { low: 2, high: 1 },
    };
    const exact = runAlone(trial);
    assert.deepEqual(exact.damage, [], name);
    assert.deepEqual(exact.outputs, gridLinear.reference(plan, whole), name);
    if (plan.examples > 1) {
      const examples = plan.examples - 1;
      const short = shortened(plan, whole, examples);
      const result = runAlone({ ...trial, examples });
      assert.deepEqual(result.damage, [], `${name}, short`);
      assert.deepEqual(result.outputs, gridLinear.reference(short.plan, short.inputs), `${name}, short`);
    }
    const real = draws(plan, () => draw.normal()).map((cells) => Float64Array.from(cells, Math.fround));
    const [found] = runAlone({ ...trial, inputs: real }).outputs;
    const [turned] = runAlone({
      ...trial,
      inputs: real,
      order: (chunks) => Array.from({ length: chunks }, (_, i) => chunks - 1 - i),
    }).outputs;
    assert.deepEqual(turned, found, `${name}, chunks in another order`);
    const [wanted] = gridLinear.reference(plan, real);
    const [most] = gridLinear.reference(
      plan,
      real.map((cells) => cells.map(Math.abs)),
    );
    const factor = 2 ** -24 * (4 + Math.sqrt(depth(plan)));
    found.forEach((value, i) =>
      assert.ok(Math.abs(value - wanted[i]) <= factor * most[i], `${name}: cell ${i} is ${value}, not ${wanted[i]}`),
    );
  }
  return choices.length;
}

/** Checks sampled plans of one role that the algorithm takes; at least so many. */
function checkSampled(
  algorithm: Algorithm<GridLinearPlan>,
  role: GridLinearPlan["role"],
  wanted: number,
  change: (plan: GridLinearPlan) => GridLinearPlan,
): void {
  const draw = random(11);
  let taken = 0;
  for (let i = 0; i < 20 * wanted && taken < wanted; i++) {
    const plan = change({ ...gridLinear.sample(draw), role });
    if (gridLinear.cost(plan).multiplyAdds > 3e5) continue;
    if (check(algorithm, plan, devices[i % 3], draw) > 0) taken++;
  }
  assert.ok(taken >= wanted, `only ${taken} plans were taken`);
}

const checkLines = (algorithm: Algorithm<GridLinearPlan>, lines: readonly string[]): void => {
  const draw = random(3);
  for (const line of lines) {
    for (const device of devices) assert.ok(check(algorithm, gridLinear.parse(`grid-linear ${line}`), device, draw) > 0, `${line} refused`);
  }
};

test("the blocked kernel gradient equals the oracle at sampled plans", () => {
  checkSampled(kernelBlocked, "kernel", 30, (plan) => ({
    ...plan,
    axes: plan.axes.map((axis) => ({ ...axis, border: "zero", period: 1 })),
    connections: null,
    groups: 1,
  }));
});

test("the blocked kernel gradient equals the oracle at its edges", () => {
  checkLines(kernelBlocked, [
    "kernel n3 ci32 co32 g2 | i6x5 k3x2 s1 d1 p1:1 t1 zero",
    "kernel n5 ci24 co48 g3 | i7 k3 s2 d1 p1:1 t1 zero flip",
    "kernel n7 ci17 co20 g1 | i4x4 k3x3 s1 d1 p1:1 t1 zero",
    "kernel n2 ci6 co6 g1 | i9x8 k5x5 s1 d1 p2:2 t1 zero",
    "kernel n2 ci16 co16 g1 | i1x1 k3x3 s1 d1 p1:1 t1 zero",
    "kernel n2 ci8 co16 g1 | i700 k3 s1 d1 p1:1 t1 zero",
    "kernel n1 ci3 co4 g1 | i5x6x40 k2x3x3 s1x2x1 d2x1x1 p1:1 t1 zero flip",
    "kernel n2 ci64 co32 g1 | i5x5 k1x1 s2 d1 p0:0 t1 zero",
  ]);
});

test("the blocked kernel gradient says what it refuses", () => {
  const refusal = (line: string): string | null => {
    const plan = gridLinear.parse(`grid-linear ${line}`);
    assert.deepEqual(kernelBlocked.layouts(plan, null, devices[0]), []);
    return kernelBlocked.refuses(plan, { inputs: [], operands: [], outputs: [] }, null, devices[0]);
  };
  assert.equal(
    refusal("kernel n2 ci16 co16 g16 | i5 k3 s1 d1 p1:1 t1 zero"),
    "groups of 1 input and 1 output channels are not whole channel blocks.",
  );
  assert.equal(refusal("forward n2 ci16 co16 g1 | i5 k3 s1 d1 p1:1 t1 zero"), "computes role kernel only.");
  assert.match(refusal("kernel n2 ci16 co16 g1 | i5 k3 s1 d1 p1:1 t3 zero") ?? "", /each copy of the kernel has but 1 cells/);
  assert.equal(typesOf(gridLinear.parse("grid-linear kernel n2 ci16 co16 g1 | i5 k3 s1 d1 p1:1 t3 zero")).kernel.shape.length, 4);
});

const fewChannels =
  (role: GridLinearPlan["role"]) =>
  (plan: GridLinearPlan): GridLinearPlan => ({
    ...plan,
    axes: plan.axes.map((axis) => ({ ...axis, border: "zero", period: 1 })),
    connections: null,
    groups: 1,
    ...(role === "input" ? { channelsOut: 1 + (plan.channelsOut % 5) } : { channelsIn: 1 + (plan.channelsIn % 5) }),
  });

test("the flat forms of few channels equal the oracle at sampled plans", () => {
  checkSampled(flatForward, "forward", 15, fewChannels("forward"));
  checkSampled(flatInput, "input", 15, fewChannels("input"));
  checkSampled(flatKernel, "kernel", 30, fewChannels("kernel"));
});

test("the flat forms equal the oracle at their edges", () => {
  checkLines(flatForward, [
    "forward n3 ci6 co32 g2 | i6x5 k3x2 s1 d1 p1:1 t1 zero flip",
    "forward n2 ci1 co6 g1 | i12x13 k5x5 s1 d1 p2:2 t1 zero",
  ]);
  checkLines(flatInput, [
    "input n3 ci32 co6 g2 | i6x5 k3x2 s2 d1 p1:1 t1 zero",
    "input n2 ci20 co1 g1 | i9x7 k3x3 s1 d2 p2:2 t1 zero flip",
  ]);
  checkLines(flatKernel, [
    "kernel n3 ci6 co32 g2 | i6x5 k3x2 s1 d1 p1:1 t1 zero flip",
    "kernel n5 ci3 co20 g1 | i13x12 k7x7 s2 d1 p3:3 t1 zero",
    "kernel n2 ci1 co12 g1 | i400 k80 s4 d1 p0:0 t1 zero",
    "kernel n2 ci2 co6 g1 | i3x3x5 k3x3x3 s1 d1x2x1 p1:1 t1 zero flip",
    "kernel n2 ci3 co16 g1 | i1x5 k3x3 s1 d1 p1:1 t1 zero",
  ]);
});

/** A plan whose kernel covers the whole input, or without axes. */
const covering = (plan: GridLinearPlan): GridLinearPlan => ({
  ...plan,
  groups: 1,
  connections: null,
  axes: plan.axes.map(({ input, stride }) => ({
    input,
    kernel: input,
    stride,
    dilation: 1,
    low: 0,
    high: 0,
    period: 1,
    border: "zero",
    output: 1,
  })),
});

test("dense layers equal the oracle at sampled plans", () => {
  for (const [algorithm, role] of [
    [denseForward, "forward"],
    [denseInput, "input"],
    [denseKernel, "kernel"],
  ] as const)
    checkSampled(algorithm, role, 20, covering);
});

test("dense layers equal the oracle at their edges", () => {
  for (const [algorithm, role] of [
    [denseForward, "forward"],
    [denseInput, "input"],
    [denseKernel, "kernel"],
  ] as const) {
    checkLines(algorithm, [
      `${role} n1 ci1 co1 g1 | -`,
      `${role} n1 ci130 co70 g1 | -`,
      `${role} n67 ci33 co13 g1 | -`,
      `${role} n9 ci3 co2 g1 | -`,
      `${role} n7 ci84 co10 g1 | -`,
      `${role} n2 ci2100 co7 g1 | -`,
      `${role} n5 ci4 co9 g1 | i3x5 k3x5 s1 d1 p0:0 t1 zero flip`,
    ]);
  }
});

test("a fused bias, residual and relu join the dense layer's last step", () => {
  const plan = gridLinear.parse("grid-linear forward n5 ci40 co21 g1 | -");
  const epilogue = call("relu", call("add", call("add", operand(0), operand(1)), call("multiply", operand(2), operand(3))));
  const fusion: Fusion = { epilogue, operands: [tensorType([21]), tensorType([5, 21], true), tensorType([])] };
  const draw = random(5);
  for (const device of devices) {
    for (const role of ["forward", "input"] as const) {
      const own = role === "forward" ? plan : { ...plan, role, channelsIn: plan.channelsOut, channelsOut: plan.channelsIn };
      const algorithm = role === "forward" ? denseForward : denseInput;
      const inputs = draws(own, () => draw.integer(-3, 3));
      const operands = [21, 5 * 21, 1].map((cells) => Float64Array.from({ length: cells }, () => draw.integer(-9, 9)));
      for (const choice of algorithm.layouts(own, fusion, device)) {
        const { outputs, damage } = runAlone({
          operator: gridLinear,
          algorithm,
          plan: own,
          device,
          choice,
          fusion,
          inputs: [...inputs, ...operands],
        });
        assert.deepEqual(damage, []);
        const [sum] = gridLinear.reference(own, inputs);
        assert.deepEqual(
          outputs[0],
          sum.map((value, i) => Math.max(0, value + operands[0][i % 21] + operands[1][i] * operands[2][0])),
        );
      }
      assert.equal(algorithm.layouts(own, fusion, device).length, 4);
    }
  }
});

test("the narrow kernel gradient of few output channels equals the oracle", () => {
  checkSampled(narrowKernel, "kernel", 15, (plan) => ({
    ...fewChannels("input")(plan),
    channelsIn: 8 + (plan.channelsIn % 12),
    channelsOut: 1 + (plan.channelsOut % 4),
    axes: plan.axes.map((axis) => {
      const output = outputExtent(axis.input, axis.kernel, 1, axis.dilation, axis.low, axis.high);
      return { ...axis, border: "zero", period: 1, stride: 1, output };
    }),
  }));
  checkLines(narrowKernel, [
    "kernel n3 ci40 co3 g1 | i9x7 k3x3 s1 d1 p1:1 t1 zero flip",
    "kernel n2 ci16 co1 g1 | i5x6x7 k3x1x2 s1 d1x1x2 p1:0 t1 zero",
  ]);
});

test("the narrow convolution to few output channels equals the oracle", () => {
  checkSampled(narrowForward, "forward", 30, (plan) => ({
    ...fewChannels("input")(plan),
    channelsIn: 8 + (plan.channelsIn % 12),
    channelsOut: 1 + (plan.channelsOut % 4),
  }));
  checkLines(narrowForward, [
    "forward n3 ci40 co3 g1 | i9x7 k3x3 s1 d1 p1:1 t1 zero flip",
    "forward n2 ci16 co1 g1 | i5x6x7 k3x1x2 s2x1x1 d1x1x2 p1:0 t1 zero",
    "forward n2 ci9 co4 g1 | i600 k3 s2 d1 p1:1 t1 zero",
  ]);
});

test("a fused bias, residual and relu join the narrow convolution", () => {
  const plan = gridLinear.parse("grid-linear forward n3 ci12 co2 g1 | i5x9 k3x3 s1 d1 p1:1 t1 zero");
  const epilogue = call("relu", call("add", call("add", operand(0), operand(1)), call("multiply", operand(2), operand(3))));
  const fusion: Fusion = { epilogue, operands: [tensorType([2, 1, 1]), tensorType([3, 2, 5, 9], true), tensorType([])] };
  const draw = random(6);
  const inputs = draws(plan, () => draw.integer(-3, 3));
  const operands = fusion.operands.map(({ shape }) => Float64Array.from({ length: size(shape) }, () => draw.integer(-9, 9)));
  const [sum] = gridLinear.reference(plan, inputs);
  const wanted = sum.map((value, i) => Math.max(0, value + operands[0][Math.floor(i / 45) % 2] + operands[1][i] * operands[2][0]));
  for (const device of devices) {
    const halos = { outputHalo: { low: 1, high: 2, fill: 7 }, inputHalo: { low: 2, high: 1 } };
    const { outputs, damage } = runAlone({
      operator: gridLinear,
      algorithm: narrowForward,
      plan,
      device,
      fusion,
      inputs: [...inputs, ...operands],
      ...halos,
    });
    assert.deepEqual(damage, []);
    assert.deepEqual(outputs[0], wanted);
  }
  const tiled: Fusion = { epilogue, operands: [tensorType([2, 1, 3]), ...fusion.operands.slice(1)] };
  assert.deepEqual(narrowForward.layouts(plan, tiled, devices[0]), []);
});
