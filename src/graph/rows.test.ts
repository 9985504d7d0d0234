import assert from "node:assert/strict";
import { test } from "node:test";
import { tensorType } from "../base/types.ts";
import type { Value } from "../ops/contract.ts";
import { add, divide, exp, max, multiply, softmax, subtract, sum } from "../ops.ts";
import { passBroadcasts } from "./broadcasts.ts";
import { gradients } from "./differentiate.ts";
import { fuse, prune } from "./rewrite.ts";
import { formRows } from "./rows.ts";
import { GraphTracer } from "./trace.ts";

const map = tensorType([2, 5, 4, 4], true);

/** Lines of the nodes that are left of what `build` traces. */
function lines(build: (tracer: GraphTracer, x: Value) => Readonly<Record<string, Value>>): string[] {
  const tracer = new GraphTracer();
  for (const [name, value] of Object.entries(build(tracer, tracer.input("x", map)))) tracer.output(name, value);
  const graph = formRows(fuse(passBroadcasts(prune(tracer.finish())), () => false));
  for (const [index, node] of graph.nodes.entries()) {
    for (const input of node.inputs) {
      const { source } = graph.values[input];
      assert.ok(source.kind !== "node" || source.node < index, "every value is made before it is used");
    }
  }
  return graph.nodes.map(({ operator, plan }) => operator.line(plan));
}

const keep = { keepAxes: true } as const;

test("softmax is one node, along any axis", () => {
  for (const axis of [1, 2, 3]) {
    const found = lines((_, x) => ({ shares: softmax(x, axis) }));
    assert.equal(found.length, 1);
    assert.match(found[0], new RegExp(`^rows n2 axis${axis} \\| nx5x4x4 \\| max 0; sum exp`));
  }
});

test("a chain that is no softmax is one node too, with a result for each row", () => {
  const found = lines((_, x) => {
    const total = sum(multiply(x, x), 1, keep);
    return { total, scaled: divide(x, add(total, 1)) };
  });
  assert.deepEqual(found, ["rows n2 axis1 | nx5x4x4 | sum multiply(0,0) | rows 1; cells divide(0,add(1,#1))"]);
});

test("forward and backward are one node where the gradient does not wait for the loss", () => {
  const found = lines((_, x) => {
    const shares = softmax(x);
    const loss = sum(multiply(shares, shares));
    const [slope] = gradients(loss, [x]);
    return { slope: slope as Value, loss };
  });
  assert.deepEqual(
    found.map((line) => line.split(" ")[0]),
    ["rows", "reduce"],
  );
});

test("a value that goes out and comes in again parts a chain", () => {
  const found = lines((_, x) => {
    const most = max(x, 1, keep);
    const whole = sum(most, [1, 2, 3], keep);
    return { made: divide(exp(subtract(x, most)), add(sum(exp(subtract(x, most)), 1, keep), whole)) };
  });
  const kinds = found.map((line) => line.split(" ")[0]);
  assert.deepEqual(kinds, ["rows", "reduce", "pointwise", "pointwise"], found.join("\n"));
});

test("sums along several axes, or of examples, are no rows; neither is one sum alone", () => {
  const none = (build: (x: Value) => Value): void => assert.ok(!lines((_, x) => ({ y: build(x) })).some((line) => line.startsWith("rows")));
  none((x) => divide(x, sum(x, [1, 2], keep)));
  none((x) => subtract(x, sum(x, 0)));
  none((x) => sum(multiply(x, x), 1));
});

test("formulas read what was repeated, and wait for nothing that only lends its shape", () => {
  const found = lines((tracer, x) => {
    const scale = tracer.input("scale", tensorType([]));
    const spread = multiply(multiply(x, 0), 0);
    const [slope] = gradients(sum(multiply(sum(x, [1, 2, 3]), scale)), [x]);
    return { y: multiply(x, slope as Value), spread };
  });
  assert.ok(found.includes("pointwise n2 | nx5x4x4,. | multiply(0,1)"), found.join("\n"));
});
