import { fail, invariant } from "../base/errors.ts";
import { printType } from "../base/types.ts";
import { call, operand, type Value } from "../ops/contract.ts";
import { type MovePlan, moveOperator, sideBySide } from "../ops/move/index.ts";
import { pointwise } from "../ops/pointwise/index.ts";
import type { GraphNode } from "./graph.ts";
import type { GraphTracer } from "./trace.ts";

/**
 * Gradients of a scalar with respect to values of its graph, as new nodes of the same graph:
 * dJ/dx = sum over the uses of x of the operator's own gradient (the chain rule, from the end to the start).
 * The result can be differentiated again. A value that J does not depend on gets null.
 *
 * Throws: when `loss` is not a scalar.
 */
export function gradients(loss: Value, of: readonly Value[]): (Value | null)[] {
  // what masks examples of unequal extents is a node of the graph, and is differentiated as such
  return (loss.graph as GraphTracer).plain(() => plainGradients(loss, of));
}

function plainGradients(loss: Value, of: readonly Value[]): (Value | null)[] {
  if (loss.type.shape.length !== 0)
    fail("gradients", "", "loss", "a scalar (shape [])", printType(loss.type), "Reduce it with sum or mean first.");
  const graph = loss.graph as GraphTracer;
  const needed = dependents(graph, of);
  const found = new Map<number, Value>([[loss.id, graph.constant({ shape: [], fill: 1 })]]);
  const outerPath = graph.path;
  for (let index = graph.nodes.length - 1; index >= 0; index--) {
    const node = graph.nodes[index];
    const outputGradients = node.outputs.map((output) => found.get(output));
    if (outputGradients.every((gradient) => gradient === undefined) || !node.inputs.some((input) => needed.has(input))) continue;
    graph.path = node.path;
    const values = { inputs: node.inputs.map((id) => graph.handle(id)), outputs: node.outputs.map((id) => graph.handle(id)) };
    const inputGradients = node.operator.gradient(node.plan, values, outputGradients);
    node.inputs.forEach((input, position) => {
      const gradient = inputGradients[position];
      if (gradient === undefined || !needed.has(input)) return;
      invariant(
        printType(gradient.type) === printType(values.inputs[position].type),
        () => `${node.operator.name}: gradient ${printType(gradient.type)} of input ${printType(values.inputs[position].type)}`,
      );
      const before = found.get(input);
      found.set(input, before === undefined ? gradient : sum(graph, before, gradient));
    });
  }
  graph.path = outerPath;
  return of.map((value) => found.get(value.id) ?? null);
}

/** Values that depend on one of `of`. */
function dependents(graph: GraphTracer, of: readonly Value[]): Set<number> {
  const result = new Set(of.map((value) => value.id));
  for (const node of graph.nodes) {
    if (node.inputs.some((input) => result.has(input))) for (const output of node.outputs) result.add(output);
  }
  return result;
}

function sum(graph: GraphTracer, a: Value, b: Value): Value {
  const [first, second] = [graph.producer(a), graph.producer(b)];
  if (first?.operator === moveOperator && second?.operator === moveOperator) {
    const put = ({ plan, inputs }: GraphNode): Parameters<typeof sideBySide>[0] => ({
      plan: plan as MovePlan,
      value: graph.handle(inputs[0]),
    });
    const joined = sideBySide(put(first), put(second));
    if (joined !== null) return joined;
  }
  return pointwise(call("add", operand(0), operand(1)), [a, b]);
}
