import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { Expression } from "../../contract.ts";
import type { FusedOperand } from "../tiles/fused.ts";
import type { LaneCode } from "./vectors.ts";

/** What the emitted code depends on; all other geometry is in the record. */
export interface FftCode extends LaneCode {
  /** Cells of a transform on three axes; those that a plan lacks come first and have extent 1. */
  readonly sizes: readonly [number, number, number];
  /** Cells of the scratch from a cell of the source to the next, and from a result to the next. */
  readonly spread: readonly [number, number, number];
  readonly keep: readonly [number, number, number];
  /** Lanes of a block of the source and of the result. */
  readonly from: number;
  readonly to: number;
  readonly depthwise: boolean;
  /** The last block of result channels has spare lanes. */
  readonly spare: boolean;
  readonly fused: readonly FusedOperand[];
  /** Formula over the result (operand 0) and the fused operands; null when nothing is fused. */
  readonly epilogue: Expression | null;
}

/** Operands of every step but the packing of the kernel; the fused ones come last. */
export const operandAt = { from: 0, record: 1, to: 2, scratch: 3, marks: 4, fused: 5 } as const;

const words = [
  /** Scratch: slots, and bytes of one. */
  "slots",
  "slotBytes",
  /** Bytes from the start of the record: roots of the axes, pairs of frequencies, tiles, the tile of the kernel, masks of whole and of last blocks. */
  "roots0",
  "roots1",
  "roots2",
  "pairs",
  "tiles",
  "kernelTile",
  "mask",
  "pairCount",
  "tileCount",
  /** Transformed source and result: bytes from a frequency to the next, and from a part of the channels to the next. */
  "valueFrequency",
  "valuePart",
  "productFrequency",
  "productPart",
  /** Parts of the channels, of `lanes` each. */
  "sources",
  "results",
  /** Channels that a product sums over. */
  "channels",
  "frequencies",
  "frequencyChunks",
  /** Transformed kernel. */
  "kernelFrequency",
  "kernelPart",
  /** Packed kernel: bytes of a part, of a channel, and of a row and a plane of taps. */
  "packedPart",
  "packedChannel",
  "packedRow",
  "packedPlane",
  /** Channels of a chunk of the kernel's transform, and chunks of a part. */
  "kernelRun",
  "kernelRuns",
  /** Scratch bytes to the first plane, row and cell that are whole sums. */
  "firstPlane",
  "firstRow",
  "firstCell",
  "resultBlocks",
] as const;

export type FftWord = (typeof words)[number];

/**
 * Bytes of a stream: where it starts, to the next example, block, plane, row and cell, and to the next ones of a transform.
 * The first is the source, the second the result, then the fused operands.
 */
export const streamWords = ["origin", "example", "block", "plane", "row", "cell", "nextPlane", "nextRow", "nextCell"] as const;
export type Stream = Readonly<Record<(typeof streamWords)[number], number>>;

/** Words of a tile: the source's offset; first cell and number of cells on each axis of the source, then of the result; 1 where cells stay empty. */
export const tileWords = [
  "offset",
  "start0",
  "start1",
  "start2",
  "count0",
  "count1",
  "count2",
  "at0",
  "at1",
  "at2",
  "cells0",
  "cells1",
  "cells2",
  "partial",
] as const;
export type Tile = Readonly<Record<(typeof tileWords)[number], number>>;

/** Tables that follow the words; their places become words themselves. */
export interface Tables {
  readonly roots: readonly (readonly number[])[];
  readonly pairs: Int32Array;
  readonly tiles: readonly Tile[];
  readonly kernelTile: Tile;
  readonly mask: readonly number[];
}

type Placed = "roots0" | "roots1" | "roots2" | "pairs" | "tiles" | "kernelTile" | "mask";

/** The words that the steps of a record read; the others are 0. */
export function fftRecord(
  values: Partial<Readonly<Record<Exclude<FftWord, Placed>, number>>>,
  streams: readonly Stream[],
  tables: Tables,
): Int32Array {
  const body: number[] = streams.flatMap((stream) => streamWords.map((name) => stream[name]));
  const place = (list: Iterable<number>): number => {
    const at = 4 * (words.length + body.length);
    for (const word of list) body.push(word);
    return at;
  };
  const tile = (own: Tile): number[] => tileWords.map((name) => own[name]);
  const [roots0, roots1, roots2] = tables.roots.map((roots) => place(new Int32Array(Float32Array.from(roots).buffer)));
  const placed: Record<Placed, number> = {
    roots0,
    roots1,
    roots2,
    pairs: place(tables.pairs),
    tiles: place(tables.tiles.flatMap(tile)),
    kernelTile: place(tile(tables.kernelTile)),
    mask: place(tables.mask),
  };
  const all: Partial<Readonly<Record<FftWord, number>>> = { ...values, ...placed };
  return Int32Array.from([...words.map((name) => all[name] ?? 0), ...body]);
}

/** Pushes a word of the record. */
export const word = (f: FunctionBuilder, record: Local, name: FftWord): FunctionBuilder =>
  f.get(record).memory("i32.load", 4 * words.indexOf(name));

/** Pushes the address of a table in the record. */
export const tableAt = (f: FunctionBuilder, record: Local, name: Placed): FunctionBuilder =>
  word(f, record, name).get(record).op("i32.add");

export const streamWord = (f: FunctionBuilder, record: Local, stream: number, name: (typeof streamWords)[number]): FunctionBuilder =>
  f.get(record).memory("i32.load", 4 * (words.length + streamWords.length * stream + streamWords.indexOf(name)));

export const tileWord = (f: FunctionBuilder, tile: Local, name: (typeof tileWords)[number]): FunctionBuilder =>
  f.get(tile).memory("i32.load", 4 * tileWords.indexOf(name));

/** Bytes of a cell, and from a row and a plane of the scratch to the next. */
export function scratchBytes({ lanes, sizes: [, rows, cells] }: FftCode): { cell: number; row: number; plane: number } {
  const cell = 4 * lanes;
  return { cell, row: cells * cell, plane: rows * cells * cell };
}

/** do { body } while (--counter) */
export function countDown(f: FunctionBuilder, counter: Local, body: () => void): void {
  f.loop((again) => {
    body();
    f.get(counter).i32(1).op("i32.sub").tee(counter).branchIf(again);
  });
}
