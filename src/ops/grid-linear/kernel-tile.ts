import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../emit/wasm/module.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import { largestDivisor, loadTile, outerStep, outerTile, storeTile } from "./outer-tile.ts";

/** Bytes from one cell, line (last axis), plane and example to the next. */
export interface Steps {
  readonly cell: number;
  readonly line: number;
  readonly plane: number;
  readonly example: number;
}

/** A tile of the kernel gradient: accumulators [rows][lanes] += sum over cells of V[row's tap and channel] * G[lanes]. */
export interface KernelTile {
  readonly rows: number;
  readonly lanes: number;
  readonly fma: boolean;
  /** Cells of a line. */
  readonly cells: number;
  readonly vectors: Steps;
  readonly splats: Steps;
  /** Where the rows' values lie: one float after the other, or at byte offsets given by a table at run time. */
  readonly rowsAt: "next" | "table";
}

/** Adds the tile's function (vectors, splats, accumulators, table, examples, planes, lines), addresses and counts >= 1, and returns its index. */
export function addKernelTile(module: ModuleBuilder, spec: KernelTile): number {
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [vectors, splats, accumulators, table, examples, planes, lines] = f.parameters;
    const tile = outerTile(f, spec.rows, spec.lanes);
    const [vectorPlane, splatPlane, vectorAt, planesLeft, linesLeft, cellsLeft] = f.locals("i32", 6);
    const pointers = f.locals("i32", spec.rowsAt === "next" ? 1 : spec.rows);
    loadTile(f, tile, accumulators, 4 * spec.lanes);
    countDown(f, examples, () => {
      f.get(vectors).set(vectorPlane).get(splats).set(splatPlane).get(planes).set(planesLeft);
      countDown(f, planesLeft, () => {
        f.get(vectorPlane).set(vectorAt);
        pointers.forEach((pointer, row) => {
          f.get(splatPlane);
          if (spec.rowsAt === "table") f.get(table).memory("i32.load", 4 * row).op("i32.add");
          f.set(pointer);
        });
        f.get(lines).set(linesLeft);
        countDown(f, linesLeft, () => {
          const done = line(f, spec, cellsLeft, vectorAt, pointers, (u) =>
            outerStep(
              f,
              tile,
              spec.fma,
              (row) => {
                const [pointer, own] = spec.rowsAt === "next" ? [pointers[0], 4 * row] : [pointers[row], 0];
                f.get(pointer).memory("v128.load32_splat", own + u * spec.splats.cell);
              },
              (index) => f.get(vectorAt).memory("v128.load", u * spec.vectors.cell + 16 * index),
            ),
          );
          advance(f, vectorAt, spec.vectors.line - done * spec.vectors.cell);
          for (const pointer of pointers) advance(f, pointer, spec.splats.line - done * spec.splats.cell);
        });
        advance(f, vectorPlane, spec.vectors.plane);
        advance(f, splatPlane, spec.splats.plane);
      });
      advance(f, vectors, spec.vectors.example);
      advance(f, splats, spec.splats.example);
    });
    storeTile(f, tile, accumulators, 4 * spec.lanes);
  });
}

/** do { body } while (--counter) */
export function countDown(f: FunctionBuilder, counter: Local, body: () => void): void {
  f.loop((again) => {
    body();
    f.get(counter).i32(1).op("i32.sub").tee(counter).branchIf(again);
  });
}

/** Cells of a loop body: all of a short line, else a divisor that leaves no rest, else 4. */
function unrolled(cells: number): number {
  if (cells <= 8) return cells;
  const divisor = largestDivisor(cells, 8);
  if (divisor >= 4) return divisor;
  return cells <= 16 ? cells : 4;
}

/** All cells of a line; returns how many cells the pointers were moved on. */
function line(f: FunctionBuilder, spec: KernelTile, left: Local, vectorAt: Local, pointers: readonly Local[], step: (cell: number) => void): number {
  const body = unrolled(spec.cells);
  const turns = Math.floor(spec.cells / body);
  const rest = spec.cells % body;
  const run = (cells: number): void => {
    for (let u = 0; u < cells; u++) step(u);
  };
  if (turns === 1 && rest === 0) {
    run(body);
    return 0;
  }
  f.i32(turns).set(left);
  countDown(f, left, () => {
    run(body);
    advance(f, vectorAt, body * spec.vectors.cell);
    for (const pointer of pointers) advance(f, pointer, body * spec.splats.cell);
  });
  run(rest);
  return turns * body;
}
