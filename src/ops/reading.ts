import { printType, type TensorType } from "../base/types.ts";
import type { Layout } from "./contract.ts";
import { blockedLayout, channelAxis, type Placement, place, plainLayout, printLayout } from "./layout.ts";
import type { Move } from "./walk.ts";

/**
 * How an operand is read beside the cells of a result, by right-aligned broadcasting. The axes are the result's block (or channel)
 * axis and those behind it; a run goes along the last of them.
 */
export interface Reading {
  /** Words from the buffer's start to its first cell, and from example to example (0: the same for all). */
  readonly origin: number;
  readonly exampleStep: number;
  readonly moves: readonly Move[];
  /** Words from cell to cell along a run. */
  readonly runStep: number;
  /** Beside a blocked result: a value for each channel, so that a vector is loaded; otherwise one value for all lanes. */
  readonly lanes: boolean;
  /** Words from lane to lane of such a vector; where it is not 1, its lanes are gathered once for each block. */
  readonly laneStep: number;
  /** Spare lanes are read as 0. */
  readonly clean: boolean;
  /** Cells are integers, to be converted. */
  readonly integer: boolean;
}

/** Block (or channel) axis and the axes behind it, as a walk sees the result. */
export const resultAxes = (at: Placement): number[] => [at.blocks, ...at.extents];

/** How the result itself is walked. */
export const resultReading = (type: TensorType, at: Placement): Reading => ({
  origin: at.origin,
  exampleStep: type.batched ? at.exampleStride : 0,
  moves: [{ extent: at.blocks, step: at.blockStride }, ...at.extents.map((extent, axis) => ({ extent, step: at.strides[axis] }))],
  runStep: at.block,
  lanes: at.block > 1,
  laneStep: 1,
  clean: true,
  integer: false,
});

/** Works out how an operand is read beside a result with blocks of `block` channels, or says why it cannot be. */
export function readingOf(type: TensorType, layout: Layout, result: TensorType, block: number): Reading | string {
  const at = place(type, layout);
  const name = `operand ${printType(type)} (${printLayout(layout)})`;
  const lead = result.shape.length - type.shape.length;
  const channel = channelAxis(result);
  const steps = [...(type.batched ? [at.exampleStride] : []), at.blockStride, ...at.strides];
  const move = (axis: number): Move =>
    axis < lead ? { extent: 1, step: 0 } : { extent: type.shape[axis - lead], step: steps[axis - lead] };
  const spatial = result.shape.slice(channel + 1).map((_, i) => move(channel + 1 + i));
  const common = { origin: at.origin, exampleStep: type.batched ? at.exampleStride : 0, laneStep: 1, integer: type.dtype !== "f32" };
  const own = channel < lead || type.shape.length === 0 ? 1 : (type.shape[channel - lead] ?? 1);
  const aligned = channelAxis(type) === channel - lead;
  if (layout.block > 1 && !aligned) return `${name} has its channels on another axis than the result ${printType(result)}.`;
  if (block === 1) {
    if (layout.block > 1) return `${name} is blocked beside a plain result.`;
    return { ...common, moves: [own === 1 ? { extent: 1, step: 0 } : move(channel), ...spatial], runStep: 1, lanes: false, clean: true };
  }
  const channels = result.shape[channel] ?? 1;
  if (layout.block === block && own === channels) {
    return { ...common, moves: [{ extent: at.blocks, step: at.blockStride }, ...spatial], runStep: block, lanes: true, clean: true };
  }
  if (own === 1) return { ...common, moves: [{ extent: 1, step: 0 }, ...spatial], runStep: layout.block, lanes: false, clean: false };
  if (own !== channels) return `${name} repeats along the channels of the blocked result.`;
  if (layout.block > 1 || spatial.some(({ extent }) => extent > 1))
    return `${name} is not in blocks of ${block} channels as the result ${printType(result)}.`;
  const laneStep = steps[channel - lead];
  const moves = [{ extent: Math.ceil(channels / block), step: block * laneStep }, ...spatial];
  return { ...common, moves, runStep: block, lanes: true, laneStep, clean: channels % block === 0 };
}

/**
 * Layout in which an operand is best read beside a blocked result: plain where it is one value per channel (parameters lie like
 * that) or one for all channels, blocked where every cell has channels of its own. Null when no layout serves.
 */
export function operandLayout(type: TensorType, result: TensorType, block: number): Layout | null {
  return [plainLayout, blockedLayout(block)].find((layout) => typeof readingOf(type, layout, result, block) !== "string") ?? null;
}
