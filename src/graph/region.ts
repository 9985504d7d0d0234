import type { Graph, GraphNode } from "./graph.ts";
import { withNodes } from "./rewrite.ts";

/** Whether nodes can become one: no value goes out of them and comes in again. */
export function isConvex({ nodes }: Graph, region: ReadonlySet<number>): boolean {
  const inside = new Set<number>();
  const behind = new Set<number>();
  for (let index = Math.min(...region); index <= Math.max(...region); index++) {
    const { inputs, outputs } = nodes[index];
    const own = region.has(index);
    const isBehind = inputs.some((value) => behind.has(value));
    if (own && isBehind) return false;
    if (own) for (const value of outputs) inside.add(value);
    else if (isBehind || inputs.some((value) => inside.has(value))) for (const value of outputs) behind.add(value);
  }
  return true;
}

/** The graph with the node in place of the region; nodes stay in their order where values allow. */
export function contract(graph: Graph, region: ReadonlySet<number>, node: GraphNode): Graph {
  const last = Math.max(...region);
  const list = graph.nodes.flatMap((own, index) => (index === last ? [node] : region.has(index) ? [] : [own]));
  const maker = new Map(list.flatMap((own) => own.outputs.map((value) => [value, own] as const)));
  const placed = new Set<GraphNode>();
  const ordered: GraphNode[] = [];
  const put = (own: GraphNode): void => {
    if (placed.has(own)) return;
    placed.add(own);
    for (const value of own.inputs) {
      const before = maker.get(value);
      if (before !== undefined) put(before);
    }
    ordered.push(own);
  };
  for (const own of list) put(own);
  return withNodes(graph, ordered);
}
