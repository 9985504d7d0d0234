import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { Expression } from "../../contract.ts";
import type { FusedOperand } from "../tiles/fused.ts";

/** What both forms of the matrix product have in common: what is fused, and spare lanes behind the last column of a row. */
export interface DenseCode {
  readonly fma: boolean;
  readonly spare: number;
  readonly epilogue: Expression | null;
  readonly fused: readonly FusedOperand[];
  /** Printed epilogue. */
  readonly key: string;
}

/** Where a fused operand begins, and bytes from row to row. */
export interface FusedRows {
  readonly start: number;
  readonly row: number;
}

/** First words of a record: how a chunk finds its rows and column tiles, and bytes of the result. */
export const chunkWords = [
  "columnParts",
  "rowUnit",
  "wholeTiles",
  "allTiles",
  "lastColumn",
  "resultRow",
  "spareStart",
  "scratchBytes",
] as const;

type ChunkWord = (typeof chunkWords)[number];

export type ChunkNumbers = Readonly<Record<ChunkWord, number>>;

/** Pushes a word of a record by name. */
export const reader =
  <Name extends string>(f: FunctionBuilder, record: Local, names: readonly Name[]): ((name: Name) => FunctionBuilder) =>
  (name) =>
    f.get(record).memory("i32.load", 4 * names.indexOf(name));

/** local = min(local, bound), signed */
export function atMost(f: FunctionBuilder, local: Local, bound: () => void): void {
  f.get(local);
  bound();
  f.get(local);
  bound();
  f.op("i32.lt_s", "select").set(local);
}

export interface ChunkLocals {
  readonly table: Local;
  readonly record: Local;
  /** The chunk's own scratch, if there is a temporary. */
  readonly scratch: Local;
  /** Rows first .. last and column tiles tile .. lastTile of the chunk. */
  readonly first: Local;
  readonly last: Local;
  readonly tile: Local;
  readonly lastTile: Local;
}

interface ChunkCode {
  /** Positions of the result, the scratch and the record among the operands. */
  readonly resultAt: number;
  readonly scratchAt: number;
  readonly recordAt: number;
  readonly spare: number;
  /** Pushes the number of rows. */
  readonly rows: (record: Local) => void;
}

/** The routine's frame: chunk = (range of rows, part of the column tiles). `body` does one chunk; spare lanes are cleared after it. */
export function emitDenseChunks(f: FunctionBuilder, code: ChunkCode, body: (locals: ChunkLocals) => void): void {
  const [table, chunk, end] = f.parameters;
  const [record, scratch, first, last, tile, lastTile, part] = f.locals("i32", 7);
  const word = reader(f, record, chunkWords);
  f.get(table)
    .memory("i32.load", 4 * code.recordAt)
    .set(record);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(table)
        .memory("i32.load", 4 * code.scratchAt)
        .get(chunk);
      word("scratchBytes").op("i32.mul", "i32.add").set(scratch);
      f.get(chunk);
      word("columnParts").op("i32.rem_u").set(part);
      f.get(chunk);
      word("columnParts").op("i32.div_u");
      word("rowUnit").op("i32.mul").tee(first);
      word("rowUnit").op("i32.add").set(last);
      atMost(f, last, () => code.rows(record));
      f.get(part);
      word("wholeTiles").op("i32.mul");
      word("columnParts").op("i32.div_u").set(tile);
      f.get(part).i32(1).op("i32.add").tee(part);
      word("wholeTiles").op("i32.mul");
      word("columnParts").op("i32.div_u").set(lastTile);
      // the last part also has the tile that reaches back over its neighbour
      word("allTiles").get(lastTile).get(part);
      word("columnParts").op("i32.eq", "select").set(lastTile);
      body({ table, record, scratch, first, last, tile, lastTile });
      if (code.spare > 0) {
        f.get(part);
        word("columnParts").op("i32.eq");
        f.if(() => clearSpare(f, code, { table, record, first, last }));
      }
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** Zeros behind the last column of the rows first .. last. */
function clearSpare(
  f: FunctionBuilder,
  code: ChunkCode,
  { table, record, first, last }: Pick<ChunkLocals, "table" | "record" | "first" | "last">,
): void {
  const [at, row] = f.locals("i32", 2);
  const word = reader(f, record, chunkWords);
  f.get(table).memory("i32.load", 4 * code.resultAt);
  word("spareStart").op("i32.add").get(first);
  word("resultRow").op("i32.mul", "i32.add").set(at);
  f.get(first).set(row);
  f.loop((again) => {
    for (let lane = 0; lane < code.spare; lane++)
      f.get(at)
        .i32(0)
        .memory("i32.store", 4 * lane);
    f.get(at);
    word("resultRow").op("i32.add").set(at);
    f.get(row).i32(1).op("i32.add").tee(row).get(last).op("i32.lt_s").branchIf(again);
  });
}

/** for the row tiles of first .. last, `size` rows each: the last one reaches back, so that all are full. There must be `size` rows. */
export function eachRowTile(
  f: FunctionBuilder,
  row: Local,
  { first, last }: Pick<ChunkLocals, "first" | "last">,
  size: number,
  body: () => void,
): void {
  const start = f.local("i32");
  f.get(last).i32(size).op("i32.sub").set(start);
  f.get(first).set(row);
  f.block((done) =>
    f.loop((again) => {
      body();
      f.get(row).get(start).op("i32.eq").branchIf(done);
      f.get(row).i32(size).op("i32.add").set(row);
      atMost(f, row, () => f.get(start));
      f.branch(again);
    }),
  );
}

/** Pushes whether the chunk has fewer rows than a tile. */
export const tooFewRows = (f: FunctionBuilder, { first, last }: Pick<ChunkLocals, "first" | "last">, size: number): FunctionBuilder =>
  f.get(last).get(first).op("i32.sub").i32(size).op("i32.lt_s");

/** Pointers to the fused operands at (row, column), whose places follow the record's `words` words and whose operands the first `operands`. */
export function fusedPointers(
  f: FunctionBuilder,
  fused: readonly FusedOperand[],
  { table, record, row, column }: Record<"table" | "record" | "row" | "column", Local>,
  { words, operands }: { words: number; operands: number },
): { pointers: Local[]; nextRow: () => void } {
  const pointers = fused.map(() => f.local("i32"));
  const rowBytes = (i: number): FunctionBuilder => f.get(record).memory("i32.load", 4 * (words + 2 * i + 1));
  fused.forEach(({ splat, moves }, i) => {
    f.get(table)
      .memory("i32.load", 4 * (operands + i))
      .get(record)
      .memory("i32.load", 4 * (words + 2 * i))
      .op("i32.add");
    if (moves) {
      f.get(row);
      rowBytes(i).op("i32.mul", "i32.add");
    }
    if (!splat) f.get(column).i32(2).op("i32.shl", "i32.add");
    f.set(pointers[i]);
  });
  const nextRow = (): void =>
    fused.forEach(({ moves }, i) => {
      if (!moves) return;
      f.get(pointers[i]);
      rowBytes(i).op("i32.add").set(pointers[i]);
    });
  return { pointers, nextRow };
}

/** Stores the first so many lanes of a row of vectors at `at` + offset. */
export function storeLanes(f: FunctionBuilder, at: Local, row: readonly Local[], lanes: number, offset = 0): void {
  row.forEach((vector, v) => {
    const count = Math.min(4, lanes - 4 * v);
    if (count === 4)
      f.get(at)
        .get(vector)
        .memory("v128.store", offset + 16 * v);
    else
      for (let lane = 0; lane < count; lane++)
        f.get(at)
          .get(vector)
          .laneMemory("v128.store32_lane", lane, offset + 16 * v + 4 * lane);
  });
}
