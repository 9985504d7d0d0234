import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance, multiplyAdd } from "../../../emit/wasm/vectors.ts";
import type { Expression, Routine } from "../../contract.ts";
import { type Constants, emitExpression, hoistConstants } from "../../expression/print-wasm.ts";
import { type FusedOperand, printFused } from "../tiles/fused.ts";
import { emitShare } from "../tiles/share.ts";

/**
 * The hot routine of blocked depthwise convolution: result cells of a row, in tiles along it, each lane its own channel:
 * sum over taps of panel row * source cell. One register of lanes is done after the other, so that the panel rows of
 * neighbouring taps stay in registers and a source cell is loaded once for all of them. The record lists the rows of an
 * example with their taps, so that rows at a border do not multiply padding.
 */
export interface RowCode {
  /** Channels of a block. */
  readonly lanes: number;
  /** Lanes of a register. */
  readonly part: number;
  /** Cells of the tiles that rows consist of, largest first. */
  readonly tiles: readonly number[];
  /** What one turn of the inner loop adds to each of so many neighbouring cells, after which the pattern repeats: panel row, source byte. */
  readonly pattern: readonly (readonly RowTap[])[];
  /** Bytes from one repetition of the pattern to the next in the source, then from cell to cell in the result and the fused operands. */
  readonly steps: readonly number[];
  readonly spare: boolean;
  readonly fma: boolean;
  readonly fused: readonly FusedOperand[];
  readonly epilogue: Expression | null;
}

export interface RowTap {
  readonly line: number;
  readonly at: number;
}

/** Words of the record's head; behind them (example stride, block stride) of source, result and fused operands. */
export const rowHead = { group: 0, parts: 1, blocks: 2, rows: 3, panel: 4, mask: 5, sources: 6, words: 7 } as const;
export const streamCount = (code: RowCode): number => 2 + code.fused.length;
export const rowsAt = (code: RowCode): number => rowHead.words + 2 * streamCount(code);
/** Words of a row: its loop table (0: no taps), its first panel row, tiles of each size, byte offsets of all streams. */
export const rowWords = (code: RowCode): number => 2 + code.tiles.length + streamCount(code);

/** Operands of the routine: source, panels, result, record, then the fused ones. */
const streamOperand = (stream: number): number => (stream === 0 ? 0 : stream === 1 ? 2 : stream + 2);

export function rowRoutine(code: RowCode, tier: string): Routine {
  const pattern = code.pattern.map((taps) => taps.map(({ line, at }) => `${line}@${at}`).join("+")).join("/");
  const shape = `${code.lanes}/${code.part}x${code.tiles.join("/")} ${pattern} ${code.steps.join(":")}${code.spare ? " spare" : ""}`;
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
  /** Where the block at hand begins, for the panels and for each stream. */
  readonly bases: readonly Local[];
  readonly constants: Constants;
}

function emitRows(f: FunctionBuilder, code: RowCode): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, example, block, row, entry, mask, panel, first, left, items, from, to] = f.locals("i32", 12);
  const streams = f.locals("i32", streamCount(code));
  const bases = f.locals("i32", 1 + streams.length);
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  f.get(table).memory("i32.load", 12).set(record);
  const constants: Constants = code.epilogue === null ? new Map() : hoistConstants(f, code.epilogue, code.fma);
  const rows: Rows = { table, record, example, block, row, entry, mask, panel, streams, bases, constants };
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
    pointBlock(f, code, rows);
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
        pointBlock(f, code, rows);
      });
      f.get(from).i32(1).op("i32.add").tee(from).get(to).op("i32.lt_s").branchIf(again);
    });
  });
}

/** Sets where panels and streams begin in the block at hand, which may be one behind the last. */
function pointBlock(f: FunctionBuilder, code: RowCode, { table, record, example, block, mask, bases, streams }: Rows): void {
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  streams.forEach((_, stream) => {
    f.get(table)
      .memory("i32.load", streamOperand(stream) * 4)
      .get(example);
    word(rowHead.words + 2 * stream)
      .op("i32.mul", "i32.add")
      .get(block);
    if (stream === 0) word(rowHead.sources).op("i32.rem_u");
    word(rowHead.words + 2 * stream + 1)
      .op("i32.mul", "i32.add")
      .set(bases[1 + stream]);
  });
  f.get(table).memory("i32.load", 4).get(block);
  word(rowHead.panel).op("i32.mul", "i32.add").set(bases[0]);
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

function pointRow(f: FunctionBuilder, code: RowCode, { record, row, entry, panel, bases, streams }: Rows): void {
  f.get(record)
    .get(row)
    .i32(rowWords(code) * 4)
    .op("i32.mul", "i32.add")
    .i32(rowsAt(code) * 4)
    .op("i32.add")
    .set(entry);
  streams.forEach((pointer, stream) => {
    f.get(bases[1 + stream])
      .get(entry)
      .memory("i32.load", (2 + code.tiles.length + stream) * 4)
      .op("i32.add")
      .set(pointer);
  });
  f.get(bases[0]).get(entry).memory("i32.load", 4).op("i32.add").set(panel);
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
      // only the last tile of a row may end within the pattern
      streams.forEach((pointer, stream) => {
        advance(f, pointer, stream === 0 ? Math.ceil(cells / code.pattern.length) * code.steps[0] : cells * code.steps[stream]);
      });
      f.get(count).i32(1).op("i32.sub").tee(count).branchIf(again);
    });
  });
}

/** Registers of panel rows that one go over the source of a tile keeps. */
const heldLines = 5;

/** Cells of the largest tile: sums, panel rows and a source cell (and a product, where it is apart) fill the registers. */
export function rowTileCells(lines: number, fma: boolean): number {
  return (fma ? 14 : 13) - Math.min(lines, heldLines);
}

function emitTile(f: FunctionBuilder, code: RowCode, rows: Rows, cells: number): void {
  for (let lane = 0; lane < code.lanes; lane += code.part) emitPart(f, code, rows, cells, lane * 4);
}

/** One register of lanes of a tile; `lane` in bytes. */
function emitPart(f: FunctionBuilder, code: RowCode, rows: Rows, cells: number, lane: number): void {
  const sums = Array.from({ length: cells }, () => f.locals("v128", code.part / 4));
  const [source, row, at, step] = f.locals("i32", 4);
  for (const sum of sums.flat()) f.f32x4(0).set(sum);
  f.get(rows.entry).memory("i32.load").tee(at);
  f.if(() => {
    f.get(at).get(rows.record).op("i32.add").set(at);
    f.get(rows.streams[0]).set(source);
    f.get(rows.panel).set(row);
    f.loop((again) => {
      emitTurn(f, code, source, row, sums, lane);
      f.get(row).get(at).memory("i32.load", 4).op("i32.add").set(row);
      f.get(source).get(at).memory("i32.load").tee(step).op("i32.add").set(source);
      advance(f, at, 8);
      f.get(step).branchIf(again);
    });
  });
  finishPart(f, code, rows, sums, lane);
}

/** Every tap of a turn: some panel rows at a time are held in registers, and the source goes by once for them. */
function emitTurn(f: FunctionBuilder, code: RowCode, source: Local, row: Local, sums: readonly (readonly Local[])[], lane: number): void {
  const { pattern, steps, lanes, part } = code;
  const lines = [...new Set(pattern.flatMap((taps) => taps.map(({ line }) => line)))].sort((a, b) => a - b);
  const weights = lines.slice(0, heldLines).map(() => f.locals("v128", part / 4));
  const input = f.locals("v128", part / 4);
  for (let first = 0; first < lines.length; first += heldLines) {
    const held = lines.slice(first, first + heldLines);
    held.forEach((line, i) => {
      loadVectors(f, row, line * lanes * 4 + lane, weights[i]);
    });
    const terms = sums.flatMap((sum, cell) =>
      pattern[cell % pattern.length]
        .filter(({ line }) => held.includes(line))
        .map(({ line, at }) => ({ sum, weight: weights[held.indexOf(line)], at: Math.floor(cell / pattern.length) * steps[0] + at })),
    );
    for (const byte of [...new Set(terms.map(({ at }) => at))].sort((a, b) => a - b)) {
      loadVectors(f, source, byte + lane, input);
      for (const { sum, weight } of terms.filter(({ at }) => at === byte)) {
        sum.forEach((vector, v) => {
          multiplyAdd(
            f,
            code.fma,
            vector,
            () => f.get(input[v]),
            () => f.get(weight[v]),
          );
        });
      }
    }
  }
}

function loadVectors(f: FunctionBuilder, pointer: Local, offset: number, into: readonly Local[]): void {
  into.forEach((vector, v) => {
    f.get(pointer)
      .memory("v128.load", offset + v * 16)
      .set(vector);
  });
}

/** Epilogue of all sums first, stores last, so that pairs meet no store between their halves. */
function finishPart(
  f: FunctionBuilder,
  code: RowCode,
  { streams, mask, constants }: Rows,
  sums: readonly (readonly Local[])[],
  lane: number,
): void {
  const { fused, epilogue, spare, fma, steps } = code;
  const scratch: Local[] = [];
  sums.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      const vector = (index: number): void => {
        if (index === 0) f.get(sum);
        else {
          const { splat } = fused[index - 1];
          f.get(streams[index + 1]).memory(splat ? "v128.load32_splat" : "v128.load", i * steps[index + 1] + (splat ? 0 : lane + v * 16));
        }
      };
      if (epilogue === null) f.get(sum);
      else emitExpression(f, epilogue, { vector, fma, constants, scratch });
      if (spare)
        f.get(mask)
          .memory("v128.load", lane + v * 16)
          .op("v128.and");
      f.set(sum);
    });
  });
  sums.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      f.get(streams[1])
        .get(sum)
        .memory("v128.store", i * steps[1] + lane + v * 16);
    });
  });
}
