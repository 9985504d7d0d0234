import { size, type TensorType } from "../../../base/types.ts";
import type { Device, Fusion, LayoutChoice, Margin } from "../../contract.ts";
import { blockedLayout, plainLayout, preferredBlock } from "../../layout.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { fusedLayouts } from "../tiles/fused.ts";
import { type Form, tileOf } from "./lines.ts";

/** A role of a plan as a correlation with 3 taps on every axis. */
export interface WinogradProblem {
  readonly plan: GridLinearPlan;
  readonly form: Form;
  readonly source: TensorType;
  readonly result: TensorType;
  /** Result cell i gathers source cells i - low, i - low + 1 and i - low + 2. */
  readonly low: readonly number[];
}

/** Forward gathers inputs; the input gradient gathers output gradients by the kernel turned around, with channels exchanged. */
export function winogradProblem(plan: GridLinearPlan, form: Form): WinogradProblem {
  const { input, output } = typesOf(plan);
  const forward = plan.role === "forward";
  const low = plan.axes.map((axis) => (forward ? axis.low : 2 - axis.low));
  return { plan, form, source: forward ? input : output, result: forward ? output : input, low };
}

/** Why the form does not compute the plan; null when it does. */
export function refusesWinograd(plan: GridLinearPlan): string | null {
  const { axes, groups, channelsIn, channelsOut } = plan;
  if (axes.length < 1 || axes.length > 2) return "takes one or two axes.";
  if (axes.some(({ kernel, stride, dilation }) => kernel !== 3 || stride !== 1 || dilation !== 1))
    return "takes kernel 3, stride 1 and dilation 1 on every axis.";
  if (axes.some(({ low, high }) => low > 2 || high > 2)) return "takes windows that all meet the input: at most 2 cells of padding.";
  if (groups > 1) return "takes one group.";
  if (Math.min(channelsIn, channelsOut) < 8) return "with fewer than 8 channels the transforms cost more than they save.";
  return refusesBlocks(plan);
}

export const tilesOn = (extent: number, form: Form): number => Math.ceil(extent / tileOf(form));

/** Tiles of an example. */
export const tilesOf = ({ result, form }: WinogradProblem): number => size(result.shape.slice(2).map((extent) => tilesOn(extent, form)));

/** Cells around the source that the first and the last tile of each axis read. */
function haloOf({ source, result, low, form }: WinogradProblem): Margin[] {
  return low.map((cells, axis) => {
    const reach = tilesOn(result.shape[axis + 2], form) * tileOf(form) + 2 - cells;
    return { low: Math.max(0, cells), high: Math.max(0, reach - source.shape[axis + 2]) };
  });
}

export function winogradLayouts(problem: WinogradProblem, fusion: Fusion | null, device: Device): LayoutChoice[] {
  const [from, to] = [problem.source, problem.result].map(({ shape }) => preferredBlock(shape[1], device.wide));
  return fusedLayouts(fusion, problem.result, to).map((operands) => ({
    inputs: [plainLayout, blockedLayout(from, haloOf(problem))],
    operands,
    outputs: [to],
  }));
}
