import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../emit/wasm/module.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Device, Expression, Routine } from "../contract.ts";
import { emitExpression, hoistConstants } from "../expression/print-wasm.ts";
import type { FusedOperand } from "./blocked-fusion.ts";
import { countDown, whileNonzero } from "./kernel-tile.ts";
import { type OuterTile, outerStep, outerTile, zeroTile } from "./outer-tile.ts";

/**
 * Matrix product by outer products: result[row][column] = sum over steps of splats[row, step] * vectors[step][column]. Input gradient of a dense
 * layer: rows = examples, steps = output channels. Kernel gradient: rows = output channels, steps = examples.
 */
export interface OuterCode {
  readonly rows: number;
  readonly lanes: number;
  /** Lanes of a row that are stored: fewer than `lanes` only in a result of fewer columns. */
  readonly stored: number;
  readonly fma: boolean;
  /** Lanes behind the last column of a row, to be set to zero. */
  readonly spare: number;
  /** What the run's number of examples is. */
  readonly examplesAre: "rows" | "steps";
  readonly epilogue: Expression | null;
  readonly fused: readonly FusedOperand[];
  /** Printed epilogue. */
  readonly key: string;
}

/** Numbers of the routine, bytes but for counts. */
export const outerWords = [
  "columnParts",
  "rowUnit",
  "rows",
  "steps",
  "wholeTiles",
  "allTiles",
  "lastColumn",
  "splatRow",
  "splatStep",
  "vectorStep",
  "resultRow",
  "splatStart",
  "vectorStart",
  "resultStart",
  "spareStart",
] as const;

export type OuterNumbers = Readonly<Record<(typeof outerWords)[number], number>>;

/** The record: the numbers, then start and row step of each fused operand. */
export const outerRecord = (numbers: OuterNumbers, fused: readonly { readonly start: number; readonly row: number }[]): Int32Array =>
  Int32Array.from([...outerWords.map((name) => numbers[name]), ...fused.flatMap(({ start, row }) => [start, row])]);

type Word = (name: (typeof outerWords)[number]) => FunctionBuilder;
const wordOf =
  (f: FunctionBuilder, record: Local): Word =>
  (name) =>
    f.get(record).memory("i32.load", 4 * outerWords.indexOf(name));

/** Operands: splats, vectors, result, record, then the fused ones. */
const firstFused = 4;

export function outerRoutine(code: OuterCode, device: Device): Routine {
  const { rows, lanes, stored, spare, examplesAre, key } = code;
  return {
    key: `grid-linear dense outer | ${rows}x${lanes}${stored < lanes ? ` of ${stored}` : ""} examples ${examplesAre}${spare > 0 ? ` spare ${spare}` : ""} | ${key} | ${device.tier}`,
    build: (module) => {
      const tile = addTile(module, code);
      const single = code.rows === 1 ? tile : addTile(module, { ...code, rows: 1 });
      return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, tile, single));
    },
  };
}

/** A function (table, record, row, column, steps) that computes one tile. */
function addTile(module: ModuleBuilder, code: OuterCode): number {
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [table, record, row, column, steps] = f.parameters;
    const word = wordOf(f, record);
    const tile = outerTile(f, code.rows, code.lanes);
    const [vector, splatStep, vectorStep, left] = f.locals("i32", 4);
    const operandAt = (index: number): FunctionBuilder => f.get(table).memory("i32.load", 4 * index);
    // rows of a kernel gradient follow each other in memory, those of an input gradient lie an example apart
    const apart = code.examplesAre === "rows";
    const pointers = f.locals("i32", apart ? code.rows : 1);
    pointers.forEach((pointer, r) => {
      operandAt(0);
      word("splatStart").op("i32.add").get(row).i32(r).op("i32.add");
      word("splatRow").op("i32.mul", "i32.add").set(pointer);
    });
    operandAt(1);
    word("vectorStart").op("i32.add").get(column).i32(2).op("i32.shl", "i32.add").set(vector);
    word("splatStep").set(splatStep);
    word("vectorStep").set(vectorStep);
    const run = (count: number): void => {
      for (let u = 0; u < count; u++) {
        outerStep(
          f,
          tile,
          code.fma,
          (r) => f.get(pointers[r] ?? pointers[0]).memory("v128.load32_splat", apart ? 4 * u : 4 * r),
          (index) => f.get(vector).memory("v128.load", 16 * index),
        );
        f.get(vector).get(vectorStep).op("i32.add").set(vector);
        if (!apart) f.get(pointers[0]).get(splatStep).op("i32.add").set(pointers[0]);
      }
      if (apart) for (const pointer of pointers) advance(f, pointer, 4 * count);
    };
    zeroTile(f, tile);
    f.get(steps).i32(2).op("i32.shr_u").set(left);
    whileNonzero(f, left, () => run(4));
    f.get(steps).i32(3).op("i32.and").set(left);
    whileNonzero(f, left, () => run(1));
    finish(f, code, tile, { table, record, row, column });
  });
}

interface Where {
  readonly table: Local;
  readonly record: Local;
  readonly row: Local;
  readonly column: Local;
}

/** Epilogue and store of a tile. */
function finish(f: FunctionBuilder, code: OuterCode, tile: OuterTile, { table, record, row, column }: Where): void {
  const word = wordOf(f, record);
  const [at] = f.locals("i32", 1);
  const pointers = code.fused.map(() => f.local("i32"));
  const constants = code.epilogue === null ? new Map() : hoistConstants(f, code.epilogue, code.fma);
  const scratch: Local[] = [];
  f.get(table).memory("i32.load", 8);
  word("resultStart").op("i32.add").get(row);
  word("resultRow").op("i32.mul", "i32.add").get(column).i32(2).op("i32.shl", "i32.add").set(at);
  code.fused.forEach(({ splat, moves }, i) => {
    const numbers = 4 * (outerWords.length + 2 * i);
    f.get(table)
      .memory("i32.load", 4 * (firstFused + i))
      .get(record)
      .memory("i32.load", numbers)
      .op("i32.add");
    if (moves)
      f.get(row)
        .get(record)
        .memory("i32.load", numbers + 4)
        .op("i32.mul", "i32.add");
    if (!splat) f.get(column).i32(2).op("i32.shl", "i32.add");
    f.set(pointers[i]);
  });
  tile.accumulators.forEach((accumulators) => {
    const { epilogue } = code;
    if (epilogue !== null) {
      accumulators.forEach((accumulator, v) => {
        const vector = (index: number): void => {
          if (index === 0) f.get(accumulator);
          else if (code.fused[index - 1].splat) f.get(pointers[index - 1]).memory("v128.load32_splat");
          else f.get(pointers[index - 1]).memory("v128.load", 16 * v);
        };
        emitExpression(f, epilogue, { vector, fma: code.fma, constants, scratch });
        f.set(accumulator);
      });
    }
    storeRow(f, at, accumulators, code.stored);
    f.get(at);
    word("resultRow").op("i32.add").set(at);
    code.fused.forEach(({ moves }, i) => {
      if (moves)
        f.get(pointers[i])
          .get(record)
          .memory("i32.load", 4 * (outerWords.length + 2 * i + 1))
          .op("i32.add")
          .set(pointers[i]);
    });
  });
}

/** Stores the first so many lanes. */
function storeRow(f: FunctionBuilder, at: Local, row: readonly Local[], stored: number): void {
  row.forEach((vector, v) => {
    const lanes = Math.min(4, stored - 4 * v);
    if (lanes === 4)
      f.get(at)
        .get(vector)
        .memory("v128.store", 16 * v);
    else
      for (let lane = 0; lane < lanes; lane++)
        f.get(at)
          .get(vector)
          .laneMemory("v128.store32_lane", lane, 16 * v + 4 * lane);
  });
}

/** Chunk = (range of rows, range of column tiles). The last tiles of a range reach back over their neighbours, so that all are full. */
function emitChunks(f: FunctionBuilder, code: OuterCode, tile: number, single: number): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, part, first, last, at, until, column, row, left, rows, steps] = f.locals("i32", 11);
  const word = wordOf(f, record);
  const smaller = (a: Local, b: () => void): void => {
    f.get(a);
    b();
    f.get(a);
    b();
    f.op("i32.lt_s", "select");
  };
  f.get(table).memory("i32.load", 12).set(record);
  if (code.examplesAre === "rows") {
    f.get(examples).set(rows);
    word("steps").set(steps);
  } else {
    word("rows").set(rows);
    f.get(examples).set(steps);
  }
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(chunk);
      word("columnParts").op("i32.rem_u").set(part);
      f.get(chunk);
      word("columnParts").op("i32.div_u");
      word("rowUnit").op("i32.mul").tee(first);
      word("rowUnit").op("i32.add").set(last);
      smaller(last, () => f.get(rows));
      f.set(last);
      f.get(part);
      word("wholeTiles").op("i32.mul");
      word("columnParts").op("i32.div_u").set(at);
      f.get(part).i32(1).op("i32.add").tee(part);
      word("wholeTiles").op("i32.mul");
      word("columnParts").op("i32.div_u").set(until);
      word("allTiles").get(until).get(part);
      word("columnParts").op("i32.eq", "select").get(at).op("i32.sub").set(left);
      countDown(f, left, () => {
        f.get(at).i32(code.lanes).op("i32.mul").set(column);
        smaller(column, () => word("lastColumn"));
        f.set(column);
        emitRows(f, { table, record, row, column, first, last, steps }, { rows: code.rows, tile, single });
        advance(f, at, 1);
      });
      if (code.spare > 0) {
        f.get(part);
        word("columnParts").op("i32.eq");
        f.if(() => clearSpare(f, { table, record, first, last }, code.spare));
      }
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** Zeros behind the last column of the rows first .. last. */
function clearSpare(
  f: FunctionBuilder,
  { table, record, first, last }: { table: Local; record: Local; first: Local; last: Local },
  spare: number,
): void {
  const [at, row] = f.locals("i32", 2);
  const word = wordOf(f, record);
  f.get(table).memory("i32.load", 8);
  word("spareStart").op("i32.add").get(first);
  word("resultRow").op("i32.mul", "i32.add").set(at);
  f.get(first).set(row);
  f.loop((again) => {
    for (let lane = 0; lane < spare; lane++)
      f.get(at)
        .f32(0)
        .memory("f32.store", 4 * lane);
    f.get(at);
    word("resultRow").op("i32.add").set(at);
    f.get(row).i32(1).op("i32.add").tee(row).get(last).op("i32.lt_s").branchIf(again);
  });
}

interface RowLocals extends Where {
  readonly first: Local;
  readonly last: Local;
  readonly steps: Local;
}

/** All row tiles of one column tile; ranges shorter than a tile go row by row. */
function emitRows(
  f: FunctionBuilder,
  { table, record, row, column, first, last, steps }: RowLocals,
  code: { rows: number; tile: number; single: number },
): void {
  const fullStart = f.local("i32");
  const call = (index: number): FunctionBuilder => f.get(table).get(record).get(row).get(column).get(steps).call(index);
  f.get(first).set(row);
  f.get(last).i32(code.rows).op("i32.sub").set(fullStart);
  f.get(fullStart).get(first).op("i32.lt_s");
  f.if(
    () =>
      f.loop((again) => {
        call(code.single);
        f.get(row).i32(1).op("i32.add").tee(row).get(last).op("i32.lt_s").branchIf(again);
      }),
    () =>
      f.block((done) =>
        f.loop((again) => {
          call(code.tile);
          f.get(row).get(fullStart).op("i32.eq").branchIf(done);
          advance(f, row, code.rows);
          // the last tile reaches back
          f.get(row).get(fullStart).get(row).get(fullStart).op("i32.lt_s", "select").set(row);
          f.branch(again);
        }),
      ),
  );
}
