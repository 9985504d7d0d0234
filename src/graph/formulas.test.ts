import assert from "node:assert/strict";
import { test } from "node:test";
import { tensorType } from "../base/types.ts";
import { call, constant, type Expression, operand, type Value } from "../ops/contract.ts";
import { pointwise } from "../ops/pointwise/index.ts";
import { add, exp, multiply, sigmoid, subtract, sum } from "../ops.ts";
import { gradients } from "./differentiate.ts";
import { gatherTables, joinFormulas } from "./formulas.ts";
import type { Graph } from "./graph.ts";
import { fuse, prune } from "./rewrite.ts";
import { GraphTracer } from "./trace.ts";

function linesOf(graph: Graph): string[] {
  for (const [index, node] of graph.nodes.entries()) {
    for (const input of node.inputs) {
      const { source } = graph.values[input];
      assert.ok(source.kind !== "node" || source.node < index, "every value is made before it is used");
    }
  }
  return graph.nodes.map(({ operator, plan }) => operator.line(plan));
}

/** Momentum: v' = v / 2 + g, p' = p - rate v'. */
function follow(tracer: GraphTracer, name: string, shape: readonly number[], gradient?: Value): void {
  const [p, v] = [`${name}/p`, `${name}/v`].map((state) => tracer.state(state, tensorType(shape)));
  const g = gradient ?? tracer.input(`${name}/g`, tensorType(shape));
  const rate = tracer.input("rate", tensorType([]));
  const half: Expression = call("multiply", constant(0.5), operand(0));
  const next = pointwise(call("add", half, operand(1)), [v, g]);
  tracer.update(v, next);
  tracer.update(p, pointwise(call("subtract", operand(0), call("multiply", operand(1), operand(2))), [p, rate, next]));
}

const joined = (tracer: GraphTracer): Graph => joinFormulas(fuse(prune(tracer.finish()), () => false));

test("a parameter and its velocity are one pass, and all parameters one node", () => {
  const tracer = new GraphTracer();
  for (const [index, shape] of [[3, 2], [4], [3, 2]].entries()) follow(tracer, `layer${index}`, shape);
  const graph = joined(tracer);
  assert.deepEqual(
    linesOf(graph).map((line) => line.split(" ")[0]),
    ["formulas", "formulas", "formulas"],
  );
  assert.deepEqual(linesOf(gatherTables(graph)), [
    "table whole,whole,whole,f32 | 3x2,4,3x2 | add(multiply(#0.5,0),1); subtract(2,multiply(3,add(multiply(#0.5,0),1)))",
  ]);
});

test("parameters that read one another, or with a rate of their own, are no rows of one table", () => {
  const tracer = new GraphTracer();
  const first = tracer.state("layer0/p", tensorType([4]));
  follow(tracer, "layer0", [4]);
  follow(tracer, "layer1", [4], first);
  assert.ok(!linesOf(gatherTables(joined(tracer))).some((line) => line.startsWith("table")));
  const apart = new GraphTracer();
  for (const name of ["a", "b"]) {
    const p = apart.state(name, tensorType([4]));
    apart.update(p, multiply(p, apart.input(`${name}/rate`, tensorType([]))));
  }
  assert.deepEqual(linesOf(gatherTables(joined(apart))), ["pointwise | 4,. | multiply(0,1)", "pointwise | 4,. | multiply(0,1)"]);
});

test("the gradients of a product's factors are one pass", () => {
  const tracer = new GraphTracer();
  const [x, y] = ["x", "y"].map((name) => tracer.input(name, tensorType([2, 5], true)));
  const [ofX, ofY] = gradients(sum(multiply(multiply(x, sigmoid(y)), multiply(x, x))), [x, y]);
  tracer.output("x", ofX as Value);
  tracer.output("y", ofY as Value);
  const lines = linesOf(joined(tracer));
  assert.equal(lines.length, 1, lines.join("\n"));
  assert.match(lines[0], /^formulas n2 \| nx5,.*; /);
});

test("formulas of other cells, or with a node between them that reads one and is read by the other, stay apart", () => {
  const tracer = new GraphTracer();
  const x = tracer.input("x", tensorType([2, 5], true));
  const first = exp(x);
  tracer.output("a", first);
  tracer.output("b", subtract(x, sum(first, 1, { keepAxes: true })));
  tracer.output("c", add(sum(x, 1, { keepAxes: true }), 1));
  assert.ok(!linesOf(joined(tracer)).some((line) => line.startsWith("formulas")));
});
