import { fail } from "../../base/errors.ts";
import { printType, size } from "../../base/types.ts";
import { type Border, type Padding, paddingCells, span } from "../../grid/axis.ts";
import { call, operand, type Value } from "../../ops/contract.ts";
import { forward, type GridLinearOptions, transposed } from "../../ops/grid-linear/index.ts";
import { pointwise } from "../../ops/pointwise/index.ts";
import { reshape } from "../../ops.ts";
import { fanUniform, he, type Initialiser, zeros } from "../initialisers.ts";
import type { Layer, Scope } from "../scope.ts";
import { axesOf, layer, perAxis } from "./layer.ts";

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
  return pointwise(call("add", operand(0), operand(1)), [output, value], { tile: true });
}

interface Geometry extends Omit<ConvOptions, "kernel" | "bias" | "initialiser"> {
  readonly kernel: readonly number[];
  readonly period?: PerAxis<number | "output">;
}

function gridOptions(
  options: ConvOptions & { readonly period?: PerAxis<number | "output"> },
  axes: number,
): Omit<GridLinearOptions, "role"> {
  const { stride, dilation, padding, border, groups, connections, flip, period } = options;
  const geometry: Geometry = {
    kernel: perAxis(options.kernel, axes),
    ...(stride === undefined ? {} : { stride }),
    ...(dilation === undefined ? {} : { dilation }),
    ...(padding === undefined ? {} : { padding }),
    ...(border === undefined ? {} : { border }),
    ...(groups === undefined ? {} : { groups }),
    ...(connections === undefined ? {} : { connections }),
    ...(flip === undefined ? {} : { flip }),
    ...(period === undefined ? {} : { period }),
  };
  return geometry;
}

/** Shape of the kernel parameter: [channelsOut, channelsIn / groups, ...period, ...kernel], or [pairs, ...] with a table. */
function kernelShape(
  channelsOut: number,
  channelsIn: number,
  options: Omit<GridLinearOptions, "role">,
  extents: readonly number[],
): number[] {
  const axes = options.kernel.length;
  const stride = perAxis(options.stride ?? 1, axes);
  const dilation = perAxis(options.dilation ?? 1, axes);
  const padding = perAxis<Padding>((options.padding ?? 0) as Padding, axes);
  const periods = perAxis<number | "output">((options.period ?? 1) as number | "output", axes).map((period, i) => {
    if (period !== "output") return period;
    const { low, high } = paddingCells(padding[i], extents[i], options.kernel[i], stride[i], dilation[i]);
    return Math.max(1, Math.floor((extents[i] + low + high - span(options.kernel[i], dilation[i])) / stride[i]) + 1);
  });
  const pairs =
    options.connections === undefined
      ? [channelsOut, channelsIn / (options.groups ?? 1)]
      : [options.connections.join("").split("1").length - 1];
  return [...pairs, ...(periods.some((t) => t > 1) ? periods : []), ...options.kernel];
}

function linearLayer(
  kind: string,
  channelsOf: (channelsIn: number) => number,
  options: ConvOptions & { readonly period?: PerAxis<number | "output"> },
): Layer {
  return layer(kind, options, (input, scope) => {
    const axes = axesOf(input);
    if (axes < 1)
      fail(kind, "", "input", "[examples, channels, 1 to 3 extents]", printType(input.type), "Use dense for inputs without axes.");
    const groups = kind === "depthwiseConv" ? input.type.shape[1] : options.groups;
    const geometry = gridOptions({ ...options, ...(groups === undefined ? {} : { groups }) }, axes);
    const [, channelsIn, ...extents] = input.type.shape;
    const channels = channelsOf(channelsIn);
    if (channelsIn % (groups ?? 1) !== 0 || channels % (groups ?? 1) !== 0)
      fail(kind, "", "groups", `a divisor of ${channelsIn} input and ${channels} output channels`, groups);
    const connections = (channelsIn / (groups ?? 1)) * size(geometry.kernel);
    const kernel = scope.parameter(
      "kernel",
      kernelShape(channels, channelsIn, geometry, extents),
      options.initialiser ?? heForKernel(connections),
    );
    return addBias(forward(geometry, kernel, input), options.bias ?? true, connections, scope);
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
export const conv = (channels: number, options: ConvOptions): Layer => linearLayer("conv", () => channels, options);

/** Convolution of each channel by itself, into `multiplier` channels each. Shapes: [N, C, ...] -> [N, C multiplier, ...]. */
export function depthwiseConv({
  multiplier = 1,
  ...options
}: Omit<ConvOptions, "groups" | "connections"> & { readonly multiplier?: number }): Layer {
  return linearLayer("depthwiseConv", (channelsIn) => channelsIn * multiplier, options);
}

/** Locally connected layer: a kernel of its own at every location. Source: Goodfellow et al. 2016, eq. 9.9. The bias is per location unless said otherwise. */
export const localConv = (channels: number, options: ConvOptions): Layer =>
  linearLayer("localConv", () => channels, { bias: "location", ...options, period: "output" });

/** Tiled convolution: kernels repeat every `period` outputs, and so does the bias unless said otherwise. Source: Goodfellow et al. 2016, eq. 9.10. */
export const tiledConv = (channels: number, options: ConvOptions & { readonly period: PerAxis<number> }): Layer =>
  linearLayer("tiledConv", () => channels, { bias: { period: options.period }, ...options });

export interface TransposedConvOptions extends Omit<ConvOptions, "connections"> {
  /** Cells added at the high end of the output, since several extents belong to one input: each below the stride. */
  readonly outputPadding?: PerAxis<number>;
}

/**
 * Transposed convolution: the input gradient h(K, G) of a convolution, used as a layer.
 * Source: Goodfellow et al. 2016, eq. 9.12.
 * Shapes: [N, channelsIn, ...m] -> [N, channels, ...n], n = (m - 1) s + (k - 1) d + 1 - low - high + outputPadding.
 */
export function transposedConv(channels: number, options: TransposedConvOptions): Layer {
  return layer("transposedConv", options, (input, scope) => {
    const axes = axesOf(input);
    const geometry = gridOptions(options, axes);
    const [, channelsIn, ...extents] = input.type.shape;
    const [stride, dilation, extra] = [options.stride ?? 1, options.dilation ?? 1, options.outputPadding ?? 0].map((value) =>
      perAxis(value, axes),
    );
    const padding = perAxis<Padding>((options.padding ?? 0) as Padding, axes).map((word, i) =>
      transposedPadding(word, geometry.kernel[i], stride[i], dilation[i]),
    );
    const grown = extents.map(
      (extent, i) => (extent - 1) * stride[i] + span(geometry.kernel[i], dilation[i]) - padding[i].low - padding[i].high + extra[i],
    );
    const groups = options.groups ?? 1;
    const connections = Math.max(1, ((channelsIn / groups) * size(geometry.kernel)) / size(stride));
    const kernel = scope.parameter(
      "kernel",
      [channelsIn, channels / groups, ...geometry.kernel],
      options.initialiser ?? heForKernel(connections),
    );
    const output = transposed({ ...geometry, padding, input: grown, channelsIn: channels }, kernel, input);
    return addBias(output, options.bias ?? true, Math.ceil(connections), scope);
  });
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
    const cells = size(input.type.shape.slice(1));
    const flat = input.type.shape.length === 2 ? input : reshape(input, [cells]);
    const kernel = scope.parameter("kernel", [units, cells], options.initialiser ?? he("normal", 2));
    return addBias(forward({ kernel: [] }, kernel, flat), options.bias ?? true, cells, scope);
  });
}
