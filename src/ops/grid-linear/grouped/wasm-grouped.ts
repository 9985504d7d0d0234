import type { Algorithm } from "../../contract.ts";
import { forwardSweeps, type GatherProblem, gatherProblem, inputSweeps } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { emitGrouped, groupedLayouts, groupedTime, refusesGrouped } from "./problem.ts";

function gathering(role: "forward" | "input", problemOf: (plan: GridLinearPlan) => GatherProblem): Algorithm<GridLinearPlan> {
  return {
    id: `wasm-grid-linear-${role}-grouped`,
    operator: "grid-linear",
    // no less exact than others, but its halo is its own: a NaN of K meets the zeros of the padding
    rounding: 1,
    layouts: (plan, fusion, device) => (plan.role === role ? groupedLayouts(problemOf(plan), fusion, device) : []),
    refuses: (plan) => (plan.role === role ? refusesGrouped(plan) : `computes role ${role} only.`),
    estimate: (plan, choice, fusion, device) => groupedTime(problemOf(plan), choice, fusion, device),
    emit: (plan, buffers, fusion, device) => emitGrouped(problemOf(plan), buffers, fusion, device),
  };
}

/**
 * Grouped convolution with groups as lanes: Z[g, r, o] = sum over j, tap of K[g, r, j, tap] V[g, j, o s + tap d - low], where each lane is a group g, so that
 * groups of a few channels (and depthwise ones with a multiplier) run as depthwise convolution does.
 */
export const forwardGrouped = gathering("forward", (plan) => gatherProblem(plan, "forward", plan.axes.map(forwardSweeps)));

/** Input gradient of a grouped convolution: V[g, j, i] = sum over r, tap of K[g, r, j, tap] G[g, r, o] with i = o s + tap d - low. */
export const inputGrouped = gathering("input", (plan) => gatherProblem(plan, "input", plan.axes.map(inputSweeps)));
