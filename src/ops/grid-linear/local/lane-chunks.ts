import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { whileBelow } from "../../../emit/wasm/vectors.ts";
import { countDown } from "../tiles/panel.ts";
import { addLaneScatter, addLaneSums, addPairCopy, type LaneTile } from "./lanes.ts";

export type Role = "forward" | "input";

/** Numbers of the main step; bytes but for counts. Equal ones mean equal code. */
export interface LaneCode {
  readonly role: Role;
  readonly copies: number;
  readonly strips: number;
  readonly groups: number;
  /** Planes of K of one group that a chunk works on at a time (forward: output channels), and that are walked through. */
  readonly rows: number;
  readonly columns: number;
  readonly columnPlane: number;
  readonly kernelGroup: number;
  readonly passes: number;
  readonly tile: LaneTile;
  /** Spread operand: from channel to channel. Forward: V. Input: G. */
  readonly plane: number;
  /** Scratch of a chunk. */
  readonly scratch: number;
  /** Cells of the result, from example to example and from channel to channel. */
  readonly cells: number;
  readonly example: number;
  readonly resultPlane: number;
}

/** The main step of one emission: equal numbers mean equal code. */
export function buildLanes(module: ModuleBuilder, code: LaneCode): number {
  const copy = addPairCopy(module);
  const build = (rows: number): number => {
    const tile = { ...code.tile, rows };
    return code.role === "forward" ? addLaneSums(module, tile, code.tile.rows * tile.cell) : addLaneScatter(module, tile, code.plane);
  };
  const rest = code.rows % code.tile.rows;
  const tiles = { whole: build(code.tile.rows), rest: rest > 0 ? build(rest) : -1, copy };
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    if (code.role === "forward") emitForward(f, code, tiles);
    else emitInput(f, code, tiles);
  });
}

interface Tiles {
  readonly whole: number;
  readonly rest: number;
  readonly copy: number;
}

/** Addresses of the operands, and a way to push the chunk's scratch. */
interface Operands extends Readonly<Record<"spread" | "kernel" | "result" | "table" | "pairs", Local>> {
  readonly scratch: () => FunctionBuilder;
}

function operands(f: FunctionBuilder, code: LaneCode): Operands {
  const [addresses, chunk] = f.parameters;
  const [spread, kernel, result, all, table, pairs] = f.locals("i32", 6);
  [spread, kernel, result, all, table, pairs].forEach((local, i) =>
    f
      .get(addresses)
      .memory("i32.load", 4 * i)
      .set(local),
  );
  return { spread, kernel, result, table, pairs, scratch: () => f.get(chunk).i32(code.scratch).op("i32.mul").get(all).op("i32.add") };
}

/** Where a chunk of the forward function is: its sums, copies first .. first + count, its first row and its group. */
type Strip = Readonly<Record<"sums" | "first" | "count" | "row" | "group", Local>>;

/** local * by */
const times = (f: FunctionBuilder, local: Local, by: number): FunctionBuilder => f.get(local).i32(by).op("i32.mul");

/** Adds up all columns of a tile of rows; `index` is the tile's function. */
function sumStrip(f: FunctionBuilder, code: LaneCode, at: Operands, { sums, first, count, row, group }: Strip, index: number): void {
  const { tile, columns, passes } = code;
  const [k, v, left, begins] = f.locals("i32", 4);
  const scaled = (local: Local, by: number): FunctionBuilder => times(f, local, by);
  for (let pass = 0; pass < passes; pass++) {
    const offset = pass * tile.vectors * tile.lanes * 4;
    scaled(group, code.kernelGroup).get(at.kernel).op("i32.add");
    scaled(row, tile.rowPlane).op("i32.add");
    scaled(first, tile.taps * 4)
      .op("i32.add")
      .set(k);
    scaled(group, columns * code.plane)
      .get(at.spread)
      .op("i32.add")
      .i32(offset)
      .op("i32.add")
      .set(v);
    f.i32(columns).set(left).i32(1).set(begins);
    countDown(f, left, () => {
      f.get(k).get(v).get(sums).i32(offset).op("i32.add");
      scaled(first, (4 * tile.taps) / tile.run)
        .get(at.table)
        .op("i32.add")
        .get(count)
        .get(begins)
        .call(index);
      f.i32(0).set(begins);
      f.get(k).i32(code.columnPlane).op("i32.add").set(k).get(v).i32(code.plane).op("i32.add").set(v);
    });
  }
}

/** Puts the sums of each example to their cells. */
function writeStrip(
  f: FunctionBuilder,
  code: LaneCode,
  at: Operands,
  { sums, first, count, row, group }: Strip,
  rowCount: number,
  copy: number,
): void {
  const { tile, rows } = code;
  const examples = f.parameters[3];
  const [example, pairs] = f.locals("i32", 2);
  const scaled = (local: Local, by: number): FunctionBuilder => times(f, local, by);
  // the pairs count from the first strip on, rows by the full tile
  for (let r = 0; r < rowCount; r++) {
    f.i32(0).set(example);
    whileBelow(f, example, examples, 1, () => {
      scaled(first, tile.rows * tile.cell).set(pairs);
      f.get(sums)
        .i32(r * tile.cell)
        .op("i32.add")
        .get(pairs)
        .op("i32.sub")
        .get(example)
        .i32(2)
        .op("i32.shl", "i32.add");
      scaled(example, code.example).get(at.result).op("i32.add");
      scaled(group, rows).get(row).op("i32.add").i32(r).op("i32.add").i32(code.resultPlane).op("i32.mul", "i32.add");
      scaled(first, 8).get(at.pairs).op("i32.add").get(count).call(copy);
    });
  }
}

/** chunk = (strip, tile of rows, group): sums of a strip in the scratch, then to their cells, example by example. */
function emitForward(f: FunctionBuilder, code: LaneCode, tiles: Tiles): void {
  const { tile, rows, groups, strips, copies } = code;
  const [, chunk, end] = f.parameters;
  const at = operands(f, code);
  const [sums, first, count, row, group] = f.locals("i32", 5);
  const perGroup = Math.ceil(rows / tile.rows);
  const scaled = (local: Local, by: number): FunctionBuilder => f.get(local).i32(by).op("i32.mul");
  const [most, more] = [Math.floor(copies / strips), copies % strips];
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).i32(groups).op("i32.rem_u").set(group);
    f.get(chunk).i32(groups).op("i32.div_u").i32(perGroup).op("i32.rem_u").i32(tile.rows).op("i32.mul").set(row);
    f.get(chunk)
      .i32(groups * perGroup)
      .op("i32.div_u")
      .set(first);
    f.get(first).i32(more).op("i32.lt_u").i32(most).op("i32.add").set(count);
    f.get(first).i32(more).get(first).i32(more).op("i32.lt_u", "select");
    scaled(first, most).op("i32.add").set(first);
    at.scratch().set(sums);
    const strip = (rowCount: number, index: number): void => {
      sumStrip(f, code, at, { sums, first, count, row, group }, index);
      writeStrip(f, code, at, { sums, first, count, row, group }, rowCount, tiles.copy);
    };
    f.get(row)
      .i32(rows - tile.rows)
      .op("i32.le_s");
    f.if(
      () => strip(tile.rows, tiles.whole),
      () => {
        if (tiles.rest >= 0) strip(rows % tile.rows, tiles.rest);
      },
    );
  });
}

/** chunk = (input channel): its plane in the scratch begins with zeros, all output channels add to it, then it goes to its cells. */
function emitInput(f: FunctionBuilder, code: LaneCode, tiles: Tiles): void {
  const { tile, rows, columns, copies, passes } = code;
  const [, chunk, end, examples] = f.parameters;
  const at = operands(f, code);
  const [plane, zero, left, k, g, example] = f.locals("i32", 6);
  const scaled = (local: Local, by: number): FunctionBuilder => f.get(local).i32(by).op("i32.mul");
  whileBelow(f, chunk, end, 1, () => {
    at.scratch().tee(plane).set(zero);
    f.i32(code.scratch / 16).set(left);
    countDown(f, left, () => {
      f.get(zero).f32x4(0).memory("v128.store");
      f.get(zero).i32(16).op("i32.add").set(zero);
    });
    for (let pass = 0; pass < passes; pass++) {
      const offset = pass * tile.vectors * tile.lanes * 4;
      f.get(chunk).i32(columns).op("i32.div_u").i32(code.kernelGroup).op("i32.mul").get(at.kernel).op("i32.add");
      f.get(chunk).i32(columns).op("i32.rem_u").i32(code.columnPlane).op("i32.mul", "i32.add").set(k);
      f.get(chunk)
        .i32(columns)
        .op("i32.div_u")
        .i32(rows * code.plane)
        .op("i32.mul")
        .get(at.spread)
        .op("i32.add")
        .i32(offset)
        .op("i32.add")
        .set(g);
      const add = (index: number): void => void f.get(k).get(g).get(plane).i32(offset).op("i32.add").get(at.table).i32(copies).call(index);
      f.i32(Math.floor(rows / tile.rows)).set(left);
      countDown(f, left, () => {
        add(tiles.whole);
        f.get(k)
          .i32(tile.rows * tile.rowPlane)
          .op("i32.add")
          .set(k);
        f.get(g)
          .i32(tile.rows * code.plane)
          .op("i32.add")
          .set(g);
      });
      if (tiles.rest >= 0) add(tiles.rest);
    }
    f.i32(0).set(example);
    whileBelow(f, example, examples, 1, () => {
      f.get(plane).get(example).i32(2).op("i32.shl", "i32.add");
      scaled(example, code.example).get(at.result).op("i32.add");
      scaled(chunk, code.resultPlane).op("i32.add").get(at.pairs).i32(code.cells).call(tiles.copy);
    });
  });
}
