import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { emitExpression, hoistConstants } from "../../expression/print-wasm.ts";
import { largestDivisor } from "../tiles/outer.ts";
import { countDown, type FftCode, scratchBytes, tableAt, tileWord, word } from "./code.ts";
import { addLines } from "./lines.ts";
import { VectorCode } from "./vectors.ts";

/** Bytes of lines that are transformed together, so that all stages find them in the first cache. */
const stripBytes = 20 * 1024;

/** The transforms of the three axes in one direction; null where there is one cell. */
interface Axes {
  readonly lines: readonly (number | null)[];
  /** Transforms an axis of a plane, or of all planes when it is axis 0. */
  readonly strips: (f: FunctionBuilder, axis: 0 | 1, base: Local, roots: Local) => void;
}

function axesOf(module: ModuleBuilder, code: FftCode, inverse: boolean): Axes {
  const { cell, row, plane } = scratchBytes(code);
  const [planes, rows, cells] = code.sizes;
  const lengths = [planes, rows, cells / 2];
  const lines = [plane, row, 2 * cell].map((pitch, axis) =>
    lengths[axis] > 1 ? addLines(module, code, lengths[axis], pitch, inverse) : null,
  );
  return {
    lines,
    strips: (f, axis, base, roots) => {
      const index = lines[axis];
      if (index === null) return;
      const beside = (axis === 0 ? rows : 1) * (cells / 2);
      const strip = largestDivisor(beside, Math.max(1, Math.floor(stripBytes / (lengths[axis] * 2 * cell))));
      const [at, left] = f.locals("i32", 2);
      f.get(base).set(at);
      f.i32(beside / strip).set(left);
      countDown(f, left, () => {
        f.get(at).i32(strip).get(roots).call(index);
        advance(f, at, strip * 2 * cell);
      });
    },
  };
}

/** Copies cells of one line, which lie `pitch` bytes apart, `spread` cells apart. Arguments: from, to, cells, pitch. */
const addCopy = (module: ModuleBuilder, code: FftCode, spread: number): number =>
  module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [from, to, count, pitch] = f.parameters;
    const v = new VectorCode(f, code);
    countDown(f, count, () => {
      v.store(to, 0, v.load(from, 0));
      v.write();
      f.get(from).get(pitch).op("i32.add").set(from);
      advance(f, to, spread * v.cellBytes);
    });
  });

/** Sets cells to zero. Arguments: address, pairs of cells. */
const addClear = (module: ModuleBuilder, code: FftCode): number =>
  module.function(["i32", "i32"], [], (f) => {
    const [at, count] = f.parameters;
    const zeros = f.locals("v128", code.lanes / 4);
    for (const zero of zeros) f.f32x4(0).set(zero);
    const v = new VectorCode(f, code);
    countDown(f, count, () => {
      v.storeComplex(at, 0, [zeros, zeros]);
      v.write();
      advance(f, at, 2 * v.cellBytes);
    });
  });

/**
 * Copies the cells of a tile into the scratch, zeros around them, and transforms it.
 * Arguments: source, scratch, tile, record, bytes from cell to cell, from row to row and from plane to plane of the source.
 */
export function addForward(module: ModuleBuilder, code: FftCode, spread: FftCode["spread"]): number {
  const { lines, strips } = axesOf(module, code, false);
  const [copy, clear] = [addCopy(module, code, spread[2]), addClear(module, code)];
  const { cell, row, plane } = scratchBytes(code);
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [source, scratch, tile, record, cellPitch, rowPitch, planePitch] = f.parameters;
    const [planes, rows, from, to, first, roots] = f.locals("i32", 6);
    tileWord(f, tile, "partial");
    f.if(
      () =>
        void f
          .get(scratch)
          .i32((code.sizes[0] * code.sizes[1] * code.sizes[2]) / 2)
          .call(clear),
    );
    tileWord(f, tile, "offset").get(source).op("i32.add").set(source);
    f.get(scratch);
    tileWord(f, tile, "start0").i32(plane).op("i32.mul", "i32.add").set(first);
    tileWord(f, tile, "count0").tee(planes);
    f.if(() =>
      countDown(f, planes, () => {
        f.get(first);
        tileWord(f, tile, "start1").i32(row).op("i32.mul", "i32.add").set(to);
        f.get(source).set(from);
        tileWord(f, tile, "count1").set(rows);
        countDown(f, rows, () => {
          f.get(from).get(to);
          tileWord(f, tile, "start2").i32(cell).op("i32.mul", "i32.add");
          tileWord(f, tile, "count2").get(cellPitch).call(copy);
          if (lines[2] !== null) {
            f.get(to).i32(1);
            tableAt(f, record, "roots2").call(lines[2]);
          }
          f.get(from).get(rowPitch).op("i32.add").set(from);
          advance(f, to, spread[1] * row);
        });
        tableAt(f, record, "roots1").set(roots);
        strips(f, 1, first, roots);
        f.get(source).get(planePitch).op("i32.add").set(source);
        advance(f, first, spread[0] * plane);
      }),
    );
    tableAt(f, record, "roots0").set(roots);
    strips(f, 0, scratch, roots);
  });
}

/**
 * Stores a row of results. Arguments: scratch, target, cells, mask, bytes from cell to cell of the target, then pointer and bytes from cell
 * to cell of every fused operand.
 */
function addFinish(module: ModuleBuilder, code: FftCode): number {
  const fused = code.fused.flatMap(() => ["i32", "i32"] as const);
  return module.function(["i32", "i32", "i32", "i32", "i32", ...fused], [], (f) => {
    const [source, target, count, mask, cell, ...operands] = f.parameters;
    const constants = code.epilogue === null ? new Map() : hoistConstants(f, code.epilogue, code.fma);
    const v = new VectorCode(f, code);
    const scratch: Local[] = [];
    const sum = f.locals("v128", code.lanes / 4);
    countDown(f, count, () => {
      sum.forEach((local, half) => {
        f.get(source)
          .memory("v128.load", 16 * half)
          .set(local);
      });
      sum.forEach((local, half) => {
        const vector = (index: number): void => {
          if (index === 0) f.get(local);
          else if (code.fused[index - 1].splat) f.get(operands[2 * (index - 1)]).memory("v128.load32_splat");
          else f.get(operands[2 * (index - 1)]).memory("v128.load", 16 * half);
        };
        if (code.epilogue === null) f.get(local);
        else emitExpression(f, code.epilogue, { vector, fma: code.fma, constants, scratch });
        if (code.spare)
          f.get(mask)
            .memory("v128.load", 16 * half)
            .op("v128.and");
        f.set(local);
      });
      v.store(target, 0, sum);
      v.write();
      advance(f, source, code.keep[2] * v.cellBytes);
      f.get(target).get(cell).op("i32.add").set(target);
      code.fused.forEach(
        (_, i) =>
          void f
            .get(operands[2 * i])
            .get(operands[2 * i + 1])
            .op("i32.add")
            .set(operands[2 * i]),
      );
    });
  });
}

/**
 * Transforms the scratch back and stores the whole sums of a tile through the epilogue. Arguments: scratch, tile, record, mask, then for the
 * result and every fused operand: address of the tile's first cell, and bytes from cell to cell, row to row and plane to plane.
 */
export function addInverse(module: ModuleBuilder, code: FftCode): number {
  const { lines, strips } = axesOf(module, code, true);
  const finish = addFinish(module, code);
  const streams = [0, ...code.fused];
  return module.function(["i32", "i32", "i32", "i32", ...streams.flatMap(() => ["i32", "i32", "i32", "i32"] as const)], [], (f) => {
    const [scratch, tile, record, mask] = f.parameters;
    const own = streams.map((_, i) => f.parameters.slice(4 + 4 * i, 8 + 4 * i));
    const { row, plane } = scratchBytes(code);
    const [roots, planes, rows, first, line] = f.locals("i32", 5);
    const rowsAt = f.locals("i32", streams.length);
    const move = (step: 2 | 3, pointers: readonly Local[]): void =>
      pointers.forEach((pointer, i) => void f.get(pointer).get(own[i][step]).op("i32.add").set(pointer));
    tableAt(f, record, "roots0").set(roots);
    strips(f, 0, scratch, roots);
    f.get(scratch);
    word(f, record, "firstPlane").op("i32.add").set(first);
    tileWord(f, tile, "cells0").set(planes);
    countDown(f, planes, () => {
      tableAt(f, record, "roots1").set(roots);
      strips(f, 1, first, roots);
      f.get(first);
      word(f, record, "firstRow").op("i32.add").set(line);
      own.forEach(([at], i) => void f.get(at).set(rowsAt[i]));
      tileWord(f, tile, "cells1").set(rows);
      countDown(f, rows, () => {
        if (lines[2] !== null) {
          f.get(line).i32(1);
          tableAt(f, record, "roots2").call(lines[2]);
        }
        f.get(line);
        word(f, record, "firstCell").op("i32.add").get(rowsAt[0]);
        tileWord(f, tile, "cells2").get(mask).get(own[0][1]);
        code.fused.forEach((_, i) => void f.get(rowsAt[i + 1]).get(own[i + 1][1]));
        f.call(finish);
        move(2, rowsAt);
        advance(f, line, code.keep[1] * row);
      });
      move(
        3,
        own.map(([at]) => at),
      );
      advance(f, first, code.keep[0] * plane);
    });
  });
}
