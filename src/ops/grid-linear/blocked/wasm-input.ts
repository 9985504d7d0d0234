import type { Algorithm, Device, Fusion } from "../../contract.ts";
import { type GatherProblem, gatherProblem, inputSweeps } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { emitGather, gatherLayouts, gatherTime, refusesGather } from "./problem.ts";

const problemOf = (plan: GridLinearPlan): GatherProblem => gatherProblem(plan, "input", plan.axes.map(inputSweeps));

/**
 * Input gradient (transposed convolution) over channel blocks: V[ci, i] = sum over co, tap of K[co, ci, tap] G[co, o] with i = o s + tap d - low.
 * A strided problem falls into phases of input cells, each a small convolution over G with its own taps; nothing is stuffed with zeros.
 */
export const inputBlocked: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-input-blocked",
  operator: "grid-linear",
  pools: true,
  layouts: (plan, fusion: Fusion | null, device: Device) => (plan.role === "input" ? gatherLayouts(problemOf(plan), fusion, device) : []),
  refuses: (plan) => (plan.role === "input" ? refusesGather(plan) : "computes role input only."),
  estimate: (plan, choice, fusion, device, programs = "training") => gatherTime(problemOf(plan), choice, fusion, device, programs),
  emit: (plan, buffers, fusion, device) => emitGather(problemOf(plan), buffers, fusion, device),
};
