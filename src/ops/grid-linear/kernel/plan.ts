import { invariant } from "../../../base/errors.ts";
import { size } from "../../../base/types.ts";
import type { Axis } from "../../../grid/axis.ts";
import type { Device, Emission, Margin, OperandRef } from "../../contract.ts";
import type { Placement } from "../../layout.ts";
import { forwardSweeps, haloOf, product, type Sweep, type SweepTap } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { largestDivisor, splitEvenly } from "../tiles/outer.ts";
import type { KernelTile, PanelRecord } from "../tiles/panel.ts";
import { type KernelWork, kernelCode, kernelRecord, kernelRoutine, type TileEntry } from "./panels.ts";
import { type KernelSum, sumRecord, sumStep } from "./sum.ts";

/** Bytes of G and V that a panel may touch, to stay in the first cache beside the accumulators. */
const panelBudget = 24 * 1024;

/** Chunks that a node is cut into at most, and the ns of one that are worth a chunk. */
const mostChunks = 96;
const chunkNs = 30_000;

/** Bytes of G and V beyond which they leave the second cache, and ns of fetching one again from farther away. */
const secondCache = 1 << 20;
const fetchNs = 0.1;
/** Accumulators of a chunk of several pairs, to stay in the first cache. */
const mostAccumulatorBytes = 32 * 1024;
/** ns that one more slot costs for each float of K. */
const slotNs = 0.2;

/**
 * Where G and V lie and which tiles make up a pair of channel blocks. When `swapped`, the two have changed places: `output` and `plan` are the
 * mirrored problem with V in the lanes.
 */
export interface KernelProblem {
  readonly swapped?: boolean;
  readonly plan: GridLinearPlan;
  readonly output: Placement;
  readonly input: Placement;
  readonly device: Device;
  readonly rowsAt: KernelTile["rowsAt"];
  /** Input channels of one block as the tiles see it, and bytes of V from one such block to the next. */
  readonly inputBlocks: number;
  readonly splatBlock: number;
  /** Bytes of V that one output cell needs anew. */
  readonly splatCellBytes: number;
  readonly pairBytes: number;
  readonly tiles: readonly TileEntry[];
  readonly lastTiles: readonly TileEntry[];
  readonly places: KernelSum["places"];
  readonly rows: number;
  readonly lastRows: number;
}

/** Cells of a loop turn: as many as divide the line, 4 to 8 of them, or the whole of a short line. */
export function unrollOf(cells: number): number {
  if (cells <= 8) return cells;
  const divisor = largestDivisor(cells, 8);
  return divisor >= 4 ? divisor : cells % 7 < cells % 4 ? 7 : 4;
}

/** Taps that meet more than padding at some output cell, and where they lie from the input cell at which output cell 0 begins. */
export const tapsOf = (axis: Axis): readonly SweepTap[] => wholeSweep(axis).taps;

/** Cells around V that those taps meet. */
export const haloOfTaps = (axis: Axis): Margin => haloOf([wholeSweep(axis)], axis.input);

const wholeSweep = (axis: Axis): Sweep => forwardSweeps({ ...axis, period: 1 })[0];

/** Multiply-adds of one thread in a ns. */
export const rate = (device: Device): number => (device.wide ? 50 : device.fma ? 26 : 20);

/** Rows that a tile list costs: each tile some more than it has, and a small one as much as its latency. */
export const tileRows = (tiles: readonly TileEntry[]): number => tiles.reduce((sum, { rows }) => sum + Math.max(rows.length + 0.5, 4), 0);

/** Tiles of single rows. A tile's sums lie one after the other, so tiles end where positions are left out. */
export function tilesOfRows(rows: readonly { readonly position: number; readonly at: number }[], most: number): TileEntry[] {
  const runs: (typeof rows)[number][][] = [];
  for (const row of [...rows].sort((a, b) => a.position - b.position)) {
    const run = runs[runs.length - 1];
    if (run !== undefined && run[run.length - 1].position + 1 === row.position) run.push(row);
    else runs.push([row]);
  }
  return runs.flatMap((run) => {
    let first = 0;
    return splitEvenly(run.length, most).map((count) => {
      const own = run.slice(first, first + count);
      first += count;
      return { position: own[0].position, rows: own.map(({ at }) => at) };
    });
  });
}

/** Predicted ns of one thread, for so many rows of tiles of a number of lanes. */
export function kernelTime(plan: GridLinearPlan, device: Device, { lanes, rows }: { lanes: number; rows: number }): number {
  const cells = plan.examples * size(plan.axes.map((axis) => axis.output));
  // few lanes: a splat for each multiply-add keeps the load ports busy
  const reached = device.wide && lanes <= 8 ? 0.65 : 1;
  return 3000 + (cells * rows * lanes) / (reached * rate(device)) + size(typesOf(plan).kernel.shape);
}

/** The first output cell of every copy of the kernel, by axis, in the order of K: the cells of a copy are a phase. */
const phasesOf = ({ axes }: GridLinearPlan): number[][] =>
  product(axes.map(({ period }) => Array.from({ length: period }, (_, copy) => copy)));

/** Emission of a kernel gradient by panels: sums into slots, then the ordered sum of the slots. */
export function emitKernelGradient(problem: KernelProblem): Emission {
  const { plan, output, input, device, inputBlocks, pairBytes } = problem;
  const lanes = output.block;
  const inner = plan.axes.length - 1;
  const { stride, period, output: cells } = plan.axes[inner];
  const vectorCell = 4 * lanes * period;
  const splatCell = 4 * stride * period * input.strides[inner];
  const unroll = unrollOf(Math.ceil(cells / period));
  const phases = phasesOf(plan);
  const { panels, examplesFit } = planPanels(problem, unroll, phases, { vectorCell, splatCell });
  const code = kernelCode({ lanes, fma: device.fma, unroll, vectorCell, splatCell, rowsAt: problem.rowsAt }, { ...problem, panels });
  const chunks = planChunks(problem, phases.length, panels.length / phases.length, examplesFit);
  const work: KernelWork = {
    ...chunks,
    phases: phases.length,
    panels,
    inputBlocks,
    pairBytes,
    pairs: output.blocks * inputBlocks,
    outputBlocksPerGroup: output.blocks / plan.groups,
    vectorBlock: 4 * output.blockStride,
    splatBlock: problem.splatBlock,
    vectorExample: 4 * output.exampleStride,
    splatExample: 4 * input.exampleStride,
    tiles: problem.tiles,
    lastTiles: problem.lastTiles,
  };
  const slots = (access: OperandRef["access"]): OperandRef => ({ of: "temporary", index: 0, access });
  const record = (index: number): OperandRef => ({ of: "constant", index, access: "read" });
  const given = (index: number): OperandRef => ({ of: "input", index, access: "read" });
  const sum = sumOf(problem, work);
  return {
    temporaries: [work.slots * work.phases * work.pairs * pairBytes],
    constants: [kernelRecord(code, work), sumRecord(sum)],
    steps: [
      {
        routine: kernelRoutine(code, device),
        operands: [given(problem.swapped ? 1 : 0), given(problem.swapped ? 0 : 1), slots("write"), record(0)],
        chunks: { each: (work.slots * work.phases * work.pairs) / (work.outputRun * work.inputRun), group: 0 },
      },
      sumStep(sum, slots("read"), { of: "output", index: 0, access: "write" }, record(1)),
    ],
  };
}

function sumOf(
  { plan, swapped, output, rows, lastRows, places }: KernelProblem,
  { slots, phases, pairs, inputBlocks, pairBytes }: KernelWork,
): KernelSum {
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const channelWords = (swapped ? taps : (plan.channelsIn / plan.groups) * taps) * phases;
  return {
    lanes: output.block,
    channels: plan.channelsOut,
    slots,
    phases,
    pairs,
    inputBlocks,
    pairBytes,
    channelWords,
    rows: rows * phases,
    lastRows: lastRows * phases,
    places: phases === 1 ? places : placesOfPhases(places, taps, phases, pairs * pairBytes),
  };
}

/** K is [channel][copy][tap]; the sums of a copy lie `phaseBytes` after those of the copy before. */
const placesOfPhases = (places: KernelSum["places"], taps: number, phases: number, phaseBytes: number): KernelSum["places"] =>
  Array.from({ length: places.length / taps }, (_, channel) =>
    Array.from({ length: phases }, (_, phase) =>
      places.slice(channel * taps, (channel + 1) * taps).map(({ position, column }) => ({
        position: position + phase * phaseBytes,
        column: column + (channel * (phases - 1) + phase) * taps,
      })),
    ),
  ).flat(2);

interface ChunkPlan {
  readonly slots: number;
  readonly groupExamples: number;
  readonly outputRun: number;
  readonly inputRun: number;
}

/** Rectangle of block pairs and number of slots with the least traffic, among those that keep many threads busy. */
function planChunks(problem: KernelProblem, phases: number, panels: number, examplesFit: number): ChunkPlan {
  const { plan, device, tiles, output, inputBlocks, splatCellBytes, pairBytes } = problem;
  const cells = plan.examples * size(plan.axes.map((axis) => axis.output));
  const pairs = output.blocks * inputBlocks;
  const ns = (cells * tiles.reduce((sum, tile) => sum + tile.rows.length, 0) * output.block * pairs) / rate(device);
  const wanted = Math.max(1, Math.ceil(Math.min(mostChunks, ns / chunkNs)));
  const far = cells * (output.blocks * plan.groups * 4 * output.block + inputBlocks * plan.groups * splatCellBytes) > secondCache;
  let best: (ChunkPlan & { cost: number }) | null = null;
  for (const outputRun of divisors(output.blocks / plan.groups)) {
    for (const inputRun of divisors(inputBlocks)) {
      if (outputRun * inputRun > 1 && outputRun * inputRun * pairBytes > mostAccumulatorBytes) continue;
      const runs = pairs / (outputRun * inputRun);
      const found = planSlots(plan.examples, runs * phases, wanted, panels, examplesFit);
      if (found.slots * runs * phases < Math.min(wanted, mostChunks / 3) && outputRun * inputRun > 1) continue;
      const fetched = pairs * cells * ((4 * output.block) / inputRun + splatCellBytes / outputRun);
      const cost = (far ? fetched * fetchNs : 0) + (found.slots * phases * (pairs * pairBytes * slotNs)) / 4;
      if (best === null || cost < best.cost) best = { ...found, outputRun, inputRun, cost };
    }
  }
  invariant(best !== null, () => "no rectangle of block pairs");
  return best;
}

const divisors = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1).filter((divisor) => count % divisor === 0);

/** Enough slots for the wanted chunks; examples of an item as many as fit the cache while every slot has work. */
function planSlots(
  examples: number,
  runs: number,
  wantedChunks: number,
  panels: number,
  examplesFit: number,
): { slots: number; groupExamples: number } {
  const wanted = Math.ceil(wantedChunks / runs);
  const most = Math.max(1, Math.min(examplesFit, Math.floor((examples * panels) / wanted)));
  const groupExamples = Math.ceil(examples / Math.ceil(examples / most));
  const items = Math.ceil(examples / groupExamples) * panels;
  return { slots: Math.ceil(items / Math.ceil(items / Math.min(wanted, items))), groupExamples };
}

/** Cuts the output cells of a phase of an example into panels that fit the first cache; when all fit, tells how many examples do. */
function planPanels(
  { plan, output, input, splatCellBytes }: KernelProblem,
  unroll: number,
  phases: readonly (readonly number[])[],
  cell: { vectorCell: number; splatCell: number },
): { panels: PanelRecord[]; examplesFit: number } {
  const { axes } = plan;
  const [plane, lineAxis, inner] = [axes.length - 3, axes.length - 2, axes.length - 1];
  const step = (at: Placement, axis: number, stride: boolean): number =>
    axis < 0 ? 0 : 4 * at.strides[axis] * (stride ? axes[axis].stride : 1);
  const most = (axis: number): number => (axis < 0 ? 1 : Math.ceil(axes[axis].output / axes[axis].period));
  const cellBytes = 4 * output.block + splatCellBytes;
  const cellsFit = Math.max(unroll, Math.floor(panelBudget / cellBytes / unroll) * unroll);
  const linesFit = Math.floor(cellsFit / most(inner));
  const planesFit = Math.floor(linesFit / most(lineAxis));
  const panels = phases.flatMap((copies) => {
    const parts = (axis: number, fit: number, unit: number): { first: number; count: number }[] => {
      if (axis < 0) return [{ first: 0, count: 1 }];
      const { output: cells, period } = axes[axis];
      // as many parts for every phase: the last one takes the cell that some phases have more
      const all = cut(Math.floor(cells / period), fit, unit);
      const last = all[all.length - 1];
      return [...all.slice(0, -1), { first: last.first, count: Math.ceil((cells - copies[axis]) / period) - last.first }];
    };
    const start = (at: Placement, stride: boolean): number =>
      copies.reduce((sum, copy, axis) => sum + copy * step(at, axis, stride), 4 * at.origin);
    const period = (axis: number): number => axes[axis]?.period ?? 1;
    return product([parts(plane, planesFit, 1), parts(lineAxis, linesFit, 1), parts(inner, cellsFit, unroll)]).map(
      ([planes, lines, cells]): PanelRecord => ({
        vectors:
          start(output, false) +
          planes.first * period(plane) * step(output, plane, false) +
          lines.first * period(lineAxis) * step(output, lineAxis, false) +
          cells.first * cell.vectorCell,
        splats:
          start(input, true) +
          planes.first * period(plane) * step(input, plane, true) +
          lines.first * period(lineAxis) * step(input, lineAxis, true) +
          cells.first * cell.splatCell,
        planes: planes.count,
        lines: lines.count,
        turns: Math.floor(cells.count / unroll),
        rest: cells.count % unroll,
        vectorLine: period(lineAxis) * step(output, lineAxis, false) - cells.count * cell.vectorCell,
        splatLine: period(lineAxis) * step(input, lineAxis, true) - cells.count * cell.splatCell,
        vectorPlane: period(plane) * step(output, plane, false),
        splatPlane: period(plane) * step(input, plane, true),
        vectorExample: 4 * output.exampleStride,
        splatExample: 4 * input.exampleStride,
      }),
    );
  });
  const all = most(inner) * most(lineAxis) * most(plane);
  return { panels, examplesFit: panels.length === phases.length ? Math.max(1, Math.floor(cellsFit / all)) : 1 };
}

/** Parts of at most `most` of an extent, even but for multiples of `unit`. */
function cut(extent: number, most: number, unit: number): { first: number; count: number }[] {
  const parts = Math.ceil(extent / Math.max(1, most));
  const length = Math.ceil(extent / parts / unit) * unit;
  return Array.from({ length: Math.ceil(extent / length) }, (_, i) => ({
    first: i * length,
    count: Math.min(length, extent - i * length),
  }));
}
