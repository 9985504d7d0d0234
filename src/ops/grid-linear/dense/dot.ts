import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import type { Device, Routine } from "../../contract.ts";
import { emitExpression } from "../../expression/print-wasm.ts";
import { addLanes, type DotTile, dotStep, type Line } from "../tiles/dot.ts";
import { whileNonzero } from "../tiles/panel.ts";
import {
  atMost,
  type ChunkLocals,
  chunkWords,
  type DenseCode,
  eachRowTile,
  emitDenseChunks,
  type FusedRows,
  fusedPointers,
  reader,
  storeLanes,
  tooFewRows,
} from "./chunks.ts";

/**
 * Matrix product of rows: result[row][column] = sum over i of left[row][i] * right[column][i], both plain. A tile of rows x columns keeps
 * one vector of partial sums for each result; another function adds up their lanes and applies the epilogue.
 */
export interface DotCode extends DenseCode {
  readonly rows: number;
  readonly columns: number;
  /** Lanes of a partial sum: 8 in pairs, else 4. */
  readonly lanes: number;
}

/** Numbers of the routine, bytes but for counts. `blockLength` floats of the sum are done at a time, to stay in the first cache. */
const dotWords = [...chunkWords, "length", "blockLength", "leftRow", "rightRow"] as const;

export type DotNumbers = Readonly<Record<(typeof dotWords)[number], number>>;

/** The record: numbers, places of the fused operands, then masks of the last partial vector. */
export const dotRecord = (numbers: DotNumbers, fused: readonly FusedRows[], lanes: number): Int32Array =>
  Int32Array.from([
    ...dotWords.map((name) => numbers[name]),
    ...fused.flatMap(({ start, row }) => [start, row]),
    ...new Array<number>(lanes).fill(-1),
    ...new Array<number>(lanes).fill(0),
  ]);

/** Bytes of the partial sums of a tile. */
export const tileBytes = ({ rows, columns, lanes }: Pick<DotCode, "rows" | "columns" | "lanes">): number => rows * columns * lanes * 4;

const wordOf = (f: FunctionBuilder, record: Local): ((name: (typeof dotWords)[number]) => FunctionBuilder) => reader(f, record, dotWords);

/** Operands of the routine. */
const at = { left: 0, right: 1, result: 2, scratch: 3, record: 4, fused: 5 } as const;

export function dotRoutine(code: DotCode, device: Device): Routine {
  const { rows, columns, lanes, spare, key } = code;
  return {
    key: `grid-linear dense dot | ${rows}x${columns}x${lanes}${spare > 0 ? ` spare ${spare}` : ""} | ${key} | ${device.tier}`,
    build: (module) => {
      const functions = (size: number): Tiles => ({ size, sums: addSums(module, code, size), ends: addEnds(module, code, size) });
      const whole = functions(rows);
      const single = rows === 1 ? whole : functions(1);
      return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, whole, single));
    },
  };
}

/** A function (left, right, scratch, floats, record, continues) that adds to the partial sums of a tile, or begins them. */
function addSums(module: ModuleBuilder, code: DotCode, size: number): number {
  const { columns, lanes } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [left, right, scratch, floats, record, continues] = f.parameters;
    const turns = f.local("i32");
    const vector = (): Local[] => f.locals("v128", lanes / 4);
    const word = wordOf(f, record);
    const tile: DotTile = {
      rows: pointers(f, left, () => word("leftRow"), size),
      columns: pointers(f, right, () => word("rightRow"), columns),
      sums: Array.from({ length: size }, () => Array.from({ length: columns }, vector)),
      own: Array.from({ length: size }, vector),
      other: vector(),
    };
    const eachSum = (visit: (local: Local, offset: number) => void): void =>
      tile.sums.flat(2).forEach((local, i) => {
        visit(local, 16 * i);
      });
    f.get(continues).if(
      () => eachSum((local, offset) => f.get(scratch).memory("v128.load", offset).set(local)),
      () => eachSum((local) => f.f32x4(0).set(local)),
    );
    const run = (count: number): void => {
      for (let u = 0; u < count; u++) dotStep(f, code, tile, 4 * lanes * u, () => {});
      for (const { local } of [...tile.rows, ...tile.columns]) advance(f, local, 4 * lanes * count);
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
      dotStep(f, code, tile, 0, (half) =>
        f
          .get(turns)
          .memory("v128.load", masks + 16 * half)
          .op("v128.and"),
      );
    });
    eachSum((local, offset) => f.get(scratch).get(local).memory("v128.store", offset));
  });
}

/** Pointers to so many lines, each `step` bytes behind the one before. */
function pointers(f: FunctionBuilder, first: Local, step: () => void, count: number): Line[] {
  const made = f.locals("i32", count);
  made.forEach((pointer, i) => {
    f.get(i === 0 ? first : made[i - 1]);
    if (i > 0) {
      step();
      f.op("i32.add");
    }
    f.set(pointer);
  });
  return made.map((local) => ({ local, offset: 0 }));
}

/** A function (table, record, scratch, row, column) that adds up the lanes of a tile's sums, applies the epilogue and stores. */
function addEnds(module: ModuleBuilder, code: DotCode, size: number): number {
  const { epilogue, fused, columns, fma } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [table, record, scratch, row, column] = f.parameters;
    const word = wordOf(f, record);
    const target = f.local("i32");
    const quad = f.locals("v128", 4);
    const sum = f.local("v128");
    const { pointers, nextRow } = fusedPointers(f, fused, { table, record, row, column }, { words: dotWords.length, operands: at.fused });
    f.get(table)
      .memory("i32.load", 4 * at.result)
      .get(row);
    word("resultRow").op("i32.mul", "i32.add").get(column).i32(2).op("i32.shl", "i32.add").set(target);
    for (let r = 0; r < size; r++) {
      for (let c = 0; c < columns; c += 4) {
        const lanes = Math.min(4, columns - c);
        addLanes(f, code, scratch, { first: r * columns + c, count: lanes }, quad);
        f.set(sum);
        if (epilogue !== null) {
          const vector = (index: number): void => {
            if (index === 0) f.get(sum);
            else if (fused[index - 1].splat) f.get(pointers[index - 1]).memory("v128.load32_splat");
            else f.get(pointers[index - 1]).memory("v128.load", 4 * c);
          };
          emitExpression(f, epilogue, { vector, fma });
          f.set(sum);
        }
        storeLanes(f, target, [sum], lanes, 4 * c);
      }
      f.get(target);
      word("resultRow").op("i32.add").set(target);
      nextRow();
    }
  });
}

interface Tiles {
  readonly size: number;
  readonly sums: number;
  readonly ends: number;
}

/** Rows are examples, columns output channels. */
function emitChunks(f: FunctionBuilder, code: DotCode, whole: Tiles, single: Tiles): void {
  const examples = f.parameters[3];
  const frame = { resultAt: at.result, scratchAt: at.scratch, recordAt: at.record, spare: code.spare, rows: () => f.get(examples) };
  emitDenseChunks(f, frame, (chunk) => {
    const column = f.local("i32");
    f.loop((again) => {
      f.get(chunk.tile).i32(code.columns).op("i32.mul").set(column);
      atMost(f, column, () => wordOf(f, chunk.record)("lastColumn"));
      tooFewRows(f, chunk, code.rows);
      f.if(
        () => emitColumn(f, code, chunk, column, single),
        () => emitColumn(f, code, chunk, column, whole),
      );
      f.get(chunk.tile).i32(1).op("i32.add").tee(chunk.tile).get(chunk.lastTile).op("i32.lt_s").branchIf(again);
    });
  });
}

/** One column tile for all rows of the chunk: block by block of the sum, then the ends. */
function emitColumn(f: FunctionBuilder, code: DotCode, chunk: ChunkLocals, column: Local, tiles: Tiles): void {
  const { table, record, scratch } = chunk;
  const [from, floats, row, sums] = f.locals("i32", 4);
  const word = wordOf(f, record);
  const eachTile = (body: () => void): void => {
    f.get(scratch).set(sums);
    eachRowTile(f, row, chunk, tiles.size, () => {
      body();
      advance(f, sums, tileBytes({ ...code, rows: tiles.size }));
    });
  };
  const address = (operand: number, line: Local, step: "leftRow" | "rightRow"): void => {
    f.get(table)
      .memory("i32.load", 4 * operand)
      .get(line);
    word(step).op("i32.mul", "i32.add").get(from).i32(2).op("i32.shl", "i32.add");
  };
  f.i32(0).set(from);
  f.loop((block) => {
    word("length").get(from).op("i32.sub").set(floats);
    atMost(f, floats, () => word("blockLength"));
    eachTile(() => {
      address(at.left, row, "leftRow");
      address(at.right, column, "rightRow");
      f.get(sums).get(floats).get(record).get(from).call(tiles.sums);
    });
    f.get(from).get(floats).op("i32.add").tee(from);
    word("length").op("i32.lt_s").branchIf(block);
  });
  eachTile(() => f.get(table).get(record).get(sums).get(row).get(column).call(tiles.ends));
}
