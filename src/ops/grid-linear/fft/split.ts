import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { product } from "../gather.ts";
import { placesOf, root } from "./lines.ts";
import { type Complex, type LaneCode, VectorCode } from "./vectors.ts";

/** Bytes of an entry of the table of pairs: places of a frequency and of its negative, and the root that joins even and odd cells. */
const pairBytes = 16;

/**
 * Even and odd cells of the last axis are real and imaginary part of one complex cell, so a real transform of n cells is a complex one of
 * n / 2. Each pair {f, -f} of its frequencies gives two of the real transform, f and f + n / 2; all others are their conjugates.
 */
export function pairsOf(sizes: readonly number[], complexBytes: number): Int32Array {
  const extents = sizes.map((extent, axis) => (axis === sizes.length - 1 ? extent / 2 : extent));
  const places = extents.map(placesOf);
  const steps = extents.map((_, axis) => extents.slice(axis + 1).reduce((a, b) => a * b, complexBytes));
  const at = (frequency: readonly number[]): number => frequency.reduce((sum, f, axis) => sum + places[axis][f] * steps[axis], 0);
  const words: number[] = [];
  const bits = (value: number): number => new Int32Array(Float32Array.of(value).buffer)[0];
  for (const frequency of product(extents.map((extent) => Array.from({ length: extent }, (_, f) => f)))) {
    const negative = frequency.map((f, axis) => (extents[axis] - f) % extents[axis]);
    const first = frequency.findIndex((f, axis) => f !== negative[axis]);
    if (first >= 0 && frequency[first] > negative[first]) continue;
    words.push(at(frequency), at(negative), ...root(frequency[frequency.length - 1], sizes[sizes.length - 1]).map(bits));
  }
  return Int32Array.from(words);
}

export const pairCount = (pairs: Int32Array): number => pairs.length / 4;

/** Sets the pointers of a pair and emits the body for each. */
function eachPair(f: FunctionBuilder, v: VectorCode, [scratch, table, count]: readonly Local[], body: (a: Local, b: Local) => void): void {
  const [a, b] = f.locals("i32", 2);
  f.loop((next) => {
    [a, b].forEach((local, i) =>
      f
        .get(table)
        .memory("i32.load", 4 * i)
        .get(scratch)
        .op("i32.add")
        .set(local),
    );
    body(a, b);
    v.write();
    advance(f, table, pairBytes);
    f.get(count).i32(1).op("i32.sub").tee(count).branchIf(next);
  });
}

/**
 * Twice the real transform out of the complex one, two frequencies a pair, times `scale` where one is given.
 * Arguments: scratch, table of pairs, their number, target, bytes from frequency to frequency.
 */
export const addSplit = (module: ModuleBuilder, code: LaneCode, scale: number | null): number =>
  module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [, table, , target, pitch] = f.parameters;
    const v = new VectorCode(f, code);
    const factor = f.local("v128");
    f.f32x4(scale ?? 1).set(factor);
    const scaled = (z: Complex): Complex => (scale === null ? z : [v.scale(z[0], factor), v.scale(z[1], factor)]);
    eachPair(f, v, f.parameters, (a, b) => {
      const [z, n] = [v.loadComplex(a, 0), v.loadComplex(b, 0)];
      const even: Complex = [v.add(z[0], n[0]), v.subtract(z[1], n[1])];
      const odd = v.turn([v.add(z[1], n[1]), v.subtract(n[0], z[0])], table, 8, false);
      const [first, second] = [scaled(v.sum(even, odd)), scaled(v.difference(even, odd))];
      v.storeComplex(target, 0, first);
      v.step(() => void f.get(target).get(pitch).op("i32.add").set(target));
      v.storeComplex(target, 0, second);
      v.step(() => void f.get(target).get(pitch).op("i32.add").set(target));
    });
  });

/** The complex transform out of the real one (twice it). Arguments: scratch, table of pairs, their number, source, bytes from frequency to frequency. */
export const addJoin = (module: ModuleBuilder, code: LaneCode): number =>
  module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [, table, , source, pitch] = f.parameters;
    const v = new VectorCode(f, code);
    eachPair(f, v, f.parameters, (a, b) => {
      const first = v.loadComplex(source, 0);
      v.step(() => void f.get(source).get(pitch).op("i32.add").set(source));
      const second = v.loadComplex(source, 0);
      v.step(() => void f.get(source).get(pitch).op("i32.add").set(source));
      const even = v.sum(first, second);
      const odd = v.turn(v.difference(first, second), table, 8, true);
      v.storeComplex(a, 0, v.addTurned(even, odd, false));
      // conj(E) + i conj(O)
      v.storeComplex(b, 0, [v.add(even[0], odd[1]), v.subtract(odd[0], even[1])]);
    });
  });
