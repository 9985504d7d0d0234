import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type { OperandRef, Routine, StepSpec } from "../../contract.ts";
import { picked } from "../tiles/dot.ts";
import { whileNonzero } from "../tiles/panel.ts";

/**
 * How the slots of a kernel gradient become the plain kernel: K[channel][column of row] = sum over slots of
 * slot[pair][position of row][the channel's lane], in slot order.
 */
export interface KernelSum {
  readonly lanes: number;
  readonly slots: number;
  /** Sets of pairs in a slot: places lead from the first to the others. Absent: 1. */
  readonly phases?: number;
  readonly pairs: number;
  readonly inputBlocks: number;
  readonly pairBytes: number;
  /** Channels in the lanes, and floats of K from one to the next. */
  readonly channels: number;
  readonly channelWords: number;
  /** Rows of an input block and of the last one. */
  readonly rows: number;
  readonly lastRows: number;
  /** Where each row lies: bytes from the start of a pair's accumulators, and floats from a channel's first in K. */
  readonly places: readonly { readonly position: number; readonly column: number }[];
}

const headWords = [
  "slots",
  "slotBytes",
  "pairBytes",
  "inputBlocks",
  "channels",
  "channelBytes",
  "blockBytes",
  "rows",
  "lastRows",
  "parts",
] as const;

/** Rows that one chunk sums: about 10 us of loads and stores. */
const chunkRows = ({ lanes, slots }: KernelSum): number => Math.max(64, Math.floor(10_000 / (lanes * (0.15 * slots + 0.5))));

const parts = (sum: KernelSum): number => Math.max(1, Math.round(sum.rows / chunkRows(sum)));

/** Every four rows from a multiple of four on are neighbours in K, so that they can be stored as vectors. */
const inFours = ({ places }: KernelSum): boolean => places.every(({ column }, i) => column === places[i - (i % 4)].column + (i % 4));

/** The ordered sum of the slots, which also unpacks: one chunk for a part of each pair. */
export function sumStep(sum: KernelSum, slots: OperandRef, kernel: OperandRef, record: OperandRef): StepSpec {
  return {
    routine: sumRoutine(sum.lanes, inFours(sum)),
    operands: [slots, kernel, record],
    chunks: { each: sum.pairs * parts(sum), group: 0 },
  };
}

export function sumRecord(sum: KernelSum): Int32Array {
  const head: Record<(typeof headWords)[number], number> = {
    ...sum,
    slotBytes: (sum.phases ?? 1) * sum.pairs * sum.pairBytes,
    channelBytes: 4 * sum.channelWords,
    blockBytes: 4 * sum.rows,
    parts: parts(sum),
  };
  return Int32Array.from([...headWords.map((name) => head[name]), ...sum.places.flatMap(({ position, column }) => [position, 4 * column])]);
}

const sumRoutine = (lanes: number, fours: boolean): Routine => ({
  key: `grid-linear kernel sum of slots | ${lanes}${fours ? " fours" : ""}`,
  build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitSum(f, lanes, fours)),
});

type Word = (name: (typeof headWords)[number]) => FunctionBuilder;

function emitSum(f: FunctionBuilder, lanes: number, fours: boolean): void {
  const [table, chunk, end] = f.parameters;
  const [slots, kernel, record, pair, block, from, rows, at] = f.locals("i32", 8);
  const targets = f.locals("i32", lanes);
  const word: Word = (name) => f.get(record).memory("i32.load", 4 * headWords.indexOf(name));
  loadWords(f, table, [slots, kernel, record]);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(chunk);
      word("parts").op("i32.div_u").set(pair);
      f.get(pair);
      word("inputBlocks").op("i32.rem_u").set(block);
      word("lastRows");
      word("rows");
      f.get(block).i32(1).op("i32.add");
      word("inputBlocks").op("i32.eq", "select").set(rows);
      emitPart(f, word, { chunk, from, rows });
      f.get(kernel).get(block);
      word("blockBytes").op("i32.mul", "i32.add").set(at);
      f.get(pair);
      word("inputBlocks").op("i32.div_u").i32(lanes).op("i32.mul").set(block);
      aim(f, word, { first: at, channel: block, targets });
      f.get(slots).get(pair);
      word("pairBytes").op("i32.mul", "i32.add").set(pair);
      f.get(record).get(from).i32(3).op("i32.shl", "i32.add").set(from);
      if (fours) sumFours(f, word, { pair, from, rows, targets });
      sumRows(f, word, { pair, from, rows, targets });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** from, rows = the rows of a chunk's part of a pair, in whole fours but for the last. */
function emitPart(f: FunctionBuilder, word: Word, { chunk, from, rows }: { chunk: Local; from: Local; rows: Local }): void {
  const [part, to] = f.locals("i32", 2);
  const share = (more: number, into: Local): void => {
    f.get(rows).get(part).i32(more).op("i32.add", "i32.mul");
    word("parts").op("i32.div_u").i32(-4).op("i32.and").set(into);
  };
  f.get(chunk);
  word("parts").op("i32.rem_u").set(part);
  share(0, from);
  share(1, to);
  f.get(rows).get(to).get(part).i32(1).op("i32.add");
  word("parts").op("i32.eq", "select").get(from).op("i32.sub").set(rows);
}

/** Where each lane's row of K begins. Lanes beyond the last channel aim at the last channel, which is stored after them. */
function aim(
  f: FunctionBuilder,
  word: Word,
  { first, channel, targets }: { first: Local; channel: Local; targets: readonly Local[] },
): void {
  const valid = f.local("i32");
  f.get(first).get(channel);
  word("channelBytes").op("i32.mul", "i32.add").set(targets[0]);
  word("channels").get(channel).op("i32.sub").set(valid);
  for (let lane = 1; lane < targets.length; lane++) {
    f.get(targets[lane - 1]);
    word("channelBytes").i32(0).get(valid).i32(lane).op("i32.gt_s", "select", "i32.add").set(targets[lane]);
  }
}

interface SumLocals {
  /** The pair's accumulators of slot 0. */
  readonly pair: Local;
  /** Record and eight bytes for each row before the first: leads to its place. */
  readonly from: Local;
  readonly rows: Local;
  readonly targets: readonly Local[];
}

/** Four rows at a time: the sums of four lanes are turned around, so that each lane stores a vector. */
function sumFours(f: FunctionBuilder, word: Word, { pair, from, rows, targets }: SumLocals): void {
  const [column, left, fours] = f.locals("i32", 3);
  const starts = f.locals("i32", 4);
  const sources = f.locals("i32", 4);
  const [a, b, c, d] = f.locals("v128", 4);
  const sums = [a, b, c, d];
  const pick = (x: Local, y: Local, lanes: readonly number[]): FunctionBuilder =>
    f
      .get(x)
      .get(y)
      .shuffle(picked(...lanes));
  const turned = f.locals("v128", 2);
  const turn = (lane: number): void => {
    for (const half of [2, 0]) {
      pick(a, b, [half, half + 4, half + 1, half + 5]).set(turned[0]);
      pick(c, d, [half, half + 4, half + 1, half + 5]).set(turned[1]);
      for (const odd of [1, 0]) {
        f.get(targets[lane + half + odd])
          .get(column)
          .op("i32.add");
        pick(turned[0], turned[1], [2 * odd, 2 * odd + 1, 2 * odd + 4, 2 * odd + 5]).memory("v128.store");
      }
    }
  };
  f.get(rows).i32(2).op("i32.shr_u").set(fours);
  whileNonzero(f, fours, () => {
    starts.forEach((start, i) => {
      f.get(pair)
        .get(from)
        .memory("i32.load", 4 * headWords.length + 8 * i)
        .op("i32.add")
        .set(start);
    });
    f.get(from)
      .memory("i32.load", 4 * headWords.length + 4)
      .set(column);
    for (let lane = targets.length - 4; lane >= 0; lane -= 4) {
      sums.forEach((sum, i) => {
        f.get(starts[i])
          .tee(sources[i])
          .memory("v128.load", 4 * lane)
          .set(sum);
      });
      word("slots").i32(1).op("i32.sub").set(left);
      whileNonzero(f, left, () => {
        sums.forEach((sum, i) => {
          f.get(sum).get(sources[i]);
          word("slotBytes").op("i32.add").tee(sources[i]);
          f.memory("v128.load", 4 * lane)
            .op("f32x4.add")
            .set(sum);
        });
      });
      turn(lane);
    }
    advance(f, from, 32);
  });
  f.get(rows).i32(3).op("i32.and").set(rows);
}

function sumRows(f: FunctionBuilder, word: Word, { pair, from, rows, targets }: SumLocals): void {
  const [column, source, left] = f.locals("i32", 3);
  const sums = f.locals("v128", targets.length / 4);
  whileNonzero(f, rows, () => {
    f.get(pair)
      .get(from)
      .memory("i32.load", 4 * headWords.length)
      .op("i32.add")
      .set(source);
    sums.forEach((sum, v) => {
      f.get(source)
        .memory("v128.load", 16 * v)
        .set(sum);
    });
    f.get(from)
      .memory("i32.load", 4 * headWords.length + 4)
      .set(column);
    word("slots").i32(1).op("i32.sub").set(left);
    whileNonzero(f, left, () => {
      f.get(source);
      word("slotBytes").op("i32.add").set(source);
      sums.forEach((sum, v) => {
        f.get(sum)
          .get(source)
          .memory("v128.load", 16 * v)
          .op("f32x4.add")
          .set(sum);
      });
    });
    for (let lane = targets.length - 1; lane >= 0; lane--) {
      f.get(targets[lane])
        .get(column)
        .op("i32.add")
        .get(sums[lane >> 2])
        .laneMemory("v128.store32_lane", lane & 3);
    }
    advance(f, from, 8);
  });
}
