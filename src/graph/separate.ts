import { size } from "../base/types.ts";
import { type GridLinearOptions, type GridLinearPlan, gridLinear, optionsOf } from "../ops/grid-linear/index.ts";
import { rankOneFactors } from "./factors.ts";
import type { Content, Graph, GraphNode, GraphValue } from "./graph.ts";
import { withNodes } from "./rewrite.ts";
import { tensor } from "./trace.ts";

/** Predicted time of a node, ns. */
export type TimeOf = (node: GraphNode) => number;

/** Passes have to be predicted to take this share of the time: they wait for one another, and may need a halo each. */
const worth = 0.8;

/**
 * Puts one pass for each axis in the place of a convolution of every channel by itself whose kernel is a constant of rank one on the axes (the
 * sums and weighted means of pooling, and their input gradients), where that is predicted to be faster: k + k taps instead of k k.
 */
export function separate(graph: Graph, time: TimeOf): Graph {
  const values: GraphValue[] = [...graph.values];
  const nodes = graph.nodes.flatMap((node) => {
    const passes = passesOf(node, values);
    if (passes === null) return [node];
    const total = passes.nodes.reduce((sum, pass) => sum + time(pass), 0);
    if (total >= worth * time(node)) return [node];
    values.push(...passes.added);
    return passes.nodes;
  });
  return nodes.length === graph.nodes.length ? graph : withNodes({ ...graph, values }, nodes);
}

interface Passes {
  readonly nodes: readonly GraphNode[];
  /** Values to come after those of the graph: kernels, and what lies between the passes. */
  readonly added: readonly GraphValue[];
}

function passesOf(node: GraphNode, values: readonly GraphValue[]): Passes | null {
  if (node.operator.name !== gridLinear.name || node.fusion !== null) return null;
  const plan = node.plan as GridLinearPlan;
  const { source } = values[node.inputs[0]];
  const order = orderOf(plan);
  if (source.kind !== "constant" || order === null) return null;
  const kernels = kernelsOf(source.content, plan);
  if (kernels === null) return null;
  const added: GraphValue[] = [];
  const add = (value: GraphValue): number => values.length + added.push(value) - 1;
  let [, data] = node.inputs;
  let { type } = values[data];
  const nodes = order.map((axis, i): GraphNode => {
    const content = kernels[axis];
    const kernel = { type: { dtype: "f32", shape: content.shape, batched: false }, source: { kind: "constant", content } } as const;
    const options = passOptions(plan, axis, order.slice(0, i));
    const own = gridLinear.plan(options, [kernel.type, type]);
    const inputs = [add(kernel), data];
    [type] = gridLinear.outputs(own);
    // its producer is set when the nodes have their places
    if (i < order.length - 1) data = add({ type, source: { kind: "node", node: -1, output: 0 } });
    return { ...node, options, plan: own, inputs, outputs: i < order.length - 1 ? [data] : node.outputs };
  });
  return { nodes, added };
}

/** The axes to go over, the one that leaves the fewest cells first; null where there are not several, or passes would not be the same sums. */
function orderOf({ axes, role, groups, channelsIn, channelsOut }: GridLinearPlan): number[] | null {
  if (role === "kernel" || groups !== channelsIn || groups !== channelsOut) return null;
  const wide = axes.flatMap(({ kernel }, axis) => (kernel > 1 ? [axis] : []));
  const still = axes.every(({ kernel, stride, low, high }) => kernel > 1 || (stride === 1 && low === 0 && high === 0));
  if (wide.length < 2 || !still || axes.some(({ period }) => period > 1)) return null;
  const growth = (axis: number): number =>
    role === "forward" ? axes[axis].output / axes[axis].input : axes[axis].input / axes[axis].output;
  return wide.sort((a, b) => growth(a) - growth(b) || b - a);
}

/** The kernel of each axis, or null where the whole kernel is not their product. */
function kernelsOf(content: Content, { axes, channelsOut }: GridLinearPlan): Content[] | null {
  const shapes = axes.map(({ kernel }, axis) => [channelsOut, 1, ...axes.map((_, i) => (i === axis ? kernel : 1))]);
  if (!("data" in content)) return shapes.map((shape, axis) => ({ shape, fill: axis === 0 ? content.fill : 1 }));
  const extents = axes.map(({ kernel }) => kernel);
  const taps = size(extents);
  const factors: number[][] = axes.map(() => []);
  for (let channel = 0; channel < channelsOut; channel++) {
    const own = rankOneFactors(content.data.subarray(channel * taps, (channel + 1) * taps), extents);
    if (own === null) return null;
    own.forEach((factor, axis) => factors[axis].push(...factor));
  }
  return shapes.map((shape, axis) => tensor(shape, factors[axis]));
}

/** Options of the pass over one axis: the others have one tap, and the extents that the passes before it have left. */
function passOptions(plan: GridLinearPlan, axis: number, before: readonly number[]): GridLinearOptions {
  const { axes, role } = plan;
  const own = <T>(value: T, i: number, otherwise: T): T => (i === axis ? value : otherwise);
  return {
    ...optionsOf(plan, role),
    kernel: axes.map(({ kernel }, i) => own(kernel, i, 1)),
    stride: axes.map(({ stride }, i) => own(stride, i, 1)),
    dilation: axes.map(({ dilation }, i) => own(dilation, i, 1)),
    padding: axes.map(({ low, high }, i) => own({ low, high }, i, { low: 0, high: 0 })),
    border: axes.map(({ border }, i) => own(border, i, "zero")),
    // extents of the input: what a pass forward reads, and a pass backward makes
    input: axes.map(({ input, output }, i) => {
      const done = before.includes(i) || (role === "input" && i === axis);
      return done === (role === "input") ? input : output;
    }),
  };
}
