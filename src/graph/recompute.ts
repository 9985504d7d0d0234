import { size } from "../base/types.ts";
import type { Graph, GraphNode, GraphValue } from "./graph.ts";
import { countUses, prune, withNodes } from "./rewrite.ts";

/**
 * Gradient checkpointing: the backward pass computes values of the forward pass again instead of reading what was kept since. The forward nodes are
 * cut into segments; what crosses a cut is kept, and the rest of a segment is made anew just before the backward pass needs it. Nodes are pure, random
 * draws included, and states are updated by the first forward pass alone, so results have the same bits wherever the algorithms are the same.
 *
 * Source: Chen et al. 2016, "Training deep nets with sublinear memory cost".
 * Units: `forward` counts the nodes before the backward pass; `budget` is the most bytes of values that may live at one time, as `liveBytes` counts
 * them; null for as few as can be. Where no cuts are within the budget those with the fewest bytes are taken.
 */
export function recompute(traced: Graph, forward: number, budget: number | null): Graph {
  const early = new Set(traced.nodes.slice(0, forward));
  const graph = prune(traced);
  const count = graph.nodes.filter((node) => early.has(node)).length;
  const before = liveBytes(graph);
  if (budget !== null && before <= budget) return graph;
  const sections = new Sections(graph, count);
  const rivals = [...sections.keeps()].map((keep) => {
    const rebuilt = rebuild(graph, count, keep);
    return { ...rebuilt, bytes: liveBytes(rebuilt.graph) };
  });
  const least = rivals.reduce((bytes, rival) => Math.min(bytes, rival.bytes), before);
  // a little more memory may save much work
  const limit = Math.max(budget ?? 0, least * (budget === null ? 1.05 : 1));
  const [best] = rivals.filter(({ bytes }) => bytes <= limit).sort((a, b) => a.time - b.time || a.bytes - b.bytes);
  return best === undefined || least >= before ? graph : best.graph;
}

/** Values smaller than the largest by this factor are kept whatever is cut: statistics, results of the head. */
const small = 64;

/** What a node takes, ns, for comparing cuts: about 40 multiply-adds and 8 bytes a nanosecond. */
const timeOf = ({ operator, plan }: GraphNode): number => {
  const { multiplyAdds, bytes } = operator.cost(plan);
  return multiplyAdds / 40 + bytes / 8;
};

const bytesOf = ({ type }: GraphValue): number => 4 * size(type.shape);

const isAlias = ({ operator, plan }: GraphNode): boolean => operator.alias?.(plan) === true;

/**
 * The largest sum of values of nodes that live at one time, about as a plan has it: formulas that one other formula or sum reads are worked out there,
 * aliases take nothing, and the result of a formula lies over an operand that nothing else reads.
 */
export function liveBytes(graph: Graph): number {
  const { values, nodes, outputs, updates } = graph;
  const uses = countUses(graph);
  const readers = new Map<number, GraphNode>();
  for (const node of nodes) for (const input of node.inputs) readers.set(input, node);
  const isInner = (value: number): boolean => {
    const reader = readers.get(value);
    return uses.get(value) === 1 && reader !== undefined && (isFormula(reader) || reader.operator.name === "reduce");
  };
  /** Values that must be there for one to be read. */
  const parts = new Map<number, readonly number[]>();
  const partsOf = (value: number): readonly number[] => parts.get(value) ?? [value];
  const last = new Map<number, number>();
  nodes.forEach((node, index) => {
    const read = [...new Set(node.inputs.flatMap(partsOf))];
    const passes = isAlias(node) || (isFormula(node) && isInner(node.outputs[0]));
    if (passes) parts.set(node.outputs[0], read);
    else for (const value of [...read, ...node.outputs]) last.set(value, index);
  });
  for (const { value } of [...outputs, ...updates]) for (const part of partsOf(value)) last.set(part, nodes.length - 1);
  const change = new Float64Array(nodes.length + 1);
  const taken = new Set<number>();
  nodes.forEach((node, index) => {
    for (const value of node.outputs) {
      if (parts.has(value)) continue;
      const bytes = bytesOf(values[value]);
      const isFree = (part: number): boolean =>
        last.get(part) === index && !taken.has(part) && values[part].source.kind === "node" && bytesOf(values[part]) === bytes;
      const under = isFormula(node) ? node.inputs.flatMap(partsOf).find(isFree) : undefined;
      if (under !== undefined) taken.add(under);
      // the place of an operand counts as the operand's until this node has run
      change[under === undefined ? index : index + 1] += bytes;
      change[(last.get(value) ?? index) + 1] -= bytes;
    }
  });
  return largest(change);
}

const isFormula = ({ operator, fusion }: GraphNode): boolean => operator.name === "pointwise" && fusion === null;

function largest(change: Float64Array): number {
  let live = 0;
  let most = 0;
  for (const bytes of change) {
    live += bytes;
    most = Math.max(most, live);
  }
  return most;
}

/** Where the forward nodes of a graph may be cut. */
class Sections {
  readonly #graph: Graph;
  readonly #count: number;
  /** Large values that are made by forward nodes, by the node that makes them. */
  readonly #made: readonly (readonly number[])[];
  /** Node of the forward pass that reads a value last. */
  readonly #last = new Map<number, number>();
  /** Large values that are read last by each node. */
  readonly #ending: readonly { readonly value: number; readonly made: number }[][];
  readonly #largest: number;
  readonly #times: readonly number[];

  constructor(graph: Graph, count: number) {
    this.#graph = graph;
    this.#count = count;
    const { values, nodes } = graph;
    const forward = nodes.slice(0, count);
    const most = forward.flatMap(({ outputs }) => outputs).reduce((bytes, value) => Math.max(bytes, bytesOf(values[value])), 0);
    this.#largest = most;
    this.#made = forward.map((node) => node.outputs.filter((value) => this.#isLarge(value)));
    this.#times = forward.map(timeOf);
    forward.forEach((node, index) => {
      for (const input of node.inputs) this.#last.set(input, index);
    });
    this.#ending = forward.map(() => []);
    this.#made.forEach((made, index) => {
      for (const value of made) if (this.#lastRead(value) > index) this.#ending[this.#lastRead(value)].push({ value, made: index });
    });
  }

  /** Sets of values to keep, from few cuts to many, each with shorter and longer parts at the end that are kept whole. */
  *keeps(): Generator<ReadonlySet<number>> {
    const total = this.#made.flat().reduce((bytes, value) => bytes + this.#bytes(value), 0);
    const tried = new Set<string>();
    for (let most = total; most > this.#largest / 2; most /= 1.4) {
      const cuts = this.#cuts(most);
      const key = cuts.join(" ");
      if (tried.has(key)) continue;
      tried.add(key);
      const tails = new Set([0, 0.25, 0.5, 0.75].map((share) => Math.max(1, Math.round(share * (cuts.length + 1)))));
      for (const tail of tails) yield this.#keep(cuts, cuts[cuts.length - tail] ?? 0);
    }
  }

  #isLarge(value: number): boolean {
    return this.#bytes(value) >= this.#largest / small;
  }

  #lastRead(value: number): number {
    return this.#last.get(value) ?? -1;
  }

  #bytes(value: number): number {
    return bytesOf(this.#graph.values[value]);
  }

  /** Cuts with about so many bytes between them, each where the least crosses, and then behind the node that takes the longest. */
  #cuts(most: number): number[] {
    const cuts: number[] = [];
    let start = 0;
    let inside = 0;
    let crossing = 0;
    let best: { cut: number; bytes: number; time: number } | null = null;
    for (let cut = 1; cut < this.#count; cut++) {
      for (const value of this.#made[cut - 1]) {
        inside += this.#bytes(value);
        if (this.#lastRead(value) >= cut) crossing += this.#bytes(value);
      }
      // what was made before the start is kept in any case
      for (const { value, made } of this.#ending[cut - 1]) if (made >= start) crossing -= this.#bytes(value);
      if (inside >= most / 2) {
        const time = this.#times[cut - 1];
        if (best === null || crossing < best.bytes || (crossing === best.bytes && time >= best.time)) best = { cut, bytes: crossing, time };
      }
      if (inside < most || best === null) continue;
      cuts.push(best.cut);
      start = best.cut;
      cut = start;
      inside = 0;
      crossing = 0;
      best = null;
    }
    return cuts;
  }

  /** What is kept: small values, all that crosses a cut, and all that is made behind the last one. */
  #keep(cuts: readonly number[], whole: number): ReadonlySet<number> {
    const { nodes } = this.#graph;
    const keep = new Set<number>();
    nodes.slice(0, this.#count).forEach(({ outputs }, index) => {
      for (const value of outputs) if (index >= whole || !this.#isLarge(value)) keep.add(value);
    });
    let next = 0;
    this.#made.forEach((made, index) => {
      while (next < cuts.length && cuts[next] <= index) next++;
      for (const value of made) if (next < cuts.length && this.#lastRead(value) >= cuts[next]) keep.add(value);
    });
    return keep;
  }
}

/** The graph with forward nodes applied again where the backward pass reads a value that is not kept, and the time of what is added. */
function rebuild(graph: Graph, count: number, keep: ReadonlySet<number>): { readonly graph: Graph; readonly time: number } {
  const values: GraphValue[] = [...graph.values];
  const nodes: GraphNode[] = graph.nodes.slice(0, count);
  const maker = new Map<number, GraphNode>();
  for (const node of nodes) for (const output of node.outputs) maker.set(output, node);
  const again = new Map<number, number>();
  let time = 0;
  const renewed = (value: number): number => {
    const made = maker.get(value);
    if (made === undefined || keep.has(value)) return value;
    const known = again.get(value);
    if (known !== undefined) return known;
    const inputs = made.inputs.map(renewed);
    const outputs = made.outputs.map((output) => values.push(values[output]) - 1);
    made.outputs.forEach((output, i) => {
      again.set(output, outputs[i]);
    });
    nodes.push({ ...made, inputs, outputs });
    time += timeOf(made);
    return outputs[made.outputs.indexOf(value)];
  };
  for (const node of graph.nodes.slice(count)) {
    const inputs = node.inputs.map(renewed);
    nodes.push({ ...node, inputs });
  }
  return { graph: withNodes({ ...graph, values }, nodes), time };
}
