import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type { OperandRef, Routine, StepSpec } from "../../contract.ts";
import { planesOf, spanRows, type WinogradCode } from "./code.ts";
import { LineCode, spanOf } from "./lines.ts";

/**
 * Where the packed kernel [block][outer tap][tap][channel][lane] and the transformed one
 * [pass][plane][block of the pass][outer tap][channel][lane] lie. Outer taps are those of the axis that is not transformed.
 */
export interface KernelGeometry {
  readonly blocks: number;
  readonly passBlocks: number;
  /** Outer taps. */
  readonly taps: number;
  /** Source channels, and those that whole source blocks have. */
  readonly channels: number;
  readonly rows: number;
  /** Bytes of the packed panel of a result block. */
  readonly packedBytes: number;
  /** Bytes of the transformed panel of a result block and a plane. */
  readonly panel: number;
}

const words = ["blocks", "passBlocks", "taps", "channels", "rows", "packedBytes", "panel"] as const;

export const kernelRecord = (geometry: KernelGeometry): Int32Array => Int32Array.from(words.map((name) => geometry[name]));

/** The step that transforms a packed kernel, one chunk for each result block. */
export function kernelStep(
  code: WinogradCode,
  tier: string,
  blocks: number,
  operands: { packed: OperandRef; transformed: OperandRef; record: OperandRef; lines: OperandRef },
): StepSpec {
  const key = `grid-linear winograd kernel | ${code.form.points.join(",")} ${code.rank}d x${code.lanes} | ${tier}`;
  const build = (module: ModuleBuilder): number => {
    const transform = addKernel(module, code);
    return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitKernel(f, code, transform));
  };
  const routine: Routine = { key, build };
  return {
    routine,
    operands: [operands.packed, operands.transformed, operands.record, operands.lines],
    chunks: { each: blocks, group: 0 },
  };
}

/** Channels that go through both transforms together, so that the second one writes to few pages at a time. */
const together = 16;

/** Bytes between the two transforms: [channel][column][row] of vectors. */
export const kernelLineBytes = (code: Pick<WinogradCode, "form" | "rank" | "lanes">): number =>
  together * 3 * spanRows(code) * 4 * code.lanes;

/**
 * The transform of one result block's kernel, or of some of its source channels: G g G^T for every pair of channels, first down the
 * columns into lines, then across; rows beyond the last channel become zero.
 * Arguments: packed kernel, target, lines, bytes of a packed tap, bytes of a plane, outer taps, channels, rows.
 */
export const addKernel = (module: ModuleBuilder, code: WinogradCode): number =>
  module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => emitBlock(f, code));

function emitBlock(f: FunctionBuilder, code: WinogradCode): void {
  const [packed, target, lines, tapBytes, plane, taps, channels, rows] = f.parameters;
  const [source, left, count] = f.locals("i32", 3);
  const cellBytes = 4 * code.lanes;
  const transform = channelCode(f, code, new LineCode(f, code.form, code.fma, "kernel"));
  f.loop((onward) => {
    f.get(packed).set(source);
    f.get(channels).set(left);
    f.loop((again) => {
      f.i32(together).get(left).i32(together).get(left).op("i32.lt_s", "select").set(count);
      transform({ source, tapBytes, lines, target, plane, count });
      for (const pointer of [source, target]) f.get(pointer).get(count).i32(cellBytes).op("i32.mul", "i32.add").set(pointer);
      f.get(left).get(count).op("i32.sub").tee(left).branchIf(again);
    });
    f.get(rows).get(channels).op("i32.sub").tee(left);
    f.if(() =>
      f.loop((again) => {
        emitZeros(f, code, target, plane);
        advance(f, target, cellBytes);
        f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
      }),
    );
    f.get(tapBytes)
      .i32(3 ** code.rank)
      .op("i32.mul")
      .get(packed)
      .op("i32.add")
      .set(packed);
    f.get(taps).i32(1).op("i32.sub").tee(taps).branchIf(onward);
  });
}

function emitKernel(f: FunctionBuilder, code: WinogradCode, transform: number): void {
  const [table, chunk, end] = f.parameters;
  const [packed, transformed, record, lines, source, target, plane, start, rest] = f.locals("i32", 9);
  const word = (name: (typeof words)[number]): FunctionBuilder => f.get(record).memory("i32.load", 4 * words.indexOf(name));
  loadWords(f, table, [packed, transformed, record, lines]);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(packed).get(chunk);
      word("packedBytes").op("i32.mul", "i32.add").set(source);
      // block `rest` of its pass, which begins at block `start` and has `plane` blocks
      f.get(chunk);
      word("passBlocks").op("i32.rem_u").set(rest);
      f.get(chunk).get(rest).op("i32.sub").set(start);
      word("blocks").get(start).op("i32.sub").tee(plane);
      word("passBlocks").get(plane);
      word("passBlocks").op("i32.lt_s", "select");
      word("panel").op("i32.mul").set(plane);
      f.get(transformed).get(start).i32(planesOf(code)).op("i32.mul").get(rest).op("i32.add");
      word("panel").op("i32.mul", "i32.add").set(target);
      f.get(source).get(target).get(lines).get(chunk).i32(kernelLineBytes(code)).op("i32.mul", "i32.add");
      word("rows")
        .i32(4 * code.lanes)
        .op("i32.mul")
        .get(plane);
      for (const name of ["taps", "channels", "rows"] as const) word(name);
      f.call(transform);
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

interface KernelPlaces {
  readonly source: Local;
  readonly tapBytes: Local;
  readonly lines: Local;
  readonly target: Local;
  readonly plane: Local;
  /** Channels: `together` at most. */
  readonly count: Local;
}

/** Registers of one half of a pair, and its bytes from the first. */
interface Half {
  readonly offset: number;
  readonly taps: readonly Local[];
  readonly values: readonly Local[];
}

/** Three taps from `from` on, `step` (or the constant `next`) apart, to the values of a line; `at` is changed. */
function transformLine(
  f: FunctionBuilder,
  line: LineCode,
  halves: readonly Half[],
  { from, at, step, next, byte }: { from: Local; at: Local; step: Local | null; next: number; byte: number },
): void {
  f.get(from).set(at);
  for (let i = 0; i < 3; i++) {
    for (const { offset, taps } of halves)
      f.get(at)
        .memory("v128.load", i * next + byte + offset)
        .set(taps[i]);
    if (step !== null && i < 2) f.get(at).get(step).op("i32.add").set(at);
  }
  for (const { taps, values } of halves) line.kernel(taps, values);
}

/** Code of some channels and all lanes of a block. */
function channelCode(f: FunctionBuilder, code: WinogradCode, line: LineCode): (places: KernelPlaces) => void {
  const [span, rows] = [spanOf(code.form), spanRows(code)];
  const width = code.wide ? 2 : 1;
  const cellBytes = 4 * code.lanes;
  const halves = Array.from(
    { length: width },
    (_, half): Half => ({
      offset: 16 * half,
      taps: f.locals("v128", 3),
      values: f.locals("v128", span),
    }),
  );
  const [from, to, at, left, step] = f.locals("i32", 5);
  const eachChannel = (count: Local, fromBytes: number, toBytes: number, one: (byte: number) => void): void => {
    f.get(count).set(left);
    f.loop((again) => {
      for (let byte = 0; byte < cellBytes; byte += 16 * width) one(byte);
      advance(f, from, fromBytes);
      advance(f, to, toBytes);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  };
  const transform = (step: Local | null, next: number, byte: number): void =>
    transformLine(f, line, halves, { from, at, step, next, byte });
  const lineBytes = 3 * rows * cellBytes;
  return ({ source, tapBytes, lines, target, plane, count }) => {
    for (let column = 0; column < 3 && rows > 1; column++) {
      f.get(source).get(tapBytes).i32(column).op("i32.mul", "i32.add").set(from);
      f.get(tapBytes).i32(3).op("i32.mul").set(step);
      f.get(lines).set(to);
      eachChannel(count, cellBytes, lineBytes, (byte) => {
        transform(step, 0, byte);
        for (let row = 0; row < rows; row++)
          for (const { offset, values } of halves)
            f.get(to)
              .get(values[row])
              .memory("v128.store", (row * 3 + column) * cellBytes + byte + offset);
      });
    }
    // planes go down the columns: each row begins one plane later and goes on by a whole column
    f.get(plane).i32(rows).op("i32.mul").set(step);
    for (let row = 0; row < rows; row++) {
      f.get(rows > 1 ? lines : source).set(from);
      if (rows > 1) advance(f, from, row * 3 * cellBytes);
      f.get(target).get(plane).i32(row).op("i32.mul", "i32.add").set(to);
      eachChannel(count, rows > 1 ? lineBytes : cellBytes, cellBytes, (byte) => {
        transform(rows > 1 ? null : tapBytes, rows > 1 ? cellBytes : 0, byte);
        f.get(to).set(at);
        for (let column = 0; column < span; column++) {
          for (const { offset, values } of halves)
            f.get(at)
              .get(values[column])
              .memory("v128.store", byte + offset);
          f.get(at).get(step).op("i32.add").set(at);
        }
      });
    }
  };
}

function emitZeros(f: FunctionBuilder, code: WinogradCode, target: Local, plane: Local): void {
  const [at, left] = f.locals("i32", 2);
  f.get(target).set(at);
  f.i32(planesOf(code)).set(left);
  f.loop((again) => {
    for (let byte = 0; byte < 4 * code.lanes; byte += 16) f.get(at).f32x4(0).memory("v128.store", byte);
    f.get(at).get(plane).op("i32.add").set(at);
    f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
  });
}
