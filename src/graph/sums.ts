import { printType, size } from "../base/types.ts";
import { type Expression, operand } from "../ops/contract.ts";
import { type PointwisePlan, pointwiseOperator } from "../ops/pointwise/index.ts";
import { type ReducePlan, reduceOperator, type SumsOptions, type SumsPlan, sumsOperator, sumsOptions } from "../ops/reduce/index.ts";
import type { Graph, GraphNode } from "./graph.ts";
import { calls, countUses, mostCalls, mostOperands, replace, withNodes } from "./rewrite.ts";

/** Most sums of one pass: each needs registers of its own. */
const mostSums = 4;

/**
 * Sums in fewer passes: a formula whose values are only summed is worked out inside the sum, and sums over the same cells that share
 * operands become one node, at the place of the first.
 */
export function gatherSums(graph: Graph): Graph {
  const nodes: (GraphNode | null)[] = [...graph.nodes];
  const uses = countUses(graph);
  const maker = new Map<number, number>();
  graph.nodes.forEach((node, index) => {
    for (const output of node.outputs) maker.set(output, index);
  });
  const open = new Map<string, number[]>();
  graph.nodes.forEach((node, index) => {
    if (node.operator !== reduceOperator || node.fusion !== null) return;
    const from = maker.get(node.inputs[0]);
    const made = from === undefined ? null : nodes[from];
    const formula = made === null || uses.get(node.inputs[0]) !== 1 ? null : withFormula(made, node);
    if (formula !== null && from !== undefined) nodes[from] = null;
    const own = formula ?? node;
    nodes[index] = own;
    const { input, output } = node.plan as ReducePlan;
    const key = `${printType(input)} ${printType(output)}`;
    const rivals = open.get(key) ?? [];
    for (const at of rivals) {
      const before = nodes[at];
      const ready = own.inputs.every((value) => (maker.get(value) ?? -1) < at);
      const joined = before === null || !ready ? null : joinSums(graph, before, own);
      if (joined === null) continue;
      nodes[at] = joined;
      nodes[index] = null;
      for (const value of own.outputs) maker.set(value, at);
      return;
    }
    open.set(key, [...rivals, index]);
  });
  return withNodes(
    graph,
    nodes.filter((node) => node !== null),
  );
}

function sumsNode(node: GraphNode, options: SumsOptions, operands: SumsPlan["operands"], inputs: readonly number[]): GraphNode {
  return { ...node, operator: sumsOperator as GraphNode["operator"], options, plan: sumsOperator.plan(options, operands), inputs };
}

/** The sum of what a pointwise node makes, as a sum of its formula. */
function withFormula(made: GraphNode, node: GraphNode): GraphNode | null {
  if (made.operator !== pointwiseOperator || made.fusion !== null) return null;
  const { operands, expression, output, tile } = made.plan as PointwisePlan;
  const { input, output: folded } = node.plan as ReducePlan;
  if (tile || printType(output) !== printType(input) || operands.length > mostOperands || calls(expression) > mostCalls) return null;
  const options = sumsOptions({ operands, expressions: [expression], input, output: folded });
  return sumsNode(node, options, operands, made.inputs);
}

/** A reduce node is the sum of its only operand. */
const asSums = ({ operator, plan }: GraphNode): SumsPlan => {
  if (operator !== reduceOperator) return plan as SumsPlan;
  const { input, output } = plan as ReducePlan;
  return { operands: [input], expressions: [operand(0)], input, output };
};

/** Both in one pass, when they read a whole operand in common. */
function joinSums(graph: Graph, first: GraphNode, second: GraphNode): GraphNode | null {
  const [a, b] = [asSums(first), asSums(second)];
  const cells = size(a.input.shape);
  const whole = (value: number): boolean => size(graph.values[value].type.shape) === cells;
  const inputs = [...new Set([...first.inputs, ...second.inputs])];
  const sums = a.expressions.length + b.expressions.length;
  if (!first.inputs.some((value) => whole(value) && second.inputs.includes(value))) return null;
  if (inputs.length > mostOperands || sums > mostSums) return null;
  const over = (node: GraphNode, expressions: readonly Expression[]): Expression[] =>
    expressions.map((expression) => replace(expression, (index) => operand(inputs.indexOf(node.inputs[index]))));
  const expressions = [...over(first, a.expressions), ...over(second, b.expressions)];
  const operands = inputs.map((value) => graph.values[value].type);
  const node = sumsNode(first, sumsOptions({ ...a, expressions }), operands, inputs);
  return { ...node, outputs: [...first.outputs, ...second.outputs] };
}
