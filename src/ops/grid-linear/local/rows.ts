import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { countDown } from "../tiles/panel.ts";
import type { LocalCode } from "./code.ts";
import { addProductTile, addPutBack, addSumTile, largest, type TileShape } from "./tiles.ts";

/** Walks the columns of some rows tile by tile; `visit` gets the columns of a tile and whether it is the first. K and columns move on. */
function eachTile(
  f: FunctionBuilder,
  code: LocalCode,
  kernel: Local,
  columns: Local,
  visit: (count: number, first: boolean) => void,
): void {
  const { sources } = code.cut;
  const move = (count: number): void => {
    advance(f, kernel, count * code.tile.columnPlane);
    advance(f, columns, count * code.tile.pitch);
  };
  const first = Math.min(largest.columns, sources);
  visit(first, true);
  move(first);
  const whole = Math.floor((sources - first) / largest.columns);
  if (whole > 0) {
    const left = f.local("i32");
    f.i32(whole).set(left);
    countDown(f, left, () => {
      visit(largest.columns, false);
      move(largest.columns);
    });
  }
  const rest = (sources - first) % largest.columns;
  if (rest > 0) visit(rest, false);
}

/** Pushes local + 4 (floats - lanes): where the last vector of a strip begins. */
const pushLast = (f: FunctionBuilder, local: Local, floats: Local, lanes: number): FunctionBuilder =>
  f.get(floats).i32(lanes).op("i32.sub").i32(2).op("i32.shl").get(local).op("i32.add");

/** Whole vectors of a strip. */
const pushVectors = (f: FunctionBuilder, floats: Local, lanes: number): FunctionBuilder => f.get(floats).i32(lanes).op("i32.div_u");

export const pushRest = (f: FunctionBuilder, floats: Local, lanes: number): FunctionBuilder =>
  f
    .get(floats)
    .i32(lanes - 1)
    .op("i32.and");

/** A function (kernel, columns, sums, floats, examples). The last vector, where floats are left, reaches back and is summed apart, behind the others. */
export function addRowSums(module: ModuleBuilder, code: LocalCode, rows: number): number {
  const { lanes } = code.tile;
  const made = new Map<string, number>();
  const tileOf = (shape: TileShape, first: boolean): number => {
    const key = `${shape.columns} ${first}`;
    const index = made.get(key) ?? addSumTile(module, code.tile, shape, first);
    made.set(key, index);
    return index;
  };
  for (const [columns, first] of tilesOf(code)) tileOf({ rows, columns }, first);
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [kernel, columns, sums, floats, examples] = f.parameters;
    eachTile(f, code, kernel, columns, (count, first) => {
      const tile = tileOf({ rows, columns: count }, first);
      f.get(kernel).get(columns).get(sums);
      pushVectors(f, floats, lanes).get(examples).call(tile);
      pushRest(f, floats, lanes).if(() => {
        pushLast(f, kernel, floats, lanes);
        pushLast(f, columns, floats, lanes);
        f.get(floats).i32(-lanes).op("i32.and").i32(2).op("i32.shl").get(sums).op("i32.add").i32(1).get(examples).call(tile);
      });
    });
  });
}

/** Tiles that occur: columns, and whether they begin. */
function tilesOf({ cut: { sources } }: LocalCode): [number, boolean][] {
  const first = Math.min(largest.columns, sources);
  const [whole, rest] = [Math.floor((sources - first) / largest.columns), (sources - first) % largest.columns];
  return [
    [first, true],
    ...(whole > 0 ? [[largest.columns, false] as [number, boolean]] : []),
    ...(rest > 0 ? [[rest, false] as [number, boolean]] : []),
  ];
}

/** A function (kernel, columns, rows, floats, examples, continues, apart). The last vector is made apart before the others may change what it reads. */
export function addRowProducts(module: ModuleBuilder, code: LocalCode, rows: number): number {
  const { lanes } = code.tile;
  const tiles = new Map(
    [...new Set(tilesOf(code).map(([columns]) => columns))].map((columns) => [
      columns,
      {
        whole: addProductTile(module, code.tile, { rows, columns }, false),
        last: addProductTile(module, code.tile, { rows, columns }, true),
        back: addPutBack(module, code.tile, { rows, columns }),
      },
    ]),
  );
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [kernel, columns, row, floats, examples, continues, apart] = f.parameters;
    eachTile(f, code, kernel, columns, (count) => {
      const { whole, last, back } = tiles.get(count) as { whole: number; last: number; back: number };
      pushRest(f, floats, lanes).if(() => {
        for (const local of [kernel, columns, row]) pushLast(f, local, floats, lanes);
        f.i32(1).get(examples).get(continues).get(apart).call(last);
      });
      f.get(kernel).get(columns).get(row);
      pushVectors(f, floats, lanes).get(examples).get(continues).get(apart).call(whole);
      pushRest(f, floats, lanes).if(() => {
        pushLast(f, kernel, floats, lanes);
        f.get(apart).call(back);
      });
    });
  });
}
