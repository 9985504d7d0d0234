import type { Algorithm, Device, Fusion } from "../../contract.ts";
import { forwardSweeps, type GatherProblem, gatherProblem } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { emitGather, gatherLayouts, gatherTime, refusesGather } from "./problem.ts";

const problemOf = (plan: GridLinearPlan): GatherProblem => gatherProblem(plan, "forward", plan.axes.map(forwardSweeps));

/**
 * Convolution over channel blocks: Z[co, o] = sum over ci, tap of K[co, ci, tap] V[ci, o s + tap d - low], in register tiles of cells x channels.
 * The kernel is packed into panels by a step of its own.
 */
export const forwardBlocked: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-forward-blocked",
  operator: "grid-linear",
  pools: true,
  layouts: (plan, fusion: Fusion | null, device: Device) => (plan.role === "forward" ? gatherLayouts(problemOf(plan), fusion, device) : []),
  refuses: (plan) => (plan.role === "forward" ? refusesGather(plan) : "computes role forward only."),
  estimate: (plan, choice, fusion, device, programs = "training") => gatherTime(problemOf(plan), choice, fusion, device, programs),
  emit: (plan, buffers, fusion, device) => emitGather(problemOf(plan), buffers, fusion, device),
};
