import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import type { OperandRef, Routine, StepSpec } from "../../contract.ts";
import { planesOf, type WinogradCode } from "./code.ts";
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

/** The step that transforms a packed kernel, one chunk for each result block: G g G^T for every pair of channels. Rows beyond the last channel become zero. */
export function kernelStep(
  code: WinogradCode,
  tier: string,
  blocks: number,
  operands: { packed: OperandRef; transformed: OperandRef; record: OperandRef },
): StepSpec {
  const key = `grid-linear winograd kernel | ${code.form.points.join(",")} ${code.rank}d x${code.lanes} | ${tier}`;
  const routine: Routine = { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitKernel(f, code)) };
  return { routine, operands: [operands.packed, operands.transformed, operands.record], chunks: { each: blocks, group: 0 } };
}

function emitKernel(f: FunctionBuilder, code: WinogradCode): void {
  const [table, chunk, end] = f.parameters;
  const [packed, transformed, record, source, target, tapBytes, plane, left, start, rest, tap] = f.locals("i32", 11);
  const cellBytes = 4 * code.lanes;
  const word = (name: (typeof words)[number]): FunctionBuilder => f.get(record).memory("i32.load", 4 * words.indexOf(name));
  [packed, transformed, record].forEach((local, i) =>
    f
      .get(table)
      .memory("i32.load", 4 * i)
      .set(local),
  );
  const line = new LineCode(f, code.form, code.fma, "kernel");
  const transform = channelCode(f, code, line);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(packed).get(chunk);
      word("packedBytes").op("i32.mul", "i32.add").set(source);
      word("rows").i32(cellBytes).op("i32.mul").set(tapBytes);
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
      word("taps").set(tap);
      f.loop((onward) => {
        word("channels").set(left);
        f.loop((again) => {
          transform(source, tapBytes, target, plane);
          advance(f, source, cellBytes);
          advance(f, target, cellBytes);
          f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
        });
        word("rows");
        word("channels").op("i32.sub").tee(left);
        f.if(() =>
          f.loop((again) => {
            emitZeros(f, code, target, plane);
            advance(f, source, cellBytes);
            advance(f, target, cellBytes);
            f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
          }),
        );
        // the channels of one tap are behind
        f.get(source)
          .get(tapBytes)
          .i32(3 ** code.rank - 1)
          .op("i32.mul", "i32.add")
          .set(source);
        f.get(tap).i32(1).op("i32.sub").tee(tap).branchIf(onward);
      });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** Code of one channel and all lanes of a block; everything between the transforms stays in locals. */
function channelCode(
  f: FunctionBuilder,
  code: WinogradCode,
  line: LineCode,
): (source: Local, tapBytes: Local, target: Local, plane: Local) => void {
  const span = spanOf(code.form);
  const rows = code.rank === 1 ? 1 : span;
  const width = code.wide ? 2 : 1;
  const halves = Array.from({ length: width }, () => ({
    taps: f.locals("v128", 3),
    columns: Array.from({ length: 3 }, () => f.locals("v128", rows)),
    values: f.locals("v128", span),
  }));
  const [at, columnPlanes] = f.locals("i32", 2);
  return (source, tapBytes, target, plane) => {
    f.get(plane).i32(rows).op("i32.mul").set(columnPlanes);
    for (let byte = 0; byte < 4 * code.lanes; byte += 16 * width) {
      for (let column = 0; column < 3; column++) {
        for (let row = 0; row < (rows === 1 ? 1 : 3); row++) {
          f.get(source)
            .get(tapBytes)
            .i32(row * 3 + column)
            .op("i32.mul", "i32.add")
            .set(at);
          halves.forEach(({ taps, columns }, half) =>
            f
              .get(at)
              .memory("v128.load", byte + 16 * half)
              .set(rows === 1 ? columns[column][0] : taps[row]),
          );
        }
        if (rows > 1) for (const { taps, columns } of halves) line.kernel(taps, columns[column]);
      }
      for (let row = 0; row < rows; row++) {
        for (const { columns, values } of halves)
          line.kernel(
            columns.map((column) => column[row]),
            values,
          );
        f.get(target).get(plane).i32(row).op("i32.mul", "i32.add").set(at);
        for (let column = 0; column < span; column++) {
          halves.forEach(({ values }, half) =>
            f
              .get(at)
              .get(values[column])
              .memory("v128.store", byte + 16 * half),
          );
          f.get(at).get(columnPlanes).op("i32.add").set(at);
        }
      }
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
