import { type Graph, type GraphNode, inputsOf } from "../graph/graph.ts";
import type { LayerInfo } from "../nn/scope.ts";
import { type Field, receptiveFields } from "./receptive-field.ts";

/** The result of one layer of a net, where it still has the axes of the input. */
export interface LayerValue {
  readonly path: string;
  readonly kind: string;
  /** Number of the value in the graph. */
  readonly value: number;
  /** One example: channels, then extents. */
  readonly shape: readonly number[];
  readonly field: NonNullable<Field>;
}

/** Results of the layers that keep the axes of the first input with axes, in the order of the computation. */
export function layerValues({ graph, layers }: { readonly graph: Graph; readonly layers: readonly LayerInfo[] }): LayerValue[] {
  const fields = receptiveFields(graph);
  const axes = Math.max(0, ...inputsOf(graph).map(({ type }) => (type.batched ? type.shape.length - 2 : 0)));
  const last = new Map<string, GraphNode>();
  for (const node of graph.nodes) {
    for (const { path } of layers) if (path !== "" && (node.path === path || node.path.startsWith(`${path}/`))) last.set(path, node);
  }
  return layers.flatMap(({ path, kind }) => {
    const value = last.get(path)?.outputs[0];
    if (value === undefined) return [];
    const [field, { shape }] = [fields[value], graph.values[value].type];
    return field === null || shape.length !== axes + 2 ? [] : [{ path, kind, value, shape: shape.slice(1), field }];
  });
}
