import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import type { Routine } from "../../contract.ts";
import type { Placement } from "../../layout.ts";
import { takeLarger } from "../../pool.ts";
import { atMost } from "../dense/chunks.ts";
import { roundUp } from "../gather.ts";
import { countDown } from "../tiles/panel.ts";
import { emitShare } from "../tiles/share.ts";
import { takeSlot } from "../tiles/slots.ts";
import { firstFused, type GatherCode, panelsOperand, recordOperand, resultOperand, sourceOperand } from "./code.ts";
import type { Cut } from "./cut.ts";
import { buildGather, printCode } from "./gather-routine.ts";

/**
 * Convolution with the largest cells of windows: a band of cells at a time goes to a slot of the scratch, by the routine of the cells, and its
 * windows from there to the output. Windows have a function of their own, since what does not pack would spoil the tiles.
 */
export interface BandCode {
  readonly gather: GatherCode;
  readonly bands: Bands;
  /** More chunks than slots: threads take one that is free. */
  readonly marked: boolean;
}

/** A band is `windows` (the last of a row may have fewer) by `rows` by one window; so many bands lie along each of the last three axes. */
export interface Bands {
  /** Extents of a window on the last three axes, the last axis last. */
  readonly extents: readonly number[];
  readonly windows: number;
  readonly lastWindows: number;
  readonly rows: number;
  readonly segments: number;
  readonly lines: number;
  readonly planes: number;
}

/** Bytes from band to band of an operand. */
export interface BandStream {
  readonly example: number;
  readonly segment: number;
  readonly line: number;
  readonly plane: number;
}

/** Numbers of the record: chunks, bands, then bytes in the output to its first cell, from block to block and from row to row. */
// biome-ignore format: one row per kind
const words = [
  "each", "group", "partDivide", "parts", "runDivide", "runs", "run", "blocks", "slots",
  "segments", "lines", "planes", "windows", "lastWindows", "rows",
  "origin", "block", "row",
] as const;

type BandWord = (typeof words)[number];

const streamNames = ["example", "segment", "line", "plane"] as const;

export function bandRecord({ bands }: BandCode, cut: Cut, output: Placement, streams: readonly BandStream[], slots: number): Int32Array {
  const runs = Math.ceil(output.blocks / cut.run);
  const { segments, lines, planes, windows, lastWindows, rows } = bands;
  const values: Record<BandWord, number> = {
    each: runs * cut.parts,
    group: cut.group,
    partDivide: cut.blocksInner ? runs : 1,
    parts: cut.parts,
    runDivide: cut.blocksInner ? 1 : cut.parts,
    runs,
    run: cut.run,
    blocks: output.blocks,
    slots,
    ...{ segments, lines, planes, windows, lastWindows, rows },
    origin: 4 * output.origin,
    block: 4 * output.blockStride,
    row: 4 * (output.strides.at(-2) ?? 0),
  };
  return Int32Array.from([...words.map((name) => values[name]), ...streams.flatMap((own) => streamNames.map((name) => own[name]))]);
}

/** The table of the cells' routine stands before the band in the slot: source, panels, the band, a record, fused operands. */
const tableBytes = ({ gather }: BandCode): number => roundUp(4 * (firstFused + gather.fused.length), 64);
const rowBytes = ({ gather, bands }: BandCode): number => 4 * gather.lanes * bands.windows * bands.extents[2];
const planeBytes = (code: BandCode): number => rowBytes(code) * code.bands.rows * code.bands.extents[1];

export const slotBytes = (code: BandCode): number => tableBytes(code) + roundUp(planeBytes(code) * code.bands.extents[0], 64);

export function bandRoutine(code: BandCode, tier: string): Routine {
  const { gather, bands, marked } = code;
  const band = `${bands.extents.join("x")} in bands of ${bands.rows}x${bands.windows}${marked ? " marked" : ""}`;
  return {
    key: `grid-linear gather | ${printCode(gather)} | max pool ${band} | ${tier}`,
    build: (module) => {
      const functions = { cells: buildGather(module, gather), windows: addWindows(module, code) };
      return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, functions));
    },
  };
}

/** A function (band, target, windows, rows, bytes from row to row of the output): largest cells of the windows of a band. */
const addWindows = (module: ModuleBuilder, code: BandCode): number =>
  module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [band, target, windows, rows, step] = f.parameters;
    const { gather, bands } = code;
    const [deep, high, wide] = bands.extents;
    const cellBytes = 4 * gather.lanes;
    const [at, to, left] = f.locals("i32", 3);
    const [best, value] = [0, 1].map(() => f.locals("v128", gather.lanes / 4));
    const taps = Array.from({ length: deep * high * wide }, (_, tap) => {
      const [z, y, x] = [Math.floor(tap / (high * wide)), Math.floor(tap / wide) % high, tap % wide];
      return z * planeBytes(code) + y * rowBytes(code) + x * cellBytes;
    });
    countDown(f, rows, () => {
      f.get(band).set(at);
      f.get(target).set(to);
      f.get(windows).set(left);
      countDown(f, left, () => {
        taps.forEach((offset, tap) => {
          const into = tap === 0 ? best : value;
          into.forEach((vector, v) =>
            f
              .get(at)
              .memory("v128.load", offset + 16 * v)
              .set(vector),
          );
          if (tap > 0) best.forEach((vector, v) => takeLarger(f, vector, value[v]));
        });
        best.forEach((vector, v) =>
          f
            .get(to)
            .get(vector)
            .memory("v128.store", 16 * v),
        );
        advance(f, at, wide * cellBytes);
        advance(f, to, cellBytes);
      });
      advance(f, band, high * rowBytes(code));
      f.get(target).get(step).op("i32.add").set(target);
    });
  });

interface Functions {
  readonly cells: number;
  readonly windows: number;
}

/** What a chunk works on: result blocks from and to, bands from and to, counted from the first example. */
interface Chunk {
  readonly table: Local;
  readonly record: Local;
  readonly slot: Local;
  readonly first: Local;
  readonly block: Local;
  readonly band: Local;
}

const word = (f: FunctionBuilder, record: Local, name: BandWord): FunctionBuilder =>
  f.get(record).memory("i32.load", 4 * words.indexOf(name));

/** Positions of the operands behind the fused ones. */
const lastRecordAt = ({ gather }: BandCode): number => firstFused + gather.fused.length;
const bandRecordAt = (code: BandCode): number => lastRecordAt(code) + 1;
const scratchAt = (code: BandCode): number => lastRecordAt(code) + 2;
const marksAt = (code: BandCode): number => lastRecordAt(code) + 3;

/** Decodes chunks into result blocks and bands. */
function emitChunks(f: FunctionBuilder, code: BandCode, functions: Functions): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, slot, mark, number, first, block, lastBlock, band, lastBand, part, rest] = f.locals("i32", 11);
  const own: Chunk = { table, record, slot, first, block, band };
  const split = (divide: BandWord, count: BandWord, into: Local): void => {
    f.get(rest);
    word(f, record, divide).op("i32.div_u");
    word(f, record, count).op("i32.rem_u").set(into);
  };
  const share = (extra: number, into: Local): void => {
    f.get(part).i32(extra).op("i32.add").set(into);
    emitShare(f, rest, into, () => word(f, record, "parts"));
  };
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    operandOf(f, table, bandRecordAt(code)).set(record);
    if (code.marked)
      takeSlot(
        f,
        () => operandOf(f, table, marksAt(code)),
        () => word(f, record, "slots"),
        { mark, slot: number },
      );
    f.loop((next) => {
      startTable(f, code, own, code.marked ? number : chunk);
      f.get(chunk);
      word(f, record, "each").op("i32.rem_u").set(rest);
      split("partDivide", "parts", part);
      split("runDivide", "runs", block);
      f.get(block);
      word(f, record, "run").op("i32.mul").tee(block);
      word(f, record, "run").op("i32.add").set(lastBlock);
      atMost(f, lastBlock, () => word(f, record, "blocks"));
      f.get(chunk);
      word(f, record, "each").op("i32.div_u");
      word(f, record, "group").op("i32.mul").set(first);
      f.get(examples).get(first).op("i32.sub").set(rest);
      atMost(f, rest, () => word(f, record, "group"));
      f.get(rest);
      for (const name of ["segments", "lines", "planes"] as const) word(f, record, name).op("i32.mul");
      f.set(rest);
      share(1, lastBand);
      f.loop((again) => {
        share(0, band);
        f.get(band).get(lastBand).op("i32.lt_u");
        f.if(() =>
          f.loop((onward) => {
            emitBand(f, code, own, functions);
            f.get(band).i32(1).op("i32.add").tee(band).get(lastBand).op("i32.lt_u").branchIf(onward);
          }),
        );
        f.get(block).i32(1).op("i32.add").tee(block).get(lastBlock).op("i32.lt_s").branchIf(again);
      });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
    if (code.marked) f.get(mark).i32(0).memory("i32.atomic.store");
  });
}

const operandOf = (f: FunctionBuilder, table: Local, position: number): FunctionBuilder => f.get(table).memory("i32.load", 4 * position);

/** Begins the table of the cells' routine in the slot of that number: what does not move from band to band is copied. */
function startTable(f: FunctionBuilder, code: BandCode, { table, slot }: Chunk, number: Local): void {
  operandOf(f, table, scratchAt(code)).get(number).i32(slotBytes(code)).op("i32.mul", "i32.add").set(slot);
  const kept = code.gather.fused.flatMap(({ moves }, i) => (moves ? [] : [firstFused + i]));
  for (const position of [panelsOperand, ...kept]) storeOperand(f, slot, position, () => operandOf(f, table, position));
  storeOperand(f, slot, resultOperand, () => f.get(slot).i32(tableBytes(code)).op("i32.add"));
}

function storeOperand(f: FunctionBuilder, table: Local, position: number, address: () => void): void {
  f.get(table);
  address();
  f.memory("i32.store", 4 * position);
}

/** One band of one result block: its cells, then its windows. */
function emitBand(f: FunctionBuilder, code: BandCode, chunk: Chunk, functions: Functions): void {
  const { table, record, slot, first, block, band } = chunk;
  const [segment, line, plane, example, isLast] = f.locals("i32", 5);
  f.get(band).set(example);
  for (const [name, into] of [
    ["segments", segment],
    ["lines", line],
    ["planes", plane],
  ] as const) {
    f.get(example);
    word(f, record, name).op("i32.rem_u").set(into);
    f.get(example);
    word(f, record, name).op("i32.div_u").set(example);
  }
  f.get(example).get(first).op("i32.add").set(example);
  f.get(segment).i32(1).op("i32.add");
  word(f, record, "segments").op("i32.eq").set(isLast);
  const at = { example, segment, line, plane };
  const moved = (position: number, stream: number): void => {
    operandOf(f, table, position);
    streamNames.forEach((name, i) => {
      f.get(record)
        .memory("i32.load", 4 * (words.length + streamNames.length * stream + i))
        .get(at[name])
        .op("i32.mul", "i32.add");
    });
  };
  storeOperand(f, slot, sourceOperand, () => moved(sourceOperand, 0));
  code.gather.fused.forEach(({ moves }, i) => {
    if (moves) storeOperand(f, slot, firstFused + i, () => moved(firstFused + i, 2 + i));
  });
  const choose = (last: () => void, other: () => void): void => {
    last();
    other();
    f.get(isLast).op("select");
  };
  storeOperand(f, slot, recordOperand, () =>
    choose(
      () => operandOf(f, table, lastRecordAt(code)),
      () => operandOf(f, table, recordOperand),
    ),
  );
  f.get(slot).get(block).get(block).i32(1).op("i32.add").i32(1).call(functions.cells);
  f.get(slot).i32(tableBytes(code)).op("i32.add");
  moved(resultOperand, 1);
  word(f, record, "origin").op("i32.add").get(block);
  word(f, record, "block").op("i32.mul", "i32.add");
  choose(
    () => word(f, record, "lastWindows"),
    () => word(f, record, "windows"),
  );
  word(f, record, "rows");
  word(f, record, "row").call(functions.windows);
}
