import { printType, sameShape, size } from "../base/types.ts";
import { type Expression, operand } from "../ops/contract.ts";
import { operandsOf } from "../ops/expression/simplify.ts";
import { moveOperator } from "../ops/move/index.ts";
import { type PointwisePlan, pointwiseOperator } from "../ops/pointwise/index.ts";
import type { Graph, GraphNode, GraphValue } from "./graph.ts";
import { pointwiseParts, prune, replace } from "./rewrite.ts";

/**
 * Formulas read what a value was repeated from in place of the repeated value: a gradient that is the same for all cells of an example is never spread
 * over them, and what depends on it does not wait for the value that it has the shape of.
 */
export function passBroadcasts(graph: Graph): Graph {
  const pass = new Pass(graph);
  for (const node of graph.nodes) pass.take(node);
  return pass.changed ? prune({ ...graph, values: pass.values, nodes: pass.nodes }) : graph;
}

class Pass {
  readonly values: GraphValue[];
  readonly nodes: GraphNode[] = [];
  changed = false;
  /** What a value repeats, along axes where that has extent 1 or none. */
  readonly #repeated = new Map<number, number>();

  constructor(graph: Graph) {
    this.values = [...graph.values];
  }

  take(node: GraphNode): void {
    const isFormula = node.operator === pointwiseOperator && node.fusion === null && !(node.plan as PointwisePlan).tile;
    const own = isFormula ? this.#direct(node) : node;
    this.#put(own);
    if (isFormula) this.#noteFormula(own);
    else if (node.operator.alias?.(node.plan) === true && node.fusion === null) this.#noteShape(node);
  }

  #put(node: GraphNode): void {
    node.outputs.forEach((value, output) => {
      this.values[value] = { type: this.values[value].type, source: { kind: "node", node: this.nodes.length, output } };
    });
    this.nodes.push(node);
  }

  /** The node on what its operands repeat, where the result keeps its type. */
  #direct(node: GraphNode): GraphNode {
    let made = node;
    for (const input of new Set(node.inputs)) {
      const from = this.#repeated.get(input);
      if (from === undefined) continue;
      const { expression } = made.plan as PointwisePlan;
      const inputs = made.inputs.map((value) => (value === input ? from : value));
      const { parts, plan } = this.#formula(expression, inputs);
      if (printType(plan.output) !== printType((node.plan as PointwisePlan).output)) continue;
      made = { ...made, ...parts, plan };
      this.changed = true;
    }
    return made;
  }

  #formula(expression: Expression, inputs: readonly number[]): { parts: Pick<GraphNode, "options" | "inputs">; plan: PointwisePlan } {
    const parts = pointwiseParts(this, expression, inputs, false);
    const types = parts.inputs.map((value) => this.values[value].type);
    return { parts, plan: pointwiseOperator.plan(parts.options, types) };
  }

  /** A formula whose operands are smaller than its result repeats its value over them. */
  #noteFormula(node: GraphNode): void {
    const { expression, output } = node.plan as PointwisePlan;
    const read = operandsOf(expression);
    const isWhole = (value: number): boolean => !this.#repeated.has(value) && sameShape(this.values[value].type.shape, output.shape);
    if (read.length === 0 || read.some((index) => isWhole(node.inputs[index]))) return;
    const { parts, plan } = this.#formula(
      replace(expression, (index) => operand(read.indexOf(index))),
      read.map((index) => this.#repeated.get(node.inputs[index]) ?? node.inputs[index]),
    );
    if (printType(plan.output) === printType(output)) return;
    const [value] = node.outputs;
    if (expression.kind === "operand") {
      this.#repeated.set(value, parts.inputs[0]);
      return;
    }
    const small = this.values.push({ type: plan.output, source: { kind: "examples" } }) - 1;
    this.#put({ ...node, ...parts, plan, outputs: [small] });
    this.#repeated.set(value, small);
  }

  /** One number for each example, or for all, repeats itself in any shape. */
  #noteShape(node: GraphNode): void {
    const from = this.#repeated.get(node.inputs[0]);
    if (from === undefined) return;
    const { type } = this.values[from];
    const target = this.values[node.outputs[0]].type;
    if (size(type.batched ? type.shape.slice(1) : type.shape) !== 1) return;
    if (!type.batched) {
      if (type.shape.length <= target.shape.length) this.#repeated.set(node.outputs[0], from);
      return;
    }
    const options = { kind: "reshape", shape: target.shape.slice(1).map(() => 1) } as const;
    const plan = moveOperator.plan(options, [type]);
    const [shaped] = moveOperator.outputs(plan);
    const value = this.values.push({ type: shaped, source: { kind: "examples" } }) - 1;
    this.#put({ ...node, options, plan, inputs: [from], outputs: [value] });
    this.#repeated.set(node.outputs[0], value);
  }
}
