import type { Graph, GraphNode } from "../graph/graph.ts";
import type { Device } from "../ops/contract.ts";
import { printLayout } from "../ops/layout.ts";
import type { Candidate } from "./candidates.ts";
import { predictMove } from "./costs.ts";
import { movesOf, type Want } from "./instances.ts";
import { isSeen, type Use, usesOf, wantOf } from "./uses.ts";

/** Gains below this share of a cost are rounding. */
const tiny = 1e-9;
/** Uses whose wants one number holds: at most 64 wants each. */
const mostDigits = 6;

/**
 * A candidate for every node, and what they cost together. The cost of a value is the time of its conversions and halo fills, which depends on
 * its producer's block and on what its consumers want; it is worked out once for each combination.
 */
export class Selection {
  readonly #graph: Graph;
  readonly #lists: readonly (readonly Candidate[])[];
  readonly #device: Device;
  readonly #uses: readonly (readonly Use[])[];
  readonly #isSeen: readonly boolean[];
  /** Number of the want of each candidate's inputs: equal wants have equal numbers. */
  readonly #wants: readonly (readonly (readonly number[])[])[];
  readonly #known: Want[] = ["bare"];
  /** Values that a node reads or makes and whose cost can change, each once. */
  readonly #links: readonly (readonly number[])[];
  readonly #taken: number[];
  readonly #costs: Map<number | string, number>[];

  constructor(graph: Graph, lists: readonly (readonly Candidate[])[], derived: readonly boolean[], device: Device) {
    this.#graph = graph;
    this.#lists = lists;
    this.#device = device;
    this.#uses = usesOf(graph);
    this.#isSeen = graph.values.map((_, value) => isSeen(graph, this.#uses, value));
    const numbers = new Map([["bare", 0]]);
    this.#wants = lists.map((list, node) => list.map((candidate) => this.#number(graph.nodes[node], candidate, numbers)));
    const varies = graph.values.map((_, value) => !derived[value] && this.#varies(value));
    this.#links = graph.nodes.map(({ inputs, outputs }) => [...new Set([...inputs, ...outputs])].filter((value) => varies[value]));
    this.#taken = graph.nodes.map(() => 0);
    this.#costs = graph.values.map(() => new Map());
  }

  #number(node: GraphNode, candidate: Candidate, numbers: Map<string, number>): number[] {
    return node.inputs.map((_, slot) => {
      const want = wantOf(node, candidate, slot);
      const key = want === "bare" ? want : printLayout(want);
      const known = numbers.get(key) ?? this.#known.push(want) - 1;
      numbers.set(key, known);
      return known;
    });
  }

  /** Whether the candidates of producer and consumers leave a value more than one cost. */
  #varies(value: number): boolean {
    const { source } = this.#graph.values[value];
    const blocks = source.kind === "node" ? (this.#lists[source.node] ?? []).map(({ layout }) => layout.outputs[source.output]) : [];
    if (blocks.some((block) => block !== blocks[0])) return true;
    return this.#uses[value].some(
      ({ node, slot }) => node !== null && this.#wants[node].some((wants) => wants[slot] !== this.#wants[node][0][slot]),
    );
  }

  /** Number of the candidate that a node takes. */
  taken(node: number): number {
    return this.#taken[node];
  }

  total(): number {
    return this.#sumOf(this.#graph.nodes.keys());
  }

  #sumOf(nodes: Iterable<number>): number {
    const list = [...nodes];
    const values = new Set(list.flatMap((node) => this.#links[node]));
    let sum = 0;
    for (const node of list) sum += this.#candidate(node).estimate;
    for (const value of values) sum += this.#cost(value);
    return sum;
  }

  #candidate(node: number): Candidate {
    return this.#lists[node][this.#taken[node]];
  }

  #want({ node, slot }: Use): number {
    return node === null ? 0 : this.#wants[node][this.#taken[node]][slot];
  }

  /** Time of the conversions and halo fills of a value for its first uses, with the candidates as they are taken. */
  #cost(value: number, count = this.#uses[value].length): number {
    const { type, source } = this.#graph.values[value];
    const uses = this.#uses[value];
    const block = source.kind === "node" ? this.#candidate(source.node).layout.outputs[source.output] : 1;
    let key: number | string = count > mostDigits ? `${block}` : block;
    for (let use = 0; use < count; use++) {
      const want = this.#want(uses[use]);
      key = typeof key === "string" ? `${key} ${want}` : key * this.#known.length + want;
    }
    // short lists of uses are told from long ones
    if (typeof key === "number") key = key * (mostDigits + 1) + count;
    const known = this.#costs[value].get(key);
    if (known !== undefined) return known;
    const wants = uses.slice(0, count).map((use) => this.#known[this.#want(use)]);
    const cost = movesOf(type, block, wants, this.#isSeen[value]).reduce((sum, { time }) => sum + predictMove(time, this.#device), 0);
    this.#costs[value].set(key, cost);
    return cost;
  }

  /** Each node takes what is cheapest for the nodes before it. */
  takeInOrder(): void {
    for (const [node, { inputs }] of this.#graph.nodes.entries()) {
      const read = this.#links[node].filter((value) => inputs.includes(value));
      const reached = read.map((value) => {
        const later = this.#uses[value].findIndex((use) => use.node === null || use.node > node);
        return { value, count: later < 0 ? this.#uses[value].length : later };
      });
      this.#takeBest(node, () => reached.reduce((sum, { value, count }) => sum + this.#cost(value, count), 0));
    }
  }

  /** Takes the best candidate of a node, the others being as they are. */
  improveNode(node: number): void {
    const values = this.#links[node];
    this.#takeBest(node, () => values.reduce((sum, value) => sum + this.#cost(value), 0), this.#taken[node]);
  }

  #takeBest(node: number, around: () => number, first = 0): void {
    const list = this.#lists[node];
    if (list.length === 1) return;
    this.#taken[node] = first;
    let best = first;
    let least = list[first].estimate + around();
    list.forEach(({ estimate }, index) => {
      if (index === first) return;
      this.#taken[node] = index;
      const cost = estimate + around();
      if (cost >= least - tiny * Math.abs(least)) return;
      least = cost;
      best = index;
    });
    this.#taken[node] = best;
  }

  /**
   * Takes the best candidates of a path of nodes, each of which reads what the one before it makes, the others being as they are: by dynamic programming
   * over its values. Values that tie nodes of the path together in other ways are reckoned as they were, so the sum is checked at the end.
   */
  improvePath(path: readonly number[]): void {
    if (path.length < 2) return;
    const before = path.map((node) => this.#taken[node]);
    const cost = this.#sumOf(path);
    const steps = path.map((node, at) => {
      const previous = at > 0 ? new Set(this.#graph.nodes[path[at - 1]].outputs) : new Set<number>();
      const own = new Set(this.#graph.nodes[node].outputs);
      const next = at + 1 < path.length ? new Set(this.#graph.nodes[path[at + 1]].inputs) : new Set<number>();
      return {
        node,
        linked: this.#links[node].filter((value) => previous.has(value)),
        apart: this.#links[node].filter((value) => !previous.has(value) && !(own.has(value) && next.has(value))),
      };
    });
    const came: number[][] = [];
    let sums: number[] = [];
    steps.forEach(({ node, linked, apart }, at) => {
      const list = this.#lists[node];
      const alone = list.map(({ estimate }, index) => {
        this.#taken[node] = index;
        return apart.reduce((sum, value) => sum + this.#cost(value), estimate);
      });
      if (at === 0) {
        sums = alone;
        this.#taken[node] = before[at];
        return;
      }
      const [last] = [path[at - 1]];
      const from = list.map(() => 0);
      const reached = list.map((_, index) => {
        this.#taken[node] = index;
        let least = Number.POSITIVE_INFINITY;
        sums.forEach((sum, other) => {
          this.#taken[last] = other;
          const way = linked.reduce((total, value) => total + this.#cost(value), sum);
          if (way >= least) return;
          least = way;
          from[index] = other;
        });
        return least + alone[index];
      });
      this.#taken[last] = before[at - 1];
      this.#taken[node] = before[at];
      came[at] = from;
      sums = reached;
    });
    let best = sums.reduce((least, sum, index) => (sum < sums[least] ? index : least), 0);
    for (let at = path.length - 1; at >= 0; at--) {
      this.#taken[path[at]] = best;
      best = came[at]?.[best] ?? 0;
    }
    if (this.#sumOf(path) < cost - tiny * Math.abs(cost)) return;
    path.forEach((node, at) => {
      this.#taken[node] = before[at];
    });
  }
}
