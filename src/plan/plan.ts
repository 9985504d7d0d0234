import { passBroadcasts } from "../graph/broadcasts.ts";
import { gatherTables, joinFormulas } from "../graph/formulas.ts";
import type { Graph, GraphNode } from "../graph/graph.ts";
import { hoist } from "../graph/hoist.ts";
import { fuse, prune } from "../graph/rewrite.ts";
import { formRows } from "../graph/rows.ts";
import { separate } from "../graph/separate.ts";
import type { ChoiceRecord } from "../graph/session.ts";
import { gatherSums } from "../graph/sums.ts";
import { makeUsual } from "../graph/usual.ts";
import type { Algorithm, Device, Fusion } from "../ops/contract.ts";
import type { Buffer, PlannedStep } from "./buffers.ts";
import { type Candidates, Catalogue, type Measured, offers, printNode } from "./candidates.ts";
import { type Choice, choose } from "./choose.ts";
import { Lowering } from "./lower.ts";
import { type MemoryPlan, planMemory } from "./memory.ts";
import { fusePools } from "./pools.ts";
import { replay } from "./record.ts";
import { type Schedule, schedule } from "./schedule.ts";

/** Everything that was decided about a graph for one device: what is computed, by which steps, where, and in which order. */
export interface Plan {
  readonly graph: Graph;
  readonly device: Device;
  readonly choices: readonly Choice[];
  readonly buffers: readonly Buffer[];
  readonly steps: readonly PlannedStep[];
  readonly schedule: Schedule;
  readonly memory: MemoryPlan;
}

export interface PlanOptions {
  /** Measured times, which stand in for predicted ones. */
  readonly measured?: Measured;
  /** Choices that are taken as they are. */
  readonly choices?: ChoiceRecord;
  /** Whether pointwise formulas are put into what produces their operands. On when left out; the laws compare both. */
  readonly fusion?: boolean;
  /**
   * The most that the rounding of an algorithm may be, in units of a plain sum's: 1 leaves plain sums alone, 2 takes Winograd's
   * F(2, 3) too, 4 also F(4, 3). Every algorithm when left out.
   */
  readonly rounding?: number;
}

/** A fused graph and what each of its nodes can be computed by. */
export interface Prepared {
  readonly graph: Graph;
  readonly candidates: readonly Candidates[];
}

/** Plans a graph: fuse, choose algorithms and layouts, lower to steps, schedule, place memory. Pure: equal arguments give equal plans. */
export function plan(traced: Graph, every: readonly Algorithm[], device: Device, options: PlanOptions = {}): Plan {
  const { graph, candidates } = prepare(traced, every, device, options);
  const { choices: record } = options;
  return layOut(graph, record === undefined ? choose(graph, candidates, device) : replay(graph, candidates, record, device.tier), device);
}

/** The part of `plan` before choices are made. */
export function prepare(traced: Graph, every: readonly Algorithm[], device: Device, options: PlanOptions = {}): Prepared {
  const { rounding: most = Number.POSITIVE_INFINITY } = options;
  const algorithms = every.filter(({ rounding = 1 }) => rounding <= most);
  const pruned = makeUsual(prune(traced));
  // equal layers are asked about once
  const known = new Map<string, boolean>();
  const accepts = (node: GraphNode, fusion: Fusion): boolean => {
    const key = printNode({ ...node, fusion });
    const answer =
      known.get(key) ??
      algorithms.some(
        (algorithm) => algorithm.operator === node.operator.name && offers(algorithm, node.plan, fusion, device, []).length > 0,
      );
    known.set(key, answer);
    return answer;
  };
  // as predicted, so that the graph is the same where times were measured
  const predicted = new Catalogue(algorithms, device);
  const time = (node: GraphNode): number => Math.min(...predicted.of(node, true).list.map(({ estimate }) => estimate));
  const rows = (whole: Graph): Graph => formRows(fuse(hoist(passBroadcasts(separate(whole, time))), accepts));
  const graph = options.fusion === false ? pruned : gatherTables(joinFormulas(fusePools(gatherSums(rows(pruned)), { accepts, time })));
  return { graph, candidates: new Catalogue(algorithms, device, options.measured).ofGraph(graph) };
}

/** The part of `plan` after choices are made. */
export function layOut(graph: Graph, choices: readonly Choice[], device: Device): Plan {
  const lowering = new Lowering(graph, choices, device);
  lowering.run();
  const { buffers, steps } = lowering;
  const scheduled = schedule(buffers, steps);
  return { graph, device, choices, buffers, steps, schedule: scheduled, memory: planMemory(buffers, steps, scheduled) };
}
