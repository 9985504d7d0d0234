import type { TensorType } from "../base/types.ts";
import type { Graph, GraphNode, GraphValue } from "../graph/graph.ts";
import type { Device, Layout } from "../ops/contract.ts";
import { conversion, conversionTime, haloFill, haloTime } from "../ops/convert/index.ts";
import { place } from "../ops/layout.ts";
import type { Buffer, PlannedStep } from "./buffers.ts";
import { type Candidate, type Candidates, keyOf } from "./candidates.ts";
import { planMemory } from "./memory.ts";
import { layOut, type Plan } from "./plan.ts";
import { schedule } from "./schedule.ts";
import { derivedValues } from "./uses.ts";

/** One candidate of a node, planned alone. */
export interface Trial {
  /** By which `Measured` knows it, and the candidates that differ from it only in the layouts of fused operands. */
  readonly keys: readonly string[];
  readonly candidate: Candidate;
  readonly plan: Plan;
}

/** Candidates that are predicted to take this many times the least are not worth measuring. */
const hopeless = 5;

/** The candidates of one node that are worth measuring, each as a program of its own. */
export function trialsOf(graph: Graph, index: number, candidates: Candidates, device: Device, most = hopeless): Trial[] {
  const least = Math.min(...candidates.list.map(({ estimate }) => estimate));
  const derived = derivedValues(graph);
  const alone = aloneOf(graph, graph.nodes[index], derived);
  const alike = new Map<string, Candidate[]>();
  for (const candidate of candidates.list) {
    if (candidate.algorithm === null || candidate.estimate > most * least) continue;
    const key = keyOf("", { ...candidate, layout: { ...candidate.layout, operands: [] } });
    alike.set(key, [...(alike.get(key) ?? []), candidate]);
  }
  return [...alike.values()].map((group) => ({
    keys: group.map((candidate) => keyOf(candidates.key, candidate)),
    candidate: group[0],
    plan: layOut(alone, [{ ...group[0], others: [], refusals: [] }], device),
  }));
}

/** A conversion between two layouts and the fill of its halo, planned alone. */
export function moveTrial(type: TensorType, from: Layout, to: Layout, device: Device): Plan {
  const buffers: Buffer[] = [from, to].map((layout, id) => ({
    id,
    words: place(type, layout).words,
    use: { kind: "transient" },
    value: { type, layout },
  }));
  const common = { node: -1, label: "move" };
  const steps: PlannedStep[] = [
    {
      ...common,
      ...conversion(type, from, to, device),
      move: conversionTime(type, from, to),
      operands: [
        { buffer: 0, access: "read" },
        { buffer: 1, access: "write" },
      ],
    },
  ];
  if (to.halo.length > 0)
    steps.push({ ...common, ...haloFill(type, to), move: haloTime(type, to), operands: [{ buffer: 1, access: "update" }] });
  const graph: Graph = { values: [{ type, source: { kind: "input", name: "x" } }], nodes: [], outputs: [], updates: [] };
  const scheduled = schedule(buffers, steps);
  return { graph, device, choices: [], buffers, steps, schedule: scheduled, memory: planMemory(buffers, steps, scheduled) };
}

/** A graph of one node. What stays the same from run to run is a constant, so that what is derived from it is made once. */
function aloneOf({ values }: Graph, node: GraphNode, derived: readonly boolean[]): Graph {
  const inputs = [...new Set(node.inputs)];
  const own = (value: number): number => inputs.indexOf(value);
  const given = inputs.map((value): GraphValue => {
    const { type } = values[value];
    if (!derived[value]) return { type, source: { kind: "input", name: `x${own(value)}` } };
    return { type, source: { kind: "constant", content: { shape: type.shape, fill: 0 } } };
  });
  const made = node.outputs.map((value, output): GraphValue => ({ type: values[value].type, source: { kind: "node", node: 0, output } }));
  return {
    values: [...given, ...made],
    nodes: [{ ...node, inputs: node.inputs.map(own), outputs: made.map((_, i) => given.length + i) }],
    outputs: [],
    updates: [],
  };
}
