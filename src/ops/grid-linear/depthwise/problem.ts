import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, LayoutChoice } from "../../contract.ts";
import { blockedLayout, type Placement, place, plainLayout, preferredBlock } from "../../layout.ts";
import { type Packing, packRecord, packStep, panelBytes } from "../blocked/pack.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { type GatherProblem, haloOf, product, type Sweep, splitAtBorders } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { type FusedPlace, fusedLayouts, fusedOperand, fusedPlace } from "../tiles/fused.ts";
import { largestDivisor } from "../tiles/outer.ts";
import { type RowCode, rowHead, rowRoutine, rowsAt, rowTileCells, rowWords } from "./rows.ts";

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

/** Cuts so many cells into the fewest tiles of nearly equal length; at most two lengths. */
function cutEvenly(count: number, most: number): number[] {
  const tiles = Math.ceil(count / most);
  return Array.from({ length: tiles }, (_, i) => Math.floor((count + i) / tiles)).reverse();
}

/** Tiles of a row of `count` cells; each but the last consists of whole patterns of `period` cells. */
function cutRow(count: number, period: number, most: number): number[] {
  const tiles = cutEvenly(Math.ceil(count / period), Math.max(1, Math.floor(most / period))).map((patterns) => patterns * period);
  tiles[tiles.length - 1] -= tiles.reduce((sum, cells) => sum + cells, 0) - count;
  return tiles;
}

/** How rows are walked: all phases of cells along a row together, or each as a row of its own. */
interface Inner {
  /** Cells of a row and, for its turns, the offsets of their first taps: a turn does the `pattern` from there. */
  readonly rows: readonly {
    readonly first: number;
    readonly count: number;
    readonly turns: readonly { readonly offset: number; readonly line: number }[];
  }[];
  /** From cell to cell of a row, in cells of the result. */
  readonly step: number;
  /** Source cells from one pattern to the next. */
  readonly stride: number;
  readonly pattern: readonly (readonly { readonly line: number; readonly offset: number }[])[];
}

/** Multiply-adds of one register of lanes that the code of a turn may have. */
const mostUnrolled = 160;

function innerOf({ sweeps }: GatherProblem, fma: boolean): Inner {
  const phases = sweeps[sweeps.length - 1];
  const starts = phases.map((_, i) => phases.slice(0, i).reduce((sum, { taps }) => sum + taps.length, 0));
  const lines = starts[starts.length - 1] + phases[phases.length - 1].taps.length;
  const most = rowTileCells(lines, fma);
  const count = phases.reduce((sum, phase) => sum + phase.count, 0);
  const unrolled = (Math.min(most, count) * lines) / phases.length;
  const { stride } = phases[0];
  if (2 * phases.length <= most + 1 && unrolled <= mostUnrolled) {
    const base = Math.min(...phases.flatMap(({ taps }) => taps.map(({ offset }) => offset)), 0);
    return {
      rows: [{ first: 0, count, turns: lines === 0 ? [] : [{ offset: base, line: 0 }] }],
      step: 1,
      stride,
      pattern: phases.map(({ taps }, i) => taps.map(({ offset }, tap) => ({ line: starts[i] + tap, offset: offset - base }))),
    };
  }
  const taps = phases.length === 1 ? commonTurn(phases[0]) : 1;
  return {
    rows: phases.map(({ first, count: cells, taps: own }, i) => ({
      first,
      count: cells,
      turns: own.flatMap(({ offset }, tap) => (tap % taps === 0 ? [{ offset, line: starts[i] + tap }] : [])),
    })),
    step: phases[0].step,
    stride,
    pattern: [Array.from({ length: taps }, (_, tap) => ({ line: tap, offset: tap * gapOf(phases[0]) }))],
  };
}

const gapOf = ({ taps }: Sweep): number => (taps.length > 1 ? taps[1].offset - taps[0].offset : 0);

/** Most taps of a long row, up to 8, that divide it into equal turns. */
function commonTurn(sweep: Sweep): number {
  const gap = gapOf(sweep);
  if (!sweep.taps.every(({ offset }, i) => i === 0 || offset - sweep.taps[i - 1].offset === gap)) return 1;
  return largestDivisor(sweep.taps.length, 8);
}

/** One row of result cells: sweeps of the outer axes at one cell each, and one of the ways along the row. */
interface Row {
  readonly outer: readonly { readonly sweep: Sweep; readonly at: number }[];
  readonly along: Inner["rows"][number];
}

/** All rows of an example, in memory order. */
function rowsOf({ sweeps, source }: GatherProblem, inner: Inner): Row[] {
  const outer = sweeps.slice(0, -1).map((list, axis) =>
    list
      .flatMap((sweep) => splitAtBorders(sweep, source.shape[axis + 2]))
      .flatMap((sweep) => Array.from({ length: sweep.count }, (_, at) => ({ sweep, at })))
      .sort((a, b) => a.sweep.first + a.sweep.step * a.at - (b.sweep.first + b.sweep.step * b.at)),
  );
  return product(outer).flatMap((cells) => inner.rows.map((along) => ({ outer: cells, along })));
}

/** Panel row of a tap: taps of a row follow each other as the sweeps along it take them; -1 for one that meets nothing but padding. */
function lineOf({ plan, sweeps }: GatherProblem, tap: number): number {
  const last = plan.axes.length - 1;
  const extent = plan.axes[last].kernel;
  const rank = sweeps[last].flatMap((sweep) => sweep.taps).findIndex((one) => one.tap === tap % extent);
  return rank < 0 ? -1 : tap - (tap % extent) + rank;
}

/** Multiply-adds of one chunk, some 40 us. */
const chunkWork = (device: Device): number => (device.wide ? 1_000_000 : 600_000);

/** What the code depends on: cells along a row and what is fused. */
function codeOf(
  problem: GatherProblem,
  inner: Inner,
  source: Placement,
  targets: readonly Pick<FusedPlace, "strides">[],
  result: Placement,
  fusion: Fusion | null,
  device: Device,
): RowCode {
  const last = problem.plan.axes.length - 1;
  const cell = source.strides[last] * 4;
  return {
    lanes: result.block,
    part: device.wide ? 8 : 4,
    tiles: [...new Set(inner.rows.flatMap(({ count }) => cutRow(count, inner.pattern.length, mostCells(inner, device))))].sort(
      (a, b) => b - a,
    ),
    pattern: inner.pattern.map((taps) => taps.map(({ line, offset }) => ({ line, at: offset * cell }))),
    steps: [inner.stride * cell, ...targets.map(({ strides }) => inner.step * strides[last] * 4)],
    spare: result.channels % result.block !== 0,
    fma: device.fma,
    fused: (fusion?.operands ?? []).map((type) => fusedOperand(type, problem.result) ?? { splat: false, moves: true }),
    epilogue: fusion?.epilogue ?? null,
  };
}

const mostCells = ({ pattern }: Inner, device: Device): number => rowTileCells(pattern.flat().length, device.fma);

function packingOf(problem: GatherProblem, block: number, blocks: number): Packing {
  const { plan } = problem;
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  return {
    block,
    panels: blocks,
    panelsPerGroup: blocks,
    rowsPerGroup: plan.groups,
    groupStride: 0,
    rowStride: taps,
    outer: 1,
    outerStride: 0,
    columns: taps,
    rows: taps,
    position: (_, tap) => lineOf(problem, plan.flip ? taps - 1 - tap : tap),
  };
}

export function emitDepthwise(problem: GatherProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const [source, result] = [place(problem.source, buffers.inputs[1]), place(problem.result, buffers.outputs[0])];
  const fused = (fusion?.operands ?? []).map((type, i) => fusedPlace(type, buffers.operands[i], problem.result, result.block));
  const inner = innerOf(problem, device.fma);
  const code = codeOf(problem, inner, source, [result, ...fused], result, fusion, device);
  const packing = packingOf(problem, result.block, result.blocks);
  const terms = (size(result.extents) * packing.rows) / size(problem.sweeps.map((list) => list.length));
  const work = (terms * result.blocks * result.block) / chunkWork(device);
  const group = Math.max(1, Math.min(problem.plan.examples, Math.floor(1 / work)));
  const parts = Math.max(1, Math.round(work));
  const record = recordOf({ problem, inner, most: mostCells(inner, device), code, source, result, fused, packing, group, parts });
  return {
    temporaries: [packing.panels * panelBytes(packing)],
    constants: [packRecord(packing), record],
    steps: [
      packStep(
        packing,
        { of: "input", index: 0, access: "read" },
        { of: "temporary", index: 0, access: "write" },
        { of: "constant", index: 0, access: "read" },
      ),
      {
        routine: rowRoutine(code, device.tier),
        chunks: { each: parts, group },
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

interface RecordInput {
  readonly problem: GatherProblem;
  readonly inner: Inner;
  /** Cells of the largest tile. */
  readonly most: number;
  readonly code: RowCode;
  readonly source: Placement;
  readonly result: Placement;
  readonly fused: readonly FusedPlace[];
  readonly packing: Packing;
  readonly group: number;
  readonly parts: number;
}

function recordOf({ problem, inner, most, code, source, result, fused, packing, group, parts }: RecordInput): Int32Array {
  const rows = rowsOf(problem, inner);
  const words = new Array<number>(rowsAt(code) + rows.length * rowWords(code)).fill(0);
  words[rowHead.group] = group;
  words[rowHead.parts] = parts;
  words[rowHead.blocks] = result.blocks;
  words[rowHead.rows] = rows.length;
  words[rowHead.panel] = panelBytes(packing);
  [source, result, ...fused].forEach(({ exampleStride, blockStride }, stream) => {
    words.splice(rowHead.words + 2 * stream, 2, exampleStride * 4, blockStride * 4);
  });
  const tables = new Map<string, number>();
  rows.forEach((row, i) => {
    const turns = turnsOf(problem, code, row, source);
    const table = [...turns.slice(1).flatMap(({ pointer, line }, turn) => [pointer - turns[turn].pointer, line - turns[turn].line]), 0, 0];
    const name = table.join(",");
    if (turns.length > 0 && !tables.has(name)) {
      tables.set(name, words.length * 4);
      words.push(...table);
    }
    const cut = cutRow(row.along.count, code.pattern.length, most);
    const start = [...row.outer.map(({ sweep, at }) => sweep.first + sweep.step * at), row.along.first];
    const offsets = [result, ...fused].map(({ origin, strides }) => start.reduce((sum, cell, axis) => sum + cell * strides[axis], origin));
    words.splice(
      rowsAt(code) + i * rowWords(code),
      rowWords(code),
      turns.length === 0 ? 0 : (tables.get(name) ?? 0),
      turns[0]?.line ?? 0,
      ...code.tiles.map((cells) => cut.filter((length) => length === cells).length),
      turns[0]?.pointer ?? 0,
      ...offsets.map((offset) => offset * 4),
    );
  });
  words[rowHead.mask] = words.length * 4;
  const lanes = Array.from({ length: packing.block }, (_, lane) => lane);
  const last = result.channels - (result.blocks - 1) * packing.block;
  words.push(...lanes.map(() => -1), ...lanes.map((lane) => (lane < last ? -1 : 0)));
  return Int32Array.from(words);
}

/** Source bytes of the row's first cell, and bytes into the panel, of each turn. */
function turnsOf({ plan }: GatherProblem, code: RowCode, { outer, along }: Row, source: Placement): { pointer: number; line: number }[] {
  const last = plan.axes.length - 1;
  const lists = outer.map(({ sweep, at }) => sweep.taps.map(({ tap, offset }) => ({ tap, cell: sweep.stride * at + offset })));
  return product(lists).flatMap((list) => {
    const origin = list.reduce((sum, { cell }, axis) => sum + cell * source.strides[axis], source.origin);
    const tap = list.reduce((index, { tap: own }, axis) => index * plan.axes[axis].kernel + own, 0);
    return along.turns.map(({ offset, line }) => ({
      pointer: (origin + offset * source.strides[last]) * 4,
      line: (tap * plan.axes[last].kernel + line) * code.lanes * 4,
    }));
  });
}

/** Predicted time of one thread, ns. */
export function depthwiseTime({ plan, sweeps }: GatherProblem, choice: LayoutChoice, device: Device): number {
  const lanes = choice.outputs[0] * Math.ceil(plan.groups / choice.outputs[0]);
  const terms = product(sweeps).reduce(
    (sum, phase) => sum + size(phase.map(({ count, taps }) => count * taps.length)) + 3 * size(phase.map(({ count }) => count)),
    0,
  );
  return 1500 + (plan.examples * lanes * terms) / (device.wide ? 40 : device.fma ? 25 : 19);
}
