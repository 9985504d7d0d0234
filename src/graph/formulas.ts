import { printType, size, type TensorType } from "../base/types.ts";
import { type Expression, operand } from "../ops/contract.ts";
import { printExpression } from "../ops/expression/print.ts";
import { scheduleAll } from "../ops/expression/schedule.ts";
import { operandsOf } from "../ops/expression/simplify.ts";
import {
  type FormulasPlan,
  formulasOperator,
  type PointwisePlan,
  pointwiseOperator,
  type TableOperand,
  tableOperator,
} from "../ops/pointwise/index.ts";
import type { Graph, GraphNode } from "./graph.ts";
import { contract } from "./region.ts";
import { countUses, mostOperands, replace, withNodes } from "./rewrite.ts";

/** How far behind a node its partner may stand: what is made long before it is read takes memory. */
const reach = 12;
const most = { results: 4, steps: 80 };

/** The formulas of a node, or null where it is none. */
function formulasOf({ operator, plan, fusion }: GraphNode): FormulasPlan | null {
  if (fusion !== null) return null;
  if (operator === formulasOperator) return plan as FormulasPlan;
  if (operator !== pointwiseOperator || (plan as PointwisePlan).tile) return null;
  const { operands, expression, output } = plan as PointwisePlan;
  return { operands, expressions: [expression], output };
}

/**
 * Formulas of the same cells in one pass with several results, where one reads what the other makes or both read a value: an optimiser's moments and
 * parameter, the gradients of a product's two factors. The pass stands in the place of the first or of the last of them.
 */
export function joinFormulas(graph: Graph): Graph {
  const joining = new Joining(graph);
  for (let index = 0; index < graph.nodes.length; )
    // what did not fit before may do so with what was joined
    index = joining.joinAt(index) ? Math.max(0, index - reach) : index + 1;
  return withNodes(
    graph,
    joining.nodes.filter((node) => node !== null),
  );
}

/** Formulas of a node, the type of their cells as text, and the values that they read. */
interface Known {
  readonly plan: FormulasPlan;
  readonly type: string;
  readonly read: readonly number[];
}

/** Nodes in their places while some become one. */
class Joining {
  readonly nodes: (GraphNode | null)[];
  readonly #graph: Graph;
  readonly #known: (Known | null)[];
  readonly #maker = new Map<number, number>();
  readonly #readers = new Map<number, Set<number>>();
  readonly #ends: ReadonlySet<number>;

  constructor(graph: Graph) {
    this.#graph = graph;
    this.nodes = [...graph.nodes];
    this.#known = graph.nodes.map(know);
    this.#ends = new Set([...graph.outputs, ...graph.updates].map(({ value }) => value));
    graph.nodes.forEach((node, index) => {
      this.#note(node, index);
    });
  }

  #note({ inputs, outputs }: GraphNode, index: number): void {
    for (const value of outputs) this.#maker.set(value, index);
    for (const value of inputs) {
      const readers = this.#readers.get(value) ?? new Set();
      this.#readers.set(value, readers.add(index));
    }
  }

  /** Joins a node with one close behind it, if there is one that it fits. */
  joinAt(index: number): boolean {
    const first = this.#known[index];
    if (first === null) return false;
    for (let other = index + 1; other <= index + reach && other < this.nodes.length; other++) {
      const second = this.#known[other];
      if (second === null || second.type !== first.type) continue;
      const [a, b] = [this.nodes[index] as GraphNode, this.nodes[other] as GraphNode];
      const near = second.read.some((value) => a.outputs.includes(value) || (first.read.includes(value) && this.#isWhole(value, first)));
      const place = near ? this.#placeOf(index, a, other, b) : null;
      const node = place === null ? null : this.#join(a, first, b, second, other);
      if (place === null || node === null) continue;
      for (const [at, own] of [
        [index, a],
        [other, b],
      ] as const) {
        for (const value of own.inputs) this.#readers.get(value)?.delete(at);
        this.nodes[at] = null;
        this.#known[at] = null;
      }
      this.nodes[place] = node;
      this.#known[place] = know(node);
      this.#note(node, place);
      return true;
    }
    return false;
  }

  #isWhole(value: number, { type }: Known): boolean {
    return printType(this.#graph.values[value].type) === type;
  }

  /** The later place, where nothing before it reads what the first makes; else the earlier, where all that the second reads is made before. */
  #placeOf(index: number, a: GraphNode, other: number, b: GraphNode): number | null {
    const early = a.outputs.some((value) => [...(this.#readers.get(value) ?? [])].some((reader) => reader < other));
    if (!early) return other;
    const late = b.inputs.some((value) => !a.outputs.includes(value) && (this.#maker.get(value) ?? -1) > index);
    return late ? null : index;
  }

  #join(a: GraphNode, first: Known, b: GraphNode, second: Known, other: number): GraphNode | null {
    const { values } = this.#graph;
    const inputs = [...new Set([...a.inputs, ...b.inputs])].filter((value) => !a.outputs.includes(value));
    const at = (value: number): Expression => operand(inputs.indexOf(value));
    const before = first.plan.expressions.map((expression) => replace(expression, (index) => at(a.inputs[index])));
    const after = second.plan.expressions.map((expression) =>
      replace(expression, (index) => before[a.outputs.indexOf(b.inputs[index])] ?? at(b.inputs[index])),
    );
    const isLeft = (value: number): boolean =>
      this.#ends.has(value) || [...(this.#readers.get(value) ?? [])].some((reader) => reader !== other);
    const results = [
      ...a.outputs.map((value, i) => ({ value, expression: before[i] })).filter(({ value }) => isLeft(value)),
      ...b.outputs.map((value, i) => ({ value, expression: after[i] })),
    ];
    const expressions = results.map(({ expression }) => expression);
    if (inputs.length > mostOperands || results.length > most.results || scheduleAll(expressions).steps.length > most.steps) return null;
    const options = { expressions };
    const operator = formulasOperator as GraphNode["operator"];
    const plan = operator.plan(
      options,
      inputs.map((value) => values[value].type),
    ) as FormulasPlan;
    if (printType(plan.output) !== first.type) return null;
    return { operator, options, plan, inputs, outputs: results.map(({ value }) => value), path: b.path, fusion: null };
  }
}

function know(node: GraphNode): Known | null {
  const plan = formulasOf(node);
  if (plan === null) return null;
  const read = [...new Set(plan.expressions.flatMap(operandsOf))].map((index) => node.inputs[index]);
  return { plan, type: printType(plan.output), read };
}

/** A node that may be a row of a table. */
interface Row {
  readonly index: number;
  readonly key: string;
  readonly kinds: readonly TableOperand[];
  readonly formulas: FormulasPlan;
  readonly inputs: readonly number[];
}

/** Equal formulas over tensors of their own, whose results only update states, as one node with a table of their tensors: the update of all parameters. */
export function gatherTables(graph: Graph): Graph {
  const updated = new Set(graph.updates.map(({ value }) => value));
  const groups = new Map<string, Row[]>();
  const uses = countUses(graph);
  graph.nodes.forEach((node, index) => {
    const row = rowOf(graph, node, index);
    if (row === null || !node.outputs.every((value) => updated.has(value) && uses.get(value) === 1)) return;
    const rows = groups.get(row.key) ?? [];
    if (rows.every((other) => isApart(row, other))) groups.set(row.key, [...rows, row]);
  });
  const values = [...groups.values()]
    .filter((rows) => rows.length > 1)
    .map((rows) => rows.map((row) => ({ row, outputs: graph.nodes[row.index].outputs })));
  let made = graph;
  for (const rows of values) {
    const places = rows.map(({ outputs }) => made.nodes.findIndex((node) => node.outputs[0] === outputs[0]));
    made = contract(
      made,
      new Set(places),
      tableOf(
        made,
        rows.map(({ row }) => row),
        rows.flatMap(({ outputs }) => outputs),
      ),
    );
  }
  return made;
}

const wholeOf = ({ kinds, inputs }: Row): number[] => inputs.filter((_, i) => kinds[i] === "whole");

/** No row changes what another reads. */
const isApart = (a: Row, b: Row): boolean =>
  !wholeOf(a).some((value) => b.inputs.includes(value)) && !wholeOf(b).some((value) => a.inputs.includes(value));

function rowOf({ values }: Graph, node: GraphNode, index: number): Row | null {
  const formulas = formulasOf(node);
  if (formulas === null || formulas.output.batched || formulas.output.shape.length === 0) return null;
  const read = [...new Set(formulas.expressions.flatMap(operandsOf))].sort((a, b) => a - b);
  const inputs = read.map((position) => node.inputs[position]);
  const kinds = inputs.map((value) => kindOf(values[value].type, formulas.output));
  if (!kinds.includes("whole") || !kinds.every((kind) => kind !== null)) return null;
  const expressions = formulas.expressions.map((expression) => replace(expression, (position) => operand(read.indexOf(position))));
  const numbers = inputs.filter((_, i) => kinds[i] !== "whole");
  const key = `${kinds.join()} ${numbers.join()} ${expressions.map(printExpression).join("; ")}`;
  return { index, key, kinds: kinds as TableOperand[], formulas: { ...formulas, expressions }, inputs };
}

function kindOf(type: TensorType, output: TensorType): TableOperand | null {
  if (printType(type) === printType(output)) return "whole";
  return type.shape.length === 0 && size(type.shape) === 1 && type.dtype !== "u8" ? type.dtype : null;
}

function tableOf({ values, nodes }: Graph, rows: readonly Row[], outputs: readonly number[]): GraphNode {
  const inputs = rows.flatMap((row) => row.inputs);
  const [{ kinds, formulas, index }] = rows;
  const options = { operands: kinds, expressions: formulas.expressions, rows: rows.map((row) => row.formulas.output.shape) };
  const operator = tableOperator as GraphNode["operator"];
  const plan = operator.plan(
    options,
    inputs.map((value) => values[value].type),
  );
  return { operator, options, plan, inputs, outputs, path: nodes[index]?.path ?? "", fusion: null };
}
