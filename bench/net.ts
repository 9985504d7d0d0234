import { size } from "../src/base/types.ts";

/** How the first numbers of a parameter are drawn: uniform with mean 0, or one constant. */
export type Initial = { readonly deviation: number } | { readonly constant: number };

/** A parameter or running statistic of a net. */
export interface Parameter {
  readonly name: string;
  readonly shape: readonly number[];
  readonly initial: Initial;
  readonly trainable: boolean;
}

type Axes = readonly number[];

/** The numbers of a window: one entry per axis. */
export interface Window {
  readonly kernel: Axes;
  readonly stride: Axes;
  readonly dilation: Axes;
  readonly low: Axes;
  readonly high: Axes;
}

/** Convolution (cross-correlation) with zero padding; kernel [co, ci / groups, ...period, ...taps], bias [co]. */
export interface ConvNode extends Window {
  readonly op: "conv";
  readonly weight: string;
  readonly bias: string | null;
  readonly groups: number;
  /** Kernel copies per axis, for tiled and locally connected layers; absent where all are 1. */
  readonly period?: Axes;
}
/** Input gradient of that convolution, as a layer: input [n, co, ...m], kernel [co, ci / groups, ...taps], result [n, ci, ...extents]. */
export interface InputGradientNode extends Window {
  readonly op: "convInputGradient";
  readonly weight: string;
  readonly groups: number;
  readonly extents: Axes;
  readonly period?: Axes;
}
/** Kernel gradient of that convolution: inputs V [n, ci, ...extents] and G [n, co, ...m]. */
export interface KernelGradientNode extends Window {
  readonly op: "convKernelGradient";
  readonly groups: number;
  readonly period?: Axes;
}
export interface MaxPoolNode extends Window {
  readonly op: "maxPool";
}
/** Result = input * weight' + bias, weight [out, in]. */
export interface DenseNode {
  readonly op: "dense";
  readonly weight: string;
  readonly bias: string | null;
}
/** Batch norm with the statistics of the batch; running statistics move by `momentum`. */
export interface BatchNormNode {
  readonly op: "batchNorm";
  readonly scale: string;
  readonly shift: string;
  readonly mean: string;
  readonly variance: string;
  readonly momentum: number;
  readonly epsilon: number;
}
export interface PlainNode {
  readonly op: "relu" | "relu6" | "add" | "flatten" | "globalAverage";
}
export type Operation = ConvNode | InputGradientNode | KernelGradientNode | MaxPoolNode | DenseNode | BatchNormNode | PlainNode;

/** One operation of a net: reads values by name, writes one. Shapes are channels first, the examples in front. */
export type Node = Operation & { readonly inputs: readonly string[]; readonly output: string; readonly shape: readonly number[] };

/** A net as plain data: every contender builds its own form of it. */
export interface Net {
  readonly inputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
  readonly parameters: readonly Parameter[];
  readonly nodes: readonly Node[];
  readonly output: string;
}

/** A value while a net is being written. */
export interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

interface ConvOptions {
  readonly kernel: number | Axes;
  readonly stride?: number | Axes;
  readonly dilation?: number | Axes;
  readonly padding?: number | Axes;
  readonly high?: number | Axes;
  readonly groups?: number;
  readonly bias?: boolean;
  /** Deviation of the result for an input of deviation 1, relative to the square root of 2 over the fan-in. */
  readonly gain?: number;
}

const perAxis = (value: number | Axes, rank: number): Axes => (typeof value === "number" ? new Array<number>(rank).fill(value) : value);

/** Output extents: floor((n + low + high - (k - 1) d - 1) / s) + 1 on every axis. */
export function outputExtents(extents: Axes, { kernel, stride, dilation, low, high }: Window): Axes {
  return extents.map((n, axis) => Math.floor((n + low[axis] + high[axis] - (kernel[axis] - 1) * dilation[axis] - 1) / stride[axis]) + 1);
}

/** Writes a net, operation by operation. */
export class NetWriter {
  readonly inputs: Value[] = [];
  readonly parameters: Parameter[] = [];
  readonly nodes: Node[] = [];

  input(shape: readonly number[]): Value {
    const value = { name: `input${this.inputs.length}`, shape };
    this.inputs.push(value);
    return value;
  }

  parameter(name: string, shape: readonly number[], initial: Initial, trainable = true): string {
    this.parameters.push({ name, shape, initial, trainable });
    return name;
  }

  push(operation: Operation, inputs: readonly Value[], shape: readonly number[]): Value {
    const name = `value${this.nodes.length}`;
    this.nodes.push({ ...operation, inputs: inputs.map((input) => input.name), output: name, shape });
    return { name, shape };
  }

  conv(input: Value, channels: number, options: ConvOptions): Value {
    const [batch, channelsIn, ...extents] = input.shape;
    const window = windowOf(options, extents.length);
    const groups = options.groups ?? 1;
    const weightShape = [channels, channelsIn / groups, ...window.kernel];
    const name = `conv${this.nodes.length}`;
    const weight = this.parameter(`${name}.kernel`, weightShape, {
      deviation: (options.gain ?? 1) * Math.sqrt(2 / size(weightShape.slice(1))),
    });
    const bias = (options.bias ?? true) ? this.parameter(`${name}.bias`, [channels], { deviation: 0.1 }) : null;
    return this.push({ op: "conv", weight, bias, groups, ...window }, [input], [batch, channels, ...outputExtents(extents, window)]);
  }

  maxPool(input: Value, options: ConvOptions): Value {
    const [batch, channels, ...extents] = input.shape;
    const window = windowOf({ stride: options.kernel, ...options }, extents.length);
    return this.push({ op: "maxPool", ...window }, [input], [batch, channels, ...outputExtents(extents, window)]);
  }

  dense(input: Value, channels: number): Value {
    const name = `dense${this.nodes.length}`;
    const weight = this.parameter(`${name}.kernel`, [channels, input.shape[1]], { deviation: Math.sqrt(1 / input.shape[1]) });
    const bias = this.parameter(`${name}.bias`, [channels], { deviation: 0.1 });
    return this.push({ op: "dense", weight, bias }, [input], [input.shape[0], channels]);
  }

  batchNorm(input: Value): Value {
    const name = `norm${this.nodes.length}`;
    const shape = [input.shape[1]];
    const scale = this.parameter(`${name}.scale`, shape, { constant: 1 });
    const shift = this.parameter(`${name}.shift`, shape, { constant: 0 });
    const mean = this.parameter(`${name}.mean`, shape, { constant: 0 }, false);
    const variance = this.parameter(`${name}.variance`, shape, { constant: 1 }, false);
    return this.push({ op: "batchNorm", scale, shift, mean, variance, momentum: 0.1, epsilon: 1e-5 }, [input], input.shape);
  }

  relu(input: Value): Value {
    return this.push({ op: "relu" }, [input], input.shape);
  }

  relu6(input: Value): Value {
    return this.push({ op: "relu6" }, [input], input.shape);
  }

  add(a: Value, b: Value): Value {
    return this.push({ op: "add" }, [a, b], a.shape);
  }

  globalAverage(input: Value): Value {
    return this.push({ op: "globalAverage" }, [input], input.shape.slice(0, 2));
  }

  flatten(input: Value): Value {
    return this.push({ op: "flatten" }, [input], [input.shape[0], size(input.shape.slice(1))]);
  }

  finish(output: Value): Net {
    return { inputs: this.inputs, parameters: this.parameters, nodes: this.nodes, output: output.name };
  }
}

function windowOf({ kernel, stride = 1, dilation = 1, padding = 0, high = padding }: ConvOptions, rank: number): Window {
  const [k, s, d, low, end] = [kernel, stride, dilation, padding, high].map((value) => perAxis(value, rank));
  return { kernel: k, stride: s, dilation: d, low, high: end };
}

/** Multiply-adds of one forward pass, taps on padding included (the convention of the field). */
export function multiplyAdds(net: Net): number {
  const shapes = new Map<string, readonly number[]>(net.parameters.map(({ name, shape }) => [name, shape]));
  for (const { name, shape } of net.inputs) shapes.set(name, shape);
  for (const { output, shape } of net.nodes) shapes.set(output, shape);
  const cells = (name: string): number => size(shapes.get(name) ?? []);
  let total = 0;
  for (const node of net.nodes) {
    if (node.op === "conv") total += (cells(node.output) * cells(node.weight)) / node.shape[1] / size(node.period ?? []);
    if (node.op === "dense") total += (cells(node.output) * cells(node.weight)) / node.shape[1];
    if (node.op === "convInputGradient")
      total += (cells(node.inputs[0]) * cells(node.weight)) / (shapes.get(node.weight)?.[0] ?? 1) / size(node.period ?? []);
    if (node.op === "convKernelGradient") total += (cells(node.inputs[1]) * cells(node.output)) / node.shape[0] / size(node.period ?? []);
  }
  return total;
}
