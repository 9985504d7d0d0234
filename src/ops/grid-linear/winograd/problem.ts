import { size, type TensorType } from "../../../base/types.ts";
import type { Device, Fusion, LayoutChoice, Margin } from "../../contract.ts";
import { blockedLayout, plainLayout, preferredBlock } from "../../layout.ts";
import { pooledType } from "../../pool.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { fusedLayouts } from "../tiles/fused.ts";
import { type Form, tileOf } from "./lines.ts";

/**
 * A role of a plan as a correlation with 3 taps on its last axis or last two. One axis more may stand before them: what it cuts into
 * slices is transformed slice by slice, and its taps are summed up among the transformed slices.
 */
export interface WinogradProblem {
  readonly plan: GridLinearPlan;
  readonly form: Form;
  readonly source: TensorType;
  /** The cells that are computed: all of the operator's, or those in whole windows. */
  readonly result: TensorType;
  /** The operator's result, which fused operands stand beside, and the type of what is kept of it. */
  readonly whole: TensorType;
  readonly kept: TensorType;
  /** Windows of which the largest cell alone is kept: slices, rows and cells; all 1 where every cell is. */
  readonly pool: Pool;
  /** Axes that are transformed. */
  readonly rank: 1 | 2;
  /** Result cell i of an axis gathers source cells from i - low on. */
  readonly low: readonly number[];
  readonly slices: Slices;
}

export interface Pool {
  readonly slices: number;
  readonly rows: number;
  readonly cells: number;
}

/** Slices of a result, each summed over `taps` source slices that lie `dilation` apart. */
export interface Slices {
  readonly count: number;
  readonly taps: number;
  readonly dilation: number;
}

/** Source slices that the result gathers from, with those in its padding. */
export const sourceSlices = ({ count, taps, dilation }: Slices): number => count + (taps - 1) * dilation;

/** Forward gathers inputs; the input gradient gathers output gradients by the kernel turned around, with channels exchanged. */
export function winogradProblem(plan: GridLinearPlan, form: Form, fusion: Fusion | null): WinogradProblem {
  const { input, output } = typesOf(plan);
  const forward = plan.role === "forward";
  const [source, whole] = forward ? [input, output] : [output, input];
  const windows = fusion?.pool?.extents ?? plan.axes.map(() => 1);
  const kept = pooledType(whole, fusion?.pool);
  const result = { ...whole, shape: kept.shape.map((extent, axis) => (axis < 2 ? extent : extent * windows[axis - 2])) };
  const low = plan.axes.map((axis) => (forward ? axis.low : (axis.kernel - 1) * axis.dilation - axis.low));
  const rank = transformedAxes(plan) === 1 ? 1 : 2;
  const outer = plan.axes.length > rank ? plan.axes[0] : { kernel: 1, dilation: 1 };
  const slices = { count: plan.axes.length > rank ? result.shape[2] : 1, taps: outer.kernel, dilation: outer.dilation };
  const [outermost, middle, cells] = [1, 1, ...windows].slice(-3);
  const pool = rank === 1 ? { slices: middle, rows: 1, cells } : { slices: outermost, rows: middle, cells };
  return { plan, form, source, result, whole, kept, pool, rank, low, slices };
}

/** Whether tiles consist of whole windows. */
const holdsWindows = ({ pool, form }: WinogradProblem): boolean => tileOf(form) % pool.rows === 0 && tileOf(form) % pool.cells === 0;

/** How many of the last axes have 3 taps in a row: at most two. */
function transformedAxes({ axes }: GridLinearPlan): number {
  const fits = axes.slice(-2).map(({ kernel, stride, dilation }) => kernel === 3 && stride === 1 && dilation === 1);
  return fits.at(-1) !== true ? 0 : fits.every((fit) => fit) ? fits.length : 1;
}

/** Why the form does not compute the plan; null when it does. */
export function refusesWinograd(plan: GridLinearPlan): string | null {
  const { axes, groups, channelsIn, channelsOut } = plan;
  const rank = transformedAxes(plan);
  if (rank === 0 || rank < axes.length - 1 || axes.some(({ stride }) => stride !== 1))
    return "takes kernel 3 and dilation 1 on the last axis or the last two, at most one axis before them, and stride 1.";
  if (axes.some(({ low, high, kernel, dilation }) => Math.max(low, high) > (kernel - 1) * dilation))
    return "takes windows that all meet the input: at most the kernel's span less 1 cells of padding.";
  if (groups > 1) return "takes one group.";
  if (Math.min(channelsIn, channelsOut) < 8) return "with fewer than 8 channels the transforms cost more than they save.";
  return refusesBlocks(plan);
}

export const tilesOn = (extent: number, form: Form): number => Math.ceil(extent / tileOf(form));

/** Tiles of a slice of an example. */
export const tilesOf = ({ result, rank, form }: WinogradProblem): number =>
  size(result.shape.slice(-rank).map((extent) => tilesOn(extent, form)));

/** Cells around the source that the first and the last tile of each axis read. */
function haloOf({ source, result, rank, low, form, slices }: WinogradProblem): Margin[] {
  return low.map((cells, axis) => {
    const isTiled = axis >= low.length - rank;
    const reach = (isTiled ? tilesOn(result.shape[axis + 2], form) * tileOf(form) + 2 : sourceSlices(slices)) - cells;
    return { low: Math.max(0, cells), high: Math.max(0, reach - source.shape[axis + 2]) };
  });
}

export function winogradLayouts(problem: WinogradProblem, fusion: Fusion | null, device: Device): LayoutChoice[] {
  const [from, to] = [problem.source, problem.result].map(({ shape }) => preferredBlock(shape[1], device.wide));
  if (!holdsWindows(problem)) return [];
  return fusedLayouts(fusion, problem.whole, to).map((operands) => ({
    inputs: [plainLayout, blockedLayout(from, haloOf(problem))],
    operands,
    outputs: [to],
  }));
}
