import type { Value } from "../ops/contract.ts";
import type { Graph, GraphNode } from "./graph.ts";
import { GraphTracer } from "./trace.ts";

/** What stands for a node in the new graph; undefined: the node itself. */
export type Replace = (node: GraphNode, inputs: readonly Value[]) => readonly Value[] | undefined;

/** Traces a graph once more, so that inner values can be asked for, differentiated or replaced: the new handle of every old value. */
export function replay(
  graph: Graph,
  tracer = new GraphTracer(),
  replace: Replace = () => undefined,
): { readonly tracer: GraphTracer; readonly values: readonly Value[] } {
  const values: Value[] = [];
  graph.values.forEach(({ type, source }, id) => {
    if (source.kind === "input") values[id] = tracer.input(source.name, type);
    else if (source.kind === "state") values[id] = tracer.state(source.name, type);
    else if (source.kind === "constant") values[id] = tracer.constant(source.content);
    else if (source.kind === "examples") values[id] = tracer.examples();
  });
  for (const node of graph.nodes) {
    tracer.path = node.path;
    const inputs = node.inputs.map((input) => values[input]);
    const made = replace(node, inputs) ?? tracer.apply(node.operator, node.options, inputs);
    node.outputs.forEach((output, i) => {
      values[output] = made[i];
    });
  }
  tracer.path = "";
  return { tracer, values };
}

/** The graph with some nodes replaced. Equal calls stay apart, as what is computed twice was meant to be. */
export function replaceNodes(graph: Graph, replace: Replace): Graph {
  const { tracer, values } = replay(graph, new GraphTracer({ sharing: false }), replace);
  for (const { name, value } of graph.outputs) tracer.output(name, values[value]);
  for (const { state, value } of graph.updates) {
    const { type } = graph.values[value];
    tracer.update(tracer.state(state, { ...type, batched: false }), values[value]);
  }
  return tracer.finish();
}
