import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import { transpose4 } from "../convert/transpose.ts";
import { setMinimum } from "../units.ts";
import type { Side } from "./sides.ts";

/** Four rows of a tensor whose cells lie apart; those that are none point at the last. */
export type RowPointers = readonly Local[];

export function setRowPointers(f: FunctionBuilder, rows: RowPointers, side: Side, pointer: Local, lanes: Local): void {
  const last = f.local("i32");
  f.get(lanes).i32(1).op("i32.sub").set(last);
  rows.forEach((row, i) => {
    if (i === 0) {
      f.get(pointer).set(row);
      return;
    }
    setMinimum(
      f,
      row,
      () => f.i32(i),
      () => f.get(last),
    );
    f.get(row)
      .i32(4 * side.laneStep)
      .op("i32.mul")
      .get(pointer)
      .op("i32.add")
      .set(row);
  });
}

/** Pushes the cells of four rows at the pointers. */
export function gather(f: FunctionBuilder, rows: RowPointers, offset: Local | null, vector: Local): void {
  rows.forEach((row, lane) => {
    f.get(row);
    if (offset !== null) f.get(offset).op("i32.add");
    f.get(vector).laneMemory("v128.load32_lane", lane).set(vector);
  });
  f.get(vector);
}

/** Writes lanes to the rows; from the last on, for rows that are none would overwrite it. */
export function scatter(f: FunctionBuilder, rows: RowPointers, offset: Local | null, vector: Local): void {
  for (let lane = 3; lane >= 0; lane--) {
    f.get(rows[lane]);
    if (offset !== null) f.get(offset).op("i32.add");
    f.get(vector).laneMemory("v128.store32_lane", lane);
  }
}

/** Positions of a row in scratch: whole groups of four, and all lanes of blocks. */
export const positionsOf = ({ group }: Side, length: number): number =>
  group < length || group % 4 === 0 ? Math.ceil(length / group) * group : 4 * Math.ceil(length / 4);

function repeat(f: FunctionBuilder, count: number, body: () => void): void {
  if (count === 0) return;
  if (count === 1) {
    body();
    return;
  }
  const left = f.local("i32");
  f.i32(count).set(left);
  f.loop((again) => {
    body();
    f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
  });
}

/** Walks positions by four where they follow one another: `body` at byte `offset` of the rows and `at` of the scratch. */
function byFours(f: FunctionBuilder, side: Side, length: number, quads: number, offset: Local, at: Local, body: () => void): void {
  const own = Math.min(side.group, length);
  const groups = Math.ceil(length / own);
  f.i32(0).set(offset);
  repeat(f, groups, () => {
    repeat(f, quads, () => {
      body();
      f.get(offset).i32(16).op("i32.add").set(offset);
      f.get(at).i32(64).op("i32.add").set(at);
    });
    if (groups > 1)
      f.get(offset)
        .i32(4 * side.groupStep - 16 * quads)
        .op("i32.add")
        .set(offset);
  });
}

/** A cell of every row at a time, `offset` bytes from their starts, and a vector of scratch for it. */
function eachPosition(f: FunctionBuilder, side: Side, length: number, offset: Local, at: Local, body: () => void): void {
  f.i32(0).set(offset);
  repeat(f, length, () => {
    body();
    advance(f, at, 16);
    advance(f, offset, 4 * side.step);
  });
}

/** Copies four rows to scratch at `at`: a vector for each position. */
export function copyIn(f: FunctionBuilder, side: Side, length: number, rows: RowPointers, at: Local): void {
  const offset = f.local("i32");
  if (side.step !== 1) {
    const vector = f.local("v128");
    eachPosition(f, side, length, offset, at, () => {
      f.get(at);
      gather(f, rows, offset, vector);
      if (side.integer) f.op("f32x4.convert_i32x4_s");
      f.memory("v128.store");
    });
    return;
  }
  const vectors = f.locals("v128", 4);
  byFours(f, side, length, Math.ceil(side.group / 4), offset, at, () => {
    vectors.forEach((vector, i) => {
      f.get(rows[i]).get(offset).op("i32.add").memory("v128.load");
      if (side.integer) f.op("f32x4.convert_i32x4_s");
      f.set(vector);
    });
    transpose4(f, vectors);
    vectors.forEach((vector, i) =>
      f
        .get(at)
        .get(vector)
        .memory("v128.store", 16 * i),
    );
  });
}

/** Copies four rows from scratch; positions of a block beyond the last are in it. */
export function copyOut(f: FunctionBuilder, side: Side, length: number, rows: RowPointers, at: Local): void {
  const offset = f.local("i32");
  if (side.step !== 1) {
    const vector = f.local("v128");
    eachPosition(f, side, length, offset, at, () => {
      f.get(at).memory("v128.load").set(vector);
      scatter(f, rows, offset, vector);
    });
    return;
  }
  const vectors = f.locals("v128", 4);
  const load = (): void => {
    vectors.forEach((vector, i) => {
      f.get(at)
        .memory("v128.load", 16 * i)
        .set(vector);
    });
    transpose4(f, vectors);
  };
  byFours(f, side, length, Math.floor(side.group / 4), offset, at, () => {
    load();
    for (let i = 3; i >= 0; i--) f.get(rows[i]).get(offset).op("i32.add").get(vectors[i]).memory("v128.store");
  });
  const rest = side.group % 4;
  if (rest === 0) return;
  load();
  for (let i = 3; i >= 0; i--) {
    if (rest >= 2) f.get(rows[i]).get(offset).op("i32.add").get(vectors[i]).laneMemory("v128.store64_lane", 0);
    if (rest % 2 === 1)
      f.get(rows[i])
        .get(offset)
        .op("i32.add")
        .get(vectors[i])
        .laneMemory("v128.store32_lane", rest - 1, 4 * (rest - 1));
  }
}

/** Stores as many lanes as there are rows. */
export function storeLanes(f: FunctionBuilder, pointer: Local, vector: Local, lanes: Local): void {
  f.get(lanes)
    .i32(4)
    .op("i32.eq")
    .if(
      () => f.get(pointer).get(vector).memory("v128.store"),
      () => {
        f.get(lanes)
          .i32(2)
          .op("i32.and")
          .if(
            () => {
              f.get(pointer).get(vector).laneMemory("v128.store64_lane", 0);
              f.get(lanes)
                .i32(1)
                .op("i32.and")
                .if(() => f.get(pointer).get(vector).laneMemory("v128.store32_lane", 2, 8));
            },
            () => f.get(pointer).get(vector).laneMemory("v128.store32_lane", 0),
          );
      },
    );
}
