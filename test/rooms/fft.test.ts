import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import type { Algorithm } from "../../src/ops/contract.ts";
import { forwardBlocked } from "../../src/ops/grid-linear/blocked/wasm-forward.ts";
import { placesOf, radicesOf } from "../../src/ops/grid-linear/fft/lines.ts";
import { cutOf, fftProblem } from "../../src/ops/grid-linear/fft/problem.ts";
import { pairCount, pairsOf } from "../../src/ops/grid-linear/fft/split.ts";
import { fftAlgorithms } from "../../src/ops/grid-linear/fft/wasm-fft.ts";
import { gridLinear } from "../../src/ops/grid-linear/index.ts";
import type { GridLinearPlan } from "../../src/ops/grid-linear/plan.ts";
import { expect, slacken } from "../laws/bounds.ts";
import { runAlone } from "../laws/isolated.ts";
import { devices } from "../laws/judge.ts";

nodeHost.enableWide();

const parse = (line: string): GridLinearPlan => gridLinear.parse(`grid-linear ${line}`);
const named = (role: string): Algorithm<GridLinearPlan> => fftAlgorithms.find(({ id }) => id.includes(role)) as Algorithm<GridLinearPlan>;

/** One tile and several with rests, padding beyond the kernel, odd channels, each channel by itself, one to three axes. */
const lines = [
  "n1 ci1 co1 g1 | i200 k64 s1 d1 p0:0 t1 zero",
  "n2 ci3 co10 g1 | i700 k80 s1 d1 p40:39 t1 zero",
  "n2 ci17 co20 g1 | i20x23 k7x9 s1 d1 p3:3x0:4 t1 zero flip",
  "n1 ci2 co3 g1 | i5x6 k9x9 s1 d1 p14:9x4:20 t1 zero",
  "n2 ci20 co20 g20 | i30x27 k15x11 s1 d1 p7:7x0:0 t1 zero",
  "n1 ci5 co9 g1 | i9x8x10 k5x4x5 s1 d1 p2:2x1:2x4:4 t1 zero",
  "n2 ci3 co9 g1 | i41x40 k7x8 s2x1 d1x3 p0:5x9:3 t1 zero",
  "n3 ci4 co4 g4 | i501 k64 s3 d1 p30:7 t1 zero flip",
];

for (const role of ["forward", "input", "kernel"])
  test(`role ${role} equals the oracle, in any order of chunks, within the declared rounding`, () => {
    const draw = random(3);
    const algorithm = named(role);
    for (const line of lines) {
      const plan = parse(`${role} ${line}`);
      if (algorithm.layouts(plan, null, devices[0]).length === 0) continue;
      const inputs = gridLinear
        .inputs(plan)
        .map(({ shape }) => Float64Array.from({ length: size(shape) }, () => Math.fround(draw.normal())));
      const bounds = expect(gridLinear, plan, inputs);
      const [wanted] = bounds.values;
      const errors = slacken(bounds.errors()[0], gridLinear.outputs(plan)[0], { rounding: algorithm.rounding, spread: 2000 });
      for (const device of devices) {
        const halo = role === "kernel" ? {} : { outputHalo: { low: 1, high: 2, fill: 7 } };
        const trial = { operator: gridLinear, algorithm, plan, device, inputs, ...halo };
        const { outputs, damage } = runAlone({ ...trial, inputHalo: { low: 0, high: 1 } });
        assert.deepEqual(damage, [], line);
        outputs[0].forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) <= errors[i], `${line} on ${device.tier}: cell ${i}`));
        const turned = runAlone({ ...trial, order: (chunks) => Array.from({ length: chunks }, (_, i) => chunks - 1 - i) });
        assert.deepEqual(turned.outputs[0], outputs[0], `${line} on ${device.tier}, chunks in another order`);
      }
    }
  });

test("lengths have the factors 2 and 3; every frequency has a place, and a partner", () => {
  assert.deepEqual(radicesOf(144), [4, 4, 3, 3]);
  assert.equal(radicesOf(40), null);
  for (const length of [2, 12, 36, 64, 96])
    assert.deepEqual(
      [...placesOf(length)].sort((a, b) => a - b),
      [...placesOf(length).keys()],
    );
  const pairs = pairsOf([6, 8], 1);
  const seen = new Set(Array.from({ length: pairCount(pairs) }, (_, i) => [pairs[4 * i], pairs[4 * i + 1]]).flat());
  // 4 of the 24 complex frequencies are their own negatives
  assert.equal(pairCount(pairs), (24 - 4) / 2 + 4);
  assert.equal(seen.size, 24);
});

test("a long signal is cut into tiles, and predicted times say where transforms win", () => {
  const [wide] = devices;
  const long = fftProblem(parse("forward n1 ci8 co8 g1 | i16000 k1024 s1 d1 p512:511 t1 zero"));
  const { sizes, counts, steps } = cutOf(long, wide);
  assert.ok(counts[0] > 1 && sizes[0] - 1024 + 1 >= steps[0] && steps[0] * counts[0] >= 15999);
  const time = (algorithm: Algorithm<GridLinearPlan>, line: string): number => {
    const plan = parse(`forward ${line}`);
    const [choice] = algorithm.layouts(plan, null, wide);
    return choice === undefined ? Number.POSITIVE_INFINITY : algorithm.estimate(plan, choice, null, wide, "inference");
  };
  for (const [line, least] of [
    ["n1 ci32 co32 g1 | i56x56 k15x15 s1 d1 p7:7 t1 zero", 4],
    ["n1 ci8 co8 g1 | i16000 k1024 s1 d1 p512:511 t1 zero", 15],
  ] as const)
    assert.ok(time(forwardBlocked, line) > least * time(named("forward"), line), line);
  const refusal = (line: string): string => named(line.split(" ")[0]).refuses(parse(line), {} as never, null, wide) ?? "";
  assert.match(refusal("forward n1 ci8 co8 g1 | i99 k31 s2 d2 p0:0 t1 zero"), /a stride or a dilation, not both/);
  assert.match(refusal("kernel n1 ci8 co8 g1 | i50 k31 s1 d1 p0:0 t1 zero"), /20 cells are too few/);
  assert.match(
    named("forward").refuses(parse("forward n1 ci8 co8 g1 | i9x9 k3x3 s1 d1 p1:1 t1 zero"), {} as never, null, wide) ?? "",
    /9 taps are too few/,
  );
});
