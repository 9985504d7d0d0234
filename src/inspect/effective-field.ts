import { fail } from "../base/errors.ts";
import { size } from "../base/types.ts";
import { gradients } from "../graph/differentiate.ts";
import { type Graph, inputsOf } from "../graph/graph.ts";
import { replay } from "../graph/replay.ts";
import type { Session } from "../graph/session.ts";
import type { LayerInfo } from "../nn/scope.ts";
import { multiply, sum } from "../ops.ts";
import { layerValues } from "./layer-values.ts";
import type { FieldAxis } from "./receptive-field.ts";

/** How much each cell of the input matters to the middle cell of a layer. */
export interface EffectiveField {
  readonly path: string;
  /** Mean over examples and channels of |d sum of the middle cell's channels / d input cell|, row-major. */
  readonly weight: Float64Array;
  readonly extents: readonly number[];
  /** The theoretical field of that cell. */
  readonly field: readonly FieldAxis[];
  readonly cell: readonly number[];
  /** Extent on each axis of a field with the same spread, were all its cells equal: sqrt(12) standard deviations. */
  readonly spread: readonly number[];
}

/**
 * The effective receptive field of a layer's middle cell: the gradient of its channels' sum with respect to the input.
 * Source: Luo, Li, Urtasun and Zemel 2016, "Understanding the effective receptive field in deep convolutional neural networks", section 3.
 * Shapes: `pictures` [examples, channels, ...extents]; the session holds the net's parameters.
 * Throws: when there is no layer of that path that keeps the axes of the input, or no gradient reaches the input.
 */
export async function effectiveField(
  net: { readonly graph: Graph; readonly layers: readonly LayerInfo[] },
  session: Session,
  pictures: Float32Array,
  path: string,
): Promise<EffectiveField> {
  const layers = layerValues(net);
  const layer = layers.find((one) => one.path === path);
  if (layer === undefined) return fail("inspect", "effective field", "layer", `one of ${layers.map((one) => one.path).join(", ")}`, path);
  const input = inputsOf(net.graph).find(({ type }) => type.batched && type.shape.length > 2);
  if (input === undefined) return fail("inspect", "effective field", "inputs of the net", "one with axes", "none");
  const [, channels, ...extents] = input.type.shape;
  const examples = pictures.length / (channels * size(extents));
  const { tracer, values } = replay(net.graph);
  const [, ...layerExtents] = layer.shape;
  const cell = layerExtents.map((extent) => Math.floor(extent / 2));
  const mark = new Float32Array(size(layerExtents));
  mark[cell.reduce((position, at, axis) => position * layerExtents[axis] + at, 0)] = 1;
  const marked = multiply(values[layer.value], tracer.constant({ dtype: "f32", shape: [1, ...layerExtents], data: mark }));
  const [gradient] = gradients(sum(marked), [values[input.value]]);
  if (gradient === null) return fail("inspect", "effective field", path, "a layer that depends on the input", "one that does not");
  tracer.output("gradient", gradient);
  const program = await session.compile(tracer.finish());
  const { gradient: result } = await program.run({ [input.name]: pictures }, examples);
  const weight = new Float64Array(size(extents));
  for (let i = 0; i < examples * channels * weight.length; i++)
    weight[i % weight.length] += Math.abs(result.data[i]) / (examples * channels);
  program.close();
  return { path, weight, extents, field: layer.field, cell, spread: spreadOf(weight, extents) };
}

/** sqrt(12 variance) of the weights on each axis. */
function spreadOf(weight: Float64Array, extents: readonly number[]): number[] {
  return extents.map((extent, axis) => {
    const inner = size(extents.slice(axis + 1));
    const along = new Float64Array(extent);
    weight.forEach((share, i) => {
      along[Math.floor(i / inner) % extent] += share;
    });
    const total = along.reduce((a, b) => a + b, 0);
    if (total === 0) return 0;
    const mean = along.reduce((a, share, at) => a + share * at, 0) / total;
    const variance = along.reduce((a, share, at) => a + share * (at - mean) ** 2, 0) / total;
    return Math.sqrt(12 * variance + 1);
  });
}
