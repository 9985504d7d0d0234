import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import { type Random, random } from "../../src/base/random.ts";
import { size, type TensorType } from "../../src/base/types.ts";
import { axisTerms } from "../../src/grid/axis.ts";
import { type Algorithm, call, constant, type Device, type Expression, type Fusion, operand } from "../../src/ops/contract.ts";
import { compile } from "../../src/ops/expression/evaluate.ts";
import { forwardBlocked } from "../../src/ops/grid-linear/blocked/wasm-forward.ts";
import { inputBlocked } from "../../src/ops/grid-linear/blocked/wasm-input.ts";
import { forwardDepthwise, inputDepthwise } from "../../src/ops/grid-linear/depthwise/wasm-depthwise.ts";
import { kernelDepthwise } from "../../src/ops/grid-linear/depthwise/wasm-kernel.ts";
import { gridLinear, type Role } from "../../src/ops/grid-linear/index.ts";
import type { GridLinearPlan } from "../../src/ops/grid-linear/plan.ts";
import { runAlone, type Trial } from "../laws/isolated.ts";
import { devices } from "../laws/judge.ts";

// so that the wide tier is compiled as in use: optimised, its pairs packed
v8.setFlagsFromString("--no-liftoff");
v8.setFlagsFromString("--experimental-wasm-revectorize");

type Plan = GridLinearPlan;
const parse = (line: string): Plan => gridLinear.parse(`grid-linear ${line}`);

/** Cells of one value as the reference's result after a fused formula, operands broadcast by the rule. */
function fuse(result: Float64Array, type: TensorType, fusion: Fusion, operands: readonly Float64Array[]): Float64Array {
  const formula = compile(fusion.epilogue);
  const rank = type.shape.length;
  const steps = fusion.operands.map(({ shape }) => {
    const list = new Array<number>(rank).fill(0);
    let step = 1;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (shape[axis] > 1) list[rank - shape.length + axis] = step;
      step *= shape[axis];
    }
    return list;
  });
  return result.map((value, index) => {
    const at = steps.map(() => 0);
    let rest = index;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const position = rest % type.shape[axis];
      rest = Math.floor(rest / type.shape[axis]);
      steps.forEach((list, i) => {
        at[i] += position * list[axis];
      });
    }
    return formula([value, ...operands.map((cells, i) => cells[at[i]])]);
  });
}

/** Terms that one result cell sums at most. */
function depth({ axes, role, channelsIn, channelsOut, groups, examples }: Plan): number {
  const terms = axes.reduce((product, axis) => product * (role === "kernel" ? axisTerms(axis).length : axis.kernel), 1);
  return terms * (role === "kernel" ? examples : (role === "forward" ? channelsIn : channelsOut) / groups);
}

const draws = (plan: Plan, fusion: Fusion | null, draw: () => number): Float64Array[] =>
  [...gridLinear.inputs(plan), ...(fusion?.operands ?? [])].map((type) => Float64Array.from({ length: size(type.shape) }, draw));

function expected(plan: Plan, fusion: Fusion | null, inputs: readonly Float64Array[]): Float64Array {
  const [result] = gridLinear.reference(plan, inputs.slice(0, 2));
  return fusion === null ? result : fuse(result, gridLinear.outputs(plan)[0], fusion, inputs.slice(2));
}

/** A product with 0 may have either sign. */
const unsigned = (cells: Float64Array): Float64Array => cells.map((value) => value + 0);

/** Exactly the oracle on integers in every layout choice, also for a short batch; the same bits for chunks in another order. */
function check(algorithm: Algorithm<Plan>, plan: Plan, device: Device, draw: Random, fusion: Fusion | null = null): number {
  const choices = algorithm.layouts(plan, fusion, device);
  for (const choice of choices) {
    assert.equal(algorithm.refuses(plan, choice, fusion, device), null);
    const name = `${gridLinear.line(plan)} | ${device.tier} | ${fusion === null ? "-" : JSON.stringify(fusion)}`;
    const inputs = draws(plan, fusion, () => draw.integer(-4, 4));
    const halo = plan.role === "kernel" ? {} : { outputHalo: { low: 1, high: 2, fill: 7 } };
    const trial: Trial<Plan> = { operator: gridLinear, algorithm, plan, device, inputs, choice, fusion, ...halo };
    const whole = runAlone(trial);
    assert.deepEqual(whole.damage, [], name);
    assert.deepEqual(unsigned(whole.outputs[0]), unsigned(expected(plan, fusion, inputs)), name);
    whole.again();
    if (plan.examples > 1) {
      const short = { ...plan, examples: plan.examples - 1 };
      const types = [...gridLinear.inputs(plan), ...(fusion?.operands ?? [])];
      const fewer = inputs.map((cells, i) => (types[i].batched ? cells.slice(0, (cells.length / plan.examples) * short.examples) : cells));
      const result = runAlone({ ...trial, examples: short.examples });
      assert.deepEqual(result.damage, [], `${name}, short`);
      assert.deepEqual(unsigned(result.outputs[0]), unsigned(expected(short, fusion, fewer)), `${name}, short`);
    }
    if (fusion === null) checkReals(trial, draw, name);
  }
  return choices.length;
}

function checkReals(trial: Trial<Plan>, draw: Random, name: string): void {
  const { plan } = trial;
  const inputs = draws(plan, null, () => Math.fround(draw.normal()));
  const [found] = runAlone({ ...trial, inputs }).outputs;
  const turned = runAlone({ ...trial, inputs, order: (chunks) => Array.from({ length: chunks }, (_, i) => chunks - 1 - i) });
  assert.deepEqual(turned.outputs[0], found, `${name}, chunks in another order`);
  const [wanted] = gridLinear.reference(plan, inputs);
  const [most] = gridLinear.reference(
    plan,
    inputs.map((cells) => cells.map(Math.abs)),
  );
  const factor = 2 ** -24 * (4 + Math.sqrt(depth(plan)));
  found.forEach((value, i) => {
    assert.ok(Math.abs(value - wanted[i]) <= factor * most[i], `${name}: cell ${i} is ${value}, expected ${wanted[i]}`);
  });
}

/** Sampled plans, changed into some that the algorithm takes. */
function checkSampled(algorithm: Algorithm<Plan>, count: number, change: (plan: Plan, draw: Random) => Plan): void {
  const draw = random(23);
  let taken = 0;
  for (let i = 0; i < 20 * count && taken < count; i++) {
    const sample = gridLinear.sample(draw);
    const axes = sample.axes.map((axis) => ({ ...axis, border: "zero" as const, period: 1 }));
    const plan = change({ ...sample, axes, connections: null }, draw);
    if (gridLinear.cost(plan).multiplyAdds < 2e5 && check(algorithm, plan, devices[i % 3], draw) > 0) taken++;
  }
  assert.equal(taken, count);
}

function checkLines(algorithm: Algorithm<Plan>, role: Role, lines: readonly string[]): void {
  const draw = random(5);
  for (const line of lines) for (const device of devices) assert.ok(check(algorithm, parse(`${role} ${line}`), device, draw) > 0, line);
}

/** Whole maps, tails of all kinds, rows shorter than a tile, borders wider than the map, groups, 0 to 3 axes. */
const denseLines = [
  "n3 ci16 co16 g1 | i9x7 k3x3 s1 d1 p1:1 t1 zero",
  "n5 ci16 co32 g1 | i8x8 k3x3 s2 d1 p1:1 t1 zero",
  "n2 ci3 co10 g1 | i11x6 k5x5 s2x1 d1 p2:2 t1 zero",
  "n2 ci37 co20 g1 | i5x4 k3x3 s1 d2 p2:2 t1 zero flip",
  "n7 ci24 co16 g1 | i1x1 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci16 co17 g1 | i2x3 k5x5 s1 d1 p4:4 t1 zero",
  "n3 ci20 co33 g1 | i13x13 k1x1 s3 d1 p0:0 t1 zero",
  "n2 ci32 co48 g2 | i7x7 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci24 co48 g3 | i10 k4 s3 d2 p2:1 t1 zero flip",
  "n2 ci8 co9 g1 | i5x6x7 k3x2x3 s2x1x3 d1 p1:0 t1 zero",
  "n9 ci40 co30 g1 | -",
  "n1 ci18 co8 g1 | i70 k3 s1 d1 p1:1 t1 zero",
];

const depthwiseLines = [
  "n3 ci16 co16 g16 | i9x7 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci20 co20 g20 | i8x13 k3x3 s2 d1 p1:1 t1 zero flip",
  "n2 ci5 co5 g5 | i30 k9 s1 d2 p8:8 t1 zero",
  "n2 ci24 co24 g24 | i6x5x7 k3x2x3 s2x1x2 d1x2x1 p1:1 t1 zero flip",
  "n3 ci17 co17 g17 | i1x2 k3x5 s1 d1 p1x3:1x3 t1 zero".replace("p1x3:1x3", "p1:1x3:3"),
  "n2 ci8 co8 g8 | i21x4 k7x7 s1 d1 p3:3 t1 zero",
  "n5 ci33 co33 g33 | i4x9 k1x1 s2x3 d1 p0:0 t1 zero",
];

const dense =
  (role: Role) =>
  (plan: Plan, draw: Random): Plan => {
    const grouped =
      plan.groups > 1 ? { channelsIn: 8 * plan.groups * draw.integer(1, 2), channelsOut: 8 * plan.groups * draw.integer(1, 2) } : {};
    return { ...plan, ...grouped, role };
  };
const depthwise =
  (role: Role) =>
  (plan: Plan): Plan => ({ ...plan, role, groups: plan.channelsIn, channelsOut: plan.channelsIn });

for (const { algorithm, role } of [
  { algorithm: forwardBlocked, role: "forward" },
  { algorithm: inputBlocked, role: "input" },
] as const) {
  test(`${algorithm.id} equals the oracle at named lines`, () => checkLines(algorithm, role, denseLines));
  test(`${algorithm.id} equals the oracle at sampled plans`, () => checkSampled(algorithm, 30, dense(role)));
}

for (const { algorithm, role } of [
  { algorithm: forwardDepthwise, role: "forward" },
  { algorithm: inputDepthwise, role: "input" },
  { algorithm: kernelDepthwise, role: "kernel" },
] as const) {
  test(`${algorithm.id} equals the oracle at named lines`, () => checkLines(algorithm, role, depthwiseLines));
  test(`${algorithm.id} equals the oracle at sampled plans`, () => checkSampled(algorithm, 20, depthwise(role)));
}

const batched = (...shape: number[]): TensorType => ({ dtype: "f32", shape, batched: true });
const fixed = (...shape: number[]): TensorType => ({ dtype: "f32", shape, batched: false });

/** Formulas whose values on small integers are exact, over operands of every map that routines know. */
function fusions([examples, channels, ...cells]: readonly number[]): Fusion[] {
  const ones = cells.map(() => 1);
  const sum = (count: number): Expression =>
    Array.from({ length: count }, (_, i) => operand(i + 1)).reduce<Expression>((all, next) => call("add", all, next), operand(0));
  const of = (epilogue: Expression, ...operands: TensorType[]): Fusion => ({ epilogue, operands });
  return [
    of(call("relu", operand(0))),
    of(call("relu", sum(2)), fixed(channels, ...ones), batched(examples, channels, ...cells)),
    of(call("add", operand(0), constant(3))),
    of(sum(3), fixed(), fixed(1, channels, ...ones), fixed(channels, ...cells)),
    of(call("multiply", operand(0), sum(1)), batched(examples, channels, ...ones)),
    of(call("multiply", operand(0), operand(1)), batched(examples, 1, ...cells)),
    of(call("multiply", operand(0), call("less", constant(0), operand(1))), batched(examples, channels, ...cells)),
    of(call("add", operand(0), call("multiply", operand(1), operand(2))), fixed(...cells.slice(-1)), fixed(...cells)),
  ];
}

test("fused formulas equal the oracle's, with operands of every map", () => {
  const draw = random(9);
  const trials = [
    { algorithm: forwardBlocked, line: "forward n3 ci16 co16 g1 | i7x5 k3x3 s1 d1 p1:1 t1 zero" },
    { algorithm: forwardBlocked, line: "forward n2 ci5 co21 g1 | i9x6 k3x3 s2 d1 p1:1 t1 zero" },
    { algorithm: inputBlocked, line: "input n2 ci13 co16 g1 | i5x6 k3x3 s2 d1 p1:1 t1 zero" },
    { algorithm: forwardDepthwise, line: "forward n2 ci21 co21 g21 | i9x6 k3x3 s2 d1 p1:1 t1 zero" },
    { algorithm: inputDepthwise, line: "input n2 ci16 co16 g16 | i5x6 k3x3 s2 d1 p1:1 t1 zero" },
  ];
  for (const [i, { algorithm, line }] of trials.entries()) {
    const plan = parse(line);
    for (const fusion of fusions(gridLinear.outputs(plan)[0].shape)) {
      for (const device of [devices[0], devices[1 + (i % 2)]]) assert.ok(check(algorithm, plan, device, draw, fusion) > 0, line);
    }
  }
});

test("spare lanes stay zero beside infinite inputs", () => {
  const plan = parse("forward n1 ci8 co12 g1 | i4x4 k3x3 s1 d1 p1:1 t1 zero");
  const inputs = draws(plan, null, () => 1);
  inputs[1].fill(Infinity);
  for (const device of devices)
    assert.deepEqual(runAlone({ operator: gridLinear, algorithm: forwardBlocked, plan, device, inputs }).damage, []);
});

test("equal routines have equal keys, different ones do not", () => {
  const [wide] = devices;
  const keyOf = (line: string, fusion: Fusion | null = null): string => {
    const plan = parse(line);
    const [choice] = forwardBlocked.layouts(plan, fusion, wide);
    const outputs = choice.outputs.map((block) => ({ block, halo: [], fill: 0 }));
    return forwardBlocked.emit(plan, { inputs: choice.inputs, operands: choice.operands, outputs }, fusion, wide).steps[1].routine.key;
  };
  const line = "forward n2 ci16 co16 g1 | i8x8 k3x3 s1 d1 p1:1 t1 zero";
  assert.equal(keyOf(line), keyOf("forward n5 ci64 co16 g1 | i49x52 k3x3 s2 d1 p1:1 t1 zero"));
  const add = call("add", operand(0), operand(1));
  const keys = [
    keyOf(line),
    keyOf(line, { epilogue: add, operands: [fixed(16, 1, 1)] }),
    keyOf(line, { epilogue: add, operands: [batched(2, 16, 8, 8)] }),
    keyOf(line, { epilogue: add, operands: [fixed()] }),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

test("chunks cut examples into parts and batches into groups", () => {
  const trials = [
    { algorithm: forwardBlocked, line: "forward n1 ci16 co16 g1 | i60x61 k3x3 s1 d1 p1:1 t1 zero", parts: true },
    { algorithm: inputBlocked, line: "input n1 ci16 co16 g1 | i60x61 k3x3 s1 d1 p1:1 t1 zero", parts: true },
    { algorithm: forwardBlocked, line: "forward n10 ci16 co16 g1 | i8x8 k3x3 s1 d1 p1:1 t1 zero", parts: false },
    { algorithm: forwardDepthwise, line: "forward n1 ci64 co64 g64 | i57x61 k3x3 s1 d1 p1:1 t1 zero", parts: true },
    { algorithm: forwardDepthwise, line: "forward n10 ci16 co16 g16 | i32x32 k3x3 s1 d1 p1:1 t1 zero", parts: false },
    { algorithm: kernelDepthwise, line: "kernel n1 ci16 co16 g16 | i96x90 k5x5 s1 d1 p2:2 t1 zero", parts: true },
    { algorithm: kernelDepthwise, line: "kernel n10 ci16 co16 g16 | i40x40 k3x3 s1 d1 p1:1 t1 zero", parts: false },
  ];
  const [device] = devices;
  const draw = random(31);
  for (const { algorithm, line, parts } of trials) {
    const plan = parse(line);
    const [{ inputs, operands, outputs: blocks }] = algorithm.layouts(plan, null, device);
    const outputs = blocks.map((block) => ({ block, halo: [], fill: 0 }));
    const { steps } = algorithm.emit(plan, { inputs, operands, outputs }, null, device);
    const main = steps[algorithm === kernelDepthwise ? 0 : 1].chunks;
    assert.ok(
      parts ? main.each > 1 && main.group === 1 : main.each === 1 && main.group > 1 && main.group < 10,
      `${line}: ${JSON.stringify(main)}`,
    );
    const cells = draws(plan, null, () => draw.integer(-4, 4));
    const found = runAlone({
      operator: gridLinear,
      algorithm,
      plan,
      device,
      inputs: cells,
      order: (count) => Array.from({ length: count }, (_, i) => count - 1 - i),
    });
    assert.deepEqual(found.damage, []);
    assert.deepEqual(found.outputs[0], expected(plan, null, cells), line);
  }
});

test("what blocks cannot do is refused in a sentence", () => {
  const [wide] = devices;
  const refusal = (algorithm: Algorithm<Plan>, line: string): string | null => {
    const plan = parse(line);
    assert.deepEqual(algorithm.layouts(plan, null, wide), []);
    return algorithm.refuses(plan, { inputs: [], operands: [], outputs: [] }, null, wide);
  };
  assert.match(refusal(forwardBlocked, "forward n2 ci8 co8 g1 | i6 k3 s1 d1 p1:1 t2 zero") ?? "", /has but 3 cells \(below 16\)/);
  assert.match(refusal(inputBlocked, "input n2 ci8 co8 g1 | i6 k3 s1 d1 p1:1 t1 wrap") ?? "", /zero border/);
  assert.match(refusal(forwardBlocked, "forward u2 ci8 co8 g1 | i6 k3 s1 d1 p1:1 t1 zero") ?? "", /example axis/);
  assert.match(refusal(forwardBlocked, "kernel n2 ci8 co8 g1 | i6 k3 s1 d1 p1:1 t1 zero") ?? "", /role forward/);
  assert.match(refusal(forwardBlocked, "forward n2 ci8 co8 g2 | i6 k3 s1 d1 p1:1 t1 zero") ?? "", /blocks of 8/);
  assert.match(refusal(forwardDepthwise, "forward n2 ci8 co16 g8 | i6 k3 s1 d1 p1:1 t1 zero") ?? "", /not depthwise/);
  const tiled: Fusion = { epilogue: call("add", operand(0), operand(1)), operands: [fixed(8, 3)] };
  assert.deepEqual(forwardBlocked.layouts(parse("forward n2 ci8 co8 g1 | i6 k3 s1 d1 p1:1 t1 zero"), tiled, wide), []);
});
