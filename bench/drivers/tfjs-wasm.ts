import { createRequire } from "node:module";
import { dirname } from "node:path";
import type * as WasmBackend from "@tensorflow/tfjs-backend-wasm";
import type * as TensorFlow from "@tensorflow/tfjs-core";
import type { Placed } from "../cases/case.ts";
import type { ConvNode, Node, Window } from "../net.ts";
import { channelsFirst, channelsLast, reordered } from "./layout.ts";
import { type LoadedCase, Refused, serve } from "./serve.ts";
import { packageVersion } from "./versions.ts";

/*
 * Channels last, which is the library's order; kernels are reordered when the case is loaded, the input lies in that order already.
 * One spatial axis runs as two with extent 1. A relu after a convolution runs fused, as the library offers.
 */

type Tensor = TensorFlow.Tensor;
type Step = (values: Map<string, Tensor>) => Tensor;
type Activation = "relu" | "relu6" | undefined;

const require = createRequire(import.meta.url);
// the ESM form of the library does not load in Node without a bundler
const tf = require("@tensorflow/tfjs-core") as typeof TensorFlow;
const wasm = require("@tensorflow/tfjs-backend-wasm") as typeof WasmBackend;

async function start(threads: number): Promise<void> {
  // the library rules threads out in Node; with that overruled and its workers helped to start, the published binary still runs one
  if (threads > 1) throw new Refused("one thread only");
  wasm.setWasmPaths(`${dirname(require.resolve("@tensorflow/tfjs-backend-wasm/package.json"))}/dist/`);
  await tf.setBackend("wasm");
  await tf.ready();
}

/** A copy: the library reads the whole buffer under a view. */
const own = (source: LoadedCase, entry: Placed): Float32Array => source.numbersOf(entry).slice();

/** Shapes and windows of one axis get a leading axis of extent 1. */
const widened = (values: readonly number[], one: number): number[] => (values.length === 1 ? [one, ...values] : [...values]);
const wideShape = (shape: readonly number[]): number[] => (shape.length === 3 ? [shape[0], shape[1], 1, shape[2]] : [...shape]);

const padded = ({ low, high }: Window): number[][] => [
  [0, 0],
  ...widened(low, 0).map((cells, axis) => [cells, widened(high, 0)[axis]]),
  [0, 0],
];

function convStep(source: LoadedCase, node: ConvNode & Node, activation: Activation): Step {
  const entry = source.parameters.find(({ name }) => name === node.weight);
  const biasEntry = source.parameters.find(({ name }) => name === node.bias);
  if (entry === undefined || node.period !== undefined) throw new Refused("no such layer");
  const [channels, inner] = entry.shape;
  const depthwise = inner === 1 && node.groups === channels;
  if (node.groups > 1 && !depthwise) throw new Refused("no grouped convolution");
  const shape = [channels, inner, ...widened(entry.shape.slice(2), 1)];
  const taps = shape.slice(2).map((_, axis) => axis + 2);
  const order = depthwise ? [...taps, 0, 1] : [...taps, 1, 0];
  const data = reordered(source.numbersOf(entry), shape, order);
  const filter = tf.tensor(
    data,
    order.map((axis) => shape[axis]),
  );
  const bias = biasEntry === undefined ? undefined : tf.tensor1d(own(source, biasEntry));
  const [input] = node.inputs;
  const strides = widened(node.stride, 1);
  const dilations = widened(node.dilation, 1);
  const pad = padded(node);
  if (taps.length === 3) return conv3d(node, filter, bias, activation, input);
  const fused = depthwise ? tf.fused.depthwiseConv2d : tf.fused.conv2d;
  return (values) =>
    fused({
      x: values.get(input) as TensorFlow.Tensor4D,
      filter: filter as TensorFlow.Tensor4D,
      strides: strides as [number, number],
      dilations: dilations as [number, number],
      pad: pad as unknown as "valid",
      ...(bias === undefined ? {} : { bias }),
      ...(activation === undefined ? {} : { activation }),
    });
}

function conv3d(node: ConvNode, filter: Tensor, bias: Tensor | undefined, activation: Activation, input: string): Step {
  const { low, high, kernel, stride } = node;
  // the library takes only named padding on three axes
  const same = stride.every((s) => s === 1) && low.every((cells, axis) => cells === high[axis] && 2 * cells === kernel[axis] - 1);
  const valid = [...low, ...high].every((cells) => cells === 0);
  if (!same && !valid) throw new Refused("no such padding on three axes");
  return (values) => {
    const x = values.get(input) as TensorFlow.Tensor5D;
    const result = tf.conv3d(x, filter as TensorFlow.Tensor5D, stride as [number, number, number], same ? "same" : "valid");
    const sum = bias === undefined ? result : tf.add(result, bias);
    return activation === undefined ? sum : activation === "relu" ? tf.relu(sum) : tf.relu6(sum);
  };
}

function denseStep(source: LoadedCase, node: Node & { op: "dense" }, flattened: readonly number[] | undefined): Step {
  const entry = source.parameters.find(({ name }) => name === node.weight);
  const biasEntry = source.parameters.find(({ name }) => name === node.bias);
  if (entry === undefined) throw new Refused("no weights");
  const [out, inner] = entry.shape;
  // the flattened map lies channels last here
  const shape = [out, ...(flattened ?? [inner])];
  const rows = flattened === undefined ? own(source, entry) : reordered(source.numbersOf(entry), shape, channelsLast(shape.length));
  // fused.matMul leaves the bias out where transposeB is set
  const weight = tf.tensor2d(reordered(rows, [out, inner], [1, 0]), [inner, out]);
  const bias = biasEntry === undefined ? undefined : tf.tensor1d(own(source, biasEntry));
  return (values) =>
    tf.fused.matMul({
      a: values.get(node.inputs[0]) as Tensor,
      b: weight,
      transposeA: false,
      transposeB: false,
      ...(bias === undefined ? {} : { bias }),
    });
}

function plainStep(node: Node): Step {
  const value = (values: Map<string, Tensor>, index = 0): Tensor => values.get(node.inputs[index]) as Tensor;
  switch (node.op) {
    case "relu":
      return (values) => tf.relu(value(values));
    case "relu6":
      return (values) => tf.relu6(value(values));
    case "add":
      return (values) => tf.add(value(values), value(values, 1));
    case "flatten":
      return (values) => tf.reshape(value(values), [...node.shape]);
    case "globalAverage":
      return (values) => {
        const map = value(values);
        return tf.mean(
          map,
          map.shape.slice(1, -1).map((_, axis) => axis + 1),
        );
      };
    case "maxPool": {
      const [kernel, stride] = [widened(node.kernel, 1), widened(node.stride, 1)];
      if (kernel.length === 3)
        return (values) =>
          tf.maxPool3d(
            value(values) as TensorFlow.Tensor5D,
            kernel as [number, number, number],
            stride as [number, number, number],
            "valid",
          );
      const pad = padded(node) as unknown as "valid";
      return (values) => tf.maxPool(value(values) as TensorFlow.Tensor4D, kernel as [number, number], stride as [number, number], pad);
    }
    default:
      throw new Refused(`no ${node.op}`);
  }
}

/** A relu whose only input is a convolution that nothing else reads is fused into it. */
function steps(source: LoadedCase): { output: string; run: Step }[] {
  const { nodes, output } = source.net;
  const made: { output: string; run: Step }[] = [];
  const absorbed = new Set<string>();
  const shapes = new Map([
    ...source.net.inputs.map(({ name, shape }) => [name, shape] as const),
    ...nodes.map((node) => [node.output, node.shape] as const),
  ]);
  for (const node of nodes) {
    if (absorbed.has(node.output)) continue;
    if (node.op === "conv") {
      const readers = nodes.filter(({ inputs }) => inputs.includes(node.output));
      const [next] = readers;
      const fuses = readers.length === 1 && (next.op === "relu" || next.op === "relu6") && node.output !== output;
      if (fuses) absorbed.add(next.output);
      made.push({ output: fuses ? next.output : node.output, run: convStep(source, node, fuses ? (next.op as Activation) : undefined) });
    } else if (node.op === "dense") {
      const before = nodes.find((other) => other.output === node.inputs[0]);
      const map = before?.op === "flatten" ? shapes.get(before.inputs[0])?.slice(1) : undefined;
      made.push({ output: node.output, run: denseStep(source, node, map) });
    } else made.push({ output: node.output, run: plainStep(node) });
  }
  return made;
}

await serve(
  () => `${packageVersion("@tensorflow/tfjs-backend-wasm")}`,
  async (source, threads) => {
    if (source.kind === "training") throw new Refused("cannot train: no Conv2DBackpropFilter");
    await start(threads);
    const [entry] = source.inputs;
    const shape = wideShape(entry.shape);
    const order = channelsLast(shape.length);
    const input = reordered(source.numbersOf(entry), shape, order);
    const inputShape = order.map((axis) => shape[axis]);
    const list = steps(source);
    const call = (): Float32Array =>
      tf.tidy(() => {
        const values = new Map<string, Tensor>([[entry.name, tf.tensor(input, inputShape)]]);
        for (const { output, run } of list) values.set(output, run(values));
        const result = values.get(source.net.output) as Tensor;
        const cells = result.dataSync() as Float32Array;
        return result.rank > 2 ? reordered(cells, result.shape, channelsFirst(result.rank)) : cells;
      });
    return { call };
  },
);
