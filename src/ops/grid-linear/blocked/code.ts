import type { Expression } from "../../contract.ts";
import type { FusedOperand } from "../tiles/fused.ts";

/**
 * The hot routine of blocked convolution: result cell q, lanes = sum over steps of source channel * panel row, for all
 * cells of a chunk in tiles of T and T - 1 cells. A tile holds one pointer for each cell, so that tiles run on over
 * the ends of rows, planes and examples and nothing is lost on small maps. All geometry is in the record: the code depends only on
 * what `GatherCode` says.
 */
export interface GatherCode {
  /** Channels of a result block. */
  readonly lanes: number;
  /** Cells of the larger tile. */
  readonly cells: number;
  /** Sums of a cell, taken in turns by the source channels: two where one for each cell would not fill the pipeline. */
  readonly sets: number;
  /** What one turn of the inner loop does; the second is for a last source block with spare lanes. */
  readonly bodies: readonly Body[];
  /** The last block of result channels has spare lanes. */
  readonly spare: boolean;
  /** At least half of them, so that its tiles compute the other half alone. */
  readonly half: boolean;
  /** The next block's panel is fetched while this one is multiplied: where a chunk has few cells, the first tile waits for it long. */
  readonly fetch: boolean;
  readonly fma: boolean;
  readonly fused: readonly FusedOperand[];
  /** Formula over the sum (operand 0) and the fused operands; null when nothing is fused. */
  readonly epilogue: Expression | null;
}

/** One turn: a tap at each of `offsets` source bytes from the first, of `channels` channels that lie `channelStep` bytes apart. */
export interface Body {
  readonly channels: number;
  readonly channelStep: number;
  readonly offsets: readonly number[];
}

/** Words of the record's head: chunk numbers, then (example stride, block stride) of each stream. */
export const head = {
  each: 0,
  group: 1,
  runDivide: 2,
  blocks: 3,
  partDivide: 4,
  parts: 5,
  phases: 6,
  panel: 7,
  blocksPerGroup: 8,
  mask: 9,
  run: 10,
  runs: 11,
  words: 12,
} as const;
/**
 * Words of a phase: cells of an example, extents of the axes, where its panel rows begin, then (loop table,
 * pointer step, row step) of each body, then (origin, three steps) of each stream.
 */
export const phaseHead = { cells: 0, inner: 1, panel: 4, loops: 5, words: 11 } as const;

export const streamsOf = (code: GatherCode): number => 2 + code.fused.filter(({ moves }) => moves).length;
export const headWords = (code: GatherCode): number => head.words + 2 * streamsOf(code) + code.fused.length;
export const phaseWords = (code: GatherCode): number => phaseHead.words + 4 * streamsOf(code);

/** Operands of the routine: source, panels, result, record, then the fused ones. */
export const sourceOperand = 0;
export const panelsOperand = 1;
export const resultOperand = 2;
export const recordOperand = 3;
export const firstFused = 4;

/** Table position of each stream: source, result, moving operands. */
export const streamOperands = (code: GatherCode): number[] => [
  sourceOperand,
  resultOperand,
  ...code.fused.flatMap(({ moves }, i) => (moves ? [firstFused + i] : [])),
];
