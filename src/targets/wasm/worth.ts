import { maximalExamples } from "../../graph/graph.ts";
import { chunkCount } from "../../ops/contract.ts";
import type { Plan } from "../../plan/plan.ts";

/** Waking a sleeping worker, and the barrier at the end of each stage, ns. */
const wakeCost = 10_000;
const barrierCost = 500;

/** Predicted time of a run on one thread, ns. */
export const predictedTime = ({ choices }: Plan): number => choices.reduce((sum, { estimate }) => sum + estimate, 0);

/**
 * Whether a second thread is predicted to win more than its waking and the barriers cost: stages of one chunk win nothing by it. Each step of a
 * node is taken for an equal part of the node's estimate.
 */
export function isWorthSharing(plan: Plan): boolean {
  const { choices, steps, schedule } = plan;
  const examples = maximalExamples(plan.graph);
  const isOwn = (step: number): boolean => choices[steps[step].node]?.algorithm?.id === steps[step].label;
  const parts = new Map<number, number>();
  const perRun = schedule.stages.flat().filter(isOwn);
  for (const step of perRun) parts.set(steps[step].node, (parts.get(steps[step].node) ?? 0) + 1);
  let won = 0;
  for (const stage of schedule.stages) {
    const own = stage.filter(isOwn);
    const time = own.reduce((sum, step) => sum + choices[steps[step].node].estimate / (parts.get(steps[step].node) ?? 1), 0);
    const chunks = own.reduce((sum, step) => sum + chunkCount(steps[step].chunks, examples), 0);
    if (chunks > 0) won += (time * Math.floor(chunks / 2)) / chunks;
  }
  return won > wakeCost + barrierCost * schedule.stages.length;
}
