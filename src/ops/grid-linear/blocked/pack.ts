import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type { OperandRef, Routine, StepSpec } from "../../contract.ts";
import { roundUp } from "../gather.ts";

/**
 * How a plain kernel becomes panels, one for each block of result channels: a panel is a list of rows of `block` floats.
 * Float (outer, row, column) of the kernel lies at group * groupStride + outer * outerStride + row * rowStride + column
 * (in floats), where `row` counts the result channels of a group; it goes to lane row mod block of the panel's row
 * `position(outer, column)`, or nowhere when that is -1.
 */
export interface Packing {
  readonly block: number;
  readonly panels: number;
  readonly panelsPerGroup: number;
  readonly rowsPerGroup: number;
  readonly groupStride: number;
  readonly rowStride: number;
  readonly outer: number;
  readonly outerStride: number;
  readonly columns: number;
  /** Rows of a panel that the result needs. */
  readonly rows: number;
  readonly position: (outer: number, column: number) => number;
}

/** Bytes of one panel; its last row takes what goes nowhere. */
export const panelBytes = ({ rows, block }: Packing): number => roundUp((rows + 1) * block * 4, 64);

/** Words of the record before its table of positions. */
const headWords = 9;

/** The step that packs a kernel into a temporary, one chunk for each panel. Lanes beyond the last channel become zero. */
export function packStep(packing: Packing, kernel: OperandRef, packed: OperandRef, record: OperandRef): StepSpec {
  return {
    routine: packRoutine(packing.columns === 1 && packing.rowStride === 1),
    operands: [kernel, packed, record],
    chunks: { each: packing.panels, group: 0 },
  };
}

export function packRecord(packing: Packing): Int32Array {
  const quads = Math.ceil(packing.columns / 4);
  const words = [
    packing.rowsPerGroup,
    packing.panelsPerGroup,
    packing.block / 4,
    packing.rowStride * 4,
    packing.groupStride * 4,
    packing.outer,
    packing.outerStride * 4,
    quads,
    panelBytes(packing),
  ];
  for (let outer = 0; outer < packing.outer; outer++) {
    for (let column = 0; column < quads * 4; column++) {
      const position = column < packing.columns ? packing.position(outer, column) : -1;
      words.push((position < 0 ? packing.rows : position) * packing.block * 4);
    }
  }
  return Int32Array.from(words);
}

/** One routine for every kernel, all numbers come from the record; another where the lanes of a panel's row lie together as they are. */
const packRoutine = (together: boolean): Routine => ({
  key: `grid-linear pack kernel${together ? ", rows together" : ""}`,
  build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitPack(f, together)),
});

function emitPack(f: FunctionBuilder, together: boolean): void {
  const [table, chunk, end] = f.parameters;
  const [kernel, packed, record, source, panel, row, quad, outer, column, at, places, lane] = f.locals("i32", 12);
  const rows = f.locals("i32", 4);
  const vectors = f.locals("v128", 8);
  const mask = f.local("v128");
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  loadWords(f, table, [kernel, packed, record]);
  const again = (counter: Local, body: () => void): void => {
    f.loop((label) => {
      body();
      f.get(counter).i32(1).op("i32.sub").tee(counter).branchIf(label);
    });
  };
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(kernel).get(chunk);
      word(1).op("i32.div_u");
      word(4).op("i32.mul", "i32.add").set(source);
      f.get(packed).get(chunk);
      word(8).op("i32.mul", "i32.add").set(panel);
      f.get(record)
        .i32(headWords * 4)
        .op("i32.add")
        .set(places);
      word(5).set(outer);
      // all rows of an outer index together: those of another lie pages away
      again(outer, () => {
        f.get(chunk);
        word(1).op("i32.rem_u");
        word(2).op("i32.mul").i32(2).op("i32.shl").set(row);
        f.get(panel).set(lane);
        word(2).set(quad);
        again(quad, () => {
          (together ? rows.slice(0, 1) : rows).forEach((pointer, i) => pointRow(f, pointer, source, row, i, word));
          f.get(row).op("i32x4.splat").i32x4(0, 1, 2, 3).op("i32x4.add");
          word(0).op("i32x4.splat", "i32x4.lt_s").set(mask);
          f.get(places).set(at);
          word(7).set(column);
          again(column, () => (together ? copyQuad(f, rows[0], mask, lane, at) : packQuad(f, rows, vectors, mask, lane, at)));
          advance(f, lane, 16);
          advance(f, row, 4);
        });
        f.get(source);
        word(6).op("i32.add").set(source);
        f.get(at).set(places);
      });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

/** pointer = source + min(row + i, rowsPerGroup - 1) * rowStride: rows beyond the last are read as the last, then masked. */
function pointRow(
  f: FunctionBuilder,
  pointer: Local,
  source: Local,
  row: Local,
  i: number,
  word: (index: number) => FunctionBuilder,
): void {
  f.get(row).i32(i).op("i32.add").set(pointer);
  f.get(pointer);
  word(0).i32(1).op("i32.sub");
  f.get(pointer);
  word(0).op("i32.lt_s", "select");
  word(3).op("i32.mul").get(source).op("i32.add").set(pointer);
}

const lanes = (...picked: readonly number[]): number[] => picked.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));

/** One row of four lanes. */
function copyQuad(f: FunctionBuilder, row: Local, mask: Local, panel: Local, at: Local): void {
  f.get(panel).get(at).memory("i32.load").op("i32.add").get(row).memory("v128.load").get(mask).op("v128.and").memory("v128.store");
  advance(f, at, 16);
}

/** Transposes 4 rows x 4 columns and stores each column where the table says. */
function packQuad(f: FunctionBuilder, rows: readonly Local[], vectors: readonly Local[], mask: Local, panel: Local, at: Local): void {
  const [a, b, c, d, low, high, low2, high2] = vectors;
  [a, b, c, d].forEach((vector, i) => f.get(rows[i]).memory("v128.load").set(vector));
  f.get(a)
    .get(b)
    .shuffle(lanes(0, 4, 1, 5))
    .set(low);
  f.get(a)
    .get(b)
    .shuffle(lanes(2, 6, 3, 7))
    .set(high);
  f.get(c)
    .get(d)
    .shuffle(lanes(0, 4, 1, 5))
    .set(low2);
  f.get(c)
    .get(d)
    .shuffle(lanes(2, 6, 3, 7))
    .set(high2);
  const columns = [
    [low, low2, lanes(0, 1, 4, 5)],
    [low, low2, lanes(2, 3, 6, 7)],
    [high, high2, lanes(0, 1, 4, 5)],
    [high, high2, lanes(2, 3, 6, 7)],
  ] as const;
  columns.forEach(([left, right, picked], i) => {
    f.get(panel)
      .get(at)
      .memory("i32.load", i * 4)
      .op("i32.add");
    f.get(left).get(right).shuffle(picked).get(mask).op("v128.and").memory("v128.store");
  });
  advance(f, at, 16);
  for (const pointer of rows) advance(f, pointer, 16);
}
