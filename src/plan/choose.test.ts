import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import type { TensorType } from "../base/types.ts";
import type { Graph, GraphNode, GraphValue } from "../graph/graph.ts";
import type { Algorithm, Layout, LayoutChoice, Operator } from "../ops/contract.ts";
import { blockedLayout, plainLayout } from "../ops/layout.ts";
import { type Candidate, Catalogue } from "./candidates.ts";
import { choose } from "./choose.ts";
import { predictMove } from "./costs.ts";
import { movesOf } from "./instances.ts";
import { blockOf, isSeen, usesOf, wantOf } from "./uses.ts";

const device = { tier: "plain", fma: false, wide: false } as const;
const type: TensorType = { dtype: "f32", shape: [4, 32, 16, 16], batched: true };

/** A node that only has costs: its plan says which candidates there are. */
interface Costs {
  readonly name: number;
  readonly choices: readonly { readonly layout: LayoutChoice; readonly ns: number }[];
}
const operator = { name: "costs", line: ({ name }: Costs) => `costs ${name}` } as Operator<Costs>;
const algorithm = {
  id: "costs",
  operator: "costs",
  layouts: ({ choices }: Costs) => choices.map(({ layout }) => layout),
  refuses: () => null,
  estimate: ({ choices }: Costs, layout: LayoutChoice) => choices.find((choice) => choice.layout === layout)?.ns ?? 0,
} as unknown as Algorithm;

const wants: readonly Layout[] = [
  plainLayout,
  blockedLayout(8),
  blockedLayout(8, [
    { low: 1, high: 1 },
    { low: 1, high: 1 },
  ]),
  blockedLayout(16),
];

/** A graph of so many nodes in which every node reads one or two earlier values. */
function sampleGraph(seed: number, count: number, isChain: boolean): Graph {
  const draw = random(seed, 5);
  const values: GraphValue[] = [{ type, source: { kind: "input", name: "x" } }];
  const nodes: GraphNode[] = [];
  for (let node = 0; node < count; node++) {
    const inputs = isChain || draw.integer(0, 1) === 0 ? [node] : [node, draw.integer(0, node)];
    const choices = [1, 8, 16].map((block) => ({
      layout: { inputs: inputs.map(() => wants[draw.integer(0, wants.length - 1)]), operands: [], outputs: [block] },
      ns: Math.round(draw.uniform() * 60_000),
    }));
    const plan: Costs = { name: node, choices };
    nodes.push({ operator: operator as Operator, options: null, plan, inputs, outputs: [node + 1], path: "", fusion: null });
    values.push({ type, source: { kind: "node", node, output: 0 } });
  }
  return { values, nodes, outputs: [{ name: "y", value: count }], updates: [] };
}

/** What a graph costs with these candidates, straight from the rule that lowering follows. */
function costOf(graph: Graph, taken: readonly Candidate[]): number {
  const uses = usesOf(graph);
  const moves = graph.values.flatMap((_, value) => {
    const own = uses[value].map(({ node, slot }) => (node === null ? "bare" : wantOf(graph.nodes[node], taken[node], slot)));
    return movesOf(type, blockOf(graph, taken, value), own, isSeen(graph, uses, value));
  });
  return taken.reduce((sum, { estimate }) => sum + estimate, 0) + moves.reduce((sum, { time }) => sum + predictMove(time, device), 0);
}

function least(graph: Graph, lists: readonly (readonly Candidate[])[]): number {
  const ways = lists.reduce<Candidate[][]>((heads, list) => heads.flatMap((head) => list.map((item) => [...head, item])), [[]]);
  return Math.min(...ways.map((taken) => costOf(graph, taken)));
}

test("chains are chosen as a whole: no other choice of candidates costs less", () => {
  for (let seed = 0; seed < 15; seed++) {
    const graph = sampleGraph(seed, 5, true);
    const catalogue = new Catalogue([algorithm], device);
    const lists = graph.nodes.map((node) => catalogue.of(node, false).list);
    const cost = costOf(graph, choose(graph, catalogue.ofGraph(graph), device));
    assert.ok(cost <= least(graph, lists) * (1 + 1e-9), `seed ${seed}: ${cost} against ${least(graph, lists)}`);
  }
});

test("graphs with joins come within 3 % of the least cost on average", () => {
  let [found, possible] = [0, 0];
  for (let seed = 0; seed < 15; seed++) {
    const graph = sampleGraph(seed, 6, false);
    const catalogue = new Catalogue([algorithm], device);
    found += costOf(graph, choose(graph, catalogue.ofGraph(graph), device));
    possible += least(
      graph,
      graph.nodes.map((node) => catalogue.of(node, false).list),
    );
  }
  assert.ok(found >= possible && found <= 1.03 * possible, `${found / possible}`);
});

test("equal graphs get equal choices", () => {
  const graph = sampleGraph(3, 30, false);
  const [a, b] = [1, 2].map(() => choose(graph, new Catalogue([algorithm], device).ofGraph(graph), device));
  assert.deepEqual(
    a.map(({ layout }) => layout),
    b.map(({ layout }) => layout),
  );
});
