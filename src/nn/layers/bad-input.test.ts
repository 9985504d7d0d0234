import assert from "node:assert/strict";
import { test } from "node:test";
import { tensorType } from "../../base/types.ts";
import { arrays } from "../../data/memory.ts";
import { GraphTracer } from "../../graph/trace.ts";
import { type Layer, TracingScope } from "../scope.ts";
import { checkExtents, traceEvaluation } from "../step.ts";
import { adaptivePool, pyramidPool } from "./adaptive.ts";
import { sequential } from "./compose.ts";
import { conv, localConv, tiledConv } from "./linear.ts";
import { averagePool, maxPool, powerPool } from "./pool.ts";
import { dynamicPool, learnedPool } from "./pool-learned.ts";
import { fractionalPool, stochasticPool } from "./pool-random.ts";

/** Applies a layer to [2, 4, 8, 7]; the whole message is told. */
function says(made: () => Layer, message: string): void {
  const input = new GraphTracer().input("input", tensorType([2, 4, 8, 7], true));
  assert.throws(() => made().apply(input, new TracingScope(input.graph as GraphTracer, true, 2)), { name: "ToeplitzError", message });
}

test("windows larger than the padded input: every axis, with the sum", () => {
  const pools: Readonly<Record<string, Layer>> = {
    maxPool: maxPool(11, { padding: 1 }),
    averagePool: averagePool(11, { padding: 1 }),
    powerPool: powerPool(2, 11, { padding: 1 }),
    stochasticPool: stochasticPool(11, { padding: 1 }),
  };
  const told = (kind: string, axis: number, cells: number): string =>
    `${kind}: window span on axis ${axis}: expected <= padded input ${cells + 2} = 1 + ${cells} + 1; received 11 (window 11, dilation 1). Add padding, or make the window smaller.`;
  for (const [kind, pool] of Object.entries(pools)) says(() => pool, `${told(kind, 0, 8)}\n${told(kind, 1, 7)}`);
  says(
    () => localConv(3, { kernel: [9, 2] }),
    "grid-linear(forward): kernel span on axis 0: expected <= padded input 8 (8 + 0 + 0); received 9 (kernel 9, dilation 1). Add at least 1 cells of padding, or choose a smaller kernel or dilation.",
  );
});

test("strides that are not positive", () => {
  const strided: Readonly<Record<string, (stride: number) => Layer>> = {
    maxPool: (stride) => maxPool(2, { stride }),
    averagePool: (stride) => averagePool(2, { stride }),
    powerPool: (stride) => powerPool(2, 2, { stride }),
    stochasticPool: (stride) => stochasticPool(2, { stride }),
    conv: (stride) => conv(3, { kernel: 2, stride }),
  };
  for (const [kind, made] of Object.entries(strided))
    for (const stride of [0, -1, 1.5, Number.NaN])
      says(() => made(stride), `${kind}: strides: expected whole numbers >= 1; received [${stride}, ${stride}].`);
});

test("periods that are not positive", () => {
  for (const period of [0, -2, 1.5])
    says(
      () => tiledConv(3, { kernel: 2, period: [period, 1] }),
      `grid-linear(forward): period on axis 0: expected an integer >= 1, or "output"; received ${period}. 1 is a convolution, "output" a locally connected layer.`,
    );
});

test("connection tables of another size, or with an output that nothing reaches", () => {
  const connected =
    (...connections: string[]): (() => Layer) =>
    () =>
      conv(3, { kernel: 2, connections });
  says(connected("1111", "1111"), "conv: rows of the connection table: expected 3, one for each output channel; received 2.");
  says(
    connected("1111", "111", "1x11"),
    "grid-linear(forward): row 1 of the connection table: expected 4 digits 0 or 1; received 111.\n" +
      "grid-linear(forward): row 2 of the connection table: expected 4 digits 0 or 1; received 1x11.",
  );
  says(
    connected("1111", "0000", "0110"),
    "grid-linear(forward): row 1 of the connection table: expected at least one connection; received 0000. An unconnected output channel would be constant.",
  );
});

test("regions without cells", () => {
  says(
    () => fractionalPool({ ratio: 0.5 }),
    "fractionalPool: regions on axis 0: expected 1 to 8 of 8 cells; received 16 = floor(8 / 0.5).",
  );
  says(() => fractionalPool({ ratio: 9 }), "fractionalPool: regions on axis 0: expected 1 to 8 of 8 cells; received 0 = floor(8 / 9).");
  says(() => fractionalPool({ extents: [4, 8] }), "fractionalPool: regions on axis 1: expected 1 to 7 of 7 cells; received 8.");
  says(() => dynamicPool(8), "dynamicPool: regions: expected 1 to 8 x 7 on each axis; received [8, 8].");
  says(() => learnedPool(0), "learnedPool: regions: expected 1 to 8 x 7 on each axis; received [0, 0].");
  says(() => adaptivePool([2, 0]), "adaptivePool: extents: expected whole numbers >= 1; received [2, 0].");
  says(() => pyramidPool([1, 0.5]), "pyramidPool: extents: expected whole numbers >= 1; received [0.5, 0.5].");
  says(
    () => stochasticPool(2, { padding: [3, 0] }),
    "stochasticPool: padding on axis 0: expected every window to hold a cell of the 8 of the input; received window 0 wholly in padding (low 3, high 3). Lower the padding.",
  );
});

test("empty examples of a batch, empty batches", () => {
  const net = sequential(conv(2, { kernel: 3 }), maxPool(2));
  const options = { batch: 2, inputs: { input: { shape: [1, 8, 8], unequal: true } } };
  const traced = traceEvaluation(net, options);
  assert.throws(() => checkExtents(traced, "input", [0, 8, 3, 8]), {
    message:
      "net(input.extents): extents of example 0: expected 1 to 8 x 8; received 0 x 8.\n" +
      "net(input.extents): cells of example 1 after 1-maxPool: expected >= 1; received none, of 3 x 8. Leave the example out, enlarge it, or pad more.",
  });
  assert.throws(() => traceEvaluation(net, { ...options, batch: 0 }), {
    message: "net: batch: expected a whole number of examples >= 1; received 0.",
  });
  const empty = { cells: new Float32Array(0), shape: [1, 0, 8], class: "a" };
  assert.throws(
    () => arrays({ train: [empty] }),
    /shape of example 0: expected \[channels, 1 to 3 extents\], whole numbers >= 1; received \[1, 0, 8\]/,
  );
});

test("inputs that are not finite", () => {
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const one = { cells: Float32Array.of(1, 2, wrong, 4), shape: [1, 4], class: "a" };
    assert.throws(() => arrays({ train: [one] }), new RegExp(`cell 2 of example 0: expected a finite number; received ${wrong}`));
  }
});
