import { size } from "../base/types.ts";
import { call, type Expression, operand } from "../ops/contract.ts";
import { operandsOf, rebuild } from "../ops/expression/simplify.ts";
import { type PointwisePlan, pointwiseOperator } from "../ops/pointwise/index.ts";
import type { Graph, GraphNode, GraphValue } from "./graph.ts";

/** A part of a formula is worth a node of its own when its value is this many times smaller than the result. */
const smaller = 8;

/**
 * Takes parts of pointwise formulas that do not vary over most of the result (such as 1 / sqrt(variance + e) of a
 * normalisation) out into nodes of their own, so that they are computed once per channel and not once per cell.
 */
export function hoist(graph: Graph): Graph {
  const values: GraphValue[] = [...graph.values];
  const nodes: GraphNode[] = [];
  const known = new Map<string, number>();
  for (const node of graph.nodes) {
    const next = node.operator === pointwiseOperator && node.fusion === null ? hoistNode(node, values, nodes, known) : node;
    for (const [output, value] of next.outputs.entries())
      values[value] = { type: values[value].type, source: { kind: "node", node: nodes.length, output } };
    nodes.push(next);
  }
  return { ...graph, values, nodes };
}

function hoistNode(node: GraphNode, values: GraphValue[], nodes: GraphNode[], known: Map<string, number>): GraphNode {
  const plan = node.plan as PointwisePlan;
  const limit = size(plan.output.shape) / smaller;
  const inputs = [...node.inputs];
  const cells = (expression: Expression): number =>
    operandsOf(expression).reduce((most, index) => Math.max(most, size(values[node.inputs[index]].type.shape)), 0);
  // one operand sets a bound on the size only when shapes nest, as they do in broadcasting of channels and scalars
  const small = (expression: Expression): boolean =>
    expression.kind === "call" && operandsOf(expression).length > 0 && cells(expression) <= limit && !plan.tile;
  const take = (expression: Expression): Expression => operand(inputs.push(made(expression, node, values, nodes, known)) - 1);
  const walk = (expression: Expression): Expression => {
    if (expression.kind !== "call") return expression;
    if (small(expression)) return take(expression);
    return call(expression.name, ...expression.inputs.map(walk));
  };
  const grouped = groupFactors(plan.expression, (factor) => operandsOf(factor).length === 0 || cells(factor) <= limit);
  const hoisted = walk(grouped);
  if (inputs.length === node.inputs.length) return node;
  const used = operandsOf(hoisted);
  const expression = renumber(hoisted, used);
  const options = { expression };
  const next = used.map((index) => inputs[index]);
  return {
    ...node,
    options,
    plan: pointwiseOperator.plan(
      options,
      next.map((value) => values[value].type),
    ),
    inputs: next,
  };
}

/** Value of a hoisted part: an earlier node of the same formula over the same values, or a new one. */
function made(expression: Expression, node: GraphNode, values: GraphValue[], nodes: GraphNode[], known: Map<string, number>): number {
  const used = operandsOf(expression);
  const inputs = used.map((index) => node.inputs[index]);
  const options = { expression: renumber(expression, used) };
  const key = `${JSON.stringify(options)} ${inputs.join(" ")}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  const plan = pointwiseOperator.plan(
    options,
    inputs.map((value) => values[value].type),
  );
  const [type] = pointwiseOperator.outputs(plan);
  const value = values.push({ type, source: { kind: "node", node: nodes.length, output: 0 } }) - 1;
  nodes.push({ operator: node.operator, options, plan, inputs, outputs: [value], path: node.path, fusion: null });
  known.set(key, value);
  return value;
}

/** (big * small) * small = big * (small * small), through whole products and quotients, so that the small factors meet. */
function groupFactors(expression: Expression, small: (factor: Expression) => boolean): Expression {
  if (expression.kind !== "call") return expression;
  if (expression.name !== "multiply") return call(expression.name, ...expression.inputs.map((input) => groupFactors(input, small)));
  const factors = factorsOf(expression).map((factor) => groupFactors(factor, small));
  const few = factors.filter(small);
  const many = factors.filter((factor) => !small(factor));
  const product = (list: readonly Expression[]): Expression => list.reduce((a, b) => call("multiply", a, b));
  if (few.length === 0 || many.length === 0) return product(factors);
  return call("multiply", product(many), product(few));
}

const factorsOf = (expression: Expression): Expression[] =>
  expression.kind === "call" && expression.name === "multiply" ? expression.inputs.flatMap(factorsOf) : [expression];

const renumber = (expression: Expression, used: readonly number[]): Expression =>
  rebuild(expression, (part) => (part.kind === "operand" ? operand(used.indexOf(part.index)) : part));
