import type { FunctionBuilder, Local } from "../emit/wasm/function.ts";
import type { Reading } from "./reading.ts";
import { setMinimum } from "./units.ts";

/** How a tensor is met along a run: vectors that move on, one value per cell, vectors of the block (in memory or gathered), one value. */
export type Kind = "stream" | "cell" | "lanes" | "gathered" | "splat";

/** An operand in emitted code. */
export interface Source {
  readonly kind: Kind;
  readonly reading: Reading;
  /** Address of its first cell in the current example. */
  readonly base: Local;
  /** Address at the start of the run; moves along it for streams and cells. */
  readonly pointer: Local;
  /** What was read once for the whole run. */
  readonly vectors: readonly Local[];
}

/** `still`: the operand does not move along a run. `block` is the result's. */
export function makeSource(f: FunctionBuilder, reading: Reading, block: number, still: boolean): Source {
  const kind = kindOf(reading, block, still);
  return {
    kind,
    reading,
    base: f.local("i32"),
    pointer: f.local("i32"),
    vectors: f.locals("v128", kind === "splat" ? 1 : kind === "gathered" ? block / 4 : 0),
  };
}

function kindOf({ lanes, laneStep }: Reading, block: number, still: boolean): Kind {
  if (block > 1 && lanes && laneStep > 1) return "gathered";
  if (block > 1 && !lanes) return still ? "splat" : "cell";
  return !still ? "stream" : block > 1 ? "lanes" : "splat";
}

/** Sets the base from the table of addresses; `example` pushes the example's number. */
export function emitBase(f: FunctionBuilder, { reading, base }: Source, position: number, example: (() => void) | null): void {
  f.get(f.parameters[0])
    .memory("i32.load", 4 * position)
    .i32(4 * reading.origin)
    .op("i32.add");
  if (example !== null && reading.exampleStep > 0) {
    example();
    f.i32(4 * reading.exampleStep).op("i32.mul", "i32.add");
  }
  f.set(base);
}

/** Reads what stays the same along a run, from the pointers. */
export function emitHeld(f: FunctionBuilder, sources: readonly Source[], block: number, channels: number): void {
  const address = f.local("i32");
  for (const { kind, base, pointer, vectors, reading } of sources) {
    if (kind === "splat") f.get(pointer).memory("v128.load32_splat").set(vectors[0]);
    if (kind === "gathered") {
      // lanes beyond the last channel read it once more; the mask clears them
      for (let lane = 0; lane < block; lane++) {
        const vector = vectors[lane >> 2];
        setMinimum(
          f,
          address,
          () =>
            f
              .get(pointer)
              .i32(4 * lane * reading.laneStep)
              .op("i32.add"),
          () =>
            f
              .get(base)
              .i32(4 * (channels - 1) * reading.laneStep)
              .op("i32.add"),
        );
        f.get(address)
          .get(vector)
          .laneMemory("v128.load32_lane", lane & 3)
          .set(vector);
      }
    }
    if (reading.integer) for (const vector of vectors) f.get(vector).op("f32x4.convert_i32x4_s").set(vector);
  }
}

/** Pushes four lanes: beside a blocked result part `part` of a cell, beside a plain one the cells from `cell` on. Cells count from the pointer. */
export function pushSource(f: FunctionBuilder, { kind, pointer, vectors, reading }: Source, cell: number, part: number): void {
  if (kind === "splat") f.get(vectors[0]);
  else if (kind === "gathered") f.get(vectors[part]);
  else if (kind === "stream") f.get(pointer).memory("v128.load", 4 * reading.runStep * cell + 16 * part);
  else if (kind === "lanes") f.get(pointer).memory("v128.load", 16 * part);
  else f.get(pointer).memory("v128.load32_splat", 4 * reading.runStep * cell);
  if (reading.integer && vectors.length === 0) f.op("f32x4.convert_i32x4_s");
}
