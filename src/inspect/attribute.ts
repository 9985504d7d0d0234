import type { Graph } from "../graph/graph.ts";
import type { ProgramStep } from "../graph/session.ts";
import { owner, summarise, type TracedNet } from "./summary.ts";

/** Parts of a training step; inference has the first alone. */
export type Phase = "forward" | "backward" | "update";

export interface PhaseCost {
  /** Of the operators as the net states them, whatever the algorithm makes of them. */
  readonly multiplyAdds: number;
  /** Of every value that a step reads or writes, once a step. */
  readonly bytes: number;
  readonly ns: number;
}

/** What one layer costs in one run. */
export interface LayerCost {
  readonly path: string;
  readonly kind: string;
  /** Extents of one example's output: `[16, 28, 28]`. */
  readonly output: string;
  readonly parameters: number;
  readonly phases: Readonly<Record<Phase, PhaseCost>>;
  /** Sum of the phases. */
  readonly total: PhaseCost;
  /** Paths of the layers that its routines compute too, at least in part: their time is in this layer's. */
  readonly includes: readonly string[];
  /** The layer whose routines compute all of this one; it has no time of its own then. */
  readonly within?: string;
}

/** A step with its time. */
export interface StepTime extends ProgramStep {
  readonly ns: number;
}

export const phases = ["forward", "backward", "update"] as const satisfies readonly Phase[];
type Costs = Record<keyof PhaseCost, number>;
const nothing = (): Costs => ({ multiplyAdds: 0, bytes: 0, ns: 0 });

/** Where `traceTraining` traces optimiser, clipping and averages. */
const updatePath = "update";
const isUpdate = (path: string): boolean => path === updatePath || path.startsWith(`${updatePath}/`);

/** Copies that hand results over, at the end of a run. */
const closing = "(results)";

/** A path as it reads beside another: without the folders that both are in. */
export function nearName(path: string, beside: string): string {
  const [own, other] = [path.split("/"), beside.split("/")];
  let shared = 0;
  while (shared < Math.min(own.length, other.length) - 1 && own[shared] === other[shared]) shared++;
  return own.slice(shared).join("/");
}

/** Sums of a list of costs. */
export function totalCost(list: readonly PhaseCost[]): PhaseCost {
  const total = nothing();
  for (const cost of list) for (const key of ["multiplyAdds", "bytes", "ns"] as const) total[key] += cost[key];
  return total;
}

/**
 * Gives every step of a planned graph to a layer of the net that was traced: by the path of its node, updates by the parameter that they write. What a
 * rewrite put into another node is found by walking back from the values that the node makes: values keep their numbers.
 */
export function attribute(traced: TracedNet, planned: Graph, steps: readonly StepTime[]): { layers: LayerCost[]; total: PhaseCost } {
  const { graph, parameters } = traced;
  const summary = summarise(traced).layers;
  const paths = summary.map(({ path }) => path);
  const rowOf = (path: string): string => owner(path, paths) ?? (path === "" ? "(net)" : path);
  const rows = new Map([...paths, closing].map((path) => [path, { phases: newPhases(), includes: new Set<string>() }]));
  const row = (path: string) => rows.get(path) ?? (rows.get(closing) as NonNullable<ReturnType<typeof rows.get>>);
  const layerOfState = (state: string): string | undefined => {
    const found = parameters.find(({ name }) => state === name || state.endsWith(`/${name}`));
    return found && owner(found.name, paths);
  };
  /** The layer whose parameters or optimiser state a node writes. */
  const updated = (outputs: readonly number[]): string | undefined => {
    const states = planned.updates.filter(({ value }) => outputs.includes(value)).map(({ state }) => state);
    return states.map(layerOfState).find((path) => path !== undefined);
  };
  const [ofTraced, ofPlanned] = [phasesOf(graph, graph), phasesOf(planned, graph)];
  const homes = planned.nodes.map(({ path, outputs }) => (isUpdate(path) ? (updated(outputs) ?? rowOf(path)) : rowOf(path)));
  contents(graph, planned).forEach((nodes, index) => {
    for (const inner of nodes) {
      const { path, outputs, operator, plan } = graph.nodes[inner];
      const own = isUpdate(path) ? (updated(outputs) ?? homes[index]) : rowOf(path);
      row(own).phases[ofTraced[inner]].multiplyAdds += operator.cost(plan).multiplyAdds;
      if (own !== homes[index]) row(homes[index]).includes.add(own);
    }
  });
  for (const { node, label, bytes, ns, isDerived, state } of steps) {
    if (isDerived) continue;
    const home = node === null ? ((state && layerOfState(state)) ?? closing) : homes[node];
    const phase = node !== null ? ofPlanned[node] : label.startsWith("output ") ? "forward" : "update";
    const cost = row(home).phases[phase];
    cost.bytes += bytes;
    cost.ns += ns;
  }
  const infos = new Map(summary.map((layer) => [layer.path, layer]));
  const layers = [...rows].flatMap(([path, { phases: own, includes }]) => {
    const { kind = "copies", output = "", parameters: count = 0 } = infos.get(path) ?? {};
    const total = totalCost(Object.values(own));
    const [within] = total.ns > 0 ? [] : [...rows].flatMap(([other, { includes: held }]) => (held.has(path) ? [other] : []));
    const isLayer = traced.layers.some((layer) => layer.path === path);
    if (!isLayer && total.ns === 0 && total.multiplyAdds === 0) return [];
    return [
      {
        path,
        kind,
        output,
        parameters: count,
        phases: own,
        total,
        includes: paths.filter((other) => includes.has(other)),
        ...(within !== undefined && { within }),
      },
    ];
  });
  return { layers, total: totalCost(layers.map(({ total }) => total)) };
}

const newPhases = (): Record<Phase, Costs> => ({ forward: nothing(), backward: nothing(), update: nothing() });

/** Phase of each node: forward is what results and running statistics depend on; updates are traced under a path of their own. */
function phasesOf({ nodes, outputs, updates }: Graph, traced: Graph): Phase[] {
  const maker = new Map(nodes.flatMap((node, index) => node.outputs.map((value) => [value, index] as const)));
  const isForward = new Set<number>();
  const statistics = updates.filter(({ value }) => {
    const source = traced.values[value]?.source;
    return source?.kind === "node" && !isUpdate(traced.nodes[source.node].path);
  });
  const open = [...outputs, ...statistics].map(({ value }) => value);
  for (let value = open.pop(); value !== undefined; value = open.pop()) {
    const index = maker.get(value);
    if (index === undefined || isForward.has(index)) continue;
    isForward.add(index);
    open.push(...nodes[index].inputs);
  }
  return nodes.map(({ path }, index) => (isUpdate(path) ? "update" : isForward.has(index) ? "forward" : "backward"));
}

/** For each planned node the traced nodes that it computes. */
function contents(traced: Graph, planned: Graph): number[][] {
  const made = new Set(planned.nodes.flatMap(({ outputs }) => outputs));
  const claimed = new Set<number>();
  return planned.nodes.map((node) => {
    const own: number[] = [];
    const open = [...node.outputs];
    for (let value = open.pop(); value !== undefined; value = open.pop()) {
      const source = traced.values[value]?.source;
      if (source?.kind !== "node" || claimed.has(source.node)) continue;
      claimed.add(source.node);
      own.push(source.node);
      open.push(...traced.nodes[source.node].inputs.filter((input) => !made.has(input)));
    }
    return own;
  });
}
