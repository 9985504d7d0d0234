import { type Form, spanOf, tileOf } from "./lines.ts";

/** One side of the sum, the input or the output gradient, as tiles in memory and as values in scratch. Steps in bytes. */
export interface Side {
  /** Whole spans of input cells, or the cells of result tiles. */
  readonly transform: "source" | "spread";
  /** Channels of a block, and blocks that a chunk takes. */
  readonly lanes: number;
  readonly run: number;
  readonly origin: number;
  readonly example: number;
  readonly block: number;
  /** From cell to cell down and across a tile. */
  readonly row: number;
  readonly cell: number;
  /** How tiles are counted, the fastest axis first, and steps from tile to tile on each. */
  readonly counts: readonly number[];
  readonly steps: readonly number[];
  /** Bytes of the values of a run: of one plane, and of one tile in it. */
  readonly plane: number;
  readonly tile: number;
}

/** What the emitted code of a Winograd kernel gradient depends on: all of its geometry. */
export interface GradientCode {
  readonly form: Form;
  /** Axes with transforms: the last one or two. */
  readonly rank: number;
  /** Taps of the axis before them, which is summed directly; 1 when there is none. */
  readonly outer: number;
  readonly fma: boolean;
  readonly wide: boolean;
  readonly input: Side;
  readonly output: Side;
  /** Runs of blocks, and blocks, of the input. */
  readonly inputRuns: number;
  readonly inputBlocks: number;
  readonly outputRuns: number;
  /** Items of a slot, tiles of an item, items of an example (0: an item may go over several), tiles of the output gradient in an example. */
  readonly slotItems: number;
  readonly itemTiles: number;
  readonly exampleItems: number;
  readonly exampleTiles: number;
  /** Tiles of one step of the directly summed axis, and tiles of the input for an item of the output gradient. */
  readonly sliceTiles: number;
  /** Bytes of the accumulators of a plane and of all planes of one outer tap; bytes of a pair's sums. */
  readonly sumPlane: number;
  readonly sumTap: number;
  readonly pairBytes: number;
  /** Scratch of a chunk: bytes, and where things lie in it. */
  readonly scratchBytes: number;
  readonly scratchSlots: number;
  readonly outputAt: number;
  readonly sumsAt: number;
  readonly linesAt: number;
}

/** Cells of a tile along one axis, as a side reads it. */
export const reachOf = (form: Form, { transform }: Pick<Side, "transform">): number =>
  transform === "source" ? spanOf(form) : tileOf(form);

export const planesOf = ({ form, rank }: Pick<GradientCode, "form" | "rank">): number => spanOf(form) ** rank;
export const tapsOf = (rank: number): number => 3 ** rank;
