import { nodeHost } from "../../src/hosts/node-host.ts";
import type { Device } from "../../src/ops/contract.ts";
import { printChoice } from "../../src/plan/candidates.ts";
import { prepare } from "../../src/plan/plan.ts";
import { moveTrial, trialsOf } from "../../src/plan/trial.ts";
import { derivedValues } from "../../src/plan/uses.ts";
import { everyAlgorithm, families } from "../../src/targets/wasm/list.ts";
import { type WasmSession, wasmTarget } from "../../src/targets/wasm/session.ts";
import { timePlans, timeTrials } from "../../src/targets/wasm/tune.ts";
import type { Sample } from "./fit.ts";
import { moves, workOf } from "./work.ts";

const algorithms = await everyAlgorithm();

/** All candidates of one node, or one conversion. */
export interface MeasuredNode {
  readonly name: string;
  readonly line: string;
  readonly samples: readonly (Sample & { readonly layouts: string })[];
}

/** Candidates that predict more than this are left out: they would take all the time, and on a busy machine none would run undisturbed. */
const mostNs = 5e6;
const hopeless = 12;

/** Times every candidate of the nodes of all work on one tier. `node bench/costs/measure.ts TIER MATCH` prints one JSON line per node. */
export async function measureTier(tier: Device["tier"], match: RegExp, print: (node: MeasuredNode) => void): Promise<void> {
  const session = (await wasmTarget(nodeHost, families).open({ tier, threads: 1 })) as WasmSession;
  if (session.device.tier !== tier) throw new Error(`costs: this machine has no tier ${tier}; it has ${session.device.tier}`);
  await measureMoves(session, print);
  const seen = new Set<string>();
  for (const { name, graph } of workOf(match)) {
    const prepared = prepare(graph, algorithms, session.device);
    const derived = derivedValues(prepared.graph);
    for (const [index, candidates] of prepared.candidates.entries()) {
      if (seen.has(candidates.key) || prepared.graph.nodes[index].inputs.every((value) => derived[value])) continue;
      seen.add(candidates.key);
      const trials = trialsOf(prepared.graph, index, candidates, session.device, hopeless).filter(
        ({ candidate }) => candidate.estimate < mostNs,
      );
      if (trials.length === 0) continue;
      const times = await timeTrials(trials, (plans) => session.openTrials(plans));
      const samples = trials.map(({ candidate }, i) => ({
        id: candidate.algorithm?.id ?? "",
        layouts: printChoice(candidate.layout),
        estimate: candidate.formula,
        measured: times[i].own,
      }));
      print({ name, line: candidates.key, samples });
    }
  }
  await session.close();
}

async function measureMoves(session: WasmSession, print: (node: MeasuredNode) => void): Promise<void> {
  for (const { type, from, to } of moves) {
    const plan = moveTrial(type, from, to, session.device);
    const [times] = await timePlans([plan], (plans) => session.openTrials(plans));
    plan.steps.forEach(({ move, routine }, step) => {
      if (move !== undefined)
        print({ name: "moves", line: routine.key, samples: [{ id: move.method, layouts: "", estimate: move.ns, measured: times[step] }] });
    });
  }
}

if (import.meta.main) {
  const [tier = "wide", match = ""] = process.argv.slice(2);
  await measureTier(tier as Device["tier"], new RegExp(match, "i"), (node) => process.stdout.write(`${JSON.stringify(node)}\n`));
}
