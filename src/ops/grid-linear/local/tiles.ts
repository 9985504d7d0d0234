import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, multiplyAdd } from "../../../emit/wasm/vectors.ts";
import { countDown } from "../tiles/panel.ts";

/** Planes of K that a tile holds in registers: rows (of the result, or of G) times columns (that are summed over, or of V). */
export interface TileShape {
  readonly rows: number;
  readonly columns: number;
}

export const largest: TileShape = { rows: 2, columns: 4 };

/** What tiles have in common; strides in bytes. */
export interface TileCode {
  readonly lanes: number;
  readonly fma: boolean;
  /** From row to row and from column to column of K. */
  readonly rowPlane: number;
  readonly columnPlane: number;
  /** From plane to plane of expanded strips. */
  readonly pitch: number;
  /** From one example to the next of what columns belong to, and of what rows belong to. */
  readonly columnExample: number;
  readonly rowExample: number;
  /** From row to row of what rows belong to. */
  readonly rowPitch: number;
}

/** Distances of the planes of a tile from its first one: K is addressed by one pointer. */
const planeOffsets = ({ rowPlane, columnPlane }: TileCode, { rows, columns }: TileShape): number[][] =>
  Array.from({ length: rows }, (_, r) => Array.from({ length: columns }, (_, c) => r * rowPlane + c * columnPlane));

const loadAll = (f: FunctionBuilder, into: readonly Local[], pointer: Local, offset = 0): void =>
  into.forEach((local, half) =>
    f
      .get(pointer)
      .memory("v128.load", offset + 16 * half)
      .set(local),
  );

const storeAll = (f: FunctionBuilder, from: readonly Local[], pointer: Local, offset = 0): void =>
  from.forEach((local, half) =>
    f
      .get(pointer)
      .get(local)
      .memory("v128.store", offset + 16 * half),
  );

/**
 * A function (kernel, columns, sums, vectors, examples): for each vector of u and each example, sums[row] += sum over the columns of
 * K[row][column] * columns[column], the kernel's vectors staying in registers for all examples. The first tile begins the sums.
 */
export function addSumTile(module: ModuleBuilder, code: TileCode, shape: TileShape, begins: boolean): number {
  const { lanes, fma } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [kernel, columns, sums, vectors, examples] = f.parameters;
    const vector = (): Local[] => f.locals("v128", lanes / 4);
    const planes = planeOffsets(code, shape);
    const held = planes.map((row) => row.map(vector));
    const totals = planes.map(vector);
    const source = vector();
    const [left, column, sum] = f.locals("i32", 3);
    countDown(f, vectors, () => {
      planes.forEach((row, r) => row.forEach((offset, c) => loadAll(f, held[r][c], kernel, offset)));
      f.get(examples).set(left).get(columns).set(column).get(sums).set(sum);
      countDown(f, left, () => {
        for (const [r, total] of totals.entries()) {
          if (begins) for (const half of total) f.f32x4(0).set(half);
          else loadAll(f, total, sum, r * code.rowPitch);
        }
        for (let c = 0; c < shape.columns; c++) {
          loadAll(f, source, column, c * code.pitch);
          totals.forEach((total, r) => multiplyAll(f, fma, total, held[r][c], source));
        }
        for (const [r, total] of totals.entries()) storeAll(f, total, sum, r * code.rowPitch);
        advance(f, column, code.columnExample);
        advance(f, sum, code.rowExample);
      });
      for (const pointer of [kernel, columns, sums]) advance(f, pointer, 4 * lanes);
    });
  });
}

const multiplyAll = (f: FunctionBuilder, fma: boolean, sums: readonly Local[], a: readonly Local[], b: readonly Local[]): void =>
  sums.forEach((sum, half) =>
    multiplyAdd(
      f,
      fma,
      sum,
      () => f.get(a[half]),
      () => f.get(b[half]),
    ),
  );

/**
 * A function (kernel, columns, rows, vectors, examples, continues, target): for each vector of u, dK[row][column] (+)= sum over examples of
 * rows[row] * columns[column]. With `apart` the one vector goes to `target`, tightly, instead of to the kernel.
 */
export function addProductTile(module: ModuleBuilder, code: TileCode, shape: TileShape, apart: boolean): number {
  const { lanes, fma } = code;
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [kernel, columns, rows, vectors, examples, continues, target] = f.parameters;
    const vector = (): Local[] => f.locals("v128", lanes / 4);
    const planes = planeOffsets(code, shape);
    const sums = planes.map((row) => row.map(vector));
    const own = planes.map(vector);
    const other = vector();
    const [left, column, row] = f.locals("i32", 3);
    countDown(f, vectors, () => {
      f.get(continues).if(
        () => planes.forEach((list, r) => list.forEach((offset, c) => loadAll(f, sums[r][c], kernel, offset))),
        () => {
          for (const local of sums.flat(2)) f.f32x4(0).set(local);
        },
      );
      f.get(examples).set(left).get(columns).set(column).get(rows).set(row);
      countDown(f, left, () => {
        own.forEach((into, r) => loadAll(f, into, row, r * code.rowPitch));
        for (let c = 0; c < shape.columns; c++) {
          loadAll(f, other, column, c * code.pitch);
          own.forEach((into, r) => multiplyAll(f, fma, sums[r][c], into, other));
        }
        advance(f, column, code.columnExample);
        advance(f, row, code.rowExample);
      });
      sums.forEach((list, r) =>
        list.forEach((local, c) => {
          if (apart) storeAll(f, local, target, (r * shape.columns + c) * 4 * lanes);
          else storeAll(f, local, kernel, planes[r][c]);
        }),
      );
      for (const pointer of [kernel, columns, rows]) advance(f, pointer, 4 * lanes);
    });
  });
}

/** A function (kernel, target): the vectors that a tile put apart go to their planes. */
export function addPutBack(module: ModuleBuilder, code: TileCode, shape: TileShape): number {
  return module.function(["i32", "i32"], [], (f) => {
    const [kernel, target] = f.parameters;
    const vector = f.locals("v128", code.lanes / 4);
    planeOffsets(code, shape)
      .flat()
      .forEach((offset, i) => {
        loadAll(f, vector, target, i * 4 * code.lanes);
        storeAll(f, vector, kernel, offset);
      });
  });
}
