import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size, type TensorType } from "../../src/base/types.ts";
import { GraphTracer } from "../../src/graph/trace.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import { type Algorithm, call, type Emission, type Fusion, operand, type Programs } from "../../src/ops/contract.ts";
import { forwardBlocked } from "../../src/ops/grid-linear/blocked/wasm-forward.ts";
import { forward, gridLinear } from "../../src/ops/grid-linear/index.ts";
import type { GridLinearPlan } from "../../src/ops/grid-linear/plan.ts";
import { winogradAlgorithms } from "../../src/ops/grid-linear/winograd/wasm-winograd.ts";
import { familyOf } from "../../src/plan/families.ts";
import { families } from "../../src/targets/wasm/list.ts";
import { wasmTarget } from "../../src/targets/wasm/session.ts";
import { expect, slacken } from "../laws/bounds.ts";
import { runAlone } from "../laws/isolated.ts";
import { devices } from "../laws/judge.ts";

nodeHost.enableWide();

type Plan = GridLinearPlan;
const parse = (line: string): Plan => gridLinear.parse(`grid-linear ${line}`);
const named = (name: string): Algorithm<Plan> => winogradAlgorithms.find(({ id }) => id.endsWith(name)) as Algorithm<Plan>;
const [four, two] = [named("forward-winograd-4"), named("forward-winograd-2")];

/** Maps smaller than a tile, of whole tiles, with rests on either axis, of one axis; odd channels; several chunks; shared values. */
const lines = [
  "n3 ci16 co16 g1 | i9x7 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci24 co40 g1 | i7x7 k3x3 s1 d1 p1:1 t1 zero flip",
  "n5 ci9 co33 g1 | i1x2 k3x3 s1 d1 p1:1 t1 zero",
  "n2 ci17 co8 g1 | i8x12 k3x3 s1 d1 p2:0x0:2 t1 zero",
  "n2 ci32 co20 g1 | i31 k3 s1 d1 p1:1 t1 zero",
  "n1 ci40 co48 g1 | i30x29 k3x3 s1 d1 p1:1 t1 zero",
  "n1 ci128 co112 g1 | i9x10 k3x3 s1 d1 p1:1 t1 zero",
];

/** An axis before the transformed ones: of any kernel and dilation, with padding, in one slice and in many. */
const slicedLines = [
  "n2 ci16 co24 g1 | i4x9x6 k3x3x3 s1 d1 p1:1 t1 zero",
  "n1 ci8 co17 g1 | i7x5x5 k1x3x3 s1 d1 p0:0x1:1x1:1 t1 zero flip",
  "n2 ci9 co8 g1 | i6x8x7 k4x3x3 s1 d2x1x1 p3:2x0:2x1:1 t1 zero",
  "n3 ci16 co16 g1 | i2x4x4 k2x3x3 s1 d1 p0:0x1:1x1:1 t1 zero",
  "n2 ci16 co8 g1 | i5x11 k2x3 s1 d1 p1:0x1:1 t1 zero",
  "n4 ci64 co96 g1 | i3x6x6 k3x3x3 s1 d1 p1:1 t1 zero",
];

/** Kernels that chunks of F(4, 3) transform for themselves, some channels at a time. */
const ownLines = ["n1 ci340 co440 g1 | i3x5 k3x3 s1 d1 p1:1 t1 zero", "n1 ci208 co240 g1 | i2x2x4 k3x3x3 s1 d1 p1:1 t1 zero"];

const draws = (plan: Plan, draw: () => number): Float64Array[] =>
  gridLinear.inputs(plan).map(({ shape }) => Float64Array.from({ length: size(shape) }, draw));
/** A product with 0 may have either sign. */
const unsigned = (cells: Float64Array): Float64Array => cells.map((value) => value + 0);

for (const algorithm of winogradAlgorithms) {
  const role = algorithm.id.includes("-forward-") ? "forward" : "input";
  test(`${algorithm.id} equals the oracle, in any order of chunks`, () => {
    const draw = random(3);
    const all = [...lines, ...slicedLines, ...(algorithm.id.endsWith("4") ? ownLines : [])];
    for (const [at, line] of all.entries()) {
      const plan = parse(`${role} ${line}`);
      const inputs = draws(plan, () => draw.integer(-4, 4));
      const [wanted] = gridLinear.reference(plan, inputs);
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      // each line on one tier: the laws try all of them on every one
      for (const device of [devices[at % devices.length]]) {
        const trial = { operator: gridLinear, algorithm, plan, device, inputs, outputHalo: { low: 1, high: 2, fill: 7 } };
        const { outputs, damage } = runAlone({ ...trial, inputHalo: { low: 0, high: 1 } });
        assert.deepEqual(damage, [], line);
        if (algorithm.id.endsWith("2")) assert.deepEqual(unsigned(outputs[0]), unsigned(wanted), `${line} on ${device.tier}`);
        else
          outputs[0].forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 6e-6 * largest, `${line} on ${device.tier}: cell ${i}`));
        const turned = runAlone({ ...trial, order: (chunks) => Array.from({ length: chunks }, (_, i) => chunks - 1 - i) });
        assert.deepEqual(turned.outputs[0], outputs[0], `${line} on ${device.tier}, chunks in another order`);
      }
    }
  });
}

/** Largest |error| in units of what a plain sum may be off. */
function roundingOf(algorithm: Algorithm<Plan>, plan: Plan, draw: () => number, device = devices[0]): number {
  const inputs = draws(plan, () => Math.fround(draw()));
  const bounds = expect(gridLinear, plan, inputs);
  const errors = slacken(bounds.errors()[0], gridLinear.outputs(plan)[0], { spread: algorithm.spread });
  const [found] = runAlone({ operator: gridLinear, algorithm, plan, device, inputs }).outputs;
  return found.reduce((worst, value, i) => Math.max(worst, Math.abs(value - bounds.values[0][i]) / errors[i]), 0);
}

test("rounding stays within what is declared, at 16 to 512 channels, on normal and on same-sign data", () => {
  const draw = random(41);
  const kinds = [() => draw.normal(), () => 0.25 + 2 * draw.uniform()];
  for (const algorithm of [four, two]) {
    let inner = 0;
    for (const channels of [16, 64, 512]) {
      for (const padding of [1, 2]) {
        const plan = parse(`forward n1 ci${channels} co8 g1 | i8x7 k3x3 s1 d1 p${padding}:${padding} t1 zero`);
        for (const kind of kinds) {
          for (const device of devices.slice(1)) {
            const rounding = roundingOf(algorithm, plan, kind, device);
            assert.ok(rounding <= (algorithm.rounding ?? 1), `${algorithm.id}: ${rounding} at ${gridLinear.line(plan)}`);
            if (padding === 1) inner = Math.max(inner, rounding);
          }
        }
      }
    }
    // with the usual points 0, 1, -1, 2, -2 this is 2 and more
    assert.ok(inner <= 1.2, `${algorithm.id}: ${inner} with padding 1`);
  }
});

test("threads that share the scratch do not disturb one another", async () => {
  const tracer = new GraphTracer();
  const plan = parse("forward n4 ci32 co48 g1 | i40x40 k3x3 s1 d1 p1:1 t1 zero");
  const [kernel, input] = gridLinear.inputs(plan);
  const z = forward({ kernel: [3, 3], padding: 1 }, tracer.state("kernel", kernel), tracer.input("input", input));
  tracer.output("z", z);
  const draw = random(2);
  const cells = (type: TensorType): Float32Array => Float32Array.from({ length: size(type.shape) }, () => draw.normal());
  const [data, feed] = [cells(kernel), cells(input)];
  const run = async (threads: number, times: number): Promise<Float32Array[]> => {
    const session = await wasmTarget(nodeHost, [familyOf([four] as unknown as Algorithm[]), ...families]).open({ threads });
    try {
      const program = await session.compile(tracer.finish());
      assert.match(program.explain(), /winograd-4/);
      await session.write("kernel", { dtype: "f32", shape: kernel.shape, data });
      const results: Float32Array[] = [];
      for (let i = 0; i < times; i++) results.push(Float32Array.from((await program.run({ input: feed })).z.data));
      return results;
    } finally {
      await session.close();
    }
  };
  const [wanted] = await run(1, 1);
  for (const found of await run(4, 30)) assert.ok(Buffer.compare(Buffer.from(found.buffer), Buffer.from(wanted.buffer)) === 0);
});

test("a limit on rounding leaves F(2, 3), or plain sums alone, in training steps too", async () => {
  const tracer = new GraphTracer();
  const [kernelType, inputType] = gridLinear.inputs(parse("forward n8 ci32 co32 g1 | i24x24 k3x3 s1 d1 p1:1 t1 zero"));
  const kernel = tracer.state("kernel", kernelType);
  tracer.output("z", forward({ kernel: [3, 3], padding: 1 }, kernel, tracer.input("input", inputType)));
  tracer.update(kernel, tracer.input("next", kernelType));
  const planned = async (rounding?: number): Promise<string> => {
    const session = await wasmTarget(nodeHost, families).open({ threads: 1, rounding });
    try {
      return (await session.compile(tracer.finish())).explain();
    } finally {
      await session.close();
    }
  };
  assert.match(await planned(), /forward-winograd-4/);
  const two = await planned(2);
  assert.match(two, /forward-winograd-2/);
  assert.doesNotMatch(two, /winograd-4/);
  assert.doesNotMatch(await planned(1), /winograd/);
  await assert.rejects(planned(0.5), /rounding: expected a number >= 1/);
});

test("equal routines have equal keys, different ones do not", () => {
  const emission = (algorithm: Algorithm<Plan>, line: string, fusion: Fusion | null = null): Emission => {
    const plan = parse(line);
    const [choice] = algorithm.layouts(plan, fusion, devices[0]);
    const outputs = choice.outputs.map((block) => ({ block, halo: [], fill: 0 }));
    return algorithm.emit(plan, { inputs: choice.inputs, operands: choice.operands, outputs }, fusion, devices[0]);
  };
  const key = (...given: Parameters<typeof emission>): string => emission(...given).steps.at(-1)?.routine.key ?? "";
  const line = "forward n2 ci16 co16 g1 | i40x40 k3x3 s1 d1 p1:1 t1 zero";
  assert.equal(key(four, line), key(four, "forward n5 ci16 co32 g1 | i40x40 k3x3 s1 d1 p1:1 t1 zero"));
  assert.equal(key(four, line), key(named("input-winograd-4"), "input n5 ci16 co32 g1 | i40x40 k3x3 s1 d1 p1:1 t1 zero"));
  const bias: TensorType = { dtype: "f32", shape: [16, 1, 1], batched: false };
  const keys = [
    key(four, line),
    key(two, line),
    key(four, line.replace("i40x40", "i40x41")),
    key(four, line.replace("co16", "co17")),
    key(four, line.replace("i40x40 k3x3", "i40 k3")),
    key(four, line, { epilogue: call("relu", operand(0)), operands: [] }),
    key(four, line, { epilogue: call("add", operand(0), operand(1)), operands: [bias] }),
    key(four, "forward n1 ci128 co112 g1 | i16x16 k3x3 s1 d1 p1:1 t1 zero"),
  ];
  assert.equal(new Set(keys).size, keys.length);
});

test("what the form does not take is refused in a sentence", () => {
  const refusal = (line: string): string => {
    const plan = parse(line);
    assert.deepEqual(four.layouts(plan, null, devices[0]), []);
    return four.refuses(plan, { inputs: [], operands: [], outputs: [] }, null, devices[0]) ?? "";
  };
  assert.match(refusal("input n2 ci16 co16 g1 | i6x6 k3x3 s1 d1 p1:1 t1 zero"), /role forward only/);
  assert.match(refusal("forward n2 ci16 co16 g1 | i6x6 k3x3 s2 d1 p1:1 t1 zero"), /stride 1/);
  assert.match(refusal("forward n2 ci16 co16 g1 | i6x6 k3x5 s1 d1 p1:1 t1 zero"), /kernel 3/);
  assert.match(refusal("forward n2 ci16 co16 g1 | i4x5x6 k3x5x3 s1 d1 p1:1x2:2x1:1 t1 zero"), /at most one axis/);
  assert.match(refusal("forward n2 ci16 co16 g1 | i6x6 k3x3 s1 d1 p3:1 t1 zero"), /cells of padding/);
  assert.match(refusal("forward n2 ci16 co16 g2 | i6x6 k3x3 s1 d1 p1:1 t1 zero"), /one group/);
  assert.match(refusal("forward n2 ci3 co16 g1 | i6x6 k3x3 s1 d1 p1:1 t1 zero"), /fewer than 8 channels/);
  assert.match(refusal("forward n2 ci16 co16 g1 | i6x6 k3x3 s1 d1 p1:1 t1 wrap"), /zero border/);
});

test("predicted times choose by channels and maps as measured ones do", () => {
  const fastest = (line: string, programs: Programs = "inference"): string => {
    const given = [forwardBlocked, four, two];
    const plan = parse(`forward ${line} k3x3 s1 d1 p1:1 t1 zero`);
    const times = given.map((algorithm) => {
      const [choice] = algorithm.layouts(plan, null, devices[0]);
      return algorithm.estimate(plan, choice, null, devices[0], programs);
    });
    return given[times.indexOf(Math.min(...times))].id.replace("wasm-grid-linear-forward-", "");
  };
  for (const line of ["n1 ci64 co64 g1 | i56x56", "n1 ci256 co256 g1 | i14x14", "n8 ci512 co512 g1 | i7x7", "n32 ci16 co16 g1 | i32x32"])
    assert.equal(fastest(line), "winograd-4", line);
  assert.equal(fastest("n1 ci512 co512 g1 | i7x7"), "winograd-2");
  assert.equal(fastest("n1 ci16 co16 g1 | i4x3"), "blocked");
  // in training the kernel of such a layer is transformed in every step
  assert.equal(fastest("n1 ci256 co256 g1 | i14x14"), "winograd-4");
  assert.equal(fastest("n1 ci256 co256 g1 | i14x14", "training"), "winograd-2");
  assert.equal(fastest("n8 ci256 co256 g1 | i14x14", "training"), "winograd-4");
});
