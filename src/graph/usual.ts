import type { Value } from "../ops/contract.ts";
import { connectedPairs, type GridLinearPlan, gridLinear, optionsOf, typesOf } from "../ops/grid-linear/index.ts";
import { type AxisMap, gatherRest, moveOperator, remap, reshapeRest, wholeAxis } from "../ops/move/index.ts";
import type { Graph, GraphNode } from "./graph.ts";
import { replaceNodes } from "./replay.ts";

/**
 * Turns unusual convolutions into usual ones, which have fast algorithms: a border that is not zero becomes cells that are put around the input
 * (c(K, V) = c'(K, pad V); dV = pad^T h'(K, G)), a connection table becomes a kernel with zeros for the pairs that are not connected.
 */
export function makeUsual(graph: Graph): Graph {
  if (!graph.nodes.some((node) => planOf(node) !== null)) return graph;
  return replaceNodes(graph, (node, inputs) => {
    const plan = planOf(node);
    return plan === null ? undefined : [usual(plan, inputs)];
  });
}

const isBordered = ({ border, low, high }: GridLinearPlan["axes"][number]): boolean => border !== "zero" && (low > 0 || high > 0);

/** The plan of a node that is to be replaced. Kernels of their own at every location run on any border. */
function planOf({ operator, plan }: GraphNode): GridLinearPlan | null {
  if (operator.name !== gridLinear.name) return null;
  const own = plan as GridLinearPlan;
  const local = own.axes.some(({ period, output }) => period > 1 && period === output);
  return own.connections !== null || (!local && own.axes.some(isBordered)) ? own : null;
}

function usual(plan: GridLinearPlan, [first, second]: readonly Value[]): Value {
  const dense = plan.connections === null ? plan : { ...plan, connections: null };
  const { maps, padded } = withoutBorders(dense);
  const kernelOf = (pairs: Value): Value => (plan.connections === null ? pairs : spreadPairs(plan, pairs));
  const apply = (a: Value, b: Value): Value => a.graph.apply(gridLinear, optionsOf(padded, plan.role), [a, b])[0];
  const pad = (v: Value): Value => remap(v, [wholeAxis(plan.channelsIn), ...maps]);
  if (plan.role === "forward") return apply(kernelOf(first), pad(second));
  if (plan.role === "kernel") {
    const kernel = apply(first, pad(second));
    return plan.connections === null ? kernel : takePairs(plan, kernel);
  }
  const input = apply(kernelOf(first), second);
  const whole = maps.every(({ input: own, output }) => own === output);
  return whole ? input : input.graph.apply(moveOperator, { kind: "unmap", axes: [wholeAxis(plan.channelsIn), ...maps] }, [input])[0];
}

/** Axes whose border is not zero, with their padding as cells of the input. */
function withoutBorders(plan: GridLinearPlan): { maps: AxisMap[]; padded: GridLinearPlan } {
  const maps = plan.axes.map((axis): AxisMap => {
    const { input, low, high, border } = axis;
    return isBordered(axis) ? { input, output: low + input + high, start: 0 - low, step: 1, repeat: 1, border } : wholeAxis(input);
  });
  const axes = plan.axes.map((axis, i) =>
    isBordered(axis) ? { ...axis, input: maps[i].output, low: 0, high: 0, border: "zero" as const } : axis,
  );
  return { maps, padded: { ...plan, axes } };
}

/** Position of every pair of channels among the connected ones; -1 for one that is not. */
function pairTable(plan: GridLinearPlan): Int32Array {
  const table = new Int32Array(plan.channelsOut * plan.channelsIn).fill(-1);
  connectedPairs(plan).forEach(({ output, input }, position) => {
    table[output * plan.channelsIn + input] = position;
  });
  return table;
}

const indexOf = (like: Value, data: Int32Array): Value => like.graph.constant({ dtype: "i32", shape: [data.length], data });

/** K [pairs, ...] as [channelsOut, channelsIn, ...], zero where there is no connection. */
function spreadPairs(plan: GridLinearPlan, pairs: Value): Value {
  const { kernel } = typesOf({ ...plan, connections: null });
  return reshapeRest(gatherRest(pairs, indexOf(pairs, pairTable(plan)), 0), kernel.shape);
}

/** The connected pairs of a dense kernel. */
function takePairs(plan: GridLinearPlan, kernel: Value): Value {
  const [channelsOut, channelsIn, ...rest] = kernel.type.shape;
  const connected = [...pairTable(plan).entries()].flatMap(([pair, position]) => (position < 0 ? [] : [pair]));
  return gatherRest(reshapeRest(kernel, [channelsOut * channelsIn, ...rest]), indexOf(kernel, Int32Array.from(connected)), 0);
}
