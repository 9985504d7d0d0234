import { size, type TensorType } from "../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, LayoutChoice } from "../contract.ts";
import { emitExpression } from "../expression/print-wasm.ts";
import { printExpression } from "../expression/print.ts";
import { blockedLayout, type Placement, place, plainLayout, preferredBlock } from "../layout.ts";
import { haloOf, product, type Sweep, tileCells } from "./blocked.ts";
import { fusedLayouts, fusedOperand, fusedPlace } from "./blocked-fusion.ts";
import { type Body, type GatherCode, gatherRoutine, head, headWords, phaseHead, phaseWords, streamsOf } from "./blocked-gather.ts";
import { type Packing, packRecord, packStep, panelBytes } from "./blocked-pack.ts";
import { type GridLinearPlan, typesOf } from "./plan.ts";

/** A role of a plan as one gathering of source cells: forward gathers inputs, the input gradient gathers output gradients. */
export interface GatherProblem {
  readonly plan: GridLinearPlan;
  readonly source: TensorType;
  readonly result: TensorType;
  /** Sweeps of each axis: one for each phase. */
  readonly sweeps: readonly (readonly Sweep[])[];
  /** The result's channels are the rows (output channels) of K, or its columns. */
  readonly transposed: boolean;
}

export function gatherProblem(plan: GridLinearPlan, role: "forward" | "input", sweeps: GatherProblem["sweeps"]): GatherProblem {
  const { input, output } = typesOf(plan);
  return role === "forward" ? { plan, source: input, result: output, sweeps, transposed: false } : { plan, source: output, result: input, sweeps, transposed: true };
}

/** Why blocks do not fit the plan at all; null when they do. */
export function refusesBlocks({ plan }: Pick<GatherProblem, "plan">): string | null {
  if (!plan.batched) return "blocked layouts need an example axis.";
  if (plan.connections !== null) return "a connection table has no whole channel blocks.";
  if (plan.axes.some(({ period }) => period > 1)) return "kernel copies differ from cell to cell (period above 1).";
  if (plan.axes.some(({ border }) => border !== "zero")) return "only a zero border is a halo.";
  return null;
}

/** Blocks of source and result: the preferred ones, or 8 where groups ask for it. */
function blockPairs({ plan, source, result }: GatherProblem, device: Device): [number, number][] {
  const channels = [source.shape[1], result.shape[1]];
  const preferred = channels.map((count) => preferredBlock(count, device.wide));
  const pairs = [preferred, [8, 8]].filter(([a, b]) => plan.groups === 1 || ((channels[0] / plan.groups) % a === 0 && (channels[1] / plan.groups) % b === 0));
  return (plan.groups === 1 ? pairs.slice(0, 1) : pairs).map(([a, b]): [number, number] => [a, b]).filter(([a, b], i, all) => i === 0 || a !== all[0][0] || b !== all[0][1]);
}

export function gatherLayouts(problem: GatherProblem, fusion: Fusion | null, device: Device): LayoutChoice[] {
  if (refusesBlocks(problem) !== null) return [];
  const halo = problem.sweeps.map((sweeps, axis) => haloOf(sweeps, problem.source.shape[axis + 2]));
  return blockPairs(problem, device).flatMap(([from, to]) =>
    fusedLayouts(fusion, problem.result, to).map((operands): LayoutChoice => ({ inputs: [plainLayout, blockedLayout(from, halo)], operands, outputs: [to] })),
  );
}

/** One combination of the axes' sweeps; taps in the order of the panels. */
interface Phase {
  readonly sweeps: readonly Sweep[];
  readonly taps: readonly { readonly tap: number; readonly offsets: readonly number[] }[];
}

function phasesOf({ plan, sweeps }: GatherProblem): Phase[] {
  return product(sweeps).map((chosen) => ({
    sweeps: chosen,
    taps: product(chosen.map(({ taps }) => taps)).map((list) => ({
      tap: list.reduce((index, { tap }, axis) => index * plan.axes[axis].kernel + (plan.flip ? plan.axes[axis].kernel - 1 - tap : tap), 0),
      offsets: list.map(({ offset }) => offset),
    })),
  }));
}

/** Everything that the emission needs to know, worked out once. */
interface Layouted {
  readonly problem: GatherProblem;
  readonly phases: readonly Phase[];
  readonly source: Placement;
  readonly result: Placement;
  readonly sourceChannels: number;
  /** Whole source blocks of a group, and channels of a last one with spare lanes. */
  readonly full: number;
  readonly rest: number;
  readonly panelStarts: readonly number[];
  readonly packing: Packing;
}

function layOut(problem: GatherProblem, buffers: Buffers): Layouted {
  const { plan, transposed } = problem;
  const [source, result] = [place(problem.source, buffers.inputs[1]), place(problem.result, buffers.outputs[0])];
  const phases = phasesOf(problem);
  const sourceChannels = source.channels / plan.groups;
  const resultChannels = result.channels / plan.groups;
  const full = Math.floor(sourceChannels / source.block);
  const rest = sourceChannels % source.block;
  const panelStarts = phases.map((_, i) => phases.slice(0, i).reduce((sum, { taps }) => sum + taps.length * sourceChannels, 0));
  const slots = new Map(phases.flatMap(({ taps }, phase) => taps.map(({ tap }, slot) => [tap, { phase, slot }] as const)));
  const kernelTaps = size(plan.axes.map(({ kernel }) => kernel));
  const position = (channel: number, tap: number): number => {
    const found = slots.get(tap);
    if (found === undefined) return -1;
    const block = Math.floor(channel / source.block);
    const before = panelStarts[found.phase] + block * source.block * phases[found.phase].taps.length;
    return before + found.slot * (block < full ? source.block : rest) + (channel % source.block);
  };
  const common = {
    block: result.block, panels: result.blocks, panelsPerGroup: result.blocks / plan.groups, rowsPerGroup: resultChannels,
    rows: phases.reduce((sum, { taps }) => sum + taps.length, 0) * sourceChannels,
  };
  const row = (transposed ? resultChannels : sourceChannels) * kernelTaps;
  const packing: Packing = transposed
    ? { ...common, groupStride: sourceChannels * row, rowStride: kernelTaps, outer: sourceChannels, outerStride: row, columns: kernelTaps, position }
    : { ...common, groupStride: resultChannels * row, rowStride: row, outer: 1, outerStride: 0, columns: row, position: (_, column) => position(Math.floor(column / kernelTaps), column % kernelTaps) };
  return { problem, phases, source, result, sourceChannels, full, rest, panelStarts, packing };
}

/** Turns of the inner loop: a tap of a whole block, or a row of taps where a block has few channels. */
function bodiesOf({ phases, source, full, rest }: Layouted): Body[] {
  const inner = phases[0].sweeps.at(-1);
  const regular = phases.length === 1 && inner !== undefined && inner.taps.every(({ offset }, i) => i === 0 || offset - inner.taps[i - 1].offset === inner.taps[1].offset - inner.taps[0].offset);
  const body = (channels: number): Body => {
    const taps = regular && inner.taps.length > 1 && channels * inner.taps.length <= 24 ? inner.taps.length : 1;
    return { channels, taps, tapStep: taps > 1 && inner !== undefined ? (inner.taps[1].offset - inner.taps[0].offset) * source.strides[source.strides.length - 1] * 4 : 0 };
  };
  return [...(full > 0 ? [body(source.block)] : []), ...(rest > 0 ? [body(rest)] : [])];
}

/** Byte steps of the source pointer from turn to turn of one body, ended by 0, and where the body starts and ends. */
function loopOf(at: Layouted, phase: Phase, body: Body, fromBlock: number, blocks: number): { steps: number[]; start: number; end: number } {
  const { source } = at;
  const cells = phase.taps.filter((_, i) => i % body.taps === 0).map(({ offsets }) => offsets.reduce((sum, offset, axis) => sum + offset * source.strides[axis], 0));
  const places = Array.from({ length: blocks }, (_, i) => cells.map((cell) => ((fromBlock + i) * source.blockStride + cell) * 4)).flat();
  return { steps: [...places.slice(1).map((place, i) => place - places[i]), 0], start: places[0], end: places[places.length - 1] };
}

/** Strides of a stream on the three axes of the record, innermost first. */
interface Track {
  readonly origin: number;
  readonly strides: readonly number[];
}

/** Merges axes that every stream crosses without a gap, so that few rows end; innermost first, always three. */
function mergeAxes(counts: readonly number[], tracks: readonly Track[]): { extents: number[]; steps: number[][] } {
  const extents: number[] = [];
  const steps: number[][] = tracks.map(() => []);
  for (let axis = counts.length - 1; axis >= 0; axis--) {
    const last = extents.length - 1;
    if (last >= 0 && tracks.every(({ strides }, i) => strides[axis] === steps[i][last] * extents[last])) {
      extents[last] *= counts[axis];
      continue;
    }
    extents.push(counts[axis]);
    tracks.forEach(({ strides }, i) => steps[i].push(strides[axis]));
  }
  while (extents.length < 3) {
    extents.push(1);
    for (const list of steps) list.push(0);
  }
  return { extents, steps };
}

/** How the work is cut: parts of the cells of one example, or groups of examples, for each result block. */
export interface Cut {
  readonly group: number;
  readonly parts: number;
}

/** Multiply-adds that one chunk should have: 40 us of the tier's rate. */
const chunkWork = (device: Device): number => (device.wide ? 2_000_000 : 1_000_000);

function cutOf(problem: GatherProblem, rows: number, lanes: number, blocks: number, device: Device): Cut {
  const cells = size(problem.result.shape.slice(2));
  const perExample = (cells * rows * lanes) / Math.max(1, size(problem.sweeps.map((sweeps) => sweeps.length)));
  const wanted = perExample / chunkWork(device);
  if (wanted >= 1) return { group: 1, parts: Math.max(1, Math.min(Math.round(wanted), Math.floor(cells / 24))) };
  const examples = problem.plan.examples;
  const enough = Math.max(1, Math.ceil((examples * blocks) / 8));
  return { group: Math.max(1, Math.min(examples, Math.floor(1 / wanted), Math.max(enough, Math.floor(0.25 / wanted)))), parts: 1 };
}

export function emitGather(problem: GatherProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const at = layOut(problem, buffers);
  const bodies = bodiesOf(at);
  const code: GatherCode = {
    lanes: at.result.block, cells: tileCells(at.result.block, device), bodies, spare: at.result.channels % at.result.block !== 0, fma: device.fma,
    fused: (fusion?.operands ?? []).map((type) => fusedOperand(type, problem.result) ?? { splat: false, moves: true }),
    epilogue: fusion === null ? null : (f, vector) => emitExpression(f, fusion.epilogue, { vector, fma: device.fma }),
    key: fusion === null ? "-" : printExpression(fusion.epilogue),
  };
  const cut = cutOf(problem, at.packing.rows, code.lanes, at.result.blocks, device);
  const record = recordOf(at, code, cut, buffers, fusion);
  const routine = gatherRoutine(code, device.tier);
  const chunks = { each: at.result.blocks * cut.parts, group: cut.group };
  return {
    temporaries: [at.packing.panels * panelBytes(at.packing)],
    constants: [packRecord(at.packing), record],
    steps: [
      packStep(at.packing, { of: "input", index: 0, access: "read" }, { of: "temporary", index: 0, access: "write" }, { of: "constant", index: 0, access: "read" }),
      {
        routine, chunks,
        operands: [
          { of: "input", index: 1, access: "read" }, { of: "temporary", index: 0, access: "read" }, { of: "output", index: 0, access: "write" }, { of: "constant", index: 1, access: "read" },
          ...code.fused.map((_, index) => ({ of: "operand", index, access: "read" }) as const),
        ],
      },
    ],
  };
}

function recordOf(at: Layouted, code: GatherCode, cut: Cut, buffers: Buffers, fusion: Fusion | null): Int32Array {
  const { problem, phases, source, result, packing } = at;
  const fused = (fusion?.operands ?? []).map((type, i) => fusedPlace(type, buffers.operands[i], problem.result, result.block));
  const moving = fused.filter((_, i) => code.fused[i].moves);
  const words = new Array<number>(headWords(code) + phases.length * phaseWords(code)).fill(0);
  const blocksPerGroup = result.blocks / problem.plan.groups;
  const sourceFirst = source.exampleStride * 4 > packing.panels * panelBytes(packing);
  Object.entries({
    each: result.blocks * cut.parts, group: cut.group, blockDivide: sourceFirst ? 1 : cut.parts, blocks: result.blocks, partDivide: sourceFirst ? result.blocks : 1,
    parts: cut.parts, phases: phases.length, panel: panelBytes(packing), blocksPerGroup,
  }).forEach(([name, value]) => { words[head[name as keyof typeof head]] = value; });
  const strides = [[source.exampleStride, (source.blocks / problem.plan.groups) * source.blockStride], [result.exampleStride, result.blockStride], ...moving.map(({ exampleStride, blockStride }) => [exampleStride, blockStride])];
  strides.forEach(([example, block], i) => { words.splice(head.words + 2 * i, 2, example * 4, block * 4); });
  fused.forEach(({ blockStride }, i) => { words[head.words + 2 * streamsOf(code) + i] = blockStride * 4; });
  phases.forEach((phase, i) => {
    const start = headWords(code) + i * phaseWords(code);
    const first = (placed: Placement | (typeof moving)[number]): Track => ({
      origin: placed.origin + phase.sweeps.reduce((sum, sweep, axis) => sum + sweep.first * placed.strides[axis], 0),
      strides: phase.sweeps.map((sweep, axis) => sweep.step * placed.strides[axis]),
    });
    const fromSource = { origin: source.origin, strides: phase.sweeps.map((sweep, axis) => sweep.stride * source.strides[axis]) };
    const loops = loopsOf(at, phase, code.bodies);
    const tracks = [{ ...fromSource, origin: fromSource.origin + loops.start / 4 }, first(result), ...moving.map(first)];
    const counts = phase.sweeps.map(({ count }) => count);
    const { extents, steps } = mergeAxes(counts, tracks);
    words[start + phaseHead.cells] = size(counts);
    words.splice(start + phaseHead.inner, 3, ...extents);
    words[start + phaseHead.panel] = at.panelStarts[i] * packing.block * 4;
    loops.tables.forEach(({ table, step }, body) => {
      words.splice(start + phaseHead.loops + 2 * body, 2, table.length === 0 ? 0 : words.length * 4, step);
      words.push(...table);
    });
    tracks.forEach(({ origin }, stream) => { words.splice(start + phaseHead.words + 4 * stream, 4, ...[origin, ...steps[stream]].map((value) => value * 4)); });
  });
  words[head.mask] = words.length * 4;
  const lanes = Array.from({ length: packing.block }, (_, lane) => lane);
  words.push(...lanes.map(() => -1), ...lanes.map((lane) => (lane < result.channels - (result.blocks - 1) * packing.block ? -1 : 0)));
  return Int32Array.from(words);
}

/** Tables of all bodies of a phase, and the pointer steps from the end of one to the start of the next. */
function loopsOf(at: Layouted, phase: Phase, bodies: readonly Body[]): { start: number; tables: { table: number[]; step: number }[] } {
  if (phase.taps.length === 0) return { start: 0, tables: bodies.map(() => ({ table: [], step: 0 })) };
  const loops = bodies.map((body, i) => (i === 0 && at.full > 0 ? loopOf(at, phase, body, 0, at.full) : loopOf(at, phase, body, at.full, 1)));
  return { start: loops[0].start, tables: loops.map(({ steps, start }, i) => ({ table: steps, step: i === 0 ? 0 : start - loops[i - 1].end })) };
}

/** Predicted time of one thread, ns: lanes that are filled in vain cost as much as others. */
export function gatherTime(problem: GatherProblem, choice: LayoutChoice, device: Device): number {
  const { plan, result, source } = problem;
  const lanes = choice.outputs[0];
  const blocks = Math.ceil(result.shape[1] / lanes);
  const work = product(problem.sweeps).reduce((sum, sweeps) => sum + size(sweeps.map(({ count, taps }) => count * taps.length)), 0);
  const rate = device.wide ? (lanes > 8 ? 50 : 40) : device.fma ? 26 : 19;
  const cells = size(result.shape.slice(2));
  const packed = size(typesOf(plan).kernel.shape);
  return 2000 + packed * 0.6 + (plan.examples * blocks * lanes * (work * (source.shape[1] / plan.groups) + cells * 6)) / rate;
}
