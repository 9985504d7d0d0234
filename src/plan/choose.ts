import { invariant } from "../base/errors.ts";
import type { Graph } from "../graph/graph.ts";
import type { Device } from "../ops/contract.ts";
import type { Candidate, Candidates, Refusal } from "./candidates.ts";
import { Selection } from "./selection.ts";
import { derivedValues } from "./uses.ts";

/** What was decided for one node. */
export interface Choice extends Candidate {
  /** The best that each other algorithm could do, ns. */
  readonly others: readonly Candidate[];
  readonly refusals: readonly Refusal[];
}

/** Rounds over the whole graph; two or three find nothing more. */
const mostRounds = 6;

/**
 * Chooses algorithm and layout of all nodes together: the least sum of estimates and of the conversions and halo fills that lowering makes.
 * Each node first takes what is best after the nodes before it; then paths through the graph are chosen anew, each as a whole, and
 * single nodes, until nothing is won. Depends on plans, device and cost table only, so equal graphs get equal bits.
 */
export function choose(graph: Graph, candidates: readonly Candidates[], device: Device): Choice[] {
  const derived = derivedValues(graph);
  const selection = new Selection(
    graph,
    candidates.map(({ list }) => list),
    derived,
    device,
  );
  selection.takeInOrder();
  const paths = pathsOf(graph);
  for (let round = 0; round < mostRounds; round++) {
    const before = selection.total();
    for (const path of paths) selection.improvePath(path);
    for (const node of graph.nodes.keys()) selection.improveNode(node);
    if (selection.total() >= before) break;
  }
  return graph.nodes.map((_, node) => {
    const { list, refusals } = candidates[node];
    const taken = list[selection.taken(node)];
    invariant(taken !== undefined, () => `no candidate of node ${node}`);
    return { ...taken, others: bestOfOthers(list, taken), refusals };
  });
}

export function bestOfOthers(list: readonly Candidate[], taken: Candidate): Candidate[] {
  const best = new Map<string, Candidate>();
  for (const candidate of list) {
    const id = candidate.algorithm?.id ?? "";
    const known = best.get(id);
    if (id !== taken.algorithm?.id && (known === undefined || candidate.estimate < known.estimate)) best.set(id, candidate);
  }
  return [...best.values()].sort((a, b) => a.estimate - b.estimate);
}

/** Parts the nodes into paths along which one node makes what the next one reads. */
function pathsOf({ values, nodes }: Graph): number[][] {
  const readers = values.map((): number[] => []);
  nodes.forEach((node, index) => {
    for (const value of new Set(node.inputs)) readers[value].push(index);
  });
  const isTaken = nodes.map(() => false);
  const paths: number[][] = [];
  for (const start of nodes.keys()) {
    if (isTaken[start]) continue;
    const path: number[] = [];
    for (let node: number | undefined = start; node !== undefined; ) {
      isTaken[node] = true;
      path.push(node);
      node = nodes[node].outputs.flatMap((value) => readers[value]).find((reader) => !isTaken[reader]);
    }
    paths.push(path);
  }
  return paths;
}
