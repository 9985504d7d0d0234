import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import { emitRun } from "../walk.ts";

/** An axis whose extent may be known at run time only. */
export interface LoopAxis {
  readonly extent: number | Local;
  readonly in: readonly number[];
  readonly out: number;
}

/** What inputs are read by: pointers, and words from cell to cell along a run (1, or 0 where one cell serves the whole run). */
export interface Inputs {
  readonly pointers: readonly Local[];
  readonly moves: readonly number[];
}

/** What is done with cells: rows that are folded position by position, or a run that is folded into one cell. */
export interface FoldKernel {
  /** Adds `rows` (8, 4, 2 or 1) rows, `steps` words apart, at the input pointers into the row at the output pointer. */
  rows(inputs: Inputs, output: Local, rows: number, steps: readonly number[], run: number | Local): void;
  /** Folds a run of at most 512 cells into the cell at the output pointer. */
  run(inputs: Inputs, output: Local, run: number | Local): void;
}

const pushExtent = (f: FunctionBuilder, extent: number | Local): FunctionBuilder =>
  typeof extent === "number" ? f.i32(extent) : f.get(extent);

/** Walks a box; `inputs` and `output` are left as they were. */
export function emitBox(f: FunctionBuilder, axes: readonly LoopAxis[], inputs: readonly Local[], output: Local, kernel: FoldKernel): void {
  const run = axes[axes.length - 1];
  const outer = axes.slice(0, -1);
  const rowAxis = run.out === 0 ? -1 : outer.findLastIndex(({ out }) => out === 0);
  const rows = rowAxis < 0 ? { extent: 1, in: inputs.map(() => 0), out: 0 } : outer[rowAxis];
  const loops = outer.filter((_, axis) => axis !== rowAxis);
  const inner = (pointers: readonly Local[], to: Local): void => {
    const from: Inputs = { pointers, moves: run.in };
    if (run.out === 0) emitFoldedRun(f, from, to, run.extent, kernel);
    else emitRows(f, from, to, rows, run.extent, kernel);
  };
  emitLoops(f, loops, inputs, output, inner);
}

/** Copies of pointers, to be moved on. */
function copies(f: FunctionBuilder, pointers: readonly Local[]): Local[] {
  return pointers.map((pointer) => {
    const copy = f.local("i32");
    f.get(pointer).set(copy);
    return copy;
  });
}

function advanceAll(f: FunctionBuilder, pointers: readonly Local[], words: readonly number[]): void {
  pointers.forEach((pointer, t) => {
    if (words[t] !== 0) advance(f, pointer, 4 * words[t]);
  });
}

function emitLoops(
  f: FunctionBuilder,
  axes: readonly LoopAxis[],
  inputs: readonly Local[],
  output: Local,
  inner: (inputs: readonly Local[], output: Local) => void,
): void {
  if (axes.length === 0) {
    inner(inputs, output);
    return;
  }
  const [axis, ...rest] = axes;
  const [left, to] = f.locals("i32", 2);
  const from = copies(f, inputs);
  f.get(output).set(to);
  pushExtent(f, axis.extent).tee(left);
  f.if(() => {
    f.loop((again) => {
      emitLoops(f, rest, from, to, inner);
      advanceAll(f, from, axis.in);
      advance(f, to, 4 * axis.out);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  });
}

/** Rows by eights, then by 4, 2 and 1: their sum is a tree, so that rounding grows with rows / 8. */
function emitRows(f: FunctionBuilder, inputs: Inputs, output: Local, axis: LoopAxis, run: number | Local, kernel: FoldKernel): void {
  const left = f.local("i32");
  const pointers = copies(f, inputs.pointers);
  const go = (rows: number): void => {
    kernel.rows({ ...inputs, pointers }, output, rows, axis.in, run);
    advanceAll(
      f,
      pointers,
      axis.in.map((step) => step * rows),
    );
  };
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

function emitFoldedRun(f: FunctionBuilder, inputs: Inputs, output: Local, run: number | Local, kernel: FoldKernel): void {
  if (typeof run === "number" && run <= runPiece) {
    kernel.run(inputs, output, run);
    return;
  }
  const [left, count] = f.locals("i32", 2);
  const pointers = copies(f, inputs.pointers);
  pushExtent(f, run).set(left);
  f.block((exit) => {
    f.get(left).op("i32.eqz").branchIf(exit);
    f.loop((again) => {
      f.get(left).i32(runPiece).get(left).i32(runPiece).op("i32.lt_u", "select").set(count);
      kernel.run({ ...inputs, pointers }, output, count);
      advanceAll(
        f,
        pointers,
        inputs.moves.map((move) => move * runPiece),
      );
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
  compute(inputs: readonly Local[], output: Local, index: number): void;
  /** Locals to be stored behind the output pointer, with their byte offsets. */
  readonly stores: readonly { readonly offset: number; vector(index: number): Local }[];
}

/** Pointers that move along a run. */
const moving = (pointers: readonly Local[], moves: readonly number[]): { local: Local; bytes: number }[] =>
  pointers.flatMap((local, t) => (moves[t] > 0 ? [{ local, bytes: 4 * moves[t] }] : []));

export function emitRow(f: FunctionBuilder, inputs: Inputs, output: Local, run: number | Local, code: RowCode): void {
  const from = copies(f, inputs.pointers);
  const to = f.local("i32");
  f.get(output).set(to);
  emitRun(f, run, {
    pointers: [...moving(from, inputs.moves), { local: to, bytes: 4 }],
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

/** A run over vectors and single cells; `vector` takes the number of a vector, `cell` the byte offset of a cell. */
export function emitFold(
  f: FunctionBuilder,
  inputs: Inputs,
  run: number | Local,
  vector: (from: readonly Local[], index: number) => void,
  cell: (from: readonly Local[], offset: number) => void,
): void {
  const from = copies(f, inputs.pointers);
  emitRun(f, run, {
    pointers: moving(from, inputs.moves),
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

/** The kernel of plain sums of one input. */
export function sumKernel(f: FunctionBuilder): FoldKernel {
  return sumsKernel(f, 1, 0, (_, { from, offset }) => f.get(from[0]).memory("v128.load", offset[0]));
}

/** Where a vector of terms is read: pointers and byte offsets from them. */
export interface TermPlace {
  readonly from: readonly Local[];
  readonly offset: readonly number[];
}

/** The kernel of several sums over the same cells; `term` pushes four terms of one of them. Results lie `arrayBytes` apart. */
export function sumsKernel(
  f: FunctionBuilder,
  sums: number,
  arrayBytes: number,
  term: (sum: number, place: TermPlace, moves: readonly number[]) => void,
): FoldKernel {
  const results = Array.from({ length: sums }, () => f.locals("v128", 4));
  const tails = f.locals("f32", sums);
  return {
    rows: (inputs, output, rows, steps, run) =>
      emitRow(f, inputs, output, run, {
        compute: (from, to, index) =>
          results.forEach((vectors, sum) => {
            f.get(to).memory("v128.load", sum * arrayBytes + 16 * index);
            const at = (row: number): number[] => steps.map((step, t) => 4 * step * row + 16 * inputs.moves[t] * index);
            const terms = Array.from({ length: rows }, (_, row) => (): void => term(sum, { from, offset: at(row) }, inputs.moves));
            emitTree(f, terms);
            f.op("f32x4.add").set(vectors[index]);
          }),
        stores: results.map((vectors, sum) => ({ offset: sum * arrayBytes, vector: (index) => vectors[index] })),
      }),
    run: (inputs, output, run) => {
      for (const vectors of results) for (const vector of vectors) f.f32x4(0).set(vector);
      for (const tail of tails) f.f32(0).set(tail);
      const vector = (from: readonly Local[], index: number): void =>
        results.forEach((vectors, sum) => {
          term(sum, { from, offset: inputs.moves.map((move) => 16 * move * index) }, inputs.moves);
          f.get(vectors[index]).op("f32x4.add").set(vectors[index]);
        });
      const single = (from: readonly Local[], offset: number): void =>
        tails.forEach((tail, sum) => {
          f.get(tail);
          term(sum, { from, offset: inputs.moves.map((move) => move * offset) }, inputs.moves);
          f.lane("f32x4.extract_lane", 0).op("f32.add").set(tail);
        });
      emitFold(f, inputs, run, vector, single);
      results.forEach((vectors, sum) => {
        emitTotal(f, vectors, tails[sum], output, sum * arrayBytes);
      });
    },
  };
}

/** Sets words to zero; `words` may be a local. */
export function emitZero(f: FunctionBuilder, at: Local, words: number | Local): void {
  const zero = f.local("v128");
  f.f32x4(0).set(zero);
  emitRow(f, { pointers: [], moves: [] }, at, words, { compute: () => {}, stores: [{ offset: 0, vector: () => zero }] });
}
