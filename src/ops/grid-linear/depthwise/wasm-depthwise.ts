import type { Algorithm } from "../../contract.ts";
import { forwardSweeps, type GatherProblem, gatherProblem, inputSweeps } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { depthwiseLayouts, depthwiseTime, emitDepthwise, refusesDepthwise } from "./problem.ts";

function gathering(role: "forward" | "input", problemOf: (plan: GridLinearPlan) => GatherProblem): Algorithm<GridLinearPlan> {
  return {
    id: `wasm-grid-linear-${role}-depthwise`,
    operator: "grid-linear",
    layouts: (plan, fusion, device) => (plan.role === role ? depthwiseLayouts(problemOf(plan), fusion, device) : []),
    refuses: (plan) => (plan.role === role ? refusesDepthwise(plan) : `computes role ${role} only.`),
    estimate: (plan, choice, _, device) => depthwiseTime(problemOf(plan), choice, device),
    emit: (plan, buffers, fusion, device) => emitDepthwise(problemOf(plan), buffers, fusion, device),
  };
}

/** Depthwise convolution over channel blocks: Z[c, o] = sum over tap of K[c, tap] V[c, o s + tap d - low], row by row. */
export const forwardDepthwise = gathering("forward", (plan) => gatherProblem(plan, "forward", plan.axes.map(forwardSweeps)));

/** Input gradient of a depthwise convolution: V[c, i] = sum over tap of K[c, tap] G[c, o] with i = o s + tap d - low, by phases of i. */
export const inputDepthwise = gathering("input", (plan) => gatherProblem(plan, "input", plan.axes.map(inputSweeps)));
