import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance, multiplyAdd } from "../../../emit/wasm/vectors.ts";
import type { Expression, Routine } from "../../contract.ts";
import { type Constants, emitExpression, hoistConstants } from "../../expression/print-wasm.ts";
import { type FusedOperand, printFused } from "../tiles/fused.ts";
import { emitShare } from "../tiles/share.ts";

/**
 * The hot routine of blocked depthwise convolution: result cells of a row, in tiles along it, each lane its own channel:
 * sum over taps of panel row * source cell. The record lists the rows of an example with their taps, so that
 * rows at a border do not multiply padding and phases of a strided gradient are rows of their own.
 */
export interface RowCode {
  /** Channels of a block. */
  readonly lanes: number;
  /** Cells of the tiles that rows consist of, largest first. */
  readonly tiles: readonly number[];
  /** Neighbouring taps of one turn of the inner loop, and source bytes from one to the next. */
  readonly taps: number;
  readonly tapStep: number;
  /** Bytes from cell to cell: source, result, then the fused operands. */
  readonly steps: readonly number[];
  readonly spare: boolean;
  readonly fma: boolean;
  readonly fused: readonly FusedOperand[];
  readonly epilogue: Expression | null;
}

/** Words of the record's head; behind them (example stride, block stride) of source, result and fused operands. */
export const rowHead = { group: 0, parts: 1, blocks: 2, rows: 3, panel: 4, mask: 5, words: 6 } as const;
export const streamCount = (code: RowCode): number => 2 + code.fused.length;
export const rowsAt = (code: RowCode): number => rowHead.words + 2 * streamCount(code);
/** Words of a row: its loop table (0: no taps), its first panel row, tiles of each size, byte offsets of all streams. */
export const rowWords = (code: RowCode): number => 2 + code.tiles.length + streamCount(code);

/** Operands of the routine: source, panels, result, record, then the fused ones. */
const streamOperand = (stream: number): number => (stream === 0 ? 0 : stream === 1 ? 2 : stream + 2);

export function rowRoutine(code: RowCode, tier: string): Routine {
  const shape = `${code.lanes}x${code.tiles.join("/")} ${code.taps}t${code.tapStep} ${code.steps.join(":")}${code.spare ? " spare" : ""}`;
  const key = `grid-linear depthwise rows | ${shape} | ${printFused(code.epilogue, code.fused)} | ${tier}`;
  return { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitRows(f, code)) };
}

/** Locals of the row loop. */
interface Rows {
  readonly table: Local;
  readonly record: Local;
  /** Position in (example, block, row). */
  readonly example: Local;
  readonly block: Local;
  readonly row: Local;
  /** Record of the row at hand. */
  readonly entry: Local;
  readonly mask: Local;
  readonly panel: Local;
  readonly streams: readonly Local[];
  readonly constants: Constants;
}

function emitRows(f: FunctionBuilder, code: RowCode): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, example, block, row, entry, mask, panel, first, left, items, from, to] = f.locals("i32", 12);
  const streams = f.locals("i32", streamCount(code));
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  f.get(table).memory("i32.load", 12).set(record);
  const constants: Constants = code.epilogue === null ? new Map() : hoistConstants(f, code.epilogue, code.fma);
  const rows: Rows = { table, record, example, block, row, entry, mask, panel, streams, constants };
  const share = (extra: number, into: Local): void => {
    f.get(chunk);
    word(rowHead.parts).op("i32.rem_u").i32(extra).op("i32.add").set(into);
    emitShare(f, items, into, () => word(rowHead.parts));
  };
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(chunk);
      word(rowHead.parts).op("i32.div_u");
      word(rowHead.group).op("i32.mul").set(first);
      f.get(examples).get(first).op("i32.sub").set(left);
      f.get(left);
      word(rowHead.group).get(left);
      word(rowHead.group).op("i32.lt_s", "select");
      word(rowHead.blocks).op("i32.mul");
      word(rowHead.rows).op("i32.mul").set(items);
      share(0, from);
      share(1, to);
      f.get(from);
      word(rowHead.rows).op("i32.rem_u").set(row);
      f.get(from);
      word(rowHead.rows).op("i32.div_u").tee(block);
      word(rowHead.blocks).op("i32.div_u").get(first).op("i32.add").set(example);
      f.get(block);
      word(rowHead.blocks).op("i32.rem_u").set(block);
      walkRows(f, code, rows, from, to);
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** for each item from..to: point the streams at the row, do its tiles, go to the next row, block, example. */
function walkRows(f: FunctionBuilder, code: RowCode, rows: Rows, from: Local, to: Local): void {
  const { record, row, block, example } = rows;
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  f.block((exit) => {
    f.get(from).get(to).op("i32.ge_s").branchIf(exit);
    f.loop((again) => {
      pointRow(f, code, rows);
      code.tiles.forEach((cells, i) => {
        repeatTiles(f, code, rows, cells, i);
      });
      f.get(row).i32(1).op("i32.add").tee(row);
      word(rowHead.rows).op("i32.eq");
      f.if(() => {
        f.i32(0).set(row);
        f.get(block).i32(1).op("i32.add").tee(block);
        word(rowHead.blocks).op("i32.eq");
        f.if(() => {
          f.i32(0).set(block);
          advance(f, example, 1);
        });
      });
      f.get(from).i32(1).op("i32.add").tee(from).get(to).op("i32.lt_s").branchIf(again);
    });
  });
}

function pointRow(f: FunctionBuilder, code: RowCode, rows: Rows): void {
  const { table, record, example, block, row, entry, mask, panel, streams } = rows;
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  f.get(record)
    .get(row)
    .i32(rowWords(code) * 4)
    .op("i32.mul", "i32.add")
    .i32(rowsAt(code) * 4)
    .op("i32.add")
    .set(entry);
  streams.forEach((pointer, stream) => {
    f.get(table).memory("i32.load", streamOperand(stream) * 4);
    f.get(entry)
      .memory("i32.load", (2 + code.tiles.length + stream) * 4)
      .op("i32.add")
      .get(example);
    word(rowHead.words + 2 * stream)
      .op("i32.mul", "i32.add")
      .get(block);
    word(rowHead.words + 2 * stream + 1)
      .op("i32.mul", "i32.add")
      .set(pointer);
  });
  f.get(table).memory("i32.load", 4).get(block);
  word(rowHead.panel).op("i32.mul", "i32.add").get(entry).memory("i32.load", 4).op("i32.add").set(panel);
  if (!code.spare) return;
  f.get(record);
  word(rowHead.mask)
    .op("i32.add")
    .i32(code.lanes * 4)
    .i32(0)
    .get(block)
    .i32(1)
    .op("i32.add");
  word(rowHead.blocks).op("i32.eq", "select", "i32.add").set(mask);
}

/** All tiles of one size that the row has. */
function repeatTiles(f: FunctionBuilder, code: RowCode, rows: Rows, cells: number, size: number): void {
  const { entry, streams } = rows;
  const count = f.local("i32");
  f.get(entry)
    .memory("i32.load", (2 + size) * 4)
    .tee(count);
  f.if(() => {
    f.loop((again) => {
      emitTile(f, code, rows, cells);
      streams.forEach((pointer, stream) => {
        advance(f, pointer, cells * code.steps[stream]);
      });
      f.get(count).i32(1).op("i32.sub").tee(count).branchIf(again);
    });
  });
}

function emitTile(f: FunctionBuilder, code: RowCode, rows: Rows, cells: number): void {
  const vectors = code.lanes / 4;
  const sums = Array.from({ length: cells }, () => f.locals("v128", vectors));
  const [source, row, at, step] = f.locals("i32", 4);
  for (const sum of sums.flat()) f.f32x4(0).set(sum);
  f.get(rows.entry).memory("i32.load").tee(at);
  f.if(() => {
    f.get(at).get(rows.record).op("i32.add").set(at);
    f.get(rows.streams[0]).set(source);
    f.get(rows.panel).set(row);
    f.loop((again) => {
      emitTurn(f, code, source, row, sums);
      f.get(row).get(at).memory("i32.load", 4).op("i32.add").set(row);
      f.get(source).get(at).memory("i32.load").tee(step).op("i32.add").set(source);
      advance(f, at, 8);
      f.get(step).branchIf(again);
    });
  });
  finishTile(f, code, rows, sums);
}

function emitTurn(f: FunctionBuilder, code: RowCode, source: Local, row: Local, sums: readonly (readonly Local[])[]): void {
  const weights = f.locals("v128", code.lanes / 4);
  for (let tap = 0; tap < code.taps; tap++) {
    weights.forEach((weight, v) => {
      f.get(row)
        .memory("v128.load", tap * code.lanes * 4 + v * 16)
        .set(weight);
    });
    sums.forEach((cell, i) => {
      cell.forEach((sum, v) => {
        const input = (): FunctionBuilder => f.get(source).memory("v128.load", i * code.steps[0] + tap * code.tapStep + v * 16);
        multiplyAdd(f, code.fma, sum, input, () => f.get(weights[v]));
      });
    });
  }
}

/** Epilogue of the whole tile first, stores last, so that pairs meet no store between their halves. */
function finishTile(f: FunctionBuilder, code: RowCode, { streams, mask, constants }: Rows, sums: readonly (readonly Local[])[]): void {
  const { fused, epilogue, spare, fma, steps } = code;
  const scratch: Local[] = [];
  sums.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      const vector = (index: number): void => {
        if (index === 0) f.get(sum);
        else {
          const { splat } = fused[index - 1];
          f.get(streams[index + 1]).memory(splat ? "v128.load32_splat" : "v128.load", i * steps[index + 1] + (splat ? 0 : v * 16));
        }
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
      f.get(streams[1])
        .get(sum)
        .memory("v128.store", i * steps[1] + v * 16);
    });
  });
}
