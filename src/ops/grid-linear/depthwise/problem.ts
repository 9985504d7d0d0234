import type { Buffers, Device, Emission, Fusion, LayoutChoice } from "../../contract.ts";
import { blockedLayout, place, plainLayout, preferredBlock } from "../../layout.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { type GatherProblem, haloOf, roundUp } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { fusedLayouts, fusedOperand, fusedPlace } from "../tiles/fused.ts";
import { laneSteps, rowsTime } from "./lanes.ts";

/** Why a plan is not depthwise over blocks; null when it is. */
export function refusesDepthwise(plan: GridLinearPlan): string | null {
  if (plan.groups !== plan.channelsIn || plan.groups !== plan.channelsOut)
    return "not depthwise: groups, input and output channels differ.";
  if (plan.axes.length === 0) return "there is no axis to walk along.";
  return refusesBlocks(plan);
}

export function depthwiseLayouts({ plan, source, result, sweeps }: GatherProblem, fusion: Fusion | null, device: Device): LayoutChoice[] {
  if (refusesDepthwise(plan) !== null) return [];
  const block = preferredBlock(plan.groups, device.wide);
  const halo = sweeps.map((list, axis) => haloOf(list, source.shape[axis + 2]));
  return fusedLayouts(fusion, result, block).map((operands) => ({
    inputs: [plainLayout, blockedLayout(block, halo)],
    operands,
    outputs: [block],
  }));
}

export function emitDepthwise(problem: GatherProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const [source, result] = [place(problem.source, buffers.inputs[1]), place(problem.result, buffers.outputs[0])];
  const fused = (fusion?.operands ?? []).map((type, i) => ({
    how: fusedOperand(type, problem.result) ?? { splat: false, moves: true },
    place: fusedPlace(type, buffers.operands[i], problem.result, result.block),
  }));
  const spare = result.channels % result.block !== 0;
  return laneSteps(
    { problem, sources: 1, results: 1, source, result, spare, epilogue: fusion?.epilogue ?? null, fused },
    {
      kernel: { of: "input", index: 0, access: "read" },
      source: { of: "input", index: 1, access: "read" },
      result: { of: "output", index: 0, access: "write" },
      fused: fused.map((_, index) => ({ of: "operand", index, access: "read" })),
      panels: 0,
      records: 0,
    },
    device,
  );
}

/** Predicted time of one thread, ns. */
export function depthwiseTime(problem: GatherProblem, choice: LayoutChoice, device: Device): number {
  return 1500 + rowsTime(problem, roundUp(problem.plan.groups, choice.outputs[0]), 1, device);
}
