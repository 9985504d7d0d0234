import { invariant } from "../base/errors.ts";
import { type Graph, type GraphNode, ownInputs } from "../graph/graph.ts";
import type { Algorithm, Device, Fusion, Layout, LayoutChoice, Programs } from "../ops/contract.ts";
import { place, plainLayout, serves } from "../ops/layout.ts";

/** What was decided for one node. */
export interface Choice {
  /** Null for an alias: the output is the input, seen with another shape. */
  readonly algorithm: Algorithm | null;
  readonly layout: LayoutChoice;
  /** Predicted time of one thread, ns. */
  readonly estimate: number;
  /** Why the others were not taken, one sentence each. */
  readonly refusals: readonly string[];
}

/** Bytes that a conversion between layouts moves in a nanosecond, by one thread. */
const conversionRate = 4;
/** A step costs this much however little it does: a barrier and a call, ns. */
const stepCost = 1000;

/**
 * Chooses algorithm and layout of every node in order: the cheapest by its own estimate and the conversions that its
 * inputs need, given the layouts that their producers chose. Depends on plans and device only, so equal graphs get equal bits.
 */
export function choose(graph: Graph, algorithms: readonly Algorithm[], device: Device): Choice[] {
  const programs = programsOf(graph);
  const homes: (Layout | undefined)[] = graph.values.map(({ source }) => (source.kind === "node" ? undefined : plainLayout));
  return graph.nodes.map((node) => {
    const choice = isAlias(node) ? alias(node) : chooseOne(graph, node, algorithms, device, homes, programs);
    node.outputs.forEach((value, i) => {
      homes[value] = { block: choice.layout.outputs[i], halo: [], fill: 0 };
    });
    return choice;
  });
}

const programsOf = ({ updates }: Graph): Programs => (updates.length > 0 ? "training" : "inference");

export const isAlias = (node: GraphNode): boolean => node.operator.alias?.(node.plan) === true && node.fusion === null;

function alias(node: GraphNode): Choice {
  return {
    algorithm: null,
    layout: { inputs: [plainLayout], operands: [], outputs: node.outputs.map(() => 1) },
    estimate: 0,
    refusals: [],
  };
}

function chooseOne(
  graph: Graph,
  node: GraphNode,
  algorithms: readonly Algorithm[],
  device: Device,
  homes: readonly (Layout | undefined)[],
  programs: Programs,
): Choice {
  const refusals: string[] = [];
  let best: { choice: Choice; total: number } | null = null;
  for (const algorithm of algorithms) {
    if (algorithm.operator !== node.operator.name) continue;
    for (const layout of offers(algorithm, node.plan, node.fusion, device, refusals)) {
      const estimate = algorithm.estimate(node.plan, layout, node.fusion, device, programs);
      const total = estimate + conversionCost(graph, node, layout, homes);
      if (best === null || total < best.total) best = { choice: { algorithm, layout, estimate, refusals }, total };
    }
  }
  invariant(best !== null, () => `no algorithm for ${node.operator.line(node.plan)}: ${refusals.join(" ")}`);
  return best.choice;
}

/** Layout choices that an algorithm takes; notes in `refusals` why it takes none of them. */
export function offers(algorithm: Algorithm, plan: unknown, fusion: Fusion | null, device: Device, refusals: string[]): LayoutChoice[] {
  const layouts = algorithm.layouts(plan, fusion, device);
  if (layouts.length === 0) refusals.push(`${algorithm.id}: offers no layout for this plan${fusion === null ? "" : " with this fusion"}.`);
  return layouts.filter((layout) => {
    const why = algorithm.refuses(plan, layout, fusion, device);
    if (why !== null) refusals.push(`${algorithm.id}: ${why}`);
    return why === null;
  });
}

function conversionCost(graph: Graph, node: GraphNode, layout: LayoutChoice, homes: readonly (Layout | undefined)[]): number {
  const own = ownInputs(node);
  return node.inputs.reduce((sum, value, i) => {
    const need = i < own ? layout.inputs[i] : layout.operands[i - own];
    const home = homes[value] ?? plainLayout;
    // a halo costs nothing here: the producer's buffer gets it, unless its buffer is fixed
    const fixed = graph.values[value].source.kind !== "node";
    const served = fixed ? serves(home, need) : home.block === need.block;
    if (served) return sum;
    return sum + stepCost + (8 * place(graph.values[value].type, need).words) / conversionRate;
  }, 0);
}
