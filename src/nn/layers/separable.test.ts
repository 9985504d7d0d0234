import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLayer } from "../../../test/nn/layer.ts";
import { tensorType } from "../../base/types.ts";
import { GraphTracer } from "../../graph/trace.ts";
import { type GridLinearPlan, gridLinear } from "../../ops/grid-linear/index.ts";
import { TracingScope } from "../scope.ts";
import { conv } from "./linear.ts";
import { separableConv } from "./separable.ts";

/** Lines of the convolutions, names and shapes of the parameters, shape of the output. */
function traced(net: ReturnType<typeof separableConv>, shape: readonly number[]) {
  const tracer = new GraphTracer();
  const scope = new TracingScope(tracer, true, 2);
  const output = net.apply(tracer.input("input", tensorType([2, ...shape], true)), scope);
  tracer.output("output", output);
  const { nodes } = tracer.finish();
  return {
    lines: nodes.filter(({ operator }) => operator.name === gridLinear.name).map(({ plan }) => gridLinear.line(plan as GridLinearPlan)),
    parameters: [...scope.parameters.values()].map(({ name, type }) => `${name} ${type.shape.join("x")}`),
    shape: output.type.shape,
  };
}

test("k x 1, then 1 x k, with one bias; the extents of the whole convolution", () => {
  const options = { kernel: [5, 3], stride: [2, 1], padding: ["same", 0] } as const;
  const { lines, parameters, shape } = traced(separableConv(4, options), [3, 9, 8]);
  assert.deepEqual(lines, [
    "grid-linear forward n2 ci3 co4 g1 | i9x8 k5x1 s2x1 d1 p2:2x0:0 t1 zero",
    "grid-linear forward n2 ci4 co4 g1 | i5x8 k1x3 s1 d1 p0:0 t1 zero",
  ]);
  assert.deepEqual(parameters, ["axis0/kernel 4x3x5x1", "axis1/kernel 4x4x1x3", "axis1/bias 4x1x1"]);
  assert.deepEqual(shape, traced(conv(4, options), [3, 9, 8]).shape);
});

test("one axis is a convolution, three are three passes, and it learns", () => {
  assert.equal(traced(separableConv(2, { kernel: 3 }), [1, 6]).lines.length, 1);
  assert.equal(traced(separableConv(2, { kernel: 3, bias: false }), [1, 6, 6, 6]).parameters.length, 3);
  checkLayer(
    "separableConv",
    separableConv(2, { kernel: 3, padding: "same" }),
    [2, 2, 5, 4],
    [tensorType([2, 2, 3, 1]), tensorType([2, 2, 1, 3]), tensorType([2, 1, 1])],
  );
  assert.throws(() => traced(separableConv(2, { kernel: [3, 3] }), [1, 6]), /separableConv: kernel extents: expected .* 1 axes/);
});
