import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, LayoutChoice, Programs } from "../../contract.ts";
import { blockedLayout, place, plainLayout, preferredBlock } from "../../layout.ts";
import { type GatherProblem, haloOf, product, splitAtBorders, tileCells } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { fusedLayouts, fusedOperand } from "../tiles/fused.ts";
import type { GatherCode } from "./code.ts";
import { gatherRoutine } from "./gather-routine.ts";
import { packRecord, packStep, panelBytes } from "./pack.ts";
import { bodiesOf, type Cut, gatherRecord, layOut, phasesOf } from "./record.ts";

/** Why blocks do not fit the plan at all; null when they do. */
export function refusesBlocks(plan: GridLinearPlan): string | null {
  if (!plan.batched) return "blocked layouts need an example axis.";
  if (plan.connections !== null) return "a connection table has no whole channel blocks.";
  if (plan.axes.some(({ period }) => period > 1)) return "kernel copies differ from cell to cell (period above 1).";
  if (plan.axes.some(({ border }) => border !== "zero")) return "only a zero border is a halo.";
  return null;
}

/** Why whole blocks of channels do not multiply; null when they do. */
export function refusesGather(plan: GridLinearPlan): string | null {
  const [from, to] = [plan.channelsIn / plan.groups, plan.channelsOut / plan.groups];
  if (plan.groups > 1 && (from % 8 > 0 || to % 8 > 0)) return `groups of ${from} and ${to} channels do not consist of blocks of 8.`;
  return refusesBlocks(plan);
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
  if (refusesGather(problem.plan) !== null) return [];
  const halo = problem.sweeps.map((sweeps, axis) => haloOf(sweeps, problem.source.shape[axis + 2]));
  return blockPairs(problem, device).flatMap(([from, to]) =>
    fusedLayouts(fusion, problem.result, to).map((operands) => ({
      inputs: [plainLayout, blockedLayout(from, halo)],
      operands,
      outputs: [to],
    })),
  );
}

/** Multiply-adds that one chunk should have: some 50 us of the tier's rate. */
const chunkWork = (device: Device): number => (device.wide ? 2_500_000 : 1_250_000);

/** Multiply-adds for all cells of one example and one result block. */
function workOf({ plan, source, sweeps }: GatherProblem, lanes: number): number {
  const terms = product(sweeps).reduce((sum, phase) => sum + size(phase.map(({ count, taps }) => count * taps.length)), 0);
  return (terms * lanes * source.shape[1]) / plan.groups;
}

function cutOf(problem: GatherProblem, lanes: number, blocks: number, device: Device): Cut {
  const cells = size(problem.result.shape.slice(2));
  const wanted = Math.max(1e-6, workOf(problem, lanes) / chunkWork(device));
  if (wanted >= 1) return { group: 1, parts: Math.max(1, Math.min(Math.round(wanted), Math.floor(cells / 24))) };
  // some chunks for every thread come first, as long as they do not get tiny
  const shared = Math.max(Math.ceil((problem.plan.examples * blocks) / 8), Math.floor(0.25 / wanted));
  return { group: Math.max(1, Math.min(problem.plan.examples, Math.floor(1 / wanted), shared)), parts: 1 };
}

/** Cells of full tiles that so many cells take. */
function tiledCells(count: number, cells: number): number {
  const small = (cells - (count % cells)) % cells;
  return small * (cells - 1) <= count ? count : Math.ceil(count / cells) * cells;
}

/** Splits the axes at their borders where that saves more padding than it costs in tiles that are not full. */
function withoutPadding(problem: GatherProblem, cut: Cut, cells: number): GatherProblem {
  const channels = problem.source.shape[1] / problem.plan.groups;
  if (channels < 8) return problem;
  const cost = ({ sweeps }: GatherProblem): number =>
    product(sweeps).reduce((sum, phase) => {
      const count = (size(phase.map((sweep) => sweep.count)) * cut.group) / cut.parts;
      return sum + 10 * cells + tiledCells(Math.ceil(count), cells) * (size(phase.map(({ taps }) => taps.length)) * channels + 8);
    }, 0);
  const choices = product(problem.sweeps.map(() => [false, true])).map((split): GatherProblem => {
    const sweeps = problem.sweeps.map((list, axis) =>
      split[axis] ? list.flatMap((sweep) => splitAtBorders(sweep, problem.source.shape[axis + 2])) : list,
    );
    return { ...problem, sweeps };
  });
  return choices.reduce((best, choice) => (cost(choice) < cost(best) * 0.98 ? choice : best));
}

export function emitGather(whole: GatherProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const result = place(whole.result, buffers.outputs[0]);
  const cells = tileCells(device);
  const cut = cutOf(whole, result.block, result.blocks, device);
  const problem = withoutPadding(whole, cut, cells);
  const at = layOut(problem, phasesOf(problem), place(whole.source, buffers.inputs[1]), result);
  const code: GatherCode = {
    lanes: result.block,
    cells,
    sets: device.wide && result.block === 8 ? 2 : 1,
    bodies: bodiesOf(at),
    spare: result.channels % result.block !== 0,
    fma: device.fma,
    fused: (fusion?.operands ?? []).map((type) => fusedOperand(type, problem.result) ?? { splat: false, moves: true }),
    epilogue: fusion?.epilogue ?? null,
  };
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
        chunks: { each: result.blocks * cut.parts, group: cut.group },
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
export function gatherTime(problem: GatherProblem, choice: LayoutChoice, device: Device, programs: Programs): number {
  const { plan, result } = problem;
  const lanes = choice.outputs[0];
  const blocks = Math.ceil(result.shape[1] / lanes);
  const rate = device.wide ? (lanes > 8 ? 44 : 41) : device.fma ? 24 : 17;
  const perCell = 6 * lanes;
  const work = plan.examples * blocks * (workOf(problem, lanes) + size(result.shape.slice(2)) * perCell);
  const packing = programs === "inference" ? 0 : 1000 + size(typesOf(plan).kernel.shape) * 0.6;
  return 1000 + packing + work / rate;
}
