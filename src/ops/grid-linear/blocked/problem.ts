import { size, type TensorType } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, Layout, LayoutChoice, Programs } from "../../contract.ts";
import { blockedLayout, place, plainLayout, preferredBlock } from "../../layout.ts";
import { type GatherProblem, haloOf } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { fusedLayouts } from "../tiles/fused.ts";
import { cutBands, emitBands, refusesBands } from "./bands.ts";
import { cutGather } from "./cut.ts";
import { gatherRoutine } from "./gather-routine.ts";
import { packRecord, packStep, panelBytes } from "./pack.ts";
import { gatherCode, gatherRecord, layOut, phasesOf } from "./record.ts";

/** Why blocks do not fit the plan at all; null when they do. */
export function refusesBlocks(plan: GridLinearPlan): string | null {
  return plan.axes.some(({ period }) => period > 1) ? "kernel copies differ from cell to cell (period above 1)." : refusesPhases(plan);
}

/** Cells that share a copy of the kernel, from which on they are a phase of their own: some register tiles. More copies take long to plan. */
const phaseCells = 16;
const mostCopies = 256;

/** Why blocks do not fit the phases of the plan, the cells of each copy of the kernel apart; null when they do. */
export function refusesPhases(plan: GridLinearPlan): string | null {
  const cells = size(plan.axes.map(({ output, period }) => Math.floor(output / period)));
  const copies = size(plan.axes.map(({ period }) => period));
  if (copies > 1 && cells < phaseCells) return `each copy of the kernel has but ${cells} cells (below ${phaseCells}).`;
  if (copies > mostCopies) return `${copies} copies of the kernel are too many phases (above ${mostCopies}).`;
  if (!plan.batched) return "blocked layouts need an example axis.";
  if (plan.connections !== null) return "a connection table has no whole channel blocks.";
  if (plan.axes.some(({ border }) => border !== "zero")) return "only a zero border is a halo.";
  return null;
}

/** Why whole blocks of channels do not multiply; null when they do. */
export function refusesGather(plan: GridLinearPlan): string | null {
  const [from, to] = [plan.channelsIn / plan.groups, plan.channelsOut / plan.groups];
  if (plan.groups > 1 && (from % 8 > 0 || to % 8 > 0)) return `groups of ${from} and ${to} channels do not consist of blocks of 8.`;
  return refusesPhases(plan);
}

/** Blocks of source and result: the preferred ones; with groups, those that groups consist of. */
function blockPairs({ plan, source, result }: GatherProblem, device: Device): [number, number][] {
  const [from, to] = [source.shape[1], result.shape[1]];
  if (plan.groups === 1) return [[preferredBlock(from, device.wide), preferredBlock(to, device.wide)]];
  const blocks = device.wide ? [16, 8] : [8];
  const fits = (channels: number): number[] => blocks.filter((block) => (channels / plan.groups) % block === 0);
  return fits(from).flatMap((a) => fits(to).map((b): [number, number] => [a, b]));
}

export function gatherLayouts(problem: GatherProblem, fusion: Fusion | null, device: Device): LayoutChoice[] {
  if (refusesGather(problem.plan) !== null || refusesBands(problem, fusion) !== null) return [];
  const halo = problem.sweeps.map((sweeps, axis) => haloOf(sweeps, problem.source.shape[axis + 2]));
  const { source, result } = problem;
  return blockPairs(problem, device).flatMap(([from, to]) =>
    fusedLayouts(fusion, result, to).flatMap((operands) => {
      const choice = (first: number, last: number): LayoutChoice => ({
        inputs: [plainLayout, blockedLayout(first, halo)],
        operands: last === 1 ? operands.map(() => plainLayout) : operands,
        outputs: [last],
      });
      return rowBlocks(source, from).flatMap((first) => rowBlocks(result, to).map((last) => choice(first, last)));
    }),
  );
}

/** Whole blocks of channels without axes after them lie as a plain row does: either layout will do. */
const rowBlocks = ({ shape }: TensorType, block: number): number[] => (shape.length === 2 && shape[1] % block === 0 ? [block, 1] : [block]);

/** The layout with its rows seen as blocks. */
function inBlocks(layout: Layout, type: TensorType, device: Device): Layout {
  const block = preferredBlock(type.shape[1], device.wide);
  return layout.block === 1 && rowBlocks(type, block).length > 1 ? { ...layout, block } : layout;
}

/** Cells of a chunk up to which the next panel is worth fetching ahead: with more, what the first tile waits is little beside the others. */
const fetchCells = 256;

export function emitGather(whole: GatherProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  if (fusion?.pool !== undefined) return emitBands(whole, buffers, { ...fusion, pool: fusion.pool }, device);
  const source = inBlocks(buffers.inputs[1], whole.source, device);
  const result = place(whole.result, inBlocks(buffers.outputs[0], whole.result, device));
  const { problem, cut, tile } = cutGather(whole, source, result.block, device);
  const at = layOut(problem, phasesOf(problem), place(whole.source, source), result);
  const fetch = result.blocks > 1 && (size(problem.result.shape.slice(2)) * cut.group) / cut.parts <= fetchCells;
  const code = gatherCode(at, fusion, { cells: tile, fetch }, device);
  return {
    temporaries: [at.packing.panels * panelBytes(at.packing)],
    constants: [packRecord(at.packing), gatherRecord(at, code, cut, buffers.operands, fusion)],
    steps: [
      packStep(
        at.packing,
        { of: "input", index: 0, access: "read" },
        { of: "temporary", index: 0, access: "write" },
        { of: "constant", index: 0, access: "read" },
      ),
      {
        routine: gatherRoutine(code, device.tier),
        chunks: { each: Math.ceil(result.blocks / cut.run) * cut.parts, group: cut.group },
        operands: [
          { of: "input", index: 1, access: "read" },
          { of: "temporary", index: 0, access: "read" },
          { of: "output", index: 0, access: "write" },
          { of: "constant", index: 1, access: "read" },
          ...code.fused.map((_, index) => ({ of: "operand", index, access: "read" }) as const),
        ],
      },
    ],
  };
}

/** Predicted time of one thread, ns: lanes that are filled in vain cost as much as others. */
export function gatherTime(
  problem: GatherProblem,
  choice: LayoutChoice,
  fusion: Fusion | null,
  device: Device,
  programs: Programs,
): number {
  const packing = programs === "inference" ? 0 : 1000 + size(typesOf(problem.plan).kernel.shape) * 0.6;
  const source = inBlocks(choice.inputs[1], problem.source, device);
  const { block } = inBlocks(blockedLayout(choice.outputs[0]), problem.result, device);
  const pool = fusion?.pool;
  const { ns } = pool === undefined ? cutGather(problem, source, block, device) : cutBands(problem, source, block, pool, device);
  return 1000 + packing + ns;
}
