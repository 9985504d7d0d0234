import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, whileBelow } from "../../../emit/wasm/vectors.ts";
import type { Device, Routine } from "../../contract.ts";
import { emitExpression, hoistConstants } from "../../expression/print-wasm.ts";
import { type OuterTile, outerStep, outerTile, zeroTile } from "../tiles/outer.ts";
import { countDown, whileNonzero } from "../tiles/panel.ts";
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
 * Matrix product by outer products: result[row][column] = sum over steps of splats[row, step] * vectors[step][column]. Input gradient of a dense
 * layer: rows = examples, steps = output channels. Kernel gradient: rows = output channels, steps = examples.
 */
export interface OuterCode extends DenseCode {
  readonly rows: number;
  readonly lanes: number;
  /** Lanes of a row that are stored: fewer than `lanes` only in a result of fewer columns. */
  readonly stored: number;
  /** What the run's number of examples is. */
  readonly examplesAre: "rows" | "steps";
  /** Column tiles of the vectors are first copied to where their steps follow each other without a gap. */
  readonly packed: boolean;
}

/** Numbers of the routine, bytes but for counts; `groupTiles` column tiles are packed at a time. */
const outerWords = [...chunkWords, "rows", "steps", "splatRow", "splatStep", "vectorStep", "groupTiles"] as const;

export type OuterNumbers = Readonly<Record<(typeof outerWords)[number], number>>;

export const outerRecord = (numbers: OuterNumbers, fused: readonly FusedRows[]): Int32Array =>
  Int32Array.from([...outerWords.map((name) => numbers[name]), ...fused.flatMap(({ start, row }) => [start, row])]);

const wordOf = (f: FunctionBuilder, record: Local): ((name: (typeof outerWords)[number]) => FunctionBuilder) =>
  reader(f, record, outerWords);

/** Operands of the routine. */
const at = { splats: 0, vectors: 1, result: 2, scratch: 3, record: 4, fused: 5 } as const;

export function outerRoutine(code: OuterCode, device: Device): Routine {
  const { rows, lanes, stored, spare, examplesAre, packed, key } = code;
  const shape = `${rows}x${lanes}${stored < lanes ? ` of ${stored}` : ""}${packed ? " packed" : ""} examples ${examplesAre}${spare > 0 ? ` spare ${spare}` : ""}`;
  return {
    key: `grid-linear dense outer | ${shape} | ${key} | ${device.tier}`,
    build: (module) => {
      const tile = addTile(module, code);
      const single = code.rows === 1 ? tile : addTile(module, { ...code, rows: 1 });
      const pack = packed ? addPack(module, lanes) : -1;
      return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, { tile, single, pack }));
    },
  };
}

/** A function (table, record, row, column, vectors, steps) that computes one tile. */
function addTile(module: ModuleBuilder, code: OuterCode): number {
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [table, record, row, column, vectors, steps] = f.parameters;
    const word = wordOf(f, record);
    const tile = outerTile(f, code.rows, code.lanes);
    const [splatStep, vectorStep, left] = f.locals("i32", 3);
    // rows of a kernel gradient follow each other in memory, those of an input gradient lie an example apart
    const apart = code.examplesAre === "rows";
    const pointers = f.locals("i32", apart ? code.rows : 1);
    pointers.forEach((pointer, r) => {
      f.get(table)
        .memory("i32.load", 4 * at.splats)
        .get(row)
        .i32(r)
        .op("i32.add");
      word("splatRow").op("i32.mul", "i32.add").set(pointer);
    });
    word("splatStep").set(splatStep);
    word("vectorStep").set(vectorStep);
    const run = (count: number): void => {
      for (let u = 0; u < count; u++) {
        outerStep(
          f,
          tile,
          code.fma,
          (r) => f.get(pointers[r] ?? pointers[0]).memory("v128.load32_splat", apart ? 4 * u : 4 * r),
          (index) => f.get(vectors).memory("v128.load", 16 * index + (code.packed ? 4 * code.lanes * u : 0)),
        );
        if (!code.packed) f.get(vectors).get(vectorStep).op("i32.add").set(vectors);
        if (!apart) f.get(pointers[0]).get(splatStep).op("i32.add").set(pointers[0]);
      }
      if (code.packed) advance(f, vectors, 4 * code.lanes * count);
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

/** Epilogue and store of a tile. */
function finish(f: FunctionBuilder, code: OuterCode, tile: OuterTile, where: Record<"table" | "record" | "row" | "column", Local>): void {
  const { epilogue, fma } = code;
  const { table, record, row, column } = where;
  const word = wordOf(f, record);
  const target = f.local("i32");
  const { pointers, nextRow } = fusedPointers(f, code.fused, where, { words: outerWords.length, operands: at.fused });
  const constants = epilogue === null ? new Map() : hoistConstants(f, epilogue, fma);
  const scratch: Local[] = [];
  f.get(table)
    .memory("i32.load", 4 * at.result)
    .get(row);
  word("resultRow").op("i32.mul", "i32.add").get(column).i32(2).op("i32.shl", "i32.add").set(target);
  for (const accumulators of tile.accumulators) {
    accumulators.forEach((accumulator, v) => {
      if (epilogue === null) return;
      const vector = (index: number): void => {
        if (index === 0) f.get(accumulator);
        else if (code.fused[index - 1].splat) f.get(pointers[index - 1]).memory("v128.load32_splat");
        else f.get(pointers[index - 1]).memory("v128.load", 16 * v);
      };
      emitExpression(f, epilogue, { vector, fma, constants, scratch });
      f.set(accumulator);
    });
    storeLanes(f, target, accumulators, code.stored);
    f.get(target);
    word("resultRow").op("i32.add").set(target);
    nextRow();
  }
}

/** A function (from, to, steps, bytes between steps) that copies a column tile. */
function addPack(module: ModuleBuilder, lanes: number): number {
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [from, to, steps, stepBytes] = f.parameters;
    const vectors = f.locals("v128", lanes / 4);
    countDown(f, steps, () => {
      vectors.forEach((vector, v) => {
        f.get(from)
          .memory("v128.load", 16 * v)
          .set(vector);
      });
      vectors.forEach((vector, v) => {
        f.get(to)
          .get(vector)
          .memory("v128.store", 16 * v);
      });
      f.get(from).get(stepBytes).op("i32.add").set(from);
      advance(f, to, 4 * lanes);
    });
  });
}

function emitChunks(f: FunctionBuilder, code: OuterCode, functions: { tile: number; single: number; pack: number }): void {
  const examples = f.parameters[3];
  const frame = {
    resultAt: at.result,
    scratchAt: at.scratch,
    recordAt: at.record,
    spare: code.spare,
    rows: (record: Local) => (code.examplesAre === "rows" ? f.get(examples) : wordOf(f, record)("rows")),
  };
  emitDenseChunks(f, frame, (chunk) => {
    const [steps, group, groupEnd, row, tile, column, vectors, packedTile] = f.locals("i32", 8);
    const locals: GroupLocals = { ...chunk, steps, group, groupEnd, row, current: tile, column, vectors, packedTile };
    const word = wordOf(f, chunk.record);
    if (code.examplesAre === "rows") word("steps").set(steps);
    else f.get(examples).set(steps);
    f.get(steps)
      .i32(4 * code.lanes)
      .op("i32.mul")
      .set(packedTile);
    f.get(chunk.tile).set(group);
    f.loop((again) => {
      f.get(group);
      word("groupTiles").op("i32.add").set(groupEnd);
      atMost(f, groupEnd, () => f.get(chunk.lastTile));
      if (code.packed) {
        eachColumnTile(f, code, locals, () => {
          f.get(chunk.table)
            .memory("i32.load", 4 * at.vectors)
            .get(column)
            .i32(2)
            .op("i32.shl", "i32.add")
            .get(vectors)
            .get(steps);
          word("vectorStep").call(functions.pack);
        });
      }
      const tiles = (index: number) => (): void =>
        eachColumnTile(f, code, locals, () =>
          f.get(chunk.table).get(chunk.record).get(row).get(column).get(vectors).get(steps).call(index),
        );
      tooFewRows(f, chunk, code.rows);
      f.if(
        () => eachRowTile(f, row, chunk, 1, tiles(functions.single)),
        () => eachRowTile(f, row, chunk, code.rows, tiles(functions.tile)),
      );
      f.get(groupEnd).tee(group).get(chunk.lastTile).op("i32.lt_s").branchIf(again);
    });
  });
}

interface GroupLocals extends ChunkLocals {
  readonly steps: Local;
  readonly group: Local;
  readonly groupEnd: Local;
  readonly row: Local;
  readonly current: Local;
  readonly column: Local;
  readonly vectors: Local;
  readonly packedTile: Local;
}

/** The column tiles of a group: `column` and where its vectors begin, in the scratch or as they lie. */
function eachColumnTile(f: FunctionBuilder, code: OuterCode, locals: GroupLocals, body: () => void): void {
  const { table, record, scratch, group, groupEnd, current, column, vectors, packedTile } = locals;
  f.get(group).set(current);
  whileBelow(f, current, groupEnd, 1, () => {
    f.get(current).i32(code.lanes).op("i32.mul").set(column);
    atMost(f, column, () => wordOf(f, record)("lastColumn"));
    if (code.packed) f.get(scratch).get(current).get(group).op("i32.sub").get(packedTile).op("i32.mul", "i32.add");
    else
      f.get(table)
        .memory("i32.load", 4 * at.vectors)
        .get(column)
        .i32(2)
        .op("i32.shl", "i32.add");
    f.set(vectors);
    body();
  });
}
