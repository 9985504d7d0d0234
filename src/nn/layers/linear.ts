import { fail, Problems } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import { type Border, outputExtent, type Padding, paddingCells, span } from "../../grid/axis.ts";
import { call, operand, type Value } from "../../ops/contract.ts";
import { forward, transposed } from "../../ops/grid-linear/index.ts";
import { pad, pointwise, reshape } from "../../ops.ts";
import { fanUniform, he, type Initialiser, zeros } from "../initialisers.ts";
import type { Layer, Scope } from "../scope.ts";
import { checkBorder, checkPadding, checkWhole, layer, partsOf, perAxis } from "./layer.ts";
import { sameForEach } from "./same-padding.ts";

type PerAxis<T> = T | readonly T[];

/** How a bias is shared: none, one per channel, one per location, or tiled with a period of its own. */
export type Bias = boolean | "channel" | "location" | { readonly period: PerAxis<number> };

export interface ConvOptions {
  /** Kernel extents; one number stands for all axes. */
  readonly kernel: PerAxis<number>;
  readonly stride?: PerAxis<number>;
  readonly dilation?: PerAxis<number>;
  readonly padding?: PerAxis<Padding>;
  readonly border?: PerAxis<Border>;
  readonly groups?: number;
  /** One string of 0s and 1s per output channel: which input channels it sees. */
  readonly connections?: readonly string[];
  /** True convolution instead of cross-correlation. */
  readonly flip?: boolean;
  readonly bias?: Bias;
  readonly initialiser?: Initialiser;
}

/** Adds a bias of any sharing scheme: its own period t on every axis, 1 = per channel, the output extent = per location. */
function addBias(output: Value, bias: Bias, connections: number, scope: Scope): Value {
  if (bias === false) return output;
  const [, channels, ...extents] = output.type.shape;
  const period =
    typeof bias === "object" ? perAxis(bias.period, extents.length) : extents.map((extent) => (bias === "location" ? extent : 1));
  const wrong = period.findIndex((t, axis) => !Number.isInteger(t) || t < 1 || t > extents[axis]);
  if (wrong >= 0) fail("bias", "", `period on axis ${wrong}`, `an integer from 1 to the output extent ${extents[wrong]}`, period[wrong]);
  const value = scope.parameter("bias", [channels, ...period], connections === 0 ? zeros : fanUniform(connections));
  const tile = period.some((t, axis) => t !== 1 && t !== extents[axis]);
  return pointwise(call("add", operand(0), operand(1)), [output, value], { tile });
}

/** Options of a layer spelled out for every axis. */
interface Geometry {
  readonly kernel: readonly number[];
  readonly stride: readonly number[];
  readonly dilation: readonly number[];
  readonly padding: readonly Padding[];
  readonly border?: readonly Border[];
  readonly period?: readonly (number | "output")[];
  readonly groups?: number;
  readonly connections?: readonly string[];
  readonly flip?: boolean;
}

interface AnyOptions extends ConvOptions {
  readonly period?: PerAxis<number | "output">;
}

function gridOptions(kind: string, options: AnyOptions, axes: number): Geometry {
  const { border, period, groups, connections, flip } = options;
  const all = <T>(what: string, value: PerAxis<T>): T[] => perAxis(value, axes, kind, what);
  const kernel = all("kernel extents", options.kernel);
  const stride = all("strides", options.stride ?? 1);
  const dilation = all("dilations", options.dilation ?? 1);
  const paddings = all<Padding>("padding", options.padding ?? 0);
  const borders = all<Border>("borders", border ?? "zero");
  const problems = new Problems(kind);
  checkWhole(problems, "kernel extents", kernel);
  checkWhole(problems, "strides", stride);
  checkWhole(problems, "dilations", dilation);
  checkPadding(problems, paddings);
  checkBorder(problems, borders);
  problems.throwIfAny();
  return {
    kernel,
    stride,
    dilation,
    padding: paddings,
    ...(border === undefined ? {} : { border: borders }),
    ...(period === undefined ? {} : { period: all("periods", period) }),
    ...(groups === undefined ? {} : { groups }),
    ...(connections === undefined ? {} : { connections }),
    ...(flip === undefined ? {} : { flip }),
  };
}

/** Throws when channels and groups do not fit; returns the groups. */
function checkChannels(kind: string, channels: number, channelsIn: number, groups: number): number {
  const problems = new Problems(kind);
  const whole = problems.check(Number.isInteger(channels) && channels >= 1, "channels", "a whole number >= 1", channels);
  const divides = Number.isInteger(groups) && groups >= 1 && channelsIn % groups === 0 && channels % groups === 0;
  problems.check(divides || !whole, "groups", `a divisor of ${channelsIn} input channels and ${channels} output channels`, groups);
  problems.throwIfAny();
  return groups;
}

/** Shape of the kernel parameter: [channelsOut, channelsIn / groups, ...period, ...kernel], or [pairs, ...] with a table. */
function kernelShape(
  channelsOut: number,
  channelsIn: number,
  { kernel, stride, dilation, padding, period, groups = 1, connections }: Geometry,
  extents: readonly number[],
): number[] {
  const periods = (period ?? []).map((own, axis) => {
    if (own !== "output") return own;
    const { low, high } = paddingCells(padding[axis], extents[axis], kernel[axis], stride[axis], dilation[axis]);
    return Math.max(1, outputExtent(extents[axis], kernel[axis], stride[axis], dilation[axis], low, high));
  });
  const pairs = connections === undefined ? [channelsOut, channelsIn / groups] : [connections.join("").split("1").length - 1];
  return [...pairs, ...(periods.some((t) => t > 1) ? periods : []), ...kernel];
}

function linearLayer(kind: string, channelsOf: (channelsIn: number) => number, options: AnyOptions, noted: object): Layer {
  return layer(kind, { ...noted, ...options }, (input, scope) => {
    const { channels: channelsIn, extents } = partsOf(input, kind);
    const channels = channelsOf(channelsIn);
    const given = kind === "depthwiseConv" ? channelsIn : options.groups;
    const groups = checkChannels(kind, channels, channelsIn, given ?? 1);
    const rows = options.connections?.length ?? channels;
    if (rows !== channels) fail(kind, "", "rows of the connection table", `${channels}, one for each output channel`, rows);
    const geometry = gridOptions(kind, { ...options, ...(given === undefined ? {} : { groups }) }, extents.length);
    const shape = kernelShape(channels, channelsIn, geometry, extents);
    const pairs = options.connections === undefined ? channelsIn / groups : Math.max(1, shape[0] / channels);
    const connections = Math.ceil(pairs * size(geometry.kernel));
    const kernel = scope.parameter("kernel", shape, options.initialiser ?? heForKernel(connections));
    const { input: padded, windows } = sameForEach(input, geometry);
    return addBias(forward(windows, kernel, padded), options.bias ?? true, connections, scope);
  });
}

/** He's variance with the true number of connections: with periods or a table the shape of the kernel does not tell it. */
function heForKernel(connections: number): Initialiser {
  const deviation = Math.sqrt(2 / connections);
  return Object.freeze({
    kind: `he normal over ${connections} connections`,
    fill(cells: Float32Array, _shape: readonly number[], draw: { normal(): number }) {
      for (let i = 0; i < cells.length; i++) cells[i] = deviation * draw.normal();
    },
  });
}

/**
 * Convolution (cross-correlation unless `flip`): Z[co, o] = b[co] + sum over ci, tap of K[co, ci, tap] V[ci, o s + tap d - low].
 * Source: Goodfellow et al. 2016, eq. 9.7 and 9.8.
 * Shapes: [N, channelsIn, ...extents] -> [N, channels, ...m], m = floor((n + low + high - (k - 1) d - 1) / s) + 1; 1 to 3 axes, taken from the data.
 * Example: `conv(32, { kernel: 3, padding: "same" })`
 */
export const conv = (channels: number, options: ConvOptions): Layer => linearLayer("conv", () => channels, options, { channels });

/** Convolution of each channel by itself, into `multiplier` channels each. Shapes: [N, C, ...] -> [N, C multiplier, ...]. */
export function depthwiseConv({
  multiplier = 1,
  ...options
}: Omit<ConvOptions, "groups" | "connections"> & { readonly multiplier?: number }): Layer {
  return linearLayer("depthwiseConv", (channelsIn) => channelsIn * multiplier, options, { multiplier });
}

/** Locally connected layer: a kernel of its own at every location. Source: Goodfellow et al. 2016, eq. 9.9. The bias is per location unless said otherwise. */
export const localConv = (channels: number, options: ConvOptions): Layer =>
  linearLayer("localConv", () => channels, { bias: "location", ...options, period: "output" }, { channels });

/** Tiled convolution: kernels repeat every `period` outputs, and so does the bias unless said otherwise. Source: Goodfellow et al. 2016, eq. 9.10. */
export const tiledConv = (channels: number, options: ConvOptions & { readonly period: PerAxis<number> }): Layer =>
  linearLayer("tiledConv", () => channels, { bias: { period: options.period }, ...options }, { channels });

export interface TransposedConvOptions extends Omit<ConvOptions, "connections"> {
  /** Cells added at the high end of the output, since several extents belong to one input: each below the stride or the dilation. */
  readonly outputPadding?: PerAxis<number>;
}

/**
 * Transposed convolution: the input gradient h(K, G) of a convolution, used as a layer.
 * Source: Goodfellow et al. 2016, eq. 9.12.
 * Shapes: [N, channelsIn, ...m] -> [N, channels, ...n], n = (m - 1) s + (k - 1) d + 1 - low - high + outputPadding;
 * the kernel is [channelsIn, channels / groups, ...kernel].
 * Throws: when groups, padding or outputPadding do not fit, or nothing is left of the output.
 */
export function transposedConv(channels: number, options: TransposedConvOptions): Layer {
  return layer("transposedConv", { channels, ...options }, (input, scope) => {
    const { channels: channelsIn, extents } = partsOf(input, "transposedConv");
    const geometry = gridOptions("transposedConv", options, extents.length);
    const groups = checkChannels("transposedConv", channels, channelsIn, options.groups ?? 1);
    const axes = extents.map((extent, axis) => transposedAxis(geometry, options, extent, axis));
    const connections = Math.max(1, Math.ceil(((channelsIn / groups) * size(geometry.kernel)) / size(geometry.stride)));
    const shape = [channelsIn, channels / groups, ...geometry.kernel];
    const kernel = scope.parameter("kernel", shape, options.initialiser ?? heForKernel(connections));
    const padding = axes.map(({ low, high }) => ({ low, high }));
    const output = transposed({ ...geometry, padding, input: axes.map((axis) => axis.output), channelsIn: channels }, kernel, input);
    const beyond = axes.map(({ beyond: cells }) => ({ low: 0, high: cells }));
    return addBias(pad(output, beyond), options.bias ?? true, connections, scope);
  });
}

/** Output extent, padding, and the cells of outputPadding that no term reaches. */
function transposedAxis(
  geometry: Geometry,
  options: TransposedConvOptions,
  extent: number,
  axis: number,
): { low: number; high: number; output: number; beyond: number } {
  const [kernel, stride, dilation] = [geometry.kernel[axis], geometry.stride[axis], geometry.dilation[axis]];
  const { low, high } = transposedPadding(geometry.padding[axis], kernel, stride, dilation);
  const added = perAxis(options.outputPadding ?? 0, geometry.kernel.length, "transposedConv", "output paddings")[axis];
  const problems = new Problems("transposedConv");
  const most = Math.max(stride, dilation) - 1;
  problems.check(
    Number.isInteger(added) && added >= 0 && added <= most,
    `output padding on axis ${axis}`,
    `0 to ${most} (stride ${stride}, dilation ${dilation})`,
    added,
  );
  // whole strides of it would need one more cell of the input: they uncover padding first, and beyond that there are no terms
  const uncovered = Math.min(high, added - (added % stride));
  const beyond = added - (added % stride) - uncovered;
  const output = (extent - 1) * stride + span(kernel, dilation) - low - high + added - beyond;
  const sum = `(${extent} - 1) * ${stride} + ${span(kernel, dilation)} - ${low} - ${high} + ${added}`;
  problems.check(output >= 1, `output extent on axis ${axis}`, ">= 1", `${output + beyond} = ${sum}`, "Lower the padding.");
  problems.throwIfAny();
  return { low, high: high - uncovered, output, beyond };
}

/** Padding words for a transposed convolution: `same` makes n = m s. */
function transposedPadding(padding: Padding, kernel: number, stride: number, dilation: number): { low: number; high: number } {
  if (padding !== "same") return paddingCells(padding, 0, kernel, stride, dilation);
  const total = Math.max(0, span(kernel, dilation) - stride);
  return { low: Math.floor(total / 2), high: Math.ceil(total / 2) };
}

/** Z = K v + b over everything that one example has. Shapes: [N, ...] -> [N, units]; the kernel is [units, cells]. */
export function dense(units: number, options: { readonly bias?: boolean; readonly initialiser?: Initialiser } = {}): Layer {
  return layer("dense", { units, ...options }, (input, scope) => {
    if (!Number.isInteger(units) || units < 1) fail("dense", "", "units", "a whole number >= 1", units);
    const cells = size(input.type.shape.slice(1));
    const flat = input.type.shape.length === 2 ? input : reshape(input, [cells]);
    const kernel = scope.parameter("kernel", [units, cells], options.initialiser ?? he("normal", 2));
    return addBias(forward({ kernel: [] }, kernel, flat), options.bias ?? true, cells, scope);
  });
}
