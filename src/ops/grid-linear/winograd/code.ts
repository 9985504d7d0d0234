import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { Expression } from "../../contract.ts";
import type { FusedOperand } from "../tiles/fused.ts";
import { type Form, spanOf, tileOf } from "./lines.ts";
import type { Pool } from "./problem.ts";

/** What the emitted code of a Winograd convolution depends on; all geometry is in the record. */
export interface WinogradCode {
  readonly form: Form;
  /** Axes that are transformed: 1, or 2 with the last one across a row. */
  readonly rank: number;
  /** Channels of a source block and of a result block. */
  readonly from: number;
  readonly lanes: number;
  /** Tiles of the larger register tile. */
  readonly rows: number;
  /** Columns of the last tile of a row, when it is not whole; otherwise 0. */
  readonly rest: number;
  /** Windows of which the largest cell alone is stored: tiles consist of whole ones, and their slices come one after the other. */
  readonly pool: Pool;
  /** Chunks transform the kernel that they need, so that it comes from their own cache. */
  readonly own: boolean;
  /** The last block of result channels has spare lanes. */
  readonly spare: boolean;
  /** Cache lines of the next kernel panel that are read with every source block of this one; 0 where panels are near or a chunk has many tiles. */
  readonly fetch: number;
  readonly fma: boolean;
  readonly wide: boolean;
  readonly fused: readonly FusedOperand[];
  /** Formula over the result (operand 0) and the fused operands; null when nothing is fused. */
  readonly epilogue: Expression | null;
}

/** Operands of the main routines; `values` is the scratch where every chunk has its own, and the fused ones come last. */
export const operandAt = { source: 0, record: 1, scratch: 2, marks: 3, values: 4, kernel: 5, result: 6, fused: 7 } as const;

const words = [
  /** Chunks of a group of examples, and examples of a group. */
  "each",
  "group",
  /** Parts of the tiles of a group; a chunk is a part and a range of result blocks. */
  "parts",
  /** Result blocks of a chunk, and of one pass over the source's transform. */
  "chunkBlocks",
  "passBlocks",
  "blocks",
  /** Tiles along the last axis, along the one before, and of a slice of an example. */
  "across",
  "down",
  "tiles",
  /** Rows of the last tile down. */
  "lastRows",
  "sourceBlocks",
  /** Slices of the result and of the source, taps over them, and slices from one tap to the next. */
  "slices",
  "sourceSlices",
  "taps",
  "dilation",
  /** Scratch: slots, bytes of one, where products and lines lie in it; bytes of a plane of values or of products, and of a block of values. */
  "slots",
  "slotBytes",
  "productsAt",
  "linesAt",
  "valuePlane",
  "valueBlock",
  "productPlane",
  /** Bytes of the shared values of a group. */
  "groupBytes",
  /** Bytes of the transformed kernel for one plane and one result block. */
  "panel",
  /** Where a chunk transforms kernels of its own: source blocks of one go, its place in the slot; bytes of a packed block, source channels. */
  "ownBlocks",
  "kernelAt",
  "packedBytes",
  "channels",
  "mask",
] as const;

export type WinogradWord = (typeof words)[number];

/** Words of a stream: origin, steps to the next tile across, down and to the next example; within a tile, to the next row and cell; to the next block and slice. */
export const streamWords = 8;

/** The streams that walk over the tiles: source, result, and every operand that moves. */
export const movingOf = (code: WinogradCode): number[] => code.fused.flatMap(({ moves }, i) => (moves ? [i] : []));
const streamCount = (code: WinogradCode): number => 2 + code.fused.length;
/** Position of a fused operand's stream. */
export const fusedStream = (index: number): number => 2 + index;

export interface StreamRecord {
  readonly origin: number;
  readonly across: number;
  readonly down: number;
  readonly example: number;
  readonly row: number;
  readonly cell: number;
  readonly block: number;
  readonly slice: number;
}

/** The record as the code reads it: words by name, streams (bytes), masks of whole and of last blocks. */
export function winogradRecord(
  code: WinogradCode,
  values: Readonly<Record<Exclude<WinogradWord, "mask">, number>>,
  streams: readonly StreamRecord[],
  lastChannels: number,
): Int32Array {
  const mask = words.length + streamWords * streamCount(code);
  const lanes = Array.from({ length: code.lanes }, (_, lane) => lane);
  return Int32Array.from([
    ...words.map((name) => (name === "mask" ? 4 * mask : values[name])),
    ...streams.flatMap((stream) => streamNames.map((name) => stream[name])),
    ...lanes.map(() => -1),
    ...lanes.map((lane) => (lane < lastChannels ? -1 : 0)),
  ]);
}

/** Pushes a word of the record. */
export const word = (f: FunctionBuilder, record: Local, name: WinogradWord): FunctionBuilder =>
  f.get(record).memory("i32.load", 4 * words.indexOf(name));

/** Pushes a word of a stream. */
export const streamWord = (f: FunctionBuilder, record: Local, stream: number, name: keyof StreamRecord): FunctionBuilder =>
  f.get(record).memory("i32.load", 4 * (words.length + streamWords * stream + streamNames.indexOf(name)));

const streamNames: readonly (keyof StreamRecord)[] = ["origin", "across", "down", "example", "row", "cell", "block", "slice"];

/** Values of a tile: one plane of small matrix products for each. Plane = column * span + row. */
export const planesOf = ({ form, rank }: Pick<WinogradCode, "form" | "rank">): number => spanOf(form) ** rank;

/** Rows of a tile in source cells and in result cells: one when there is one axis. */
export const spanRows = ({ form, rank }: Pick<WinogradCode, "form" | "rank">): number => (rank === 1 ? 1 : spanOf(form));
export const tileRows = ({ form, rank }: Pick<WinogradCode, "form" | "rank">): number => (rank === 1 ? 1 : tileOf(form));
