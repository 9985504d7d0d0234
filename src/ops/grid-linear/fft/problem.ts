import { size, type TensorType } from "../../../base/types.ts";
import { span } from "../../../grid/axis.ts";
import type { Device, Fusion, LayoutChoice } from "../../contract.ts";
import { blockedLayout, plainLayout, preferredBlock } from "../../layout.ts";
import { refusesPhases } from "../blocked/problem.ts";
import { product } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { fusedLayouts } from "../tiles/fused.ts";
import { radicesOf } from "./lines.ts";
import { fewestTaps } from "./scope.ts";

/**
 * A role of a plan as a correlation: result cell i of an axis gathers positions from i keep - low on, `apart` apart; source cell c is at
 * position c spread, between them are zeros.
 */
export interface FftProblem {
  readonly plan: GridLinearPlan;
  readonly source: TensorType;
  readonly result: TensorType;
  readonly low: readonly number[];
  readonly keep: readonly number[];
  readonly spread: readonly number[];
  readonly apart: readonly number[];
  /** Every channel by itself. */
  readonly depthwise: boolean;
}

/**
 * Forward gathers inputs; the input gradient gathers output gradients by the kernel turned around, with channels exchanged. The kernel
 * gradient meets the tiles of the forward role.
 */
export function fftProblem(plan: GridLinearPlan): FftProblem {
  const { axes, role, groups } = plan;
  const { input, output } = typesOf(plan);
  const turned = role === "input";
  const [strides, ones] = [axes.map(({ stride }) => stride), axes.map(() => 1)];
  return {
    plan,
    source: turned ? output : input,
    result: turned ? input : output,
    low: axes.map((axis) => (turned ? span(axis.kernel, axis.dilation) - 1 - axis.low : axis.low)),
    keep: turned ? ones : strides,
    spread: turned ? strides : ones,
    apart: axes.map(({ dilation }) => dilation),
    depthwise: groups > 1,
  };
}

/** Fewest terms of a kernel gradient, so that the rounding of a tile evens out. */
const fewestTerms = 64;
/** Bytes of transformed sources, results and kernels together. */
const mostBytes = 512 * 2 ** 20;

/** Why the plan is not computed by transforms; null when it is. */
export function refusesFft(plan: GridLinearPlan): string | null {
  const { axes, groups, channelsIn, channelsOut, role } = plan;
  const taps = size(axes.map(({ kernel }) => kernel));
  if (taps < fewestTaps) return `${taps} taps are too few for transforms (below ${fewestTaps}).`;
  if (axes.some(({ stride, dilation }) => stride > 1 && dilation > 1)) return "takes a stride or a dilation, not both on one axis.";
  if (axes.some(({ period }) => period > 1)) return "kernel copies differ from cell to cell (period above 1).";
  if (groups > 1 && (groups !== channelsIn || groups !== channelsOut)) return "takes one group, or one for every channel.";
  const phases = refusesPhases(plan);
  if (phases !== null) return phases;
  const terms = plan.examples * size(axes.map(({ output }) => output));
  if (role === "kernel" && terms < fewestTerms)
    return `${terms} cells are too few to even out the rounding of a tile (below ${fewestTerms}).`;
  return bytesOf(fftProblem(plan)) > mostBytes ? `transforms take more than ${mostBytes / 2 ** 20} MiB.` : null;
}

/** Lanes of a cell: a 256-bit pair, or one vector. */
export const lanesOf = (device: Device): 4 | 8 => (device.wide ? 8 : 4);

/** Groups of lanes that hold so many channels of blocks. */
export const partsOf = (channels: number, device: Device): number => {
  const block = preferredBlock(channels, device.wide);
  return (Math.ceil(channels / block) * block) / lanesOf(device);
};

export function fftLayouts({ plan, source, result }: FftProblem, fusion: Fusion | null, device: Device): LayoutChoice[] {
  const [from, to] = [source, result].map(({ shape }) => preferredBlock(shape[1], device.wide));
  if (plan.role === "kernel")
    return fusion === null ? [{ inputs: [blockedLayout(to), blockedLayout(from)], operands: [], outputs: [1] }] : [];
  return fusedLayouts(fusion, result, to).map((operands) => ({ inputs: [plainLayout, blockedLayout(from)], operands, outputs: [to] }));
}

/** How the axes are cut: cells of a transform, result cells that it gives, and transforms along each (of one family of cells `apart`). */
export interface Cut {
  readonly sizes: readonly number[];
  readonly steps: readonly number[];
  readonly counts: readonly number[];
}

/** Lengths of transforms, up to 65536. */
const lengths: readonly number[] = Array.from({ length: 17 }, (_, twos) => [1, 3, 9].map((odd) => odd * 2 ** twos))
  .flat()
  .filter((length) => length <= 65536 && length >= 2)
  .sort((a, b) => a - b);

/** Lengths that an axis may have: not shorter than its kernel, not longer than makes one transform of it. */
function lengthsOf(kernel: number, positions: number, last: boolean): number[] {
  if (kernel === 1 && !last) return [1];
  const fitting = lengths.filter((length) => length > kernel && (!last || length % 2 === 0));
  const whole = fitting.find((length) => length >= positions) ?? fitting[fitting.length - 1];
  return fitting.filter((length) => length <= whole);
}

/** Result cells of an axis of which no two are `apart`, at most. */
const familyOf = ({ result, apart }: FftProblem, axis: number): number => Math.ceil(result.shape[axis + 2] / apart[axis]);

function cutBy(problem: FftProblem, sizes: readonly number[]): Cut {
  const { plan, keep } = problem;
  const counts = sizes.map((length, axis) =>
    Math.ceil(familyOf(problem, axis) / (Math.floor((length - plan.axes[axis].kernel) / keep[axis]) + 1)),
  );
  return { sizes, counts, steps: counts.map((count, axis) => Math.ceil(familyOf(problem, axis) / count)) };
}

/** Predicted ns of the parts of one run. */
interface Times {
  readonly kernel: number;
  readonly run: number;
}

function timesOf({ plan, source, result, apart, depthwise }: FftProblem, { sizes, counts }: Cut, device: Device): Times {
  const { examples, role } = plan;
  const [cells, tiles] = [size(sizes), examples * size(counts) * size(apart)];
  const [from, to] = [source.shape[1], result.shape[1]];
  const [sources, results] = [partsOf(from, device), partsOf(to, device)];
  const lanes = lanesOf(device);
  const stages = sizes.reduce((sum, length, axis) => sum + (radicesOf(axis === sizes.length - 1 ? length / 2 : length)?.length ?? 0), 0);
  // a cell in a stage; copying and splitting (or joining and storing) are like two more. Beyond the first cache all of it costs more
  const [stage, pair] = device.wide ? [0.8, 0.75] : device.fma ? [0.57, 0.65] : [0.75, 0.9];
  const far = cells * 4 * lanes > 48 * 1024 ? 1.3 : 1;
  const transform = cells * (stages + 2) * stage * far + 300;
  // frequencies of tiles and parts lie apart: beyond the second cache every vector is stored to a page of its own
  const scattered = (parts: number): number => {
    const values = tiles * parts * cells;
    return values * Math.min(12, Math.max(0, (1.6 * values * 4 * lanes) / 2 ** 20 - 0.8));
  };
  const frequencies = cells / 2 + 2;
  const pairs = depthwise ? results : from * results;
  const kernelBytes = pairs * 8 * lanes;
  const transforms = tiles * (sources + results) * transform + scattered(sources);
  const kernel = size(typesOf(plan).kernel.shape) * 0.6 + pairs * transform;
  if (role === "kernel") {
    // few rows of a register tile: more loads to a product
    const sums = frequencies * (pairs * (tiles * pair * 1.35 + 4) + results * tiles);
    return { kernel: 0, run: 6000 + transforms + scattered(results) + sums + kernel };
  }
  // sums of a frequency, and its kernel, which comes from memory
  const memory = kernelBytes * frequencies > 2 ** 20 ? 0.1 : 0.02;
  const products = frequencies * (pairs * tiles * pair + results * (4 + tiles) + kernelBytes * memory);
  return { kernel, run: 4000 + transforms + 0.5 * scattered(results) + products };
}

/** The cut of least predicted time. */
export function cutOf(problem: FftProblem, device: Device): Cut {
  const { axes } = problem.plan;
  const choices = axes.map(({ kernel }, axis) =>
    lengthsOf(kernel, (familyOf(problem, axis) - 1) * problem.keep[axis] + kernel, axis === axes.length - 1),
  );
  const cuts = product(axes.length > 2 ? choices.map((list) => list.slice(-8)) : choices).map((sizes) => cutBy(problem, sizes));
  const ns = (cut: Cut): number => {
    const { kernel, run } = timesOf(problem, cut, device);
    return run + 0.2 * kernel;
  };
  return cuts.map((cut) => ({ cut, time: ns(cut) })).reduce((best, next) => (next.time < best.time ? next : best)).cut;
}

/** Predicted time of one thread, ns; the kernel's transform counts where the kernel changes from run to run. */
export function fftTime(problem: FftProblem, device: Device, training: boolean): number {
  const { kernel, run } = timesOf(problem, cutOf(problem, device), device);
  return run + (training ? kernel : 0);
}

/** Bytes of all transforms at the least, whatever the cut. */
function bytesOf({ plan, source, result, keep, depthwise }: FftProblem): number {
  const [from, to] = [source.shape[1], result.shape[1]];
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  return 8 * (plan.examples * (from + to) * size(result.shape.slice(2)) * size(keep) + (depthwise ? to : from * to) * taps);
}
