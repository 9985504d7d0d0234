import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { operandAt, spanRows, streamWord, type WinogradCode, word } from "./code.ts";
import { LineCode, spanOf } from "./lines.ts";
import { startWalk, stepWalk } from "./walk.ts";

/**
 * The source transform of some tiles of a slice: values[plane][block][tile][channel] = B^T d B, first down the columns into lines, then across.
 * Arguments: table, values, lines, first example, first tile, tiles, slice.
 */
export const addSource = (module: ModuleBuilder, code: WinogradCode): number =>
  module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => emitSource(f, code));

function emitSource(f: FunctionBuilder, code: WinogradCode): void {
  const [table, values, lines, first, from, tiles, slice] = f.parameters;
  const [record, target, block, blocks, source, rowStep, blockStep, plane, valueBlock] = f.locals("i32", 9);
  const cellBytes = 4 * code.from;
  f.get(table)
    .memory("i32.load", 4 * operandAt.record)
    .set(record);
  const walk = startWalk(f, {
    record,
    first,
    from,
    streams: [{ stream: 0, slice, base: () => f.get(table).memory("i32.load", 4 * operandAt.source) }],
  });
  streamWord(f, record, 0, "row").set(rowStep);
  streamWord(f, record, 0, "block").set(blockStep);
  word(f, record, "sourceBlocks").set(blocks);
  word(f, record, "valuePlane").set(plane);
  word(f, record, "valueBlock").set(valueBlock);
  const line = new LineCode(f, code.form, code.fma, "source");
  const tile = tileCode(f, code, line);
  f.loop((next) => {
    f.get(walk.streams[0].at).set(source);
    f.get(values).set(target);
    f.get(blocks).set(block);
    f.loop((again) => {
      tile({ source, rowStep, lines, target, plane });
      f.get(source).get(blockStep).op("i32.add").set(source);
      f.get(target).get(valueBlock).op("i32.add").set(target);
      f.get(block).i32(1).op("i32.sub").tee(block).branchIf(again);
    });
    stepWalk(f, walk);
    advance(f, values, cellBytes);
    f.get(tiles).i32(1).op("i32.sub").tee(tiles).branchIf(next);
  });
}

interface Places {
  readonly source: Local;
  readonly rowStep: Local;
  readonly lines: Local;
  readonly target: Local;
  readonly plane: Local;
}

/** Transforms one line of vectors `byte` bytes into their cells: `load` pushes source cell i, `store` stores value i. */
type Transform = (
  byte: number,
  load: (i: number, offset: number) => void,
  store: (i: number, offset: number, value: Local) => void,
) => void;

function lineTransform(f: FunctionBuilder, code: WinogradCode, line: LineCode): Transform {
  const span = spanOf(code.form);
  const halves = Array.from({ length: code.wide ? 2 : 1 }, (_, half) => ({
    at: 16 * half,
    cells: f.locals("v128", span),
    values: f.locals("v128", span),
  }));
  return (byte, load, store) => {
    for (let i = 0; i < span; i++)
      for (const { at, cells } of halves) {
        load(i, byte + at);
        f.set(cells[i]);
      }
    for (const { cells, values } of halves) line.source(cells, values);
    for (let i = 0; i < span; i++) for (const { at, values } of halves) store(i, byte + at, values[i]);
  };
}

/** Code of one tile and one block, a pair of vectors after the other. */
function tileCode(f: FunctionBuilder, code: WinogradCode, line: LineCode): (places: Places) => void {
  const [span, rows] = [spanOf(code.form), spanRows(code)];
  const cellBytes = 4 * code.from;
  const bytes = Array.from({ length: cellBytes / (code.wide ? 32 : 16) }, (_, i) => i * (code.wide ? 32 : 16));
  const pointers = f.locals("i32", rows);
  const [at, columnPlanes] = f.locals("i32", 2);
  const transform = lineTransform(f, code, line);
  const lineOffset = (row: number, column: number): number => (row * span + column) * cellBytes;
  return ({ source, rowStep, lines, target, plane }) => {
    f.get(source).set(pointers[0]);
    for (let row = 1; row < rows; row++)
      f.get(pointers[row - 1])
        .get(rowStep)
        .op("i32.add")
        .set(pointers[row]);
    const cell = (row: number, column: number, offset: number): void =>
      void f.get(pointers[row]).memory("v128.load", column * cellBytes + offset);
    for (let column = 0; column < span && rows > 1; column++)
      for (const byte of bytes)
        transform(
          byte,
          (row, offset) => cell(row, column, offset),
          (row, offset, value) =>
            f
              .get(lines)
              .get(value)
              .memory("v128.store", lineOffset(row, column) + offset),
        );
    // planes go down the columns: each row begins one plane later and goes on by a whole column
    f.get(plane).i32(rows).op("i32.mul").set(columnPlanes);
    for (let row = 0; row < rows; row++)
      for (const byte of bytes) {
        f.get(target).get(plane).i32(row).op("i32.mul", "i32.add").set(at);
        let reached = 0;
        transform(
          byte,
          (column, offset) => (rows > 1 ? f.get(lines).memory("v128.load", lineOffset(row, column) + offset) : cell(0, column, offset)),
          (column, offset, value) => {
            for (; reached < column; reached++) f.get(at).get(columnPlanes).op("i32.add").set(at);
            f.get(at).get(value).memory("v128.store", offset);
          },
        );
      }
  };
}
