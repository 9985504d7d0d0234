import type { TensorType } from "../base/types.ts";
import type { FunctionBuilder, Local } from "../emit/wasm/function.ts";
import { whileBelow } from "../emit/wasm/vectors.ts";
import type { Layout } from "./contract.ts";
import { place } from "./layout.ts";

/** Bytes from the start of a value's buffer to its first cell, and from cell to cell along every axis of its shape. */
export interface Steps {
  readonly origin: number;
  readonly axes: readonly number[];
}

/** Steps of a value; a blocked channel axis steps from block to block. */
export function stepsOf(type: TensorType, layout: Layout): Steps {
  const at = place(type, layout);
  const words = [...(type.batched ? [at.exampleStride] : []), at.blockStride, ...at.strides];
  return { origin: 4 * at.origin, axes: type.shape.map((_, axis) => 4 * words[axis]) };
}

/**
 * One place along one dimension of a result, and the pairs of offsets that are visited for it. Offsets add up over the
 * dimensions, so a routine that walks them serves every plan: the lists are tables.
 */
export interface Target {
  /** Offset of the place in the result, and a second one with it. */
  readonly at: number;
  readonly also: number;
  readonly pairs: readonly (readonly [number, number])[];
}

export const rowBytes = 16;
const pairBytes = 8;

/** Tables of a dimension: per target (at, also, begin, end), per pair (first, second). */
export function tablesOf(targets: readonly Target[]): [Int32Array, Int32Array] {
  let begin = 0;
  const rows = targets.flatMap(({ at, also, pairs }) => {
    const row = [at, also, pairBytes * begin, pairBytes * (begin + pairs.length)];
    begin += pairs.length;
    return row;
  });
  return [Int32Array.from(rows), Int32Array.from(targets.flatMap(({ pairs }) => pairs.flat()))];
}

/** A dimension while a routine walks it: addresses of its tables, and the pairs of the current target. */
export interface Dimension {
  readonly targets: Local;
  readonly pairs: Local;
  readonly begin: Local;
  readonly end: Local;
}

export const dimension = (f: FunctionBuilder, targets: Local, pairs: Local): Dimension => ({
  targets,
  pairs,
  begin: f.local("i32"),
  end: f.local("i32"),
});

/** Makes the row's pairs the current ones. */
export function readRow(f: FunctionBuilder, row: Local, { begin, end }: Dimension): void {
  f.get(row).memory("i32.load", 8).set(begin);
  f.get(row).memory("i32.load", 12).set(end);
}

/** Walks the product of the targets of some dimensions, each of `bytes` bytes of rows, adding up both offsets from `at` and `also`. */
export function walkTargets(
  f: FunctionBuilder,
  dimensions: readonly Dimension[],
  bytes: readonly Local[],
  at: Local,
  also: Local,
  visit: (at: Local, also: Local) => void,
): void {
  if (dimensions.length === 0) {
    visit(at, also);
    return;
  }
  const [row, end, innerAt, innerAlso] = f.locals("i32", 4);
  f.get(dimensions[0].targets).set(row);
  f.get(row).get(bytes[0]).op("i32.add").set(end);
  whileBelow(f, row, end, rowBytes, () => {
    readRow(f, row, dimensions[0]);
    f.get(row).memory("i32.load", 0).get(at).op("i32.add").set(innerAt);
    f.get(row).memory("i32.load", 4).get(also).op("i32.add").set(innerAlso);
    walkTargets(f, dimensions.slice(1), bytes.slice(1), innerAt, innerAlso, visit);
  });
}

/** Walks the product of the current pairs of all dimensions, adding up both offsets from `first` and `second`. */
export function walkPairs(
  f: FunctionBuilder,
  dimensions: readonly Dimension[],
  first: Local,
  second: Local,
  visit: (first: Local, second: Local) => void,
): void {
  if (dimensions.length === 0) {
    visit(first, second);
    return;
  }
  const [{ pairs, begin, end }, ...rest] = dimensions;
  const [entry, innerFirst, innerSecond] = f.locals("i32", 3);
  f.get(begin).set(entry);
  whileBelow(f, entry, end, pairBytes, () => {
    f.get(pairs).get(entry).op("i32.add").memory("i32.load", 0).get(first).op("i32.add").set(innerFirst);
    f.get(pairs).get(entry).op("i32.add").memory("i32.load", 4).get(second).op("i32.add").set(innerSecond);
    walkPairs(f, rest, innerFirst, innerSecond, visit);
  });
}

/** Adds the first pair of every dimension to both offsets. */
export function firstPair(f: FunctionBuilder, dimensions: readonly Dimension[], first: Local, second: Local): void {
  for (const { pairs, begin } of dimensions) {
    f.get(pairs).get(begin).op("i32.add").memory("i32.load", 0).get(first).op("i32.add").set(first);
    f.get(pairs).get(begin).op("i32.add").memory("i32.load", 4).get(second).op("i32.add").set(second);
  }
}
