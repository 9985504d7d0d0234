import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { multiplyAdd } from "../../emit/wasm/vectors.ts";
import { emitRun } from "../walk.ts";
import { emitFoldBoxes, type Merge, type Portion } from "./fold-chunks.ts";
import { emitFold, emitRow, emitTotal, emitTree, emitZero, type FoldKernel, type Inputs, sumKernel } from "./fold-code.ts";
import type { FoldWalk } from "./fold-walk.ts";

/** Arrays of a slot: mean, sum of deviations from it (then unused), sum of squared deviations. */
export const momentArrays = 3;

/** A row of a slot as an input. */
const one = (pointer: Local): Inputs => ({ pointers: [pointer], moves: [1] });

/** Locals of the kernel of deviations: totals by vector, deviations by row. */
interface Totals {
  readonly sums: readonly Local[];
  readonly squares: readonly Local[];
  readonly deviations: readonly Local[];
  readonly mean: Local;
  readonly arrayBytes: number;
}

/** Adds deviations from the mean and their squares to the arrays behind the output pointer. */
function deviationKernel(f: FunctionBuilder, fma: boolean, arrayBytes: number): FoldKernel {
  const totals: Totals = {
    sums: f.locals("v128", 4),
    squares: f.locals("v128", 4),
    deviations: f.locals("v128", 8),
    mean: f.local("v128"),
    arrayBytes,
  };
  return {
    rows: (inputs, output, rows, [step], run) =>
      emitRow(f, inputs, output, run, {
        compute: ([from], to, index) => emitDeviations(f, totals, from, to, rows, step, 16 * index, index),
        stores: [
          { offset: arrayBytes, vector: (index) => totals.sums[index] },
          { offset: 2 * arrayBytes, vector: (index) => totals.squares[index] },
        ],
      }),
    run: (inputs, output, run) => emitDeviationRun(f, totals, fma, inputs, output, run),
  };
}

/** One vector of up to eight rows. */
function emitDeviations(
  f: FunctionBuilder,
  totals: Totals,
  from: Local,
  to: Local,
  rows: number,
  step: number,
  offset: number,
  index: number,
): void {
  const { sums, squares, mean, arrayBytes } = totals;
  const deviations = totals.deviations.slice(0, rows);
  f.get(to).memory("v128.load", offset).set(mean);
  deviations.forEach((deviation, row) => {
    f.get(from).memory("v128.load", 4 * step * row + offset);
    f.get(mean).op("f32x4.sub").set(deviation);
  });
  const terms = deviations.map((deviation) => (): void => void f.get(deviation));
  const squared = deviations.map((deviation) => (): void => void f.get(deviation).get(deviation).op("f32x4.mul"));
  f.get(to).memory("v128.load", arrayBytes + offset);
  emitTree(f, terms);
  f.op("f32x4.add").set(sums[index]);
  f.get(to).memory("v128.load", 2 * arrayBytes + offset);
  emitTree(f, squared);
  f.op("f32x4.add").set(squares[index]);
}

/** A run that belongs to one mean. */
function emitDeviationRun(f: FunctionBuilder, totals: Totals, fma: boolean, inputs: Inputs, output: Local, run: number | Local): void {
  const { sums, squares, deviations, mean, arrayBytes } = totals;
  const [tail, tailSquare, cell] = f.locals("f32", 3);
  for (const total of [...sums, ...squares]) f.f32x4(0).set(total);
  f.f32(0).set(tail).f32(0).set(tailSquare);
  f.get(output).memory("v128.load32_splat").set(mean);
  const vector = ([from]: readonly Local[], index: number): void => {
    const deviation = deviations[index];
    f.get(from).memory("v128.load", 16 * index);
    f.get(mean).op("f32x4.sub").set(deviation);
    f.get(sums[index]).get(deviation).op("f32x4.add").set(sums[index]);
    multiplyAdd(
      f,
      fma,
      squares[index],
      () => f.get(deviation),
      () => f.get(deviation),
    );
  };
  const single = ([from]: readonly Local[], offset: number): void => {
    f.get(from).memory("f32.load", offset).get(output).memory("f32.load").op("f32.sub").tee(cell).get(tail).op("f32.add").set(tail);
    f.get(cell).get(cell).op("f32.mul").get(tailSquare).op("f32.add").set(tailSquare);
  };
  emitFold(f, inputs, run, vector, single);
  emitTotal(f, sums, tail, output, arrayBytes);
  emitTotal(f, squares, tailSquare, output, 2 * arrayBytes);
}

/** Pushes how many input cells a portion folds into one cell, as f32. */
function pushCount(f: FunctionBuilder, walk: FoldWalk, examples: Local | null, positions: Local | null): void {
  const { part, folded } = walk;
  f.i32(part.folded ? folded / part.extent : folded);
  if (part.folded && positions !== null) f.get(positions).op("i32.mul");
  if (examples !== null) f.get(examples).op("i32.mul");
  f.op("f32.convert_i32_u");
}

/**
 * Mean and sum of squared deviations of a portion, into its slot: the mean first, then the deviations from it; their sum, which
 * would be 0 without rounding, corrects both. Source: Chan, Golub and LeVeque 1983, eq. 1.7 (corrected two-pass algorithm).
 */
export function emitMoments(f: FunctionBuilder, walk: FoldWalk, fma: boolean, portion: Portion): void {
  const arrayBytes = 4 * walk.cells;
  const count = f.local("v128");
  const shift = f.local("v128");
  const results = [f.locals("v128", 4), f.locals("v128", 4)];
  const array = f.local("i32");
  for (let index = 0; index < momentArrays; index++) {
    f.get(portion.slot)
      .i32(index * arrayBytes)
      .op("i32.add")
      .set(array);
    emitZero(f, array, portion.words);
  }
  emitFoldBoxes(f, walk, portion, sumKernel(f));
  pushCount(f, walk, portion.examples, portion.positions);
  f.op("f32x4.splat").set(count);
  emitRow(f, one(portion.slot), portion.slot, portion.words, {
    compute: ([from], _, index) =>
      f
        .get(from)
        .memory("v128.load", 16 * index)
        .get(count)
        .op("f32x4.div")
        .set(results[0][index]),
    stores: [{ offset: 0, vector: (index) => results[0][index] }],
  });
  emitFoldBoxes(f, walk, portion, deviationKernel(f, fma, arrayBytes));
  emitRow(f, one(portion.slot), portion.slot, portion.words, {
    compute: ([from], _, index) => {
      f.get(from)
        .memory("v128.load", arrayBytes + 16 * index)
        .get(count)
        .op("f32x4.div")
        .set(shift);
      f.get(from)
        .memory("v128.load", 16 * index)
        .get(shift)
        .op("f32x4.add")
        .set(results[0][index]);
      f.get(from).memory("v128.load", 2 * arrayBytes + 16 * index);
      f.get(from)
        .memory("v128.load", arrayBytes + 16 * index)
        .get(shift)
        .op("f32x4.mul", "f32x4.sub")
        .set(results[1][index]);
    },
    stores: [
      { offset: 0, vector: (index) => results[0][index] },
      { offset: 2 * arrayBytes, vector: (index) => results[1][index] },
    ],
  });
}

/**
 * Joins the slots of one result in their order, into mean and variance.
 * Source: Chan, Golub and LeVeque 1983, eq. 2.1: d = mean' - mean; mean += d n' / n; M += M' + d^2 n n' / (n + n').
 */
export function emitMomentsMerge(f: FunctionBuilder, walk: FoldWalk, { slots, start, words, count }: Merge): void {
  const arrayBytes = 4 * walk.cells;
  const [slot, index, mean, variance] = f.locals("i32", 4);
  const [before, own, share, spread] = f.locals("f32", 4);
  for (const [target, operand] of [
    [mean, 1],
    [variance, 2],
  ] as const) {
    f.get(f.parameters[0])
      .memory("i32.load", 4 * operand)
      .get(start)
      .i32(4)
      .op("i32.mul", "i32.add")
      .set(target);
    emitZero(f, target, words);
  }
  f.f32(0).set(before).i32(0).set(index).get(slots).set(slot);
  const vectors = f.locals("v128", 2);
  f.loop((again) => {
    emitSlotCount(f, walk, index);
    f.tee(own).get(before).get(own).op("f32.add", "f32.div").tee(share);
    f.get(before).op("f32.mul").set(spread);
    f.get(share).op("f32x4.splat").set(vectors[0]);
    f.get(spread).op("f32x4.splat").set(vectors[1]);
    emitJoin(f, { slot, mean, variance, words, arrayBytes, share: vectors[0], spread: vectors[1] });
    f.get(before).get(own).op("f32.add").set(before);
    f.get(slot)
      .i32(momentArrays * arrayBytes)
      .op("i32.add")
      .set(slot);
    f.get(index).i32(1).op("i32.add").tee(index);
    if (typeof count === "number") f.i32(count);
    else f.get(count);
    f.op("i32.lt_u").branchIf(again);
  });
  const total = f.local("v128");
  f.get(before).op("f32x4.splat").set(total);
  emitScale(f, variance, words, total);
}

/** Divides a row by a number in all lanes. */
function emitScale(f: FunctionBuilder, at: Local, words: number | Local, by: Local): void {
  const results = f.locals("v128", 4);
  emitRow(f, one(at), at, words, {
    compute: ([from], _, index) =>
      f
        .get(from)
        .memory("v128.load", 16 * index)
        .get(by)
        .op("f32x4.div")
        .set(results[index]),
    stores: [{ offset: 0, vector: (index) => results[index] }],
  });
}

/** Pushes how many input cells the slot with this number holds, as f32. */
function emitSlotCount(f: FunctionBuilder, walk: FoldWalk, index: Local): void {
  const { part, group, examples: mode } = walk;
  const perGroup = part.folded ? part.count : 1;
  const [examples, positions, first] = f.locals("i32", 3);
  if (mode === "folded") {
    f.get(index).i32(perGroup).op("i32.div_u").i32(group).op("i32.mul").set(first);
    f.i32(group).get(f.parameters[3]).get(first).op("i32.sub");
    f.i32(group).get(f.parameters[3]).get(first).op("i32.sub", "i32.lt_u", "select").set(examples);
  }
  if (part.folded) {
    f.get(index).i32(perGroup).op("i32.rem_u").i32(part.size).op("i32.mul").set(first);
    f.i32(part.size).i32(part.extent).get(first).op("i32.sub");
    f.i32(part.size).i32(part.extent).get(first).op("i32.sub", "i32.lt_u", "select").set(positions);
  }
  pushCount(f, walk, mode === "folded" ? examples : null, part.folded ? positions : null);
}

interface Join {
  readonly slot: Local;
  readonly mean: Local;
  readonly variance: Local;
  readonly words: number | Local;
  readonly arrayBytes: number;
  readonly share: Local;
  readonly spread: Local;
}

function emitJoin(f: FunctionBuilder, { slot, mean, variance, words, arrayBytes, share, spread }: Join): void {
  const [from, first, second] = f.locals("i32", 3);
  const means = f.locals("v128", 4);
  const variances = f.locals("v128", 4);
  const difference = f.local("v128");
  f.get(slot).set(from).get(mean).set(first).get(variance).set(second);
  const compute = (index: number): void => {
    f.get(from)
      .memory("v128.load", 16 * index)
      .get(first)
      .memory("v128.load", 16 * index)
      .op("f32x4.sub")
      .set(difference);
    f.get(first)
      .memory("v128.load", 16 * index)
      .get(difference)
      .get(share)
      .op("f32x4.mul", "f32x4.add")
      .set(means[index]);
    f.get(second)
      .memory("v128.load", 16 * index)
      .get(from)
      .memory("v128.load", 2 * arrayBytes + 16 * index)
      .op("f32x4.add");
    f.get(difference).get(difference).op("f32x4.mul").get(spread).op("f32x4.mul", "f32x4.add").set(variances[index]);
  };
  emitRun(f, words, {
    pointers: [from, first, second].map((local) => ({ local, bytes: 4 })),
    vectors: (count) => {
      for (let index = 0; index < count; index++) compute(index);
      for (let index = 0; index < count; index++)
        f.get(first)
          .get(means[index])
          .memory("v128.store", 16 * index);
      for (let index = 0; index < count; index++)
        f.get(second)
          .get(variances[index])
          .memory("v128.store", 16 * index);
    },
    rest: (cells) => {
      const store = cells === 2 ? "v128.store64_lane" : "v128.store32_lane";
      compute(0);
      f.get(first).get(means[0]).laneMemory(store, 0);
      f.get(second).get(variances[0]).laneMemory(store, 0);
    },
  });
}
