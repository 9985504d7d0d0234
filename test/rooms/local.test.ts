import assert from "node:assert/strict";
import { test } from "node:test";
import v8 from "node:v8";
import { type Random, random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import type { Algorithm, Device } from "../../src/ops/contract.ts";
import { gridLinear } from "../../src/ops/grid-linear/index.ts";
import { cutOf } from "../../src/ops/grid-linear/local/problem.ts";
import { forwardLocalBatch, inputLocalBatch } from "../../src/ops/grid-linear/local/wasm-lanes.ts";
import { forwardLocal, inputLocal, kernelLocal } from "../../src/ops/grid-linear/local/wasm-local.ts";
import type { GridLinearPlan } from "../../src/ops/grid-linear/plan.ts";
import { runAlone } from "../laws/isolated.ts";
import { devices } from "../laws/judge.ts";

// so that the wide tier is compiled as in use: optimised, its pairs packed
v8.setFlagsFromString("--no-liftoff");
v8.setFlagsFromString("--experimental-wasm-revectorize");

const roles = ["forward", "kernel", "input"] as const;
const algorithms: Readonly<Record<GridLinearPlan["role"], readonly Algorithm<GridLinearPlan>[]>> = {
  forward: [forwardLocal, forwardLocalBatch],
  kernel: [kernelLocal],
  input: [inputLocal, inputLocalBatch],
};

const parse = (role: string, rest: string): GridLinearPlan => gridLinear.parse(`grid-linear ${role} ${rest}`);

/** Exactly the oracle on integers, also for a short batch, chunks in falling order and halos that others want. */
function check(algorithm: Algorithm<GridLinearPlan>, plan: GridLinearPlan, device: Device, draw: Random): boolean {
  const name = `${algorithm.id} | ${gridLinear.line(plan)} | ${device.tier}`;
  if (algorithm.layouts(plan, null, device).length === 0) return false;
  const given = gridLinear.inputs(plan);
  for (const examples of new Set([plan.examples, Math.max(1, plan.examples - 1)])) {
    const own = { ...plan, examples };
    const inputs = given.map((type) => {
      const cells = type.batched ? (size(type.shape) / plan.examples) * examples : size(type.shape);
      return Float64Array.from({ length: cells }, () => draw.integer(-4, 4));
    });
    const { outputs, damage } = runAlone({
      operator: gridLinear,
      algorithm,
      plan,
      device,
      inputs,
      examples,
      order: (chunks) => Array.from({ length: chunks }, (_, i) => chunks - 1 - i),
      inputHalo: { low: 1, high: 2 },
      ...(plan.role === "kernel" ? {} : { outputHalo: { low: 2, high: 1, fill: 7 } }),
    });
    assert.deepEqual(damage, [], name);
    assert.deepEqual(
      outputs[0].map((value) => value + 0),
      gridLinear.reference(own, inputs)[0].map((value) => value + 0),
      name,
    );
  }
  return true;
}

const corners: Readonly<Record<string, string>> = {
  "locally connected": "n3 ci6 co5 g1 | i9x10 k3x3 s1 d1 p1:1 t9x10 zero",
  "one channel": "n1 ci1 co1 g1 | i13x11 k3x3 s1 d1 p1:1 t13x11 zero",
  "one axis": "n2 ci5 co9 g1 | i40 k5 s1 d2 p4:4 t40 zero",
  "three axes": "n2 ci4 co3 g1 | i4x5x6 k3x2x3 s1 d1 p1:1x0:1x1:1 t4x5x6 zero",
  strides: "n2 ci3 co6 g1 | i13x12 k3x4 s2x3 d1 p1:1x0:0 t7x3 zero",
  "dilation of the last axis": "n2 ci3 co6 g1 | i13x12 k3x3 s1 d1x2 p1:1x2:2 t13x12 zero",
  flip: "n2 ci3 co6 g1 | i9x8 k3x2 s1 d1 p1:1x1:0 t9x8 zero flip",
  borders: "n2 ci3 co6 g1 | i9x8 k3x3 s1 d1 p1:1x2:2 t9x8 wrapxreflect",
  "mixed borders": "n2 ci3 co6 g1 | i9x8 k3x3 s1 d1 p1:1x2:2 t9x8 replicatexzero",
  tiled: "n2 ci7 co6 g1 | i16x15 k3x3 s1 d1 p1:1 t4x5 zero",
  "copies of one axis": "n2 ci5 co6 g1 | i12x9 k3x3 s1 d1 p1:1 t12x1 zero",
  "copies without cells": "n2 ci5 co6 g1 | i11x9 k3x3 s2 d1 p1:1 t4x7 zero",
  groups: "n3 ci6 co9 g3 | i8x9 k3x3 s1 d1 p1:1 t8x9 zero",
  depthwise: "n2 ci12 co12 g12 | i8x9 k3x3 s1 d1 p1:1 t8x9 zero",
  "large padding": "n1 ci2 co3 g1 | i3x3 k2x3 s1 d1 p3:4 t9x8 zero",
  "one tap": "n2 ci9 co4 g1 | i9x7 k1x1 s1 d1 p0:0 t9x7 zero",
  "examples in groups": "n35 ci5 co3 g1 | i6x7 k3x3 s1 d1 p1:1 t6x7 zero",
  "more strips of a batch": "n6 ci5 co11 g1 | i17x19 k3x3 s1 d1 p1:1 t17x19 zero",
  "groups of a batch": "n10 ci6 co10 g2 | i8x9 k3x3 s2x1 d1 p1:1 t4x9 zero",
  "batch of one axis": "n17 ci3 co5 g1 | i30 k5 s1 d2 p4:4 t30 zero flip",
  "batch of a volume": "n4 ci4 co3 g1 | i4x5x6 k3x2x3 s1 d1 p1:1x0:1x1:1 t4x5x6 wrapxzeroxzero",
  "many strips": "n9 ci9 co17 g1 | i24x23 k3x3 s1 d1 p1:1 t24x23 zero",
};

for (const device of devices)
  for (const algorithm of roles.flatMap((role) => algorithms[role]))
    test(`${algorithm.id} is exact on integers, ${device.tier}`, () => {
      const draw = random(11);
      const role = roles.find((own) => algorithms[own].includes(algorithm)) ?? "forward";
      let taken = 0;
      // a share of the corners on each tier: the laws try all of them on every one
      for (const [at, line] of Object.values(corners).entries())
        if (devices[at % devices.length] === device && check(algorithm, parse(role, line), device, draw)) taken++;
      assert.ok(taken >= 2, `${taken} corners`);
      for (let tried = 0; tried < 2000 && taken < 10; tried++) {
        const sampled = gridLinear.sample(draw);
        if (sampled.axes.some(({ period }) => period > 1) && check(algorithm, { ...sampled, role }, device, draw)) taken++;
      }
    });

test("large problems fall into strips and chunks, small ones do not", () => {
  const large = cutOf(parse("forward", corners["many strips"]), devices[0]);
  assert.ok(large.strips > 4 && large.chunks > 1, JSON.stringify(large));
  const small = cutOf(parse("forward", corners["one channel"]), devices[0]);
  assert.equal(small.chunks, 1);
});

test("refusals say why", () => {
  const refuses = (line: string): string | null => {
    const plan = parse("forward", line);
    return forwardLocal.refuses(plan, { inputs: [], operands: [], outputs: [] }, null, devices[0]);
  };
  assert.equal(refuses("n2 ci3 co4 g1 | i6x5 k3x3 s1 d1 p1:1 t1 zero"), "all cells share one kernel (period 1).");
  assert.equal(refuses("u2 ci3 co4 g1 | i6x5 k3x3 s1 d1 p1:1 t6x5 zero"), "needs an example axis.");
  assert.equal(refuses("n1 ci1 co1 g1 | i4 k2 s1 d1 p0:0 t3 zero"), "a plane of the kernel has 6 floats, less than a vector.");
  assert.equal(refuses("n1 ci2 co1 g1 | i6x5 k3x3 s1 d1 p1:1 t6x5 zero table 10"), "a connection table has no whole planes of channels.");
});
