import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { type LaneCode, VectorCode } from "./vectors.ts";

/** Tiles of a register tile: two accumulators each, beside those of the kernel and the splat. */
export const mostTiles = ({ fma }: LaneCode): number => (fma ? 6 : 5);

/** How a product reads its values: bytes from one row and from one term to the next; the kernel may count conjugated. */
export interface Terms {
  readonly row: number;
  readonly step: number;
  readonly conjugate: boolean;
}

/** Rows are tiles, terms are source channels. */
export const channelTerms = ({ lanes }: LaneCode): Terms => ({ row: 8 * lanes, step: 4, conjugate: false });
/** Rows are source channels, terms are tiles; a correlation conjugates. */
export const tileTerms = ({ lanes }: LaneCode): Terms => ({ row: 4, step: 8 * lanes, conjugate: true });

/**
 * Product of one frequency, some rows and one part of the result channels: products[row][lane] = sum over terms of
 * values[row][term] * kernel[term][lane], all complex. Arguments: values, kernel, products, terms, bytes from `lanes` terms to the next ones.
 */
export const addDense = (module: ModuleBuilder, code: LaneCode, rows: number, terms: Terms): number =>
  module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [values, kernel, products, count, partBytes] = f.parameters;
    const [value, left] = f.locals("i32", 2);
    const cell = 8 * code.lanes;
    const sums = Array.from({ length: rows }, () => [0, 1].map(() => f.locals("v128", code.lanes / 4)));
    const factors = [0, 1].map(() => f.locals("v128", code.lanes / 4));
    const splat = f.local("v128");
    const v = new VectorCode(f, code);
    for (const part of sums.flat(2)) f.f32x4(0).set(part);
    f.loop((onward) => {
      f.get(values).set(value);
      f.get(count).i32(code.lanes).get(count).i32(code.lanes).op("i32.lt_s", "select").set(left);
      f.get(count).get(left).op("i32.sub").set(count);
      f.loop((again) => {
        factors.forEach((part, i) =>
          part.forEach((local, half) =>
            f
              .get(kernel)
              .memory("v128.load", 4 * code.lanes * i + 16 * half)
              .set(local),
          ),
        );
        sums.forEach(([re, im], row) => {
          const take = (imaginary: number): void =>
            void f
              .get(value)
              .memory("v128.load32_splat", row * terms.row + 4 * code.lanes * imaginary)
              .set(splat);
          take(0);
          accumulate(f, code, re, factors[0], splat, false);
          accumulate(f, code, im, factors[1], splat, terms.conjugate);
          take(1);
          accumulate(f, code, re, factors[1], splat, !terms.conjugate);
          accumulate(f, code, im, factors[0], splat, false);
        });
        advance(f, value, terms.step);
        advance(f, kernel, cell);
        f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
      });
      f.get(values).get(partBytes).op("i32.add").set(values);
      f.get(count).branchIf(onward);
    });
    sums.forEach(([re, im], row) => void v.storeComplex(products, row * cell, [re, im]));
    v.write();
  });

function accumulate(
  f: FunctionBuilder,
  { fma }: LaneCode,
  sum: readonly Local[],
  a: readonly Local[],
  splat: Local,
  negative: boolean,
): void {
  sum.forEach((local, half) => {
    if (fma)
      f.get(a[half])
        .get(splat)
        .get(local)
        .op(negative ? "f32x4.relaxed_nmadd" : "f32x4.relaxed_madd");
    else
      f.get(local)
        .get(a[half])
        .get(splat)
        .op("f32x4.mul", negative ? "f32x4.sub" : "f32x4.add");
    f.set(local);
  });
}

/** The same for every channel by itself: products[tile] = values[tile] * kernel. Arguments: values, kernel, products, tiles. */
export const addEach = (module: ModuleBuilder, code: LaneCode): number =>
  module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [values, kernel, products, tiles] = f.parameters;
    const v = new VectorCode(f, code);
    const [kr, ki] = [0, 1].map((part) => {
      const locals = f.locals("v128", code.lanes / 4);
      locals.forEach((local, half) => {
        f.get(kernel)
          .memory("v128.load", 4 * code.lanes * part + 16 * half)
          .set(local);
      });
      return locals;
    });
    f.loop((again) => {
      const [re, im] = v.loadComplex(values, 0);
      v.storeComplex(products, 0, [v.multiplyAdd(v.multiply(re, kr), im, ki, true), v.multiplyAdd(v.multiply(re, ki), im, kr)]);
      v.write();
      advance(f, values, 8 * code.lanes);
      advance(f, products, 8 * code.lanes);
      f.get(tiles).i32(1).op("i32.sub").tee(tiles).branchIf(again);
    });
  });

/** Every channel by itself, summed over tiles: products = sum of values[tile] * conj(kernel[tile]). Arguments: values, kernel, products, tiles. */
export const addEachSum = (module: ModuleBuilder, code: LaneCode): number =>
  module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [values, kernel, products, tiles] = f.parameters;
    const [re, im] = [0, 1].map(() => f.locals("v128", code.lanes / 4));
    const v = new VectorCode(f, code);
    for (const local of [...re, ...im]) f.f32x4(0).set(local);
    f.loop((again) => {
      const [vr, vi] = v.loadComplex(values, 0);
      const [kr, ki] = v.loadComplex(kernel, 0);
      v.keep(v.multiplyAdd(v.multiplyAdd(re, vr, kr), vi, ki), re);
      v.keep(v.multiplyAdd(v.multiplyAdd(im, vi, kr), vr, ki, true), im);
      v.write();
      advance(f, values, 8 * code.lanes);
      advance(f, kernel, 8 * code.lanes);
      f.get(tiles).i32(1).op("i32.sub").tee(tiles).branchIf(again);
    });
    v.storeComplex(products, 0, [re, im]);
    v.write();
  });
