import type { Graph, GraphNode } from "../graph/graph.ts";
import { countUses, withNodes } from "../graph/rewrite.ts";
import { type Fusion, operand, type PoolWindow } from "../ops/contract.ts";
import { type WindowPlan, windowOperator } from "../ops/window/index.ts";

/** What is asked about a node with a fusion. */
export interface PoolChoice {
  /** Whether some fast algorithm takes it. */
  readonly accepts: (node: GraphNode, fusion: Fusion) => boolean;
  /** Predicted time of the best that can be had, ns. */
  readonly time: (node: GraphNode) => number;
}

/**
 * Puts windows that lie side by side, with a largest cell whose place nobody asks for, into what produces their cells, where that is predicted
 * to take less time than both nodes.
 */
export function fusePools(graph: Graph, { accepts, time }: PoolChoice): Graph {
  const uses = countUses(graph);
  const nodes: (GraphNode | null)[] = [...graph.nodes];
  const producer = new Map(graph.nodes.flatMap(({ outputs }, index) => outputs.map((value) => [value, index] as const)));
  graph.nodes.forEach((node, index) => {
    const pool = node.operator === windowOperator ? poolOf(node.plan as WindowPlan) : null;
    const from = producer.get(node.inputs[0]);
    const made = from === undefined ? null : nodes[from];
    if (pool === null || from === undefined || made === null || made.fusion?.pool !== undefined) return;
    if (uses.has(node.outputs[1]) || uses.get(node.inputs[0]) !== 1 || made.outputs.length !== 1) return;
    const fusion: Fusion = { epilogue: operand(0), operands: [], ...made.fusion, pool };
    if (!accepts(made, fusion)) return;
    const pooled: GraphNode = { ...made, outputs: [node.outputs[0]], fusion };
    if (time(pooled) >= time(made) + time(node)) return;
    nodes[from] = null;
    nodes[index] = pooled;
  });
  return withNodes(
    graph,
    nodes.filter((node): node is GraphNode => node !== null),
  );
}

/** The windows of a selection as a pool: on the axes behind the channels, as far apart as they are long, none of them in padding. */
function poolOf({ role, batched, axes: [channels, ...axes] }: WindowPlan): PoolWindow | null {
  if (role !== "select" || !batched || axes.length === 0 || channels.kernel > 1 || channels.output < channels.input) return null;
  const fits = axes.every(
    ({ input, kernel, stride, dilation, low, output }) =>
      low === 0 && stride === kernel && (dilation === 1 || kernel === 1) && output === Math.floor(input / kernel),
  );
  return fits && axes.some(({ kernel }) => kernel > 1) ? { extents: axes.map(({ kernel }) => kernel) } : null;
}
