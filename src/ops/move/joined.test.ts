import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLayer } from "../../../test/nn/layer.ts";
import { tensorType } from "../../base/types.ts";
import { gradients } from "../../graph/differentiate.ts";
import { prune } from "../../graph/rewrite.ts";
import { GraphTracer } from "../../graph/trace.ts";
import { add, multiply, slice, square, sum } from "../../ops.ts";
import type { Value } from "../contract.ts";

/** Lines of the moves and sums of maps with which a loss of slices is differentiated. */
function lines(loss: (x: Value) => Value): string[] {
  const tracer = new GraphTracer();
  const x = tracer.input("x", tensorType([2, 6, 5], true));
  const [slope] = gradients(loss(x), [x]);
  tracer.output("slope", slope as Value);
  const { nodes } = prune(tracer.finish());
  return nodes.map(({ operator, plan }) => operator.line(plan)).filter((line) => /^move (?!remap|reshape)|add\(0,1\)$/.test(line));
}

const energy = (value: Value, scale: number): Value => sum(multiply(square(value), scale));

test("the gradients of slices that lie side by side are joined, in any order; others are added", () => {
  assert.deepEqual(
    lines((x) => add(energy(slice(x, 1, 0, 2), 3), energy(slice(x, 1, 2), 5))),
    ["move concat n2 | nx2x5,nx4x5 | 0"],
  );
  assert.deepEqual(
    lines((x) => add(energy(slice(x, 2, 3), 3), energy(slice(x, 2, 0, 3), 5))),
    ["move concat n2 | nx6x3,nx6x2 | 1"],
  );
  // three parts: two are joined, then the third to both
  assert.deepEqual(
    lines((x) => add(add(energy(slice(x, 1, 0, 1), 3), energy(slice(x, 1, 1, 4), 5)), energy(slice(x, 1, 4), 7))),
    ["move concat n2 | nx3x5,nx2x5 | 0", "move concat n2 | nx1x5,nx5x5 | 0"],
  );
  const overlap = lines((x) => add(energy(slice(x, 1, 0, 3), 3), energy(slice(x, 1, 2), 5)));
  assert.deepEqual(
    overlap.map((line) => line.split(" ").slice(0, 2).join(" ")),
    ["move unmap", "move unmap", "pointwise n2"],
  );
  const apart = lines((x) => add(energy(slice(slice(x, 1, 0, 3), 2, 0, 2), 3), energy(slice(slice(x, 1, 3), 2, 0, 2), 5)));
  assert.ok(apart.some((line) => line.includes("unmap")));
});

test("and they are the gradients", () => {
  for (const axis of [1, 2])
    checkLayer(
      "parts",
      (x) => add(multiply(slice(x, axis, 0, 2), 3), multiply(slice(x, axis, 2), square(slice(x, axis, 0, 2)))),
      [2, 4, 4],
    );
});
