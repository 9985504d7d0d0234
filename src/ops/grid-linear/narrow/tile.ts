import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import type { Device, Routine } from "../../contract.ts";
import { emitExpression } from "../../expression/print-wasm.ts";
import { atMost, type DenseCode, reader, storeLanes } from "../dense/chunks.ts";
import { addLanes, type DotTile, dotStep } from "../tiles/dot.ts";
import { whileNonzero } from "../tiles/panel.ts";

/**
 * Few output channels over channel blocks of the input: a tile of channels x cells keeps one vector of partial sums over input channels for
 * each result; another function adds up their lanes, applies the epilogue and stores neighbouring cells of the plain result.
 */
export interface NarrowCode extends DenseCode {
  readonly channels: number;
  readonly cells: number;
  /** Lanes of a partial sum: 8 in pairs, else 4. */
  readonly lanes: number;
  readonly block: number;
  /** Bytes from the input of one output cell to that of the next. */
  readonly cellStep: number;
}

/** Numbers of the routine: chunks, then bytes, then byte offsets of the tables in the record. */
const narrowWords = [
  "parts",
  "group",
  "segments",
  "turns",
  "inputExample",
  "resultExample",
  "resultChannel",
  "scratchBytes",
  "turnsAt",
  "segmentsAt",
] as const;

export type NarrowNumbers = Readonly<
  Record<Exclude<(typeof narrowWords)[number], "turnsAt" | "segmentsAt" | "segments" | "turns">, number>
>;

/** A fused operand: bytes from example to example and from channel to channel; `moves` from cell to cell, otherwise one value for each channel. */
export interface NarrowOperand {
  readonly example: number;
  readonly channel: number;
}

/** Some cells of a line: bytes from the start of an example in the input, the result and each fused operand. */
export interface Segment {
  readonly input: number;
  readonly result: number;
  readonly cells: number;
  readonly operands: readonly number[];
}

const segmentWords = (code: NarrowCode): number => 3 + code.fused.length;

/** Record: numbers, steps of the fused operands, offsets of the turns (taps of a block), segments. */
export function narrowRecord(
  numbers: NarrowNumbers,
  operands: readonly NarrowOperand[],
  turns: readonly number[],
  segments: readonly Segment[],
): Int32Array {
  const turnsAt = 4 * (narrowWords.length + 2 * operands.length);
  const head: Record<(typeof narrowWords)[number], number> = {
    ...numbers,
    segments: segments.length,
    turns: turns.length,
    turnsAt,
    segmentsAt: turnsAt + 4 * turns.length,
  };
  return Int32Array.from([
    ...narrowWords.map((name) => head[name]),
    ...operands.flatMap(({ example, channel }) => [example, channel]),
    ...turns,
    ...segments.flatMap((segment) => [segment.input, segment.result, segment.cells, ...segment.operands]),
  ]);
}

/** Operands of the routine. */
const at = { input: 0, kernel: 1, result: 2, scratch: 3, record: 4, fused: 5 } as const;

/** Bytes of the partial sums of a tile. */
export const sumBytes = ({ channels, cells, lanes }: Pick<NarrowCode, "channels" | "cells" | "lanes">): number =>
  4 * channels * cells * lanes;

export function narrowRoutine(code: NarrowCode, device: Device): Routine {
  const { channels, cells, lanes, block, cellStep, key } = code;
  return {
    key: `grid-linear narrow forward | ${channels}x${cells}x${lanes} b${block} v${cellStep} | ${key} | ${device.tier}`,
    build: (module) => {
      const [sums, ends] = [addSums(module, code), addEnds(module, code)];
      return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, sums, ends));
    },
  };
}

/** A function (input, kernel, turn table, turns, scratch). */
function addSums(module: ModuleBuilder, code: NarrowCode): number {
  const { channels, cells, lanes, block } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [input, kernel, table, turns, scratch] = f.parameters;
    const pointer = f.local("i32");
    const vector = (): Local[] => f.locals("v128", lanes / 4);
    const tile: DotTile = {
      rows: Array.from({ length: channels }, (_, channel) => ({ local: kernel, offset: 4 * block * channel })),
      columns: Array.from({ length: cells }, (_, cell) => ({ local: pointer, offset: code.cellStep * cell })),
      sums: Array.from({ length: channels }, () => Array.from({ length: cells }, vector)),
      own: Array.from({ length: channels }, vector),
      other: vector(),
    };
    const sums = tile.sums.flat(2);
    for (const sum of sums) f.f32x4(0).set(sum);
    whileNonzero(f, turns, () => {
      f.get(input).get(table).memory("i32.load").op("i32.add").set(pointer);
      for (let lane = 0; lane < block; lane += lanes) dotStep(f, code, tile, 4 * lane, () => {});
      advance(f, table, 4);
      advance(f, kernel, 4 * block * channels);
    });
    sums.forEach((sum, i) => {
      f.get(scratch)
        .get(sum)
        .memory("v128.store", 16 * i);
    });
  });
}

/** A function (table, record, scratch, segment, example, cell) that ends a tile. */
function addEnds(module: ModuleBuilder, code: NarrowCode): number {
  const { channels, cells, epilogue, fused, fma } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [table, record, scratch, segment, example, cell] = f.parameters;
    const word = reader(f, record, narrowWords);
    const target = f.local("i32");
    const pointers = f.locals("i32", fused.length);
    const quad = f.locals("v128", 4);
    const sum = f.local("v128");
    const own = (i: number, step: number): FunctionBuilder => f.get(record).memory("i32.load", 4 * (narrowWords.length + 2 * i + step));
    const start = (position: number, offset: number): FunctionBuilder =>
      f
        .get(table)
        .memory("i32.load", 4 * position)
        .get(segment)
        .memory("i32.load", 4 * offset)
        .op("i32.add");
    start(at.result, 1).get(example);
    word("resultExample").op("i32.mul", "i32.add").get(cell).i32(2).op("i32.shl", "i32.add").set(target);
    fused.forEach(({ moves }, i) => {
      start(at.fused + i, 3 + i).get(example);
      own(i, 0).op("i32.mul", "i32.add");
      if (moves) f.get(cell).i32(2).op("i32.shl", "i32.add");
      f.set(pointers[i]);
    });
    for (let channel = 0; channel < channels; channel++) {
      for (let first = 0; first < cells; first += 4) {
        const count = Math.min(4, cells - first);
        addLanes(f, code, scratch, { first: channel * cells + first, count }, quad);
        f.set(sum);
        if (epilogue !== null) {
          const vector = (index: number): void => {
            if (index === 0) f.get(sum);
            else if (fused[index - 1].moves) f.get(pointers[index - 1]).memory("v128.load", 4 * first);
            else f.get(pointers[index - 1]).memory("v128.load32_splat");
          };
          emitExpression(f, epilogue, { vector, fma });
          f.set(sum);
        }
        storeLanes(f, target, [sum], count, 4 * first);
      }
      f.get(target);
      word("resultChannel").op("i32.add").set(target);
      pointers.forEach((pointer, i) => {
        f.get(pointer);
        own(i, 1).op("i32.add").set(pointer);
      });
    }
  });
}

/** Chunk = (group of examples, part of the segments). */
function emitChunks(f: FunctionBuilder, code: NarrowCode, sums: number, ends: number): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, scratch, example, lastExample, part, segment, lastSegment] = f.locals("i32", 7);
  const word = reader(f, record, narrowWords);
  const operandAt = (position: number): FunctionBuilder => f.get(table).memory("i32.load", 4 * position);
  const segmentAt = (extra: number): void => {
    f.get(record);
    word("segmentsAt").op("i32.add").get(part);
    if (extra > 0) f.i32(extra).op("i32.add");
    word("segments").op("i32.mul");
    word("parts")
      .op("i32.div_u")
      .i32(4 * segmentWords(code))
      .op("i32.mul", "i32.add");
  };
  operandAt(at.record).set(record);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      operandAt(at.scratch).get(chunk);
      word("scratchBytes").op("i32.mul", "i32.add").set(scratch);
      f.get(chunk);
      word("parts").op("i32.rem_u").set(part);
      f.get(chunk);
      word("parts").op("i32.div_u");
      word("group").op("i32.mul").tee(example);
      word("group").op("i32.add").set(lastExample);
      atMost(f, lastExample, () => f.get(examples));
      f.loop((nextExample) => {
        segmentAt(0);
        f.set(segment);
        segmentAt(1);
        f.set(lastSegment);
        f.loop((nextSegment) => {
          emitSegment(f, code, { table, record, scratch, example, segment }, { sums, ends });
          f.get(segment)
            .i32(4 * segmentWords(code))
            .op("i32.add")
            .tee(segment)
            .get(lastSegment)
            .op("i32.lt_s")
            .branchIf(nextSegment);
        });
        f.get(example).i32(1).op("i32.add").tee(example).get(lastExample).op("i32.lt_s").branchIf(nextExample);
      });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** All tiles of a segment: the last one reaches back, so that all are full. */
function emitSegment(
  f: FunctionBuilder,
  code: NarrowCode,
  { table, record, scratch, example, segment }: Record<"table" | "record" | "scratch" | "example" | "segment", Local>,
  { sums, ends }: { sums: number; ends: number },
): void {
  const [cell, lastCell] = f.locals("i32", 2);
  const word = reader(f, record, narrowWords);
  const operandAt = (position: number): FunctionBuilder => f.get(table).memory("i32.load", 4 * position);
  f.get(segment).memory("i32.load", 8).i32(code.cells).op("i32.sub").set(lastCell);
  f.i32(0).set(cell);
  f.block((done) =>
    f.loop((nextTile) => {
      operandAt(at.input).get(segment).memory("i32.load").op("i32.add").get(example);
      word("inputExample").op("i32.mul", "i32.add").get(cell).i32(code.cellStep).op("i32.mul", "i32.add");
      operandAt(at.kernel).get(record);
      word("turnsAt").op("i32.add");
      word("turns").get(scratch).call(sums);
      f.get(table).get(record).get(scratch).get(segment).get(example).get(cell).call(ends);
      f.get(cell).get(lastCell).op("i32.eq").branchIf(done);
      advance(f, cell, code.cells);
      // the last tile reaches back, so that all are full
      atMost(f, cell, () => f.get(lastCell));
      f.branch(nextTile);
    }),
  );
}
