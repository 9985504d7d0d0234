import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../emit/wasm/module.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import { operandAt, spanRows, streamWord, type WinogradCode, word } from "./winograd-code.ts";
import { LineCode, spanOf } from "./winograd-lines.ts";
import { startWalk, stepWalk } from "./winograd-walk.ts";

/**
 * The source transform of some tiles: values[plane][block][tile][channel] = B^T d B, first down the columns into lines, then across.
 * Arguments: table, values, lines, first example, first tile, tiles.
 */
export const addSource = (module: ModuleBuilder, code: WinogradCode): number =>
  module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => emitSource(f, code));

function emitSource(f: FunctionBuilder, code: WinogradCode): void {
  const [table, values, lines, first, from, tiles] = f.parameters;
  const [record, target, block, blocks, source, rowStep, blockStep, plane, valueBlock] = f.locals("i32", 9);
  const cellBytes = 4 * code.from;
  f.get(table)
    .memory("i32.load", 4 * operandAt.record)
    .set(record);
  const walk = startWalk(f, {
    record,
    first,
    from,
    streams: [{ stream: 0, base: () => f.get(table).memory("i32.load", 4 * operandAt.source) }],
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

/** Code of one tile and one block, a pair of vectors after the other. */
function tileCode(f: FunctionBuilder, code: WinogradCode, line: LineCode): (places: Places) => void {
  const span = spanOf(code.form);
  const rows = spanRows(code);
  const width = code.wide ? 2 : 1;
  const cellBytes = 4 * code.from;
  const inputs = Array.from({ length: width }, () => f.locals("v128", span));
  const outputs = Array.from({ length: width }, () => f.locals("v128", span));
  const pointers = f.locals("i32", rows);
  const at = f.local("i32");
  const transform = (
    load: (i: number, offset: number) => void,
    store: (i: number, offset: number, value: Local) => void,
    byte: number,
  ): void => {
    for (let i = 0; i < span; i++)
      inputs.forEach((list, half) => {
        load(i, byte + 16 * half);
        f.set(list[i]);
      });
    inputs.forEach((list, half) => line.source(list, outputs[half]));
    for (let i = 0; i < span; i++) outputs.forEach((list, half) => store(i, byte + 16 * half, list[i]));
  };
  return ({ source, rowStep, lines, target, plane }) => {
    f.get(source).set(pointers[0]);
    for (let row = 1; row < rows; row++)
      f.get(pointers[row - 1])
        .get(rowStep)
        .op("i32.add")
        .set(pointers[row]);
    if (rows > 1) {
      for (let column = 0; column < span; column++)
        for (let byte = 0; byte < cellBytes; byte += 16 * width)
          transform(
            (row, offset) => f.get(pointers[row]).memory("v128.load", column * cellBytes + offset),
            (row, offset, value) =>
              f
                .get(lines)
                .get(value)
                .memory("v128.store", (row * span + column) * cellBytes + offset),
            byte,
          );
    }
    // planes go down the columns: each row begins one plane later and goes on by a whole column
    const columnPlanes = f.local("i32");
    f.get(plane).i32(rows).op("i32.mul").set(columnPlanes);
    for (let row = 0; row < rows; row++) {
      for (let byte = 0; byte < cellBytes; byte += 16 * width) {
        f.get(target).get(plane).i32(row).op("i32.mul", "i32.add").set(at);
        let reached = 0;
        transform(
          (column, offset) =>
            rows > 1
              ? f.get(lines).memory("v128.load", (row * span + column) * cellBytes + offset)
              : f.get(pointers[0]).memory("v128.load", column * cellBytes + offset),
          (column, offset, value) => {
            for (; reached < column; reached++) f.get(at).get(columnPlanes).op("i32.add").set(at);
            f.get(at).get(value).memory("v128.store", offset);
          },
          byte,
        );
      }
    }
  };
}
