import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { multiplyAdd } from "../../../emit/wasm/vectors.ts";
import type { Device } from "../../contract.ts";

/** Accumulators of an outer product: `rows` splats times `vectors` v128 of lanes, kept in registers. */
export interface OuterTile {
  readonly accumulators: readonly (readonly Local[])[];
  readonly vectors: readonly Local[];
  readonly splat: Local;
}

/** Most rows of a tile of so many lanes that stay in the 15 vector registers V8 gives: 12 accumulators, 10 where multiply and add need a register more. */
export function mostRows(device: Device, lanes: number): number {
  return Math.max(1, Math.floor((device.fma ? 12 : 10) / Math.ceil(lanes / (device.wide ? 8 : 4))));
}

/** `count` in as few parts of at most `most` as possible, all equal or one apart, larger ones first. */
export function splitEvenly(count: number, most: number): number[] {
  const parts = Math.ceil(count / most);
  return Array.from({ length: parts }, (_, i) => Math.floor(count / parts) + (i < count % parts ? 1 : 0));
}

/** The largest divisor of `count` that is at most `most`. */
export function largestDivisor(count: number, most: number): number {
  for (let divisor = Math.min(count, most); divisor > 1; divisor--) if (count % divisor === 0) return divisor;
  return 1;
}

export function outerTile(f: FunctionBuilder, rows: number, lanes: number): OuterTile {
  return {
    accumulators: Array.from({ length: rows }, () => f.locals("v128", lanes / 4)),
    vectors: f.locals("v128", lanes / 4),
    splat: f.local("v128"),
  };
}

/** One step of the sum: accumulator[row] += splat(row) * vector. `splat` and `vector` push a v128; halves of a pair share the splat. */
export function outerStep(
  f: FunctionBuilder,
  tile: OuterTile,
  fma: boolean,
  splat: (row: number) => void,
  vector: (index: number) => void,
): void {
  tile.vectors.forEach((local, index) => {
    vector(index);
    f.set(local);
  });
  tile.accumulators.forEach((row, r) => {
    splat(r);
    f.set(tile.splat);
    row.forEach((accumulator, index) =>
      multiplyAdd(
        f,
        fma,
        accumulator,
        () => f.get(tile.splat),
        () => f.get(tile.vectors[index]),
      ),
    );
  });
}

/** Sets the accumulators from memory at `at`, rows `rowBytes` apart, or to zero. */
export function loadTile(f: FunctionBuilder, tile: OuterTile, at: Local, rowBytes: number): void {
  tile.accumulators.forEach((row, r) =>
    row.forEach((local, index) =>
      f
        .get(at)
        .memory("v128.load", r * rowBytes + 16 * index)
        .set(local),
    ),
  );
}

export function zeroTile(f: FunctionBuilder, tile: OuterTile): void {
  for (const row of tile.accumulators) for (const local of row) f.f32x4(0).set(local);
}

export function storeTile(f: FunctionBuilder, tile: OuterTile, at: Local, rowBytes: number): void {
  tile.accumulators.forEach((row, r) =>
    row.forEach((local, index) =>
      f
        .get(at)
        .get(local)
        .memory("v128.store", r * rowBytes + 16 * index),
    ),
  );
}
