import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { type Constants, emitExpression, hoistConstants } from "../../expression/print-wasm.ts";
import { takeLarger } from "../../pool.ts";
import { fusedStream, movingOf, operandAt, planesOf, streamWord, tileRows, type WinogradCode, word } from "./code.ts";
import { LineCode, spanOf, tileOf } from "./lines.ts";
import { startWalk, stepWalk, type Walk } from "./walk.ts";

/**
 * The result transform of some tiles of a slice and one result block: result[cell] = epilogue(A^T products A), first down the columns into
 * lines, then across. Where cells are pooled, rows after the first of a window, and `further` slices, are compared with what is stored.
 * Arguments: table, products, lines, first example, first tile, tiles, result block, slice.
 */
export const addResult = (module: ModuleBuilder, code: WinogradCode, further = false): number =>
  module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => emitResult(f, code, further));

/** What the epilogue reads beside the sum. */
interface Surroundings {
  readonly walk: Walk;
  /** By fused operand: its fixed pointer, or its place among the walk's streams. */
  readonly fixed: readonly (Local | null)[];
  readonly moving: readonly number[];
  readonly mask: Local;
  readonly constants: Constants;
}

function emitResult(f: FunctionBuilder, code: WinogradCode, further: boolean): void {
  const [, products, lines, , , tiles] = f.parameters;
  const [record, lastColumn, lastLine, rows, plane] = f.locals("i32", 5);
  f.get(f.parameters[0])
    .memory("i32.load", 4 * operandAt.record)
    .set(record);
  word(f, record, "productPlane").set(plane);
  const around = surround(f, code, record);
  const { walk } = around;
  f.get(walk.across).i32(1).op("i32.sub").set(lastColumn);
  f.get(walk.downs).i32(1).op("i32.sub").set(lastLine);
  const line = new LineCode(f, code.form, code.fma, "result");
  const columns = columnCode(f, code, line);
  const cells = tileCode(f, code, line, { record, further, ...around });
  f.loop((next) => {
    if (code.rank > 1) columns(products, plane, lines);
    f.i32(tileRows(code));
    word(f, record, "lastRows").get(walk.line).get(lastLine).op("i32.ne", "select").set(rows);
    const source = { lines, products, plane, rows };
    if (code.rest === 0) cells(source, tileOf(code.form));
    else {
      f.get(walk.column).get(lastColumn).op("i32.ne");
      f.if(
        () => cells(source, tileOf(code.form)),
        () => cells(source, code.rest),
      );
    }
    stepWalk(f, walk);
    advance(f, products, 4 * code.lanes);
    f.get(tiles).i32(1).op("i32.sub").tee(tiles).branchIf(next);
  });
}

/** Sets all pointers to the first tile, and the mask to that of the block. */
function surround(f: FunctionBuilder, code: WinogradCode, record: Local): Surroundings {
  const [table, , , first, from, , block, slice] = f.parameters;
  const mask = f.local("i32");
  const moving = movingOf(code);
  const address = (position: number, stream: number): void => {
    f.get(table)
      .memory("i32.load", 4 * position)
      .get(block);
    streamWord(f, record, stream, "block").op("i32.mul", "i32.add");
  };
  const kept = code.pool.slices > 1 ? f.local("i32") : slice;
  if (kept !== slice) f.get(slice).i32(code.pool.slices).op("i32.div_u").set(kept);
  const streams = [
    { stream: 1, slice: kept, base: () => address(operandAt.result, 1) },
    ...moving.map((i) => ({ stream: fusedStream(i), slice, base: () => address(operandAt.fused + i, fusedStream(i)) })),
  ];
  const walk = startWalk(f, { record, first, from, streams });
  const fixed = code.fused.map(({ moves }, i) => {
    if (moves) return null;
    const pointer = f.local("i32");
    address(operandAt.fused + i, fusedStream(i));
    f.set(pointer);
    return pointer;
  });
  if (code.spare) {
    word(f, record, "mask").get(record).op("i32.add").set(mask);
    f.get(mask)
      .i32(4 * code.lanes)
      .op("i32.add")
      .get(mask)
      .get(block)
      .i32(1)
      .op("i32.add");
    word(f, record, "blocks").op("i32.eq", "select").set(mask);
  }
  const constants = code.epilogue === null ? new Map() : hoistConstants(f, code.epilogue, code.fma);
  return { walk, fixed, moving, mask, constants };
}

/** Bytes of a column of lines, which go down the columns as the planes do. */
const lineBytes = (code: WinogradCode): number => 4 * code.lanes * spanOf(code.form);

/** The first transform: every column of products becomes a column of lines. */
function columnCode(f: FunctionBuilder, code: WinogradCode, line: LineCode): (products: Local, plane: Local, lines: Local) => void {
  const [span, tile] = [spanOf(code.form), tileOf(code.form)];
  const width = code.wide ? 2 : 1;
  const inputs = Array.from({ length: width }, () => f.locals("v128", span));
  const outputs = Array.from({ length: width }, () => f.locals("v128", tile));
  const at = f.local("i32");
  return (products, plane, lines) => {
    for (let byte = 0; byte < 4 * code.lanes; byte += 16 * width) {
      f.get(products).set(at);
      for (let column = 0; column < span; column++) {
        for (let row = 0; row < span; row++) {
          inputs.forEach((list, half) =>
            f
              .get(at)
              .memory("v128.load", byte + 16 * half)
              .set(list[row]),
          );
          if (column * span + row < planesOf(code) - 1) f.get(at).get(plane).op("i32.add").set(at);
        }
        inputs.forEach((list, half) => line.result(list, outputs[half]));
        for (let row = 0; row < tile; row++)
          outputs.forEach((list, half) =>
            f
              .get(lines)
              .get(list[row])
              .memory("v128.store", row * lineBytes(code) + column * 4 * code.lanes + byte + 16 * half),
          );
      }
    }
  };
}

interface RowSource {
  readonly lines: Local;
  readonly products: Local;
  readonly plane: Local;
  /** Rows of this tile; run down to 0. */
  readonly rows: Local;
}

/** Where the code of a row stands. */
interface RowPlace {
  /** Line to read, or plane of products when there is one axis. */
  readonly at: Local;
  readonly target: Local;
  /** A pointer for each column of every moving operand. */
  readonly pointers: readonly (readonly Local[])[];
}

/** The second transform of a tile, row by row, with epilogue and stores of so many columns. */
function tileCode(
  f: FunctionBuilder,
  code: WinogradCode,
  line: LineCode,
  around: Surroundings & { readonly record: Local; readonly further: boolean },
): (source: RowSource, columns: number) => void {
  const [at, target] = f.locals("i32", 2);
  const pointers = around.moving.map(() => f.locals("i32", tileOf(code.form)));
  const steps = (name: "row" | "cell"): Local[] =>
    [1, ...around.moving.map(fusedStream)].map((stream) => {
      const step = f.local("i32");
      streamWord(f, around.record, stream, name).set(step);
      return step;
    });
  const [rowSteps, cellSteps] = [steps("row"), steps("cell")];
  const move = (pointer: Local, step: Local): void => void f.get(pointer).get(step).op("i32.add").set(pointer);
  const row = rowCode(f, code, line, around, { at, target, pointers });
  return ({ lines, products, plane, rows }, columns) => {
    f.get(around.walk.streams[0].at).set(target);
    pointers.forEach((list, i) => {
      f.get(around.walk.streams[1 + i].at).set(list[0]);
      for (let column = 1; column < columns; column++)
        f.get(list[column - 1])
          .get(cellSteps[1 + i])
          .op("i32.add")
          .set(list[column]);
    });
    if (code.rank === 1) {
      row(columns, { products, plane, further: around.further });
      return;
    }
    f.get(lines).set(at);
    f.loop((again) => {
      for (let own = 0; own < code.pool.rows; own++) {
        row(columns, { products: null, plane, further: around.further || own > 0 });
        advance(f, at, lineBytes(code));
        pointers.forEach((list, i) => {
          for (const pointer of list.slice(0, columns)) move(pointer, rowSteps[1 + i]);
        });
      }
      move(target, rowSteps[0]);
      f.get(rows).i32(code.pool.rows).op("i32.sub").tee(rows).branchIf(again);
    });
  };
}

interface Row {
  /** Read in place of lines when there is one axis. */
  readonly products: Local | null;
  readonly plane: Local;
  /** Windows began in an earlier row or slice: what is stored of them counts. */
  readonly further: boolean;
}

/** Code of one row, a pair of vectors after the other; from the products themselves when there is one axis. */
function rowCode(
  f: FunctionBuilder,
  code: WinogradCode,
  line: LineCode,
  around: Surroundings,
  { at, target, pointers }: RowPlace,
): (columns: number, row: Row) => void {
  const [span, tile] = [spanOf(code.form), tileOf(code.form)];
  const width = code.wide ? 2 : 1;
  const cellBytes = 4 * code.lanes;
  const inputs = Array.from({ length: width }, () => f.locals("v128", span));
  const outputs = Array.from({ length: width }, () => f.locals("v128", tile));
  const scratch: Local[] = [];
  const finish = (sum: Local, column: number, offset: number): void => {
    const vector = (index: number): void => {
      const own = index - 1;
      if (index === 0) f.get(sum);
      else
        f.get(around.fixed[own] ?? pointers[around.moving.indexOf(own)][column]).memory(
          code.fused[own].splat ? "v128.load32_splat" : "v128.load",
          code.fused[own].splat ? 0 : offset,
        );
    };
    if (code.epilogue === null) f.get(sum);
    else emitExpression(f, code.epilogue, { vector, fma: code.fma, constants: around.constants, scratch });
    if (code.spare) f.get(around.mask).memory("v128.load", offset).op("v128.and");
    f.set(sum);
  };
  const stored = f.locals("v128", width * tile);
  return (columns, { products, plane, further }) => {
    for (let byte = 0; byte < cellBytes; byte += 16 * width) {
      if (products !== null) f.get(products).set(at);
      for (let column = 0; column < span; column++) {
        inputs.forEach((list, half) =>
          f
            .get(at)
            .memory("v128.load", (products === null ? column * cellBytes : 0) + byte + 16 * half)
            .set(list[column]),
        );
        if (products !== null && column < span - 1) f.get(at).get(plane).op("i32.add").set(at);
      }
      inputs.forEach((list, half) => line.result(list, outputs[half]));
      // epilogues before stores: the halves of a pair have to stand together
      const cells = Array.from({ length: columns }, (_, column) =>
        outputs.map((list, half) => ({ value: list[column], column, half })),
      ).flat();
      for (const { value, column, half } of cells) finish(value, column, byte + 16 * half);
      storeWindows(f, code, outputs, { target, stored, columns, byte, further });
    }
  };
}

interface Windows {
  readonly target: Local;
  /** Hold what is stored of windows that began before. */
  readonly stored: readonly Local[];
  /** Columns of the row, and where its vectors stand in a cell. */
  readonly columns: number;
  readonly byte: number;
  readonly further: boolean;
}

/** Stores the largest cell of every window of a row: every cell where windows have one. All are known before the first is stored. */
function storeWindows(
  f: FunctionBuilder,
  { pool, lanes }: WinogradCode,
  outputs: readonly (readonly Local[])[],
  { target, stored, columns, byte, further }: Windows,
): void {
  const windows = Array.from({ length: columns / pool.cells }, (_, window) =>
    outputs.map((cells, half) => ({ cells, window, half })),
  ).flat();
  const place = (window: number, half: number): number => 4 * lanes * window + byte + 16 * half;
  const largest = windows.map(({ cells, window, half }, i) => {
    const first = window * pool.cells;
    const best = further ? stored[i] : cells[first];
    if (further) f.get(target).memory("v128.load", place(window, half)).set(best);
    for (let own = further ? 0 : 1; own < pool.cells; own++) takeLarger(f, best, cells[first + own]);
    return best;
  });
  windows.forEach(({ window, half }, i) => {
    f.get(target).get(largest[i]).memory("v128.store", place(window, half));
  });
}
