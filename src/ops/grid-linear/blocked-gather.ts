import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../emit/wasm/module.ts";
import { advance, multiplyAdd } from "../../emit/wasm/vectors.ts";
import type { Expression, Routine } from "../contract.ts";
import { type Constants, emitExpression, hoistConstants } from "../expression/print-wasm.ts";
import type { FusedOperand } from "./blocked-fusion.ts";

/**
 * The hot routine of blocked convolution: result cell q, lanes = sum over steps of source channel * panel row, for all
 * cells of a chunk in tiles of T and T - 1 cells. A tile holds one pointer for each cell, so that tiles run on over
 * the ends of rows, planes and examples and nothing is lost on small maps. All geometry is in the record: the code depends only on
 * what `GatherCode` says.
 */
export interface GatherCode {
  /** Channels of a result block. */
  readonly lanes: number;
  /** Cells of the larger tile. */
  readonly cells: number;
  /** What one turn of the inner loop does; the second is for a last source block with spare lanes. */
  readonly bodies: readonly Body[];
  /** The last block of result channels has spare lanes. */
  readonly spare: boolean;
  readonly fma: boolean;
  readonly fused: readonly FusedOperand[];
  /** Formula over the sum (operand 0) and the fused operands; null when nothing is fused. */
  readonly epilogue: Expression | null;
  /** Printed epilogue. */
  readonly key: string;
}

/** One turn: `taps` neighbouring taps, `tapStep` source bytes apart, of `channels` channels each. */
export interface Body {
  readonly channels: number;
  readonly taps: number;
  readonly tapStep: number;
}

/** Words of the record's head: chunk numbers, then (example stride, block stride) of each stream. */
export const head = {
  each: 0,
  group: 1,
  blockDivide: 2,
  blocks: 3,
  partDivide: 4,
  parts: 5,
  phases: 6,
  panel: 7,
  blocksPerGroup: 8,
  mask: 9,
  words: 10,
} as const;
/**
 * Words of a phase: cells of an example, extents of the axes, where its panel rows begin, then (loop table,
 * pointer step, row step) of each body, then (origin, three steps) of each stream.
 */
export const phaseHead = { cells: 0, inner: 1, panel: 4, loops: 5, words: 11 } as const;

export const streamsOf = (code: GatherCode): number => 2 + code.fused.filter(({ moves }) => moves).length;
export const headWords = (code: GatherCode): number => head.words + 2 * streamsOf(code) + code.fused.length;
export const phaseWords = (code: GatherCode): number => phaseHead.words + 4 * streamsOf(code);

/** Operands of the routine: source, panels, result, record, then the fused ones. */
export const recordOperand = 3;
export const firstFused = 4;

/** Table position of each stream: source, result, moving operands. */
const streamOperands = (code: GatherCode): number[] => [0, 2, ...code.fused.flatMap(({ moves }, i) => (moves ? [firstFused + i] : []))];

export function gatherRoutine(code: GatherCode, tier: string): Routine {
  const bodies = code.bodies.map(({ channels, taps, tapStep }) => `${channels}c${taps}t${taps > 1 ? tapStep : ""}`).join("+");
  const key = `grid-linear gather | ${code.lanes}x${code.cells} ${bodies}${code.spare ? " spare" : ""} | ${code.key} | ${tier}`;
  return { key, build: (module) => buildGather(module, code) };
}

function buildGather(module: ModuleBuilder, code: GatherCode): number {
  const parameters = Array.from({ length: 7 }, () => "i32" as const);
  const tile = (cells: number): number => module.function(parameters, [], (f) => emitTiles(f, code, cells));
  const [large, small] = [tile(code.cells), tile(code.cells - 1)];
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, large, small));
}

/** Decodes chunks and hands the cells of each phase to the tile functions: a whole number of both tiles where there is one. */
function emitChunks(f: FunctionBuilder, code: GatherCode, large: number, small: number): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, phase, phases, block, part, first, total, from, to, smallTiles, largeTiles, rest] = f.locals("i32", 12);
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  const split = (divide: number, count: number, into: Local): void => {
    f.get(rest);
    word(divide).op("i32.div_u");
    word(count).op("i32.rem_u").set(into);
  };
  const share = (extra: number, into: Local): void => {
    f.get(total).get(part).i32(extra).op("i32.add", "i32.mul");
    word(head.parts).op("i32.div_u").set(into);
  };
  f.get(table)
    .memory("i32.load", recordOperand * 4)
    .set(record);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(chunk);
      word(head.each).op("i32.rem_u").set(rest);
      split(head.blockDivide, head.blocks, block);
      split(head.partDivide, head.parts, part);
      f.get(chunk);
      word(head.each).op("i32.div_u");
      word(head.group).op("i32.mul").set(first);
      f.get(examples).get(first).op("i32.sub").set(rest);
      f.get(rest);
      word(head.group);
      f.get(rest);
      word(head.group).op("i32.lt_s", "select").set(rest);
      word(head.phases).set(phases);
      f.get(record)
        .i32(headWords(code) * 4)
        .op("i32.add")
        .set(phase);
      f.loop((again) => {
        f.get(phase)
          .memory("i32.load", phaseHead.cells * 4)
          .get(rest)
          .op("i32.mul")
          .set(total);
        share(0, from);
        share(1, to);
        splitTiles(f, code.cells, from, to, smallTiles, largeTiles);
        callTiles(f, large, [table, phase, block, first, from, largeTiles, to]);
        f.get(from).get(largeTiles).i32(code.cells).op("i32.mul", "i32.add").set(from);
        callTiles(f, small, [table, phase, block, first, from, smallTiles, to]);
        advance(f, phase, phaseWords(code) * 4);
        f.get(phases).i32(1).op("i32.sub").tee(phases).branchIf(again);
      });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** small = -cells mod T tiles of T - 1 cells fill up exactly; where that is more than there is, tiles of T with repeated last cells do. */
function splitTiles(f: FunctionBuilder, cells: number, from: Local, to: Local, small: Local, large: Local): void {
  const count = (): FunctionBuilder => f.get(to).get(from).op("i32.sub");
  f.i32(cells);
  count().i32(cells).op("i32.rem_u", "i32.sub").i32(cells).op("i32.rem_u").set(small);
  f.get(small)
    .i32(cells - 1)
    .op("i32.mul");
  count().op("i32.gt_s");
  f.if(() => f.i32(0).set(small));
  count()
    .get(small)
    .i32(cells - 1)
    .op("i32.mul", "i32.sub")
    .i32(cells - 1)
    .op("i32.add")
    .i32(cells)
    .op("i32.div_u")
    .set(large);
}

function callTiles(f: FunctionBuilder, index: number, values: readonly Local[]): void {
  f.get(values[5]);
  f.if(() => {
    for (const value of values) f.get(value);
    f.call(index);
  });
}

/** Where a stream stands and how it moves on: by `inner` along the innermost axis, by the others when that one is full. */
interface Stream {
  readonly at: Local;
  readonly steps: readonly Local[];
  readonly cells: readonly Local[];
}

/** for each tile: set one pointer for each cell, accumulate over all steps, apply the epilogue, store. */
function emitTiles(f: FunctionBuilder, code: GatherCode, cells: number): void {
  const [table, phase, block, first, from, tiles, to] = f.parameters;
  const vectors = code.lanes / 4;
  const [record, panel, row, mask, cell] = f.locals("i32", 5);
  const counters = f.locals("i32", 3);
  const extents = f.locals("i32", 3);
  const streams: Stream[] = streamOperands(code).map(() => ({
    at: f.local("i32"),
    steps: f.locals("i32", 4),
    cells: f.locals("i32", cells),
  }));
  const fixed = code.fused.map(({ moves }) => (moves ? null : f.local("i32")));
  const sums = Array.from({ length: cells }, () => f.locals("v128", vectors));
  f.get(table)
    .memory("i32.load", recordOperand * 4)
    .set(record);
  startStreams(f, code, { table, phase, block, first, from, record, counters, extents, streams, fixed });
  f.get(table)
    .memory("i32.load", 4)
    .get(phase)
    .memory("i32.load", phaseHead.panel * 4)
    .op("i32.add");
  f.get(block)
    .get(record)
    .memory("i32.load", head.panel * 4)
    .op("i32.mul", "i32.add")
    .set(panel);
  if (code.spare) {
    f.get(record)
      .get(record)
      .memory("i32.load", head.mask * 4)
      .op("i32.add")
      .i32(code.lanes * 4)
      .i32(0);
    f.get(block)
      .i32(1)
      .op("i32.add")
      .get(record)
      .memory("i32.load", head.blocks * 4)
      .op("i32.eq", "select", "i32.add")
      .set(mask);
  }
  f.get(from).set(cell);
  const constants = code.epilogue === null ? new Map() : hoistConstants(f, code.epilogue, code.fma);
  f.loop((again) => {
    for (let i = 0; i < cells; i++) {
      for (const { at, cells: pointers } of streams) f.get(at).set(pointers[i]);
      stepStreams(f, cell, to, counters, extents, streams);
    }
    for (const sum of sums.flat()) f.f32x4(0).set(sum);
    f.get(panel).set(row);
    accumulate(f, code, phase, record, row, streams[0].cells, sums);
    finish(f, code, { streams, fixed, mask, sums, constants });
    f.get(tiles).i32(1).op("i32.sub").tee(tiles).branchIf(again);
  });
}

interface Start {
  readonly table: Local;
  readonly phase: Local;
  readonly block: Local;
  readonly first: Local;
  readonly from: Local;
  readonly record: Local;
  readonly counters: readonly Local[];
  readonly extents: readonly Local[];
  readonly streams: readonly Stream[];
  readonly fixed: readonly (Local | null)[];
}

/** Position of the first cell in every stream; steps become the jumps from the last cell of an axis to the next one's first. */
function startStreams(f: FunctionBuilder, code: GatherCode, start: Start): void {
  const { table, phase, block, first, from, record, counters, extents, streams, fixed } = start;
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  const phaseWord = (index: number): FunctionBuilder => f.get(phase).memory("i32.load", index * 4);
  const example = f.local("i32");
  f.get(from).set(example);
  extents.forEach((extent, axis) => {
    phaseWord(phaseHead.inner + axis).set(extent);
    f.get(example).get(extent).op("i32.rem_u").set(counters[axis]);
    f.get(example).get(extent).op("i32.div_u").set(example);
  });
  f.get(example).get(first).op("i32.add").set(example);
  streamOperands(code).forEach((position, i) => {
    const { at, steps } = streams[i];
    f.get(table).memory("i32.load", position * 4);
    phaseWord(phaseHead.words + 4 * i).op("i32.add");
    f.get(block);
    if (i === 0) word(head.blocksPerGroup).op("i32.div_u");
    word(head.words + 2 * i + 1).op("i32.mul", "i32.add");
    steps.forEach((step, axis) => {
      if (axis < 3) phaseWord(phaseHead.words + 4 * i + 1 + axis).set(step);
      else word(head.words + 2 * i).set(step);
      f.get(step)
        .get(axis < 3 ? counters[axis] : example)
        .op("i32.mul", "i32.add");
    });
    f.set(at);
    for (let axis = 3; axis > 0; axis--)
      f.get(steps[axis])
        .get(steps[axis - 1])
        .get(extents[axis - 1])
        .op("i32.mul", "i32.sub")
        .set(steps[axis]);
  });
  fixed.forEach((pointer, i) => {
    if (pointer === null) return;
    f.get(table)
      .memory("i32.load", (firstFused + i) * 4)
      .get(block);
    word(head.words + 2 * streams.length + i)
      .op("i32.mul", "i32.add")
      .set(pointer);
  });
}

/** Moves on by one cell, unless it was the chunk's last: tiles that are not full repeat it. */
function stepStreams(
  f: FunctionBuilder,
  cell: Local,
  to: Local,
  counters: readonly Local[],
  extents: readonly Local[],
  streams: readonly Stream[],
): void {
  const move = (axis: number): void => {
    for (const { at, steps } of streams) f.get(at).get(steps[axis]).op("i32.add").set(at);
    if (axis === 3) return;
    f.get(counters[axis]).i32(1).op("i32.add").tee(counters[axis]).get(extents[axis]).op("i32.eq");
    f.if(() => {
      f.i32(0).set(counters[axis]);
      move(axis + 1);
    });
  };
  f.get(cell).i32(1).op("i32.add").tee(cell).get(to).op("i32.lt_s");
  f.if(() => move(0));
}

/** The inner loops. A table of (pointer step, row step), ended by a pointer step of 0, leads from tap to tap and from block to block. */
function accumulate(
  f: FunctionBuilder,
  code: GatherCode,
  phase: Local,
  record: Local,
  row: Local,
  pointers: readonly Local[],
  sums: readonly (readonly Local[])[],
): void {
  const [at, step] = f.locals("i32", 2);
  code.bodies.forEach((body, i) => {
    f.get(phase)
      .memory("i32.load", (phaseHead.loops + 3 * i) * 4)
      .tee(at);
    f.if(() => {
      f.get(at).get(record).op("i32.add").set(at);
      if (i > 0) {
        f.get(row)
          .get(phase)
          .memory("i32.load", (phaseHead.loops + 3 * i + 2) * 4)
          .op("i32.add")
          .set(row);
        f.get(phase)
          .memory("i32.load", (phaseHead.loops + 3 * i + 1) * 4)
          .set(step);
        for (const pointer of pointers) f.get(pointer).get(step).op("i32.add").set(pointer);
      }
      f.loop((again) => {
        emitBody(f, code, body, row, pointers, sums);
        f.get(at).memory("i32.load").set(step);
        for (const pointer of pointers) f.get(pointer).get(step).op("i32.add").set(pointer);
        f.get(row).get(at).memory("i32.load", 4).op("i32.add").set(row);
        advance(f, at, 8);
        f.get(step).branchIf(again);
      });
    });
  });
}

function emitBody(
  f: FunctionBuilder,
  code: GatherCode,
  body: Body,
  row: Local,
  pointers: readonly Local[],
  sums: readonly (readonly Local[])[],
): void {
  const weights = f.locals("v128", code.lanes / 4);
  const splat = f.local("v128");
  for (let tap = 0; tap < body.taps; tap++) {
    for (let channel = 0; channel < body.channels; channel++) {
      const line = (tap * body.channels + channel) * code.lanes * 4;
      weights.forEach((weight, v) =>
        f
          .get(row)
          .memory("v128.load", line + v * 16)
          .set(weight),
      );
      pointers.forEach((pointer, i) => {
        f.get(pointer)
          .memory("v128.load32_splat", tap * body.tapStep + channel * 4)
          .set(splat);
        weights.forEach((weight, v) =>
          multiplyAdd(
            f,
            code.fma,
            sums[i][v],
            () => f.get(splat),
            () => f.get(weight),
          ),
        );
      });
    }
  }
}

interface Finish {
  readonly streams: readonly Stream[];
  readonly fixed: readonly (Local | null)[];
  readonly mask: Local;
  readonly sums: readonly (readonly Local[])[];
  readonly constants: Constants;
}

/** Epilogue of all cells first, stores last: a repeated cell must not read what its twin has stored. */
function finish(f: FunctionBuilder, { fused, epilogue, spare, fma }: GatherCode, { streams, fixed, mask, sums, constants }: Finish): void {
  const moving = fused.map((_, i) => 2 + fused.slice(0, i).filter(({ moves }) => moves).length);
  const scratch: Local[] = [];
  sums.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      const vector = (index: number): void => {
        const own = index - 1;
        if (index === 0) f.get(sum);
        else
          f.get(fixed[own] ?? streams[moving[own]].cells[i]).memory(
            fused[own].splat ? "v128.load32_splat" : "v128.load",
            fused[own].splat ? 0 : v * 16,
          );
      };
      if (epilogue === null) f.get(sum);
      else emitExpression(f, epilogue, { vector, fma, constants, scratch });
      if (spare)
        f.get(mask)
          .memory("v128.load", v * 16)
          .op("v128.and");
      f.set(sum);
    });
  });
  sums.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      f.get(streams[1].cells[i])
        .get(sum)
        .memory("v128.store", v * 16);
    });
  });
}
