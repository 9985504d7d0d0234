import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, LayoutChoice } from "../../contract.ts";
import { blockedLayout, type Placement, place, plainLayout, preferredBlock } from "../../layout.ts";
import { type Packing, packRecord, packStep, panelBytes } from "../blocked/pack.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { type GatherProblem, haloOf, product, type Sweep, splitAtBorders } from "../gather.ts";
import type { GridLinearPlan } from "../plan.ts";
import { type FusedPlace, fusedLayouts, fusedOperand, fusedPlace } from "../tiles/fused.ts";
import { type RowCode, rowHead, rowRoutine, rowsAt, rowWords } from "./rows.ts";

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

/** Cells of the largest tile: its sums, a kernel vector and an input fill the registers. */
const tileCells = (lanes: number, device: Device): number => (device.wide && lanes === 8 ? 10 : device.fma ? 6 : 5);

/** Cuts a row into the fewest tiles of nearly equal length; at most two lengths. */
function cutRow(count: number, most: number): number[] {
  const tiles = Math.ceil(count / most);
  return Array.from({ length: tiles }, (_, i) => Math.floor((count + i) / tiles)).reverse();
}

/** One row of result cells: sweeps of the outer axes at one cell each, the sweep along the row. */
interface Row {
  readonly outer: readonly { readonly sweep: Sweep; readonly at: number }[];
  readonly inner: Sweep;
}

/** All rows of an example, in memory order as far as phases allow. */
function rowsOf({ sweeps, source }: GatherProblem): Row[] {
  const outer = sweeps.slice(0, -1).map((list, axis) =>
    list
      .flatMap((sweep) => splitAtBorders(sweep, source.shape[axis + 2]))
      .flatMap((sweep) => Array.from({ length: sweep.count }, (_, at) => ({ sweep, at })))
      .sort((a, b) => a.sweep.first + a.sweep.step * a.at - (b.sweep.first + b.sweep.step * b.at)),
  );
  return product(outer).flatMap((cells) => sweeps[sweeps.length - 1].map((inner) => ({ outer: cells, inner })));
}

/** Neighbouring taps that one turn does: all of a row's, when every row has the same and they are few. */
function turnOf(problem: GatherProblem, source: Placement): { taps: number; tapStep: number } {
  const inner = problem.sweeps[problem.sweeps.length - 1];
  const { taps } = inner[0];
  if (inner.length > 1 || taps.length < 2 || taps.length > 9) return { taps: 1, tapStep: 0 };
  const gap = taps[1].offset - taps[0].offset;
  const regular = taps.every(({ offset }, i) => i === 0 || offset - taps[i - 1].offset === gap);
  return regular ? { taps: taps.length, tapStep: gap * source.strides[source.strides.length - 1] * 4 } : { taps: 1, tapStep: 0 };
}

/** Panel row of a tap: taps of a row follow each other as the sweep along it takes them; -1 for one that meets nothing but padding. */
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
  source: Placement,
  targets: readonly Pick<FusedPlace, "strides">[],
  result: Placement,
  fusion: Fusion | null,
  device: Device,
): RowCode {
  const inner = problem.sweeps[problem.sweeps.length - 1];
  const most = tileCells(result.block, device);
  const last = problem.plan.axes.length - 1;
  const steps = [inner[0].stride * source.strides[last], ...targets.map(({ strides }) => inner[0].step * strides[last])];
  return {
    lanes: result.block,
    tiles: [...new Set(inner.flatMap(({ count }) => cutRow(count, most)))].sort((a, b) => b - a),
    ...turnOf(problem, source),
    steps: steps.map((step) => step * 4),
    spare: result.channels % result.block !== 0,
    fma: device.fma,
    fused: (fusion?.operands ?? []).map((type) => fusedOperand(type, problem.result) ?? { splat: false, moves: true }),
    epilogue: fusion?.epilogue ?? null,
  };
}

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
  const code = codeOf(problem, source, [result, ...fused], result, fusion, device);
  const packing = packingOf(problem, result.block, result.blocks);
  const terms = (size(result.extents) * packing.rows) / size(problem.sweeps.map((list) => list.length));
  const work = (terms * result.blocks * result.block) / chunkWork(device);
  const group = Math.max(1, Math.min(problem.plan.examples, Math.floor(1 / work)));
  const parts = Math.max(1, Math.round(work));
  const record = recordOf({ problem, code, source, result, fused, packing, group, parts });
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
  readonly code: RowCode;
  readonly source: Placement;
  readonly result: Placement;
  readonly fused: readonly FusedPlace[];
  readonly packing: Packing;
  readonly group: number;
  readonly parts: number;
}

function recordOf({ problem, code, source, result, fused, packing, group, parts }: RecordInput): Int32Array {
  const rows = rowsOf(problem);
  const words = new Array<number>(rowsAt(code) + rows.length * rowWords(code)).fill(0);
  words[rowHead.group] = group;
  words[rowHead.parts] = parts;
  words[rowHead.blocks] = result.blocks;
  words[rowHead.rows] = rows.length;
  words[rowHead.panel] = panelBytes(packing);
  [source, result, ...fused].forEach(({ exampleStride, blockStride }, stream) => {
    words.splice(rowHead.words + 2 * stream, 2, exampleStride * 4, blockStride * 4);
  });
  const most = code.tiles[0];
  const tables = new Map<string, number>();
  rows.forEach((row, i) => {
    const turns = turnsOf(problem, code, row, source);
    const table = [...turns.slice(1).flatMap(({ pointer, line }, turn) => [pointer - turns[turn].pointer, line - turns[turn].line]), 0, 0];
    const name = table.join(",");
    if (turns.length > 0 && !tables.has(name)) {
      tables.set(name, words.length * 4);
      words.push(...table);
    }
    const cut = cutRow(row.inner.count, most);
    const offsets = [result, ...fused].map(({ origin, strides }) =>
      [...row.outer, { sweep: row.inner, at: 0 }].reduce(
        (sum, { sweep, at }, axis) => sum + (sweep.first + sweep.step * at) * strides[axis],
        origin,
      ),
    );
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
function turnsOf(problem: GatherProblem, code: RowCode, { outer, inner }: Row, source: Placement): { pointer: number; line: number }[] {
  const lists = [
    ...outer.map(({ sweep, at }) => sweep.taps.map(({ tap, offset }) => ({ tap, cell: sweep.stride * at + offset }))),
    inner.taps.map(({ tap, offset }) => ({ tap, cell: offset })),
  ];
  return product(lists)
    .filter((_, i) => i % code.taps === 0)
    .map((list) => ({
      pointer: list.reduce((sum, { cell }, axis) => sum + cell * source.strides[axis], source.origin) * 4,
      line:
        lineOf(
          problem,
          list.reduce((index, { tap }, axis) => index * problem.plan.axes[axis].kernel + tap, 0),
        ) *
        code.lanes *
        4,
    }));
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
