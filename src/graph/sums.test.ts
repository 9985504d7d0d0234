import assert from "node:assert/strict";
import { test } from "node:test";
import { tensorType } from "../base/types.ts";
import { call, operand, type Value } from "../ops/contract.ts";
import { pointwise } from "../ops/pointwise/index.ts";
import { fold } from "../ops/reduce/index.ts";
import { prune } from "./rewrite.ts";
import { gatherSums } from "./sums.ts";
import { GraphTracer } from "./trace.ts";

const map = tensorType([4, 3, 5, 5], true);
const channel = { dtype: "f32", shape: [3, 1, 1], batched: false } as const;

/** Lines of the nodes that are left of what `build` traces. */
function lines(build: (tracer: GraphTracer, g: Value, x: Value, mean: Value) => Readonly<Record<string, Value>>): string[] {
  const tracer = new GraphTracer();
  const made = build(tracer, tracer.input("g", map), tracer.input("x", map), tracer.state("mean", channel));
  for (const [name, value] of Object.entries(made)) tracer.output(name, value);
  const graph = gatherSums(prune(tracer.finish()));
  for (const [index, node] of graph.nodes.entries()) {
    for (const input of node.inputs) {
      const { source } = graph.values[input];
      assert.ok(source.kind !== "node" || source.node < index, "every value is made before it is used");
    }
  }
  return graph.nodes.map(({ operator, plan }) => operator.line(plan));
}

const product = (g: Value, x: Value, mean: Value): Value =>
  pointwise(call("multiply", operand(0), call("subtract", operand(1), operand(2))), [g, x, mean]);

test("sum(G) and sum(G (x - mean)) are one pass that writes no product", () => {
  const found = lines((_, g, x, mean) => ({ a: fold(g, channel), b: fold(product(g, x, mean), channel) }));
  assert.deepEqual(found, ["sums n4 | nx3x5x5,nx3x5x5,3x1x1 | 3x1x1 | 0; multiply(0,subtract(1,2))"]);
});

test("a product that something else reads stays", () => {
  const found = lines((_, g, x, mean) => {
    const terms = product(g, x, mean);
    return { terms, b: fold(terms, channel) };
  });
  assert.deepEqual(found, ["pointwise n4 | nx3x5x5,nx3x5x5,3x1x1 | multiply(0,subtract(1,2))", "reduce sum n4 | nx3x5x5 | 3x1x1"]);
});

test("sums that share no whole operand, or fold to other shapes, stay apart", () => {
  const apart = lines((_, g, x) => ({ a: fold(g, channel), b: fold(x, channel) }));
  assert.deepEqual(apart, ["reduce sum n4 | nx3x5x5 | 3x1x1", "reduce sum n4 | nx3x5x5 | 3x1x1"]);
  const other = lines((_, g) => ({ a: fold(g, channel), b: fold(g, { ...channel, shape: [1, 1, 5] }) }));
  assert.equal(other.length, 2);
});

test("a sum does not go before what it reads", () => {
  const found = lines((_, g, x) => {
    const first = fold(g, channel);
    const scaled = pointwise(call("multiply", operand(0), operand(1)), [x, first]);
    return { first, second: fold(pointwise(call("multiply", operand(0), operand(1)), [g, scaled]), channel), scaled };
  });
  assert.deepEqual(
    found.map((line) => line.split(" ")[0]),
    ["reduce", "pointwise", "sums"],
  );
});

test("the gradient of a batch normalisation is pointwise nodes and one pass of sums over its map", () => {
  const found = lines((tracer, g, x, mean) => {
    const a = fold(g, channel);
    const b = fold(product(g, x, mean), channel);
    const slope = pointwise(call("subtract", operand(0), call("multiply", operand(1), operand(2))), [g, x, b]);
    return { a, slope, examples: tracer.examples() };
  });
  assert.deepEqual(
    found.map((line) => line.split(" ")[0]),
    ["sums", "pointwise"],
  );
});
