import type { TensorType } from "../../base/types.ts";
import type { Axis } from "../../grid/axis.ts";
import type { Device, Margin } from "../contract.ts";
import { type GridLinearPlan, typesOf } from "./plan.ts";

/**
 * One family of result cells along an axis: result cell first + step j (0 <= j < count) gathers the source cells
 * stride j + offset, one for each tap, in the order of rising offsets.
 */
export interface Sweep {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  readonly stride: number;
  readonly taps: readonly { readonly tap: number; readonly offset: number }[];
}

/** Leaves out taps that meet nothing but padding, so that tiny maps do not pay for them. */
function sweep(first: number, step: number, count: number, stride: number, taps: Sweep["taps"], extent: number): Sweep {
  const meets = (offset: number): boolean => {
    const from = Math.max(0, Math.ceil(-offset / stride));
    return from < count && stride * from + offset < extent;
  };
  return { first, step, count, stride, taps: taps.filter(({ offset }) => meets(offset)).sort((a, b) => a.offset - b.offset) };
}

/** Forward: every output cell gathers input cells output * stride + tap * dilation - low. */
export function forwardSweeps(axis: Axis): Sweep[] {
  const taps = Array.from({ length: axis.kernel }, (_, tap) => ({ tap, offset: tap * axis.dilation - axis.low }));
  return [sweep(0, 1, axis.output, axis.stride, taps, axis.input)];
}

/**
 * Input gradient by phases: input cells first + stride j meet the taps with first + low - tap * dilation divisible by the
 * stride, each at output cell j + offset. A phase without taps is a family of zeros.
 */
export function inputSweeps(axis: Axis): Sweep[] {
  return Array.from({ length: Math.min(axis.stride, axis.input) }, (_, first) => {
    const taps = Array.from({ length: axis.kernel }, (_, tap) => ({ tap, offset: (first + axis.low - tap * axis.dilation) / axis.stride }));
    const count = Math.ceil((axis.input - first) / axis.stride);
    return sweep(
      first,
      axis.stride,
      count,
      1,
      taps.filter(({ offset }) => Number.isInteger(offset)),
      axis.output,
    );
  });
}

/**
 * Splits a sweep where the set of taps that meet the source changes, so that cells at the border do not multiply padding:
 * a 3-tap sweep with padding 1 falls into its first cell, the inner ones and the last.
 */
export function splitAtBorders({ first, step, count, stride, taps }: Sweep, extent: number): Sweep[] {
  const parts: Sweep[] = [];
  let from = 0;
  const meeting = (j: number): Sweep["taps"] => taps.filter(({ offset }) => stride * j + offset >= 0 && stride * j + offset < extent);
  for (let j = 1; j <= count; j++) {
    const inside = meeting(from);
    if (j < count && meeting(j).length === inside.length && meeting(j).every(({ tap }, i) => tap === inside[i].tap)) continue;
    const start = from;
    parts.push({
      first: first + step * start,
      step,
      count: j - start,
      stride,
      taps: inside.map(({ tap, offset }) => ({ tap, offset: offset + stride * start })),
    });
    from = j;
  }
  return parts;
}

/** Cells around a source axis of that extent that the sweeps read. */
export function haloOf(sweeps: readonly Sweep[], extent: number): Margin {
  let [low, high] = [0, 0];
  for (const { taps, count, stride } of sweeps) {
    for (const { offset } of taps) {
      low = Math.max(low, -offset);
      high = Math.max(high, stride * (count - 1) + offset - (extent - 1));
    }
  }
  return { low, high };
}

/** A role of a plan as one gathering of source cells: forward gathers inputs, the input gradient gathers output gradients. */
export interface GatherProblem {
  readonly plan: GridLinearPlan;
  readonly source: TensorType;
  readonly result: TensorType;
  /** Sweeps of each axis: one for each phase. */
  readonly sweeps: readonly (readonly Sweep[])[];
  /** The result's channels are the columns (input channels) of K, not its rows. */
  readonly transposed: boolean;
}

export function gatherProblem(plan: GridLinearPlan, role: "forward" | "input", sweeps: GatherProblem["sweeps"]): GatherProblem {
  const { input, output } = typesOf(plan);
  const transposed = role === "input";
  return { plan, source: transposed ? output : input, result: transposed ? input : output, sweeps, transposed };
}

/** Every way to take one entry of each list, the last list fastest. */
export const product = <T>(lists: readonly (readonly T[])[]): T[][] =>
  lists.reduce<T[][]>((heads, list) => heads.flatMap((head) => list.map((item) => [...head, item])), [[]]);

/** Cells of the register tile: its sums fill the registers but for those of the kernel and the splat, or of a product where that is apart. */
export const tileCells = (device: Device): number => (device.fma ? 6 : 5);

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
