import { size } from "../../../base/types.ts";
import type { Device, Emission, Expression, OperandRef } from "../../contract.ts";
import type { Placement } from "../../layout.ts";
import { evenParts } from "../../units.ts";
import { type Packing, packRecord, packStep, panelBytes } from "../blocked/pack.ts";
import { type GatherProblem, product } from "../gather.ts";
import type { FusedOperand, FusedPlace } from "../tiles/fused.ts";
import { cutRow, type Inner, innerOf, lineOf, mostCells, type Row, rowsOf } from "./pattern.ts";
import { type RowCode, rowHead, rowRoutine, rowsAt, rowWords } from "./rows.ts";

/**
 * Grouped convolution with groups as lanes: result block r * B + b holds result channel r of the groups of block b (of B), and gathers source
 * blocks j * B + b, for every source channel j of a group. Depthwise convolution has one of both, so its blocks are ordinary ones.
 */
export interface Lanes {
  readonly problem: GatherProblem;
  /** Channels of a group. */
  readonly sources: number;
  readonly results: number;
  readonly source: Placement;
  readonly result: Placement;
  /** The last block has lanes that must stay zero. */
  readonly spare: boolean;
  readonly epilogue: Expression | null;
  readonly fused: readonly { readonly how: FusedOperand; readonly place: FusedPlace }[];
}

/** Where the operands are; `panels` is a temporary, `records` the first of two constants. */
export interface LaneRefs {
  readonly kernel: OperandRef;
  readonly source: OperandRef;
  readonly result: OperandRef;
  readonly fused: readonly OperandRef[];
  readonly panels: number;
  readonly records: number;
}

/** Multiply-adds of one chunk, some 40 us. */
const chunkWork = (device: Device): number => (device.wide ? 1_000_000 : 600_000);

/** What the code depends on: cells along a row and what is fused. */
function codeOf({ problem, source, result, spare, epilogue, fused }: Lanes, inner: Inner, device: Device): RowCode {
  const last = problem.plan.axes.length - 1;
  const cell = source.strides[last] * 4;
  return {
    lanes: result.block,
    part: device.wide ? 8 : 4,
    tiles: [...new Set(inner.rows.flatMap(({ count }) => cutRow(count, inner.pattern.length, mostCells(inner, device))))].sort(
      (a, b) => b - a,
    ),
    pattern: inner.pattern.map((taps) => taps.map(({ line, offset }) => ({ line, at: offset * cell }))),
    steps: [inner.stride * cell, ...[result, ...fused.map(({ place }) => place)].map(({ strides }) => inner.step * strides[last] * 4)],
    spare,
    fma: device.fma,
    fused: fused.map(({ how }) => how),
    epilogue,
  };
}

/** Panels go by result channel of a group, then by block of groups; their rows by source channel, then by tap. */
function packingOf({ problem, sources, results, result }: Lanes): Packing {
  const { plan, transposed } = problem;
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const position = (source: number, tap: number): number => {
    const line = lineOf(problem, plan.flip ? taps - 1 - tap : tap);
    return line < 0 ? -1 : source * taps + line;
  };
  return {
    block: result.block,
    panels: result.blocks,
    panelsPerGroup: result.blocks / results,
    rowsPerGroup: plan.groups,
    rowStride: sources * results * taps,
    rows: sources * taps,
    ...(transposed
      ? { groupStride: taps, outer: sources, outerStride: results * taps, columns: taps, position }
      : {
          groupStride: sources * taps,
          outer: 1,
          outerStride: 0,
          columns: sources * taps,
          position: (_: number, column: number) => position(Math.floor(column / taps), column % taps),
        }),
  };
}

/** Multiply-adds of one example, spare lanes included. */
function workOf({ problem, sources, result }: Lanes): number {
  const phases = product(problem.sweeps).map((phase) => size(phase.map(({ count, taps }) => count * taps.length)));
  return phases.reduce((sum, terms) => sum + terms, 0) * sources * result.blocks * result.block;
}

/** Packs the kernel, then walks the rows. */
export function laneSteps(lanes: Lanes, refs: LaneRefs, device: Device): Pick<Emission, "temporaries" | "constants" | "steps"> {
  const { problem } = lanes;
  const inner = innerOf(problem, device.fma);
  const code = codeOf(lanes, inner, device);
  const packing = packingOf(lanes);
  const work = workOf(lanes) / chunkWork(device);
  const group = Math.max(1, Math.min(problem.plan.examples, Math.floor(1 / work)));
  const parts = evenParts(work);
  const panels = { of: "temporary", index: refs.panels } as const;
  const record = (index: number): OperandRef => ({ of: "constant", index: refs.records + index, access: "read" });
  return {
    temporaries: [packing.panels * panelBytes(packing)],
    constants: [packRecord(packing), recordOf({ lanes, inner, most: mostCells(inner, device), code, packing, group, parts })],
    steps: [
      packStep(packing, refs.kernel, { ...panels, access: "write" }, record(0)),
      {
        routine: rowRoutine(code, device.tier),
        chunks: { each: parts, group },
        operands: [refs.source, { ...panels, access: "read" }, refs.result, record(1), ...refs.fused],
      },
    ],
  };
}

interface RecordInput {
  readonly lanes: Lanes;
  readonly inner: Inner;
  /** Cells of the largest tile. */
  readonly most: number;
  readonly code: RowCode;
  readonly packing: Packing;
  readonly group: number;
  readonly parts: number;
}

function recordOf({ lanes, inner, most, code, packing, group, parts }: RecordInput): Int32Array {
  const { problem, source, result, results } = lanes;
  const targets = [result, ...lanes.fused.map(({ place }) => place)];
  const rows = rowsOf(problem, inner);
  const words = new Array<number>(rowsAt(code) + rows.length * rowWords(code)).fill(0);
  words[rowHead.group] = group;
  words[rowHead.parts] = parts;
  words[rowHead.blocks] = result.blocks;
  words[rowHead.rows] = rows.length;
  words[rowHead.panel] = panelBytes(packing);
  words[rowHead.sources] = result.blocks / results;
  [source, ...targets].forEach(({ exampleStride, blockStride }, stream) => {
    words.splice(rowHead.words + 2 * stream, 2, exampleStride * 4, blockStride * 4);
  });
  const tables = new Map<string, number>();
  rows.forEach((row, i) => {
    const turns = turnsOf(lanes, code, row);
    const table = [...turns.slice(1).flatMap(({ pointer, line }, turn) => [pointer - turns[turn].pointer, line - turns[turn].line]), 0, 0];
    const name = table.join(",");
    if (turns.length > 0 && !tables.has(name)) {
      tables.set(name, words.length * 4);
      words.push(...table);
    }
    const cut = cutRow(row.along.count, code.pattern.length, most);
    const start = [...row.outer.map(({ sweep, at }) => sweep.first + sweep.step * at), row.along.first];
    const offsets = targets.map(({ origin, strides }) => start.reduce((sum, cell, axis) => sum + cell * strides[axis], origin));
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
  const block = Array.from({ length: packing.block }, (_, lane) => lane);
  const last = result.channels - (result.blocks - 1) * packing.block;
  words.push(...block.map(() => -1), ...block.map((lane) => (lane < last ? -1 : 0)));
  return Int32Array.from(words);
}

/** Source bytes of the row's first cell, and bytes into the panel, of each turn. */
function turnsOf(
  { problem: { plan }, source, sources, result, results }: Lanes,
  code: RowCode,
  { outer, along }: Row,
): { pointer: number; line: number }[] {
  const last = plan.axes.length - 1;
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const blocks = result.blocks / results;
  const lists = outer.map(({ sweep, at }) => sweep.taps.map(({ tap, offset }) => ({ tap, cell: sweep.stride * at + offset })));
  const perSource = product(lists).flatMap((list) => {
    const origin = list.reduce((sum, { cell }, axis) => sum + cell * source.strides[axis], source.origin);
    const tap = list.reduce((index, { tap: own }, axis) => index * plan.axes[axis].kernel + own, 0);
    return along.turns.map(({ offset, line }) => ({
      pointer: (origin + offset * source.strides[last]) * 4,
      line: (tap * plan.axes[last].kernel + line) * code.lanes * 4,
    }));
  });
  return Array.from({ length: sources }, (_, j) =>
    perSource.map(({ pointer, line }) => ({
      pointer: pointer + j * blocks * source.blockStride * 4,
      line: line + j * taps * code.lanes * 4,
    })),
  ).flat();
}

/** Predicted ns of one thread for the rows of so many lanes, spare ones included, with so many source channels for each. */
export function rowsTime({ plan, sweeps }: GatherProblem, lanes: number, sources: number, device: Device): number {
  const terms = product(sweeps).reduce(
    (sum, phase) => sum + sources * size(phase.map(({ count, taps }) => count * taps.length)) + 3 * size(phase.map(({ count }) => count)),
    0,
  );
  return (plan.examples * lanes * terms) / (device.wide ? 50 : device.fma ? 28 : 20);
}
