import { size, type TensorType } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, Layout, LayoutChoice, OperandRef, StepSpec } from "../../contract.ts";
import { groupConversion, groupLanes, haloFill, permutes } from "../../convert/index.ts";
import { blockedLayout, place, plainLayout, preferredBlock } from "../../layout.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { laneSteps, rowsTime } from "../depthwise/lanes.ts";
import { type GatherProblem, haloOf, roundUp } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { fusedOperand, fusedPlace } from "../tiles/fused.ts";

/** Why groups are no lanes; null when they are. */
export function refusesGrouped(plan: GridLinearPlan): string | null {
  if (plan.groups === 1) return "one group has no other beside it.";
  if (plan.groups === plan.channelsIn && plan.groups === plan.channelsOut) return "depthwise: its channels are lanes where they lie.";
  if ((plan.channelsIn / plan.groups) % 8 === 0 && (plan.channelsOut / plan.groups) % 8 === 0)
    return "groups that consist of whole blocks are multiplied block by block.";
  if (plan.axes.length === 0) return "there is no axis to walk along.";
  return refusesBlocks(plan);
}

/** Fewest lanes that hold all groups. */
function laneBlock(groups: number, device: Device): number {
  return device.wide && roundUp(groups, 16) === roundUp(groups, 8) ? 16 : 8;
}

/** One value for all lanes, or cells with a channel axis of their own, which can be put in the order of the groups. */
export function hasOrder(type: TensorType, result: TensorType): boolean {
  const operand = fusedOperand(type, result);
  return operand !== null && (operand.splat || type.shape.length === result.shape.length - (type.batched ? 0 : 1));
}

/** Plain, or the channel blocks that the groups of a lane block consist of. */
function cellBlocks(channels: number, groups: number, device: Device): number[] {
  const block = preferredBlock(channels, device.wide);
  return permutes(channels / groups, laneBlock(groups, device), block) ? [1, block] : [1];
}

export function groupedLayouts({ plan, source, result }: GatherProblem, fusion: Fusion | null, device: Device): LayoutChoice[] {
  const operands = fusion?.operands ?? [];
  if (refusesGrouped(plan) !== null || !operands.every((type) => hasOrder(type, result))) return [];
  return cellBlocks(source.shape[1], plan.groups, device).flatMap((from) =>
    cellBlocks(result.shape[1], plan.groups, device).map((to) => ({
      inputs: [plainLayout, blockedLayout(from)],
      operands: operands.map(() => plainLayout),
      outputs: [to],
    })),
  );
}

/** The problem as the lanes see it, and how many channels a group has. */
function inLanes(problem: GatherProblem, device: Device) {
  const { plan, source, result } = problem;
  const [sources, results] = [source.shape[1] / plan.groups, result.shape[1] / plan.groups];
  const block = laneBlock(plan.groups, device);
  const lanes = { ...problem, source: groupLanes(source, sources, block), result: groupLanes(result, results, block) };
  const halo = problem.sweeps.map((list, axis) => haloOf(list, source.shape[axis + 2]));
  return { lanes, sources, results, sourceLayout: blockedLayout(block, halo), resultLayout: blockedLayout(block) };
}

/** Temporaries: panels, source and result in lanes, then the operands that need an order of their own. */
export function emitGrouped(problem: GatherProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const { lanes, sources, results, sourceLayout, resultLayout } = inLanes(problem, device);
  const [source, result] = [place(lanes.source, sourceLayout), place(lanes.result, resultLayout)];
  const temporary = (index: number, access: OperandRef["access"]): OperandRef => ({ of: "temporary", index, access });
  const toLanes = (type: TensorType, perGroup: number, from: Layout, to: Layout, operands: readonly OperandRef[]): StepSpec => ({
    ...groupConversion(type, { kind: "groups", perGroup, only: null }, [from, to], "to lanes", device),
    operands,
  });
  const further: StepSpec[] = [];
  const bytes: number[] = [];
  const fused = (fusion?.operands ?? []).map((type, index) => {
    const given: OperandRef = { of: "operand", index, access: "read" };
    const how = fusedOperand(type, problem.result) ?? { splat: false, moves: true };
    if (how.splat) return { how, place: fusedPlace(type, buffers.operands[index], lanes.result, result.block), ref: given };
    const own = groupLanes(type, results, result.block);
    const at = 3 + bytes.length;
    bytes.push(4 * place(own, resultLayout).words);
    further.push(toLanes(type, results, buffers.operands[index], resultLayout, [given, temporary(at, "write")]));
    return { how, place: fusedPlace(own, resultLayout, lanes.result, result.block), ref: temporary(at, "read") };
  });
  const rows = laneSteps(
    { problem: lanes, sources, results, source, result, spare: false, epilogue: fusion?.epilogue ?? null, fused },
    {
      kernel: { of: "input", index: 0, access: "read" },
      source: temporary(1, "read"),
      result: temporary(2, "write"),
      fused: fused.map(({ ref }) => ref),
      panels: 0,
      records: 0,
    },
    device,
  );
  const hasHalo = sourceLayout.halo.some(({ low, high }) => low + high > 0);
  return {
    temporaries: [...rows.temporaries, 4 * source.words, 4 * result.words, ...bytes],
    constants: rows.constants,
    steps: [
      toLanes(problem.source, sources, buffers.inputs[1], sourceLayout, [{ of: "input", index: 1, access: "read" }, temporary(1, "write")]),
      ...(hasHalo ? [{ ...haloFill(lanes.source, sourceLayout), operands: [temporary(1, "update")] }] : []),
      ...further,
      ...rows.steps,
      {
        ...groupConversion(
          problem.result,
          { kind: "groups", perGroup: results, only: null },
          [buffers.outputs[0], resultLayout],
          "from lanes",
          device,
        ),
        operands: [temporary(2, "read"), { of: "output", index: 0, access: "write" }],
      },
    ],
  };
}

/** Bytes that a thread moves in a ns between the lanes of groups and plain cells, or channel blocks. */
const moveRate = { plain: 23, blocks: 15 } as const;

/** Predicted time of putting so many values into lanes or back, ns; both sides count. */
export function lanesTime(types: readonly TensorType[], block: number): number {
  return types.reduce((sum, { shape }) => sum + 8 * size(shape), 0) / (block === 1 ? moveRate.plain : moveRate.blocks);
}

/** Predicted time of one thread, ns. */
export function groupedTime(problem: GatherProblem, choice: LayoutChoice, fusion: Fusion | null, device: Device): number {
  const { lanes, sources } = inLanes(problem, device);
  const moved =
    lanesTime([lanes.source], choice.inputs[1].block) + lanesTime([lanes.result], choice.outputs[0]) + lanesTime(fusion?.operands ?? [], 1);
  return 4000 + moved + rowsTime(problem, lanes.result.shape[1], sources, device);
}
