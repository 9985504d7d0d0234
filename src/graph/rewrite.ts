import { sameShape } from "../base/types.ts";
import { type Expression, type Fusion, operand } from "../ops/contract.ts";
import { operandsOf, rebuild } from "../ops/expression/simplify.ts";
import { neededOperands, type PointwiseOptions, type PointwisePlan } from "../ops/pointwise/index.ts";
import { type Graph, type GraphNode, ownInputs } from "./graph.ts";

/** Keeps the nodes that outputs or updates depend on. */
export function prune(graph: Graph): Graph {
  const needed = new Set([...graph.outputs, ...graph.updates].map(({ value }) => value));
  const kept: GraphNode[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    for (const input of node.inputs) needed.add(input);
    kept.push(node);
  }
  return withNodes(graph, kept.reverse());
}

/** The graph with other nodes, whose values know their new producers. */
export function withNodes(graph: Graph, nodes: readonly GraphNode[]): Graph {
  const values = [...graph.values];
  nodes.forEach((node, index) => {
    node.outputs.forEach((value, output) => {
      values[value] = { type: values[value].type, source: { kind: "node", node: index, output } };
    });
  });
  return { ...graph, values, nodes };
}

/** Largest number of operands and of calls of a fused formula: beyond that registers spill and nothing is won. */
export const mostOperands = 8;
export const mostCalls = 40;

/** Asks whether some fast algorithm takes this node with this fusion. */
export type Accepts = (node: GraphNode, fusion: Fusion) => boolean;

/**
 * Puts pointwise nodes into what produces their operands: pointwise into pointwise, and pointwise as the epilogue of any
 * node that some algorithm accepts it in. A value is absorbed only when nothing else uses it and the shapes are equal.
 */
export function fuse(graph: Graph, accepts: Accepts): Graph {
  const nodes: (GraphNode | null)[] = [...graph.nodes];
  const uses = countUses(graph);
  const producer = new Map<number, number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) producer.set(output, index);
  });
  for (let index = 0; index < nodes.length; index++) {
    for (;;) {
      const node = nodes[index];
      if (node === null || node.operator.name !== "pointwise" || node.fusion !== null) break;
      const absorbed = absorb(graph, nodes, node, producer, uses, accepts);
      if (absorbed === null) break;
      nodes[absorbed.from] = null;
      nodes[index] = absorbed.node;
      for (const output of absorbed.node.outputs) producer.set(output, index);
    }
  }
  return withNodes(
    graph,
    nodes.filter((node): node is GraphNode => node !== null),
  );
}

export function countUses(graph: Graph): Map<number, number> {
  const uses = new Map<number, number>();
  const use = (value: number): void => void uses.set(value, (uses.get(value) ?? 0) + 1);
  for (const node of graph.nodes) for (const input of new Set(node.inputs)) use(input);
  for (const { value } of graph.outputs) use(value);
  for (const { value } of graph.updates) use(value);
  return uses;
}

/** One producer of the node's operands taken into it, or null when there is none that can be. */
function absorb(
  graph: Graph,
  nodes: readonly (GraphNode | null)[],
  node: GraphNode,
  producer: Map<number, number>,
  uses: Map<number, number>,
  accepts: Accepts,
): { from: number; node: GraphNode } | null {
  const plan = node.plan as PointwisePlan;
  for (const value of new Set(node.inputs)) {
    const from = producer.get(value);
    const made = from === undefined ? null : nodes[from];
    if (from === undefined || made === null || uses.get(value) !== 1 || made.outputs.length !== 1) continue;
    if (!sameShape(graph.values[value].type.shape, plan.output.shape)) continue;
    const fused =
      made.operator.name === "pointwise" ? joinPointwise(graph, made, node, value) : asEpilogue(graph, made, node, value, accepts);
    if (fused !== null) return { from, node: fused };
  }
  return null;
}

/** The formula with every operand replaced by what `by` says. */
export const replace = (expression: Expression, by: (index: number) => Expression): Expression =>
  rebuild(expression, (part) => (part.kind === "operand" ? by(part.index) : part));

export const calls = (expression: Expression): number =>
  expression.kind === "call" ? 1 + expression.inputs.reduce((sum, input) => sum + calls(input), 0) : 0;

function joinPointwise(graph: Graph, made: GraphNode, node: GraphNode, value: number): GraphNode | null {
  const [inner, outer] = [made.plan as PointwisePlan, node.plan as PointwisePlan];
  if (made.fusion !== null || inner.tile !== outer.tile) return null;
  const inputs = [...new Set([...made.inputs, ...node.inputs.filter((input) => input !== value)])];
  const at = (input: number): Expression => operand(inputs.indexOf(input));
  const produced = replace(inner.expression, (index) => at(made.inputs[index]));
  const joined = replace(outer.expression, (index) => (node.inputs[index] === value ? produced : at(node.inputs[index])));
  const parts = pointwiseParts(graph, joined, inputs, outer.tile);
  const { expression } = parts.options;
  if (parts.inputs.length > mostOperands || calls(expression) > mostCalls) return null;
  const types = parts.inputs.map((input) => graph.values[input].type);
  return { ...node, ...parts, plan: node.operator.plan(parts.options, types) };
}

/** Options and inputs of a formula: values that occur twice are one operand, and those that are not read go, unless they alone give the result its shape. */
export function pointwiseParts(
  { values }: Pick<Graph, "values">,
  formula: Expression,
  operands: readonly number[],
  tile: boolean,
): { readonly options: PointwiseOptions; readonly inputs: readonly number[] } {
  const inputs = [...new Set(operands)];
  const distinct = replace(formula, (index) => operand(inputs.indexOf(operands[index])));
  const read = new Set(operandsOf(distinct));
  const kept = neededOperands(
    inputs.map((input, index) => ({ type: values[input].type, read: read.has(index) })),
    tile,
  );
  const expression = replace(distinct, (index) => operand(kept.indexOf(index)));
  return { options: { expression, ...(tile ? { tile } : {}) }, inputs: kept.map((index) => inputs[index]) };
}

/** The formula after the one that the node already ends with, if any. */
function asEpilogue(graph: Graph, made: GraphNode, node: GraphNode, value: number, accepts: Accepts): GraphNode | null {
  const plan = node.plan as PointwisePlan;
  const own = ownInputs(made);
  const operands = [...new Set([...made.inputs.slice(own), ...node.inputs.filter((input) => input !== value)])];
  const at = (input: number): Expression => operand(1 + operands.indexOf(input));
  const result =
    made.fusion === null
      ? operand(0)
      : replace(made.fusion.epilogue, (index) => (index === 0 ? operand(0) : at(made.inputs[own + index - 1])));
  const epilogue = replace(plan.expression, (index) => (node.inputs[index] === value ? result : at(node.inputs[index])));
  const fusion: Fusion = { epilogue, operands: operands.map((input) => graph.values[input].type) };
  if (operands.length > 4 || calls(epilogue) > mostCalls || !accepts(made, fusion)) return null;
  return { ...made, inputs: [...made.inputs.slice(0, own), ...operands], outputs: node.outputs, fusion };
}
