import type { Device } from "../../ops/contract.ts";
import type { Measured } from "../../plan/candidates.ts";
import type { Plan, Prepared } from "../../plan/plan.ts";
import { type Trial, trialsOf } from "../../plan/trial.ts";
import { derivedValues } from "../../plan/uses.ts";
import type { WasmProgram } from "./program.ts";

/** Opens programs that run on the calling thread alone, together. */
export type OpenTrials = (plans: readonly Trial["plan"][]) => Promise<WasmProgram[]>;

/** Time of the runs of one candidate, ms, and how many there are at least and at most. */
const budgetMs = 25;
const leastRuns = 4;
const mostRuns = 60;

/** Measures the candidates of every node of a graph, each alone; equal nodes once. */
export async function measureNodes({ graph, candidates }: Prepared, device: Device, open: OpenTrials): Promise<Measured> {
  const measured = new Map<string, number>();
  const seen = new Set<string>();
  const derived = derivedValues(graph);
  for (const [index, own] of candidates.entries()) {
    const isDerived = graph.nodes[index].inputs.every((value) => derived[value]);
    if (seen.has(own.key) || own.list.length < 2 || isDerived) continue;
    seen.add(own.key);
    const trials = trialsOf(graph, index, own, device);
    const times = trials.length < 2 ? [] : await timeTrials(trials, open);
    trials.forEach(({ keys }, i) => {
      for (const key of keys) if (times[i] !== undefined) measured.set(key, times[i].own);
    });
  }
  return measured;
}

/** Least times of a trial, ns. */
export interface TrialTime {
  /** The steps of the candidate, without what is derived. */
  readonly own: number;
  /** Every step, in the order of the plan. */
  readonly steps: readonly number[];
}

/** Least times of trials. */
export async function timeTrials(trials: readonly Trial[], open: OpenTrials): Promise<TrialTime[]> {
  const plans = trials.map(({ plan }) => plan);
  const times = await timePlans(plans, open);
  return trials.map(({ plan, candidate }, i) => {
    const derived = new Set(plan.schedule.derived.flat());
    const isOwn = (step: number): boolean => plan.steps[step].label === candidate.algorithm?.id && !derived.has(step);
    return { own: times[i].reduce((sum, time, step) => (isOwn(step) ? sum + time : sum), 0), steps: times[i] };
  });
}

/** Least times of the steps of plans, ns, run in turn so that a busy moment hits all alike. */
export async function timePlans(plans: readonly Plan[], open: OpenTrials): Promise<number[][]> {
  const programs = await open(plans);
  try {
    const times = programs.map((program) => [...program.timeSteps()]);
    const spent = programs.map(() => 0);
    for (let run = 1; run < mostRuns; run++) {
      programs.forEach((program, i) => {
        if (run >= leastRuns && spent[i] > budgetMs) return;
        const start = performance.now();
        program.timeSteps().forEach((time, step) => {
          times[i][step] = Math.min(times[i][step], time);
        });
        spent[i] += performance.now() - start;
      });
    }
    return times;
  } finally {
    for (const program of programs) program.close();
  }
}
