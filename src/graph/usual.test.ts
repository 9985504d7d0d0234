import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { size } from "../base/types.ts";
import { type GridLinearPlan, gridLinear, optionsOf } from "../ops/grid-linear/index.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import type { Graph } from "./graph.ts";
import { GraphTracer } from "./trace.ts";
import { makeUsual } from "./usual.ts";

function graphOf(plan: GridLinearPlan): Graph {
  const tracer = new GraphTracer();
  const inputs = gridLinear.inputs(plan).map((type, i) => tracer.input(`x${i}`, type));
  tracer.output("z", tracer.apply(gridLinear, optionsOf(plan, plan.role), inputs)[0]);
  return tracer.finish();
}

async function results(graph: Graph, plan: GridLinearPlan): Promise<number[]> {
  const draws = random(6);
  const feeds = Object.fromEntries(
    gridLinear.inputs(plan).map(({ shape }, i) => [`x${i}`, Float32Array.from({ length: size(shape) }, () => draws.integer(-4, 4))]),
  );
  const program = await (await referenceTarget.open()).compile(graph);
  return [...(await program.run(feeds)).z.data];
}

test("borders and connection tables become padding and zeros: the same numbers, for 200 sampled plans", async () => {
  const draws = random(11);
  let [bordered, tabled] = [0, 0];
  for (let i = 0; i < 200; i++) {
    const plan = gridLinear.sample(draws);
    const graph = graphOf(plan);
    const other = makeUsual(graph);
    if (other === graph) continue;
    const convolution = other.nodes.find(({ operator }) => operator === gridLinear)?.plan as GridLinearPlan;
    assert.equal(convolution.connections, null);
    if (plan.connections === null) {
      bordered++;
      assert.ok(convolution.axes.every(({ border, low, high }) => border === "zero" || low + high === 0));
    } else tabled++;
    assert.deepEqual(await results(other, plan), await results(graph, plan), gridLinear.line(plan));
  }
  assert.ok(bordered >= 15 && tabled >= 5, `${bordered} bordered, ${tabled} tabled`);
});

test("usual convolutions are left alone", () => {
  const graph = graphOf(gridLinear.parse("grid-linear forward n2 ci3 co4 g1 | i9 k3 s1 d1 p1:1 t1 zero"));
  assert.equal(makeUsual(graph), graph);
});
