import type { Algorithm } from "../../contract.ts";
import { plainLayout, preferredBlock } from "../../layout.ts";
import { forwardSweeps, type GatherProblem, gatherProblem, haloOf, inputSweeps } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { fusedLayouts } from "../tiles/fused.ts";
import { refusesBands } from "./bands.ts";
import { emitGather, gatherTime, refusesBlocks } from "./problem.ts";

/** Source channels of a group up to which a plain source is read as it is. */
const mostChannels = 7;

type GatherRole = "forward" | "input";

const problemOf = (plan: GridLinearPlan, role: GatherRole): GatherProblem =>
  gatherProblem(plan, role, plan.axes.map(role === "forward" ? forwardSweeps : inputSweeps));

function unfit(plan: GridLinearPlan, role: GatherRole): string | null {
  if (plan.role !== role) return `computes role ${role} only.`;
  const channels = (role === "forward" ? plan.channelsIn : plan.channelsOut) / plan.groups;
  if (channels > mostChannels) return `${channels} source channels in a group are enough for channel blocks (above ${mostChannels}).`;
  return refusesBlocks(plan);
}

const flat = (role: GatherRole): Algorithm<GridLinearPlan> => ({
  id: `wasm-grid-linear-${role}-flat`,
  operator: "grid-linear",
  pools: true,
  layouts: (plan, fusion, device) => {
    if (unfit(plan, role) !== null) return [];
    const problem = problemOf(plan, role);
    if (refusesBands(problem, fusion) !== null) return [];
    const { source, result, sweeps } = problem;
    const halo = sweeps.map((list, axis) => haloOf(list, source.shape[axis + 2]));
    const perGroup = result.shape[1] / plan.groups;
    const whole = (device.wide ? [16, 8] : [8]).filter((block) => perGroup % block === 0);
    const blocks = plan.groups === 1 ? [preferredBlock(perGroup, device.wide)] : whole;
    return blocks.flatMap((block) =>
      fusedLayouts(fusion, result, block).map((operands) => ({
        inputs: [plainLayout, { block: 1, halo, fill: 0 }],
        operands,
        outputs: [block],
      })),
    );
  },
  refuses: (plan) => unfit(plan, role),
  estimate: (plan, choice, fusion, device, programs = "training") => gatherTime(problemOf(plan, role), choice, fusion, device, programs),
  emit: (plan, buffers, fusion, device) => emitGather(problemOf(plan, role), buffers, fusion, device),
});

/**
 * Convolution of few input channels (first layers): Z[co, o] = sum over ci, tap of K[co, ci, tap] V[ci, o s + tap d - low], from a plain
 * input with a halo to channel blocks, in register tiles of cells x channels. No lane is spent on input channels that are not there.
 */
export const flatForward: Algorithm<GridLinearPlan> = flat("forward");

/** Input gradient of few output channels (last layers): V[ci, i] = sum over co, tap of K[co, ci, tap] G[co, o] with i = o s + tap d - low, from plain G. */
export const flatInput: Algorithm<GridLinearPlan> = flat("input");
