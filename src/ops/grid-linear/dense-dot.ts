import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../emit/wasm/module.ts";
import { advance, multiplyAdd } from "../../emit/wasm/vectors.ts";
import type { Device, Expression, Routine } from "../contract.ts";
import { emitExpression } from "../expression/print-wasm.ts";
import type { FusedOperand } from "./blocked-fusion.ts";
import { countDown, whileNonzero } from "./kernel-tile.ts";

/**
 * Matrix product of rows: result[row][column] = sum over i of left[row][i] * right[column][i], both plain. A tile of rows x columns keeps
 * one vector of partial sums for each result; another function adds up their lanes and applies the epilogue.
 */
export interface DotCode {
  readonly rows: number;
  readonly columns: number;
  /** Lanes of a partial sum: 8 in pairs, else 4. */
  readonly lanes: number;
  readonly fma: boolean;
  /** Lanes behind the last column of a row, to be set to zero. */
  readonly spare: number;
  readonly epilogue: Expression | null;
  readonly fused: readonly FusedOperand[];
  /** Printed epilogue. */
  readonly key: string;
}

/** Numbers of the routine, bytes but for counts. `blockLength` floats of the sum are done at a time, to stay in the first cache. */
export const dotWords = [
  "columnParts",
  "rowUnit",
  "length",
  "blockLength",
  "wholeTiles",
  "allTiles",
  "lastColumn",
  "leftRow",
  "rightRow",
  "resultRow",
  "leftStart",
  "resultStart",
  "scratchBytes",
] as const;

export type DotNumbers = Readonly<Record<(typeof dotWords)[number], number>>;

/** The record: numbers, start and row step of each fused operand, then masks of the last partial vector. */
export const dotRecord = (
  numbers: DotNumbers,
  fused: readonly { readonly start: number; readonly row: number }[],
  lanes: number,
): Int32Array =>
  Int32Array.from([
    ...dotWords.map((name) => numbers[name]),
    ...fused.flatMap(({ start, row }) => [start, row]),
    ...new Array<number>(lanes).fill(-1),
    ...new Array<number>(lanes).fill(0),
  ]);

/** Bytes of the partial sums of a tile. */
export const tileBytes = ({ rows, columns, lanes }: Pick<DotCode, "rows" | "columns" | "lanes">): number => rows * columns * lanes * 4;

type Word = (name: (typeof dotWords)[number]) => FunctionBuilder;
const wordOf =
  (f: FunctionBuilder, record: Local): Word =>
  (name) =>
    f.get(record).memory("i32.load", 4 * dotWords.indexOf(name));

/** Operands: left, right, result, scratch, record, then the fused ones. */
const firstFused = 5;

export function dotRoutine(code: DotCode, device: Device): Routine {
  const { rows, columns, lanes, spare, key } = code;
  return {
    key: `grid-linear dense dot | ${rows}x${columns}x${lanes}${spare > 0 ? ` spare ${spare}` : ""} | ${key} | ${device.tier}`,
    build: (module) => {
      const functions = (size: number): { sums: number; ends: number } => ({
        sums: addSums(module, code, size),
        ends: addEnds(module, code, size),
      });
      const whole = functions(rows);
      const single = rows === 1 ? whole : functions(1);
      return module.function(["i32", "i32", "i32", "i32"], [], (f) =>
        emitChunks(f, code, [
          { size: rows, ...whole },
          { size: 1, ...single },
        ]),
      );
    },
  };
}

/** A function (left, right, scratch, floats, record, continues) that adds to the partial sums of a tile, or begins them. */
function addSums(module: ModuleBuilder, code: DotCode, size: number): number {
  const { columns, lanes, fma } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [left, right, scratch, floats, record, continues] = f.parameters;
    const halves = lanes / 4;
    const word = wordOf(f, record);
    const [leftRow, rightRow, turns] = f.locals("i32", 3);
    const pointers = f.locals("i32", size);
    const others = f.locals("i32", columns);
    const sums = Array.from({ length: size }, () => Array.from({ length: columns }, () => f.locals("v128", halves)));
    const own = Array.from({ length: size }, () => f.locals("v128", halves));
    const other = f.locals("v128", halves);
    const eachSum = (visit: (local: Local, offset: number) => void): void =>
      sums.forEach((row, r) =>
        row.forEach((sum, c) => sum.forEach((local, half) => visit(local, (r * columns + c) * lanes * 4 + 16 * half))),
      );
    word("leftRow").set(leftRow);
    word("rightRow").set(rightRow);
    pointers.forEach((pointer, r) =>
      f
        .get(r === 0 ? left : pointers[r - 1])
        .get(leftRow)
        .i32(r === 0 ? 0 : 1)
        .op("i32.mul", "i32.add")
        .set(pointer),
    );
    others.forEach((pointer, c) =>
      f
        .get(c === 0 ? right : others[c - 1])
        .get(rightRow)
        .i32(c === 0 ? 0 : 1)
        .op("i32.mul", "i32.add")
        .set(pointer),
    );
    f.get(continues).if(
      () => eachSum((local, offset) => f.get(scratch).memory("v128.load", offset).set(local)),
      () => eachSum((local) => f.f32x4(0).set(local)),
    );
    const step = (offset: number, masked: (half: number) => void): void => {
      const load = (pointer: Local, into: readonly Local[]): void =>
        into.forEach((local, half) => {
          f.get(pointer).memory("v128.load", offset + 16 * half);
          masked(half);
          f.set(local);
        });
      own.forEach((into, r) => load(pointers[r], into));
      others.forEach((pointer, c) => {
        load(pointer, other);
        sums.forEach((row, r) =>
          row[c].forEach((sum, half) =>
            multiplyAdd(
              f,
              fma,
              sum,
              () => f.get(own[r][half]),
              () => f.get(other[half]),
            ),
          ),
        );
      });
    };
    const run = (count: number): void => {
      for (let u = 0; u < count; u++) step(4 * lanes * u, () => {});
      for (const pointer of [...pointers, ...others]) advance(f, pointer, 4 * lanes * count);
    };
    f.get(floats)
      .i32(4 * lanes)
      .op("i32.div_u")
      .set(turns);
    whileNonzero(f, turns, () => run(4));
    f.get(floats).i32(lanes).op("i32.div_u").i32(3).op("i32.and").set(turns);
    whileNonzero(f, turns, () => run(1));
    f.get(floats)
      .i32(lanes - 1)
      .op("i32.and")
      .tee(turns);
    f.if(() => {
      // both sides: what lies behind a row may be NaN
      const masks = 4 * (dotWords.length + 2 * code.fused.length + lanes);
      f.get(record).get(turns).i32(2).op("i32.shl", "i32.sub").set(turns);
      step(0, (half) =>
        f
          .get(turns)
          .memory("v128.load", masks + 16 * half)
          .op("v128.and"),
      );
    });
    eachSum((local, offset) => f.get(scratch).get(local).memory("v128.store", offset));
  });
}

const picked = (...lanes: readonly number[]): number[] => lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));

/** A function (table, record, scratch, row, column) that adds up the lanes of a tile's sums, applies the epilogue and stores. */
function addEnds(module: ModuleBuilder, code: DotCode, size: number): number {
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [table, record, scratch, row, column] = f.parameters;
    const word = wordOf(f, record);
    const at = f.local("i32");
    const pointers = code.fused.map(() => f.local("i32"));
    const quad = f.locals("v128", 4);
    const sum = f.local("v128");
    f.get(table).memory("i32.load", 8);
    word("resultStart").op("i32.add").get(row);
    word("resultRow").op("i32.mul", "i32.add").get(column).i32(2).op("i32.shl", "i32.add").set(at);
    const numbers = (i: number): number => 4 * (dotWords.length + 2 * i);
    code.fused.forEach(({ splat, moves }, i) => {
      f.get(table)
        .memory("i32.load", 4 * (firstFused + i))
        .get(record)
        .memory("i32.load", numbers(i))
        .op("i32.add");
      if (moves)
        f.get(row)
          .get(record)
          .memory("i32.load", numbers(i) + 4)
          .op("i32.mul", "i32.add");
      if (!splat) f.get(column).i32(2).op("i32.shl", "i32.add");
      f.set(pointers[i]);
    });
    for (let r = 0; r < size; r++) {
      for (let c = 0; c < code.columns; c += 4) {
        const lanes = Math.min(4, code.columns - c);
        addLanes(f, code, scratch, { first: r * code.columns + c, count: lanes }, quad);
        f.set(sum);
        if (code.epilogue !== null) {
          const vector = (index: number): void => {
            if (index === 0) f.get(sum);
            else
              f.get(pointers[index - 1]).memory(
                code.fused[index - 1].splat ? "v128.load32_splat" : "v128.load",
                code.fused[index - 1].splat ? 0 : 4 * c,
              );
          };
          emitExpression(f, code.epilogue, { vector, fma: code.fma });
          f.set(sum);
        }
        if (lanes === 4)
          f.get(at)
            .get(sum)
            .memory("v128.store", 4 * c);
        else
          for (let lane = 0; lane < lanes; lane++)
            f.get(at)
              .get(sum)
              .laneMemory("v128.store32_lane", lane, 4 * (c + lane));
      }
      f.get(at);
      word("resultRow").op("i32.add").set(at);
      code.fused.forEach(({ moves }, i) => {
        if (moves)
          f.get(pointers[i])
            .get(record)
            .memory("i32.load", numbers(i) + 4)
            .op("i32.add")
            .set(pointers[i]);
      });
    }
  });
}

/** Pushes the totals of up to four partial sums as four lanes. */
function addLanes(
  f: FunctionBuilder,
  { lanes }: DotCode,
  scratch: Local,
  { first, count }: { first: number; count: number },
  quad: readonly Local[],
): void {
  quad.forEach((local, i) => {
    if (i >= count) f.f32x4(0);
    else
      for (let half = 0; half < lanes / 4; half++) {
        f.get(scratch).memory("v128.load", (first + i) * lanes * 4 + 16 * half);
        if (half > 0) f.op("f32x4.add");
      }
    f.set(local);
  });
  const [a, b, c, d] = quad;
  const fold = (left: Local, right: Local, even: readonly number[], odd: readonly number[]): FunctionBuilder =>
    f
      .get(left)
      .get(right)
      .shuffle(picked(...even))
      .get(left)
      .get(right)
      .shuffle(picked(...odd))
      .op("f32x4.add");
  fold(a, b, [0, 4, 2, 6], [1, 5, 3, 7]).set(a);
  fold(c, d, [0, 4, 2, 6], [1, 5, 3, 7]).set(c);
  fold(a, c, [0, 1, 4, 5], [2, 3, 6, 7]);
}

interface Tiles {
  readonly size: number;
  readonly sums: number;
  readonly ends: number;
}

/** Chunk = (range of rows, range of column tiles); rows are examples. */
function emitChunks(f: FunctionBuilder, code: DotCode, [whole, single]: readonly Tiles[]): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, part, first, last, at, until, column, left, scratch] = f.locals("i32", 9);
  const word = wordOf(f, record);
  const smaller = (a: Local, b: () => void): void => {
    f.get(a);
    b();
    f.get(a);
    b();
    f.op("i32.lt_s", "select").set(a);
  };
  f.get(table).memory("i32.load", 16).set(record);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(chunk);
      word("columnParts").op("i32.rem_u").set(part);
      f.get(chunk);
      word("columnParts").op("i32.div_u");
      word("rowUnit").op("i32.mul").tee(first);
      word("rowUnit").op("i32.add").set(last);
      smaller(last, () => f.get(examples));
      f.get(table).memory("i32.load", 12).get(chunk);
      word("scratchBytes").op("i32.mul", "i32.add").set(scratch);
      f.get(part);
      word("wholeTiles").op("i32.mul");
      word("columnParts").op("i32.div_u").set(at);
      f.get(part).i32(1).op("i32.add").tee(part);
      word("wholeTiles").op("i32.mul");
      word("columnParts").op("i32.div_u").set(until);
      word("allTiles").get(until).get(part);
      word("columnParts").op("i32.eq", "select").get(at).op("i32.sub").set(left);
      const locals: TileLocals = { table, record, scratch, column, first, last };
      countDown(f, left, () => {
        f.get(at).i32(code.columns).op("i32.mul").set(column);
        smaller(column, () => word("lastColumn"));
        f.get(last).get(first).op("i32.sub").i32(code.rows).op("i32.lt_s");
        f.if(
          () => emitColumn(f, code, locals, single),
          () => emitColumn(f, code, locals, whole),
        );
        advance(f, at, 1);
      });
      if (code.spare > 0) {
        f.get(part);
        word("columnParts").op("i32.eq");
        f.if(() => clearSpare(f, locals, code));
      }
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

interface TileLocals {
  readonly table: Local;
  readonly record: Local;
  readonly scratch: Local;
  readonly column: Local;
  readonly first: Local;
  readonly last: Local;
}

/** One column tile for all rows of the chunk: block by block of the sum, then the ends. */
function emitColumn(f: FunctionBuilder, code: DotCode, { table, record, scratch, column, first, last }: TileLocals, tiles: Tiles): void {
  const [from, floats, row, fullStart, scratchAt] = f.locals("i32", 5);
  const word = wordOf(f, record);
  const eachRow = (body: () => void): void => {
    f.get(first).set(row);
    f.get(scratch).set(scratchAt);
    f.block((done) =>
      f.loop((again) => {
        body();
        f.get(row).get(fullStart).op("i32.eq").branchIf(done);
        advance(f, scratchAt, tileBytes({ ...code, rows: tiles.size }));
        advance(f, row, tiles.size);
        // the last tile reaches back, so that all are full
        f.get(row).get(fullStart).get(row).get(fullStart).op("i32.lt_s", "select").set(row);
        f.branch(again);
      }),
    );
  };
  f.get(last).i32(tiles.size).op("i32.sub").set(fullStart);
  f.i32(0).set(from);
  f.loop((block) => {
    word("length").get(from).op("i32.sub").set(floats);
    f.get(floats);
    word("blockLength");
    f.get(floats);
    word("blockLength").op("i32.lt_s", "select").set(floats);
    eachRow(() => {
      f.get(table).memory("i32.load");
      word("leftStart").op("i32.add").get(row);
      word("leftRow").op("i32.mul", "i32.add").get(from).i32(2).op("i32.shl", "i32.add");
      f.get(table).memory("i32.load", 4).get(column);
      word("rightRow").op("i32.mul", "i32.add").get(from).i32(2).op("i32.shl", "i32.add");
      f.get(scratchAt).get(floats).get(record).get(from).call(tiles.sums);
    });
    f.get(from).get(floats).op("i32.add").tee(from);
    word("length").op("i32.lt_s").branchIf(block);
  });
  eachRow(() => f.get(table).get(record).get(scratchAt).get(row).get(column).call(tiles.ends));
}

/** Zeros behind the last column of the chunk's rows. */
function clearSpare(f: FunctionBuilder, { table, record, first, last }: TileLocals, { columns, spare }: DotCode): void {
  const [at, row] = f.locals("i32", 2);
  const word = wordOf(f, record);
  f.get(table).memory("i32.load", 8);
  word("resultStart").op("i32.add").get(first);
  word("resultRow").op("i32.mul", "i32.add");
  word("lastColumn").i32(columns).op("i32.add").i32(2).op("i32.shl", "i32.add").set(at);
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
