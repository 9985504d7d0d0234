import { size, type TensorType } from "../../base/types.ts";
import type { Axis } from "../../grid/axis.ts";
import type { Device, Margin } from "../contract.ts";
import { type GridLinearPlan, typesOf } from "./plan.ts";

/** A tap of one of the kernel's copies, and the source cell that it meets. */
export interface SweepTap {
  readonly tap: number;
  readonly copy: number;
  readonly offset: number;
}

/**
 * One family of result cells along an axis: result cell first + step j (0 <= j < count) gathers the source cells
 * stride j + offset, one for each tap, in the order of rising offsets.
 */
export interface Sweep {
  readonly first: number;
  readonly step: number;
  readonly count: number;
  readonly stride: number;
  readonly taps: readonly SweepTap[];
}

/** Leaves out taps that meet nothing but padding, so that tiny maps do not pay for them. */
function sweep(first: number, step: number, count: number, stride: number, taps: Sweep["taps"], extent: number): Sweep {
  const meets = (offset: number): boolean => {
    const from = Math.max(0, Math.ceil(-offset / stride));
    return from < count && stride * from + offset < extent;
  };
  return { first, step, count, stride, taps: taps.filter(({ offset }) => meets(offset)).sort((a, b) => a.offset - b.offset) };
}

/** Forward: every output cell gathers input cells output * stride + tap * dilation - low; cells of one copy of the kernel are a sweep. */
export function forwardSweeps(axis: Axis): Sweep[] {
  const { period, output, stride } = axis;
  return Array.from({ length: Math.min(period, output) }, (_, copy) => {
    const taps = Array.from({ length: axis.kernel }, (_, tap) => ({ tap, copy, offset: copy * stride + tap * axis.dilation - axis.low }));
    return sweep(copy, period, Math.ceil((output - copy) / period), stride * period, taps, axis.input);
  });
}

/**
 * Input gradient by phases: input cells first + stride period j meet the taps with first + low - tap * dilation divisible by the
 * stride, each at output cell period j + offset, whose copy of the kernel is the same for all j. A phase without taps is a family of zeros.
 */
export function inputSweeps(axis: Axis): Sweep[] {
  const { period, output, stride } = axis;
  const step = stride * period;
  return Array.from({ length: Math.min(step, axis.input) }, (_, first) => {
    const taps = Array.from({ length: axis.kernel }, (_, tap) => {
      const offset = (first + axis.low - tap * axis.dilation) / stride;
      return { tap, copy: ((offset % period) + period) % period, offset };
    });
    const meeting = taps.filter(({ offset }) => Number.isInteger(offset));
    return sweep(first, step, Math.ceil((axis.input - first) / step), period, meeting, output);
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
      taps: inside.map((own) => ({ ...own, offset: own.offset + stride * start })),
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

/** Floats of K for one pair of channels: its copies, and their taps. */
export const pairFloats = ({ axes }: GridLinearPlan): number => size(axes.map(({ period, kernel }) => period * kernel));

/** Every way to take one entry of each list, the last list fastest. */
export const product = <T>(lists: readonly (readonly T[])[]): T[][] =>
  lists.reduce<T[][]>((heads, list) => heads.flatMap((head) => list.map((item) => [...head, item])), [[]]);

/** Cells of the register tile: its sums fill the registers but for those of the kernel and the splat, or of a product where that is apart. */
export const tileCells = (device: Device): number => (device.fma ? 6 : 5);

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;
