import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import { emitRun } from "../walk.ts";

/** An axis whose extent may be known at run time only. */
export interface LoopAxis {
  readonly extent: number | Local;
  readonly in: number;
  readonly out: number;
}

/** What is done with cells: rows that are folded position by position, or a run that is folded into one cell. */
export interface FoldKernel {
  /** Adds `rows` (8, 4, 2 or 1) rows, `step` words apart, at the input pointer into the row at the output pointer. */
  rows(input: Local, output: Local, rows: number, step: number, run: number | Local): void;
  /** Folds a run of at most 512 cells into the cell at the output pointer. */
  run(input: Local, output: Local, run: number | Local): void;
}

const pushExtent = (f: FunctionBuilder, extent: number | Local): FunctionBuilder =>
  typeof extent === "number" ? f.i32(extent) : f.get(extent);

/** Walks a box; `input` and `output` are left as they were. */
export function emitBox(f: FunctionBuilder, axes: readonly LoopAxis[], input: Local, output: Local, kernel: FoldKernel): void {
  const run = axes[axes.length - 1];
  const outer = axes.slice(0, -1);
  const rowAxis = run.out === 0 ? -1 : outer.findLastIndex(({ out }) => out === 0);
  const rows = rowAxis < 0 ? { extent: 1, in: 0, out: 0 } : outer[rowAxis];
  const loops = outer.filter((_, axis) => axis !== rowAxis);
  const inner = (from: Local, to: Local): void =>
    run.out === 0 ? emitFoldedRun(f, from, to, run.extent, kernel) : emitRows(f, from, to, rows, run.extent, kernel);
  emitLoops(f, loops, input, output, inner);
}

function emitLoops(
  f: FunctionBuilder,
  axes: readonly LoopAxis[],
  input: Local,
  output: Local,
  inner: (input: Local, output: Local) => void,
): void {
  if (axes.length === 0) {
    inner(input, output);
    return;
  }
  const [axis, ...rest] = axes;
  const [left, from, to] = f.locals("i32", 3);
  f.get(input).set(from).get(output).set(to);
  pushExtent(f, axis.extent).tee(left);
  f.if(() => {
    f.loop((again) => {
      emitLoops(f, rest, from, to, inner);
      advance(f, from, 4 * axis.in);
      advance(f, to, 4 * axis.out);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  });
}

/** Rows by eights, then by 4, 2 and 1: their sum is a tree, so that rounding grows with rows / 8. */
function emitRows(f: FunctionBuilder, input: Local, output: Local, axis: LoopAxis, run: number | Local, kernel: FoldKernel): void {
  const [from, left] = f.locals("i32", 2);
  const go = (rows: number): void => {
    kernel.rows(from, output, rows, axis.in, run);
    advance(f, from, 4 * axis.in * rows);
  };
  f.get(input).set(from);
  pushExtent(f, axis.extent).i32(3).op("i32.shr_u").tee(left);
  f.if(() => {
    f.loop((again) => {
      go(8);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  });
  for (const rows of [4, 2, 1]) {
    if (typeof axis.extent === "number") {
      if ((axis.extent & rows) !== 0) go(rows);
    } else
      f.get(axis.extent)
        .i32(rows)
        .op("i32.and")
        .if(() => go(rows));
  }
}

/** Cells of a run that are added before the sum goes to memory: keeps rounding below that of a plain sum. */
const runPiece = 512;

function emitFoldedRun(f: FunctionBuilder, input: Local, output: Local, run: number | Local, kernel: FoldKernel): void {
  if (typeof run === "number" && run <= runPiece) {
    kernel.run(input, output, run);
    return;
  }
  const [from, left, count] = f.locals("i32", 3);
  f.get(input).set(from);
  pushExtent(f, run).set(left);
  f.block((exit) => {
    f.get(left).op("i32.eqz").branchIf(exit);
    f.loop((again) => {
      f.get(left).i32(runPiece).get(left).i32(runPiece).op("i32.lt_u", "select").set(count);
      kernel.run(from, output, count);
      advance(f, from, 4 * runPiece);
      f.get(left).get(count).op("i32.sub").tee(left).branchIf(again);
    });
  });
}

/** Pushes the sum of what `terms` push, as a tree. */
export function emitTree(f: FunctionBuilder, terms: readonly (() => void)[]): void {
  if (terms.length === 1) {
    terms[0]();
    return;
  }
  const half = Math.ceil(terms.length / 2);
  emitTree(f, terms.slice(0, half));
  emitTree(f, terms.slice(half));
  f.op("f32x4.add");
}

/** Pushes the sum of the four lanes as an f32. */
function emitLaneSum(f: FunctionBuilder, vector: Local): void {
  for (const lane of [0, 1]) f.get(vector).lane("f32x4.extract_lane", lane);
  f.op("f32.add");
  for (const lane of [2, 3]) f.get(vector).lane("f32x4.extract_lane", lane);
  f.op("f32.add", "f32.add");
}

/** A row operation over vectors at two pointers; stores of one or two cells at the end of a row go by lanes. */
export interface RowCode {
  /** Sets the result for the vector `index` from the pointers. */
  compute(input: Local, output: Local, index: number): void;
  /** Locals to be stored behind the output pointer, with their byte offsets. */
  readonly stores: readonly { readonly offset: number; vector(index: number): Local }[];
}

export function emitRow(f: FunctionBuilder, input: Local, output: Local, run: number | Local, code: RowCode): void {
  const [from, to] = f.locals("i32", 2);
  f.get(input).set(from).get(output).set(to);
  emitRun(f, run, {
    pointers: [
      { local: from, bytes: 4 },
      { local: to, bytes: 4 },
    ],
    vectors: (count) => {
      for (let index = 0; index < count; index++) code.compute(from, to, index);
      for (const { offset, vector } of code.stores)
        for (let index = 0; index < count; index++)
          f.get(to)
            .get(vector(index))
            .memory("v128.store", offset + 16 * index);
    },
    rest: (cells) => {
      code.compute(from, to, 0);
      for (const { offset, vector } of code.stores)
        f.get(to)
          .get(vector(0))
          .laneMemory(cells === 2 ? "v128.store64_lane" : "v128.store32_lane", 0, offset);
    },
  });
}

/** A run over vectors and single cells; `vector` takes the byte offset of a vector, `cell` that of a cell. */
export function emitFold(
  f: FunctionBuilder,
  input: Local,
  run: number | Local,
  vector: (from: Local, index: number) => void,
  cell: (from: Local, offset: number) => void,
): void {
  const from = f.local("i32");
  f.get(input).set(from);
  emitRun(f, run, {
    pointers: [{ local: from, bytes: 4 }],
    vectors: (count) => {
      for (let index = 0; index < count; index++) vector(from, index);
    },
    rest: (cells) => {
      for (let index = 0; index < cells; index++) cell(from, 4 * index);
    },
  });
}

/** Adds four vectors and a number to the cell behind the output pointer. */
export function emitTotal(f: FunctionBuilder, totals: readonly Local[], rest: Local, output: Local, offset: number): void {
  const terms = totals.map((total) => (): void => void f.get(total));
  emitTree(f, terms);
  f.set(totals[0]);
  f.get(output).get(output).memory("f32.load", offset);
  emitLaneSum(f, totals[0]);
  f.get(rest).op("f32.add", "f32.add").memory("f32.store", offset);
}

/** The kernel of sums. */
export function sumKernel(f: FunctionBuilder): FoldKernel {
  const results = f.locals("v128", 4);
  const tail = f.local("f32");
  const load = (from: Local, offset: number) => (): void => void f.get(from).memory("v128.load", offset);
  return {
    rows: (input, output, rows, step, run) =>
      emitRow(f, input, output, run, {
        compute: (from, to, index) => {
          load(to, 16 * index)();
          const terms = Array.from({ length: rows }, (_, row) => load(from, 4 * step * row + 16 * index));
          emitTree(f, terms);
          f.op("f32x4.add").set(results[index]);
        },
        stores: [{ offset: 0, vector: (index) => results[index] }],
      }),
    run: (input, output, run) => {
      for (const result of results) f.f32x4(0).set(result);
      f.f32(0).set(tail);
      const vector = (from: Local, index: number): void => {
        load(from, 16 * index)();
        f.get(results[index]).op("f32x4.add").set(results[index]);
      };
      const single = (from: Local, offset: number): void => void f.get(tail).get(from).memory("f32.load", offset).op("f32.add").set(tail);
      emitFold(f, input, run, vector, single);
      emitTotal(f, results, tail, output, 0);
    },
  };
}

/** Sets words to zero; `words` may be a local. */
export function emitZero(f: FunctionBuilder, at: Local, words: number | Local): void {
  const zero = f.local("v128");
  f.f32x4(0).set(zero);
  emitRow(f, at, at, words, { compute: () => {}, stores: [{ offset: 0, vector: () => zero }] });
}
