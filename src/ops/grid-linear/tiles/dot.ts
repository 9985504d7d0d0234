import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { multiplyAdd } from "../../../emit/wasm/vectors.ts";

/** Where a line of floats lies: a pointer and a fixed distance. */
export interface Line {
  readonly local: Local;
  readonly offset: number;
}

/** Registers of a tile: its rows and columns, one sum for each of their pairs, the operands of a step. */
export interface DotTile {
  readonly rows: readonly Line[];
  readonly columns: readonly Line[];
  readonly sums: readonly (readonly (readonly Local[])[])[];
  readonly own: readonly (readonly Local[])[];
  readonly other: readonly Local[];
}

/** One vector of every row and column, `offset` bytes on; `masked` may change what was loaded. */
export function dotStep(
  f: FunctionBuilder,
  { fma }: { readonly fma: boolean },
  { rows, columns, sums, own, other }: DotTile,
  offset: number,
  masked: (half: number) => void,
): void {
  const load = ({ local: pointer, offset: start }: Line, into: readonly Local[]): void =>
    into.forEach((local, half) => {
      f.get(pointer).memory("v128.load", start + offset + 16 * half);
      masked(half);
      f.set(local);
    });
  own.forEach((into, r) => {
    load(rows[r], into);
  });
  columns.forEach((pointer, c) => {
    load(pointer, other);
    sums.forEach((row, r) => {
      row[c].forEach((sum, half) => {
        multiplyAdd(
          f,
          fma,
          sum,
          () => f.get(own[r][half]),
          () => f.get(other[half]),
        );
      });
    });
  });
}

/** Bytes of a shuffle that picks lanes of two vectors. */
export const picked = (...lanes: readonly number[]): number[] => lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte));

/** Pushes the totals of up to four partial sums as four lanes. */
export function addLanes(
  f: FunctionBuilder,
  { lanes }: { readonly lanes: number },
  scratch: Local,
  { first, count }: { first: number; count: number },
  quad: readonly Local[],
): void {
  quad.forEach((local, i) => {
    if (i >= count) f.f32x4(0);
    else
      for (let half = 0; half < lanes / 4; half++) {
        f.get(scratch).memory("v128.load", (first + i) * lanes * 4 + 16 * half);
        if (half > 0) f.op("f32x4.add");
      }
    f.set(local);
  });
  foldLanes(f, quad);
}

/** Pushes the sums of the lanes of four vectors as four lanes. */
export function foldLanes(f: FunctionBuilder, quad: readonly Local[]): void {
  const [a, b, c, d] = quad;
  const fold = (left: Local, right: Local, even: readonly number[], odd: readonly number[]): FunctionBuilder =>
    f
      .get(left)
      .get(right)
      .shuffle(picked(...even))
      .get(left)
      .get(right)
      .shuffle(picked(...odd))
      .op("f32x4.add");
  fold(a, b, [0, 4, 2, 6], [1, 5, 3, 7]).set(a);
  fold(c, d, [0, 4, 2, 6], [1, 5, 3, 7]).set(c);
  fold(a, c, [0, 1, 4, 5], [2, 3, 6, 7]);
}
