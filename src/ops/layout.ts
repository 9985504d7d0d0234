import { invariant } from "../base/errors.ts";
import type { TensorType } from "../base/types.ts";
import type { Layout, Margin } from "./contract.ts";

/** Plain row-major, nothing around it: feeds, state, outputs and parameters lie like this. */
export const plainLayout: Layout = { block: 1, halo: [], fill: 0 };

export const blockedLayout = (block: number, halo: readonly Margin[] = [], fill = 0): Layout => ({ block, halo, fill });

/** Where the cells of a value lie, in f32 (or i32) words from the start of its buffer. */
export interface Placement {
  /** Examples (1 when not batched) and words from one to the next. */
  readonly examples: number;
  readonly exampleStride: number;
  readonly channels: number;
  /** Channels per block (1 = plain), number of blocks, words from one block to the next. */
  readonly block: number;
  readonly blocks: number;
  readonly blockStride: number;
  /** Axes after the channel axis: extents, and words from one cell to the next (without margin cells in `extents`). */
  readonly extents: readonly number[];
  readonly strides: readonly number[];
  readonly halo: readonly Margin[];
  /** Words from the start of a block to its first interior cell. */
  readonly origin: number;
  /** All of it. */
  readonly words: number;
}

export const channelAxis = (type: TensorType): number => (type.batched ? 1 : 0);

/** Works out strides and size of a value in a layout. */
export function place(type: TensorType, layout: Layout): Placement {
  const axis = channelAxis(type);
  const extents = type.shape.slice(axis + 1);
  const halo = extents.map((_, i) => layout.halo[i] ?? { low: 0, high: 0 });
  invariant(layout.halo.length <= extents.length, () => `halo of ${layout.halo.length} axes on ${type.shape.join("x")}`);
  const channels = type.shape[axis] ?? 1;
  const strides = new Array<number>(extents.length);
  let step = layout.block;
  for (let i = extents.length - 1; i >= 0; i--) {
    strides[i] = step;
    step *= extents[i] + halo[i].low + halo[i].high;
  }
  const blocks = Math.ceil(channels / layout.block);
  const origin = strides.reduce((sum, stride, i) => sum + stride * halo[i].low, 0);
  const examples = type.batched ? type.shape[0] : 1;
  const exampleStride = blocks * step;
  return {
    examples,
    exampleStride,
    channels,
    block: layout.block,
    blocks,
    blockStride: step,
    extents,
    strides,
    halo,
    origin,
    words: examples * exampleStride,
  };
}

/** Words from the start of the buffer to one cell. For tests and conversions on the host. */
export function wordOf(at: Placement, example: number, channel: number, cell: readonly number[]): number {
  const lane = channel % at.block;
  const block = (channel - lane) / at.block;
  return cell.reduce(
    (sum, position, i) => sum + position * at.strides[i],
    example * at.exampleStride + block * at.blockStride + at.origin + lane,
  );
}

/** `plain`, `b16`, `b16+1:1x1:1`, with the fill where it is not zero: part of routine keys and of `explain()`. */
export function printLayout(layout: Layout): string {
  const halo = layout.halo.map(({ low, high }) => `${low}:${high}`).join("x");
  const around = layout.halo.some(({ low, high }) => low > 0 || high > 0) ? `+${halo}${layout.fill === 0 ? "" : `=${layout.fill}`}` : "";
  return `${layout.block === 1 ? "plain" : `b${layout.block}`}${around}`;
}

/** True when `have` can be read by who needs `need`: same block, at least its halo, and the same fill where there is one. */
export function serves(have: Layout, need: Layout): boolean {
  const covers = need.halo.every(({ low, high }, i) => (have.halo[i]?.low ?? 0) >= low && (have.halo[i]?.high ?? 0) >= high);
  const asks = need.halo.some(({ low, high }) => low > 0 || high > 0);
  return have.block === need.block && covers && (!asks || Object.is(have.fill, need.fill));
}

/** Channels per block that suit a value of so many channels: the whole of a 256-bit tile (16), or 8 where that is enough or pairs do not pack. */
export const preferredBlock = (channels: number, wide: boolean): number => (wide && channels > 8 ? 16 : 8);
