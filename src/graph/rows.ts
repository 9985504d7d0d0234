import { printType, sameShape, type TensorType } from "../base/types.ts";
import { type Expression, operand } from "../ops/contract.ts";
import { schedule } from "../ops/expression/schedule.ts";
import { operandsOf } from "../ops/expression/simplify.ts";
import { type PointwisePlan, pointwiseOperator } from "../ops/pointwise/index.ts";
import { foldedAxis, type ReducePlan, reduceOperator } from "../ops/reduce/index.ts";
import { type RowFold, type RowResult, rowsOperator } from "../ops/rows/index.ts";
import { type WindowPlan, windowOperator, windowTypes } from "../ops/window/index.ts";
import type { Graph, GraphNode } from "./graph.ts";
import { contract, isConvex } from "./region.ts";
import { countUses, mostOperands, replace } from "./rewrite.ts";

/** Most cells of a row: each is added to one sum, and four rows lie in a cache. */
const mostCells = 4096;
/** Most folds, results and steps of a formula: each fold needs registers of its own. */
const most = { folds: 6, results: 6, steps: 60 };

/** Sums or maxima along one axis of the cells. */
interface Fold {
  readonly operation: "sum" | "max";
  readonly cells: TensorType;
  readonly axis: number;
}

/**
 * Rows in one pass: maxima and sums along an axis, and the formulas between and behind them, become one node that reads its operands once. Softmax with
 * its loss and gradient is found as such a chain, whatever its formulas are.
 */
export function formRows(graph: Graph): Graph {
  let made = graph;
  const tried = new Set<number>();
  for (;;) {
    const seed = made.nodes.findIndex((node) => !tried.has(node.outputs[0]) && foldOf(made, node) !== null);
    if (seed < 0) return made;
    tried.add(made.nodes[seed].outputs[0]);
    made = new Region(made, seed).grown() ?? made;
  }
}

function foldOf(graph: Graph, { operator, plan, fusion, outputs }: GraphNode): Fold | null {
  if (fusion !== null) return null;
  if (operator === reduceOperator) {
    const { input } = plan as ReducePlan;
    const axis = foldedAxis(plan as ReducePlan);
    return axis !== null && isShort(input, axis) ? { operation: "sum", cells: input, axis } : null;
  }
  if (operator !== windowOperator) return null;
  const own = plan as WindowPlan;
  if (own.role !== "select" || isUsed(graph, outputs[1])) return null;
  const wide = own.axes.flatMap(({ kernel }, axis) => (kernel > 1 ? [axis] : []));
  const [at] = wide;
  const isWhole = own.axes.every(({ input, kernel, low, high, output }) => low === 0 && high === 0 && output === (kernel > 1 ? 1 : input));
  if (wide.length !== 1 || !isWhole || own.axes[at].kernel !== own.axes[at].input) return null;
  const { input } = windowTypes(own);
  const axis = at + (input.batched ? 1 : 0);
  return isShort(input, axis) ? { operation: "max", cells: input, axis } : null;
}

const isShort = ({ shape }: TensorType, axis: number): boolean => shape[axis] <= mostCells;

const isUsed = ({ nodes, outputs, updates }: Graph, value: number): boolean =>
  nodes.some(({ inputs }) => inputs.includes(value)) || [...outputs, ...updates].some((end) => end.value === value);

/** Nodes that become one: no value goes out of them and comes in again. */
class Region {
  readonly #graph: Graph;
  readonly #cells: TensorType;
  readonly #axis: number;
  readonly #uses: Map<number, number>;
  readonly #seed: number;
  /** Nodes that may belong to it, in their order. */
  readonly #members: readonly number[];

  constructor(graph: Graph, seed: number) {
    const fold = foldOf(graph, graph.nodes[seed]) as Fold;
    this.#graph = graph;
    this.#seed = seed;
    this.#cells = fold.cells;
    this.#axis = fold.axis;
    this.#uses = countUses(graph);
    this.#members = graph.nodes.flatMap((node, index) => (this.#isMember(node) ? [index] : []));
  }

  #isMember(node: GraphNode): boolean {
    const rows = { ...this.#cells, shape: this.#cells.shape.with(this.#axis, 1) };
    if (node.operator === pointwiseOperator) {
      const { output, tile } = node.plan as PointwisePlan;
      return node.fusion === null && !tile && [this.#cells, rows].some((type) => printType(type) === printType(output));
    }
    const fold = foldOf(this.#graph, node);
    return fold !== null && fold.axis === this.#axis && printType(fold.cells) === printType(this.#cells);
  }

  /** The graph with the largest region around the seed as one node, or null where that wins nothing. */
  grown(): Graph | null {
    const { nodes } = this.#graph;
    let region = new Set([this.#seed]);
    for (let changed = true; changed; ) {
      changed = false;
      for (const member of this.#members) {
        if (region.has(member) || !this.#isNear(region, nodes[member])) continue;
        const larger = new Set([...region, member]);
        if (!isConvex(this.#graph, larger) || this.#node(larger) === null) continue;
        region = larger;
        changed = true;
      }
    }
    const node = this.#node(region);
    if (node === null) return null;
    const { folds, results } = node.options as { folds: RowFold[]; results: RowResult[] };
    // graphs without a sum do not read the code of rows
    const isChain = folds.some(({ operation }) => operation === "sum") && (folds.length > 1 || results.some(({ of }) => of === "cells"));
    return isChain && region.size > 1 ? contract(this.#graph, region, node) : null;
  }

  /** Reads what the region makes; or makes, for the region alone unless it is a number for each row, what that reads. */
  #isNear(region: ReadonlySet<number>, { inputs, outputs }: GraphNode): boolean {
    const { nodes, values } = this.#graph;
    const made = [...region].some((index) => nodes[index].outputs.some((value) => inputs.includes(value)));
    if (made) return true;
    const [value] = outputs;
    const readers = [...region].filter((index) => nodes[index].inputs.includes(value)).length;
    return readers > 0 && (readers === this.#uses.get(value) || sameShape(values[value].type.shape, this.#cells.shape.with(this.#axis, 1)));
  }

  /** The region as one node; null where it is too large. */
  #node(region: ReadonlySet<number>): GraphNode | null {
    const { nodes, values } = this.#graph;
    const own = [...region].sort((a, b) => a - b).map((index) => nodes[index]);
    const made = new Set(own.flatMap(({ outputs }) => outputs));
    const inputs = [...new Set(own.flatMap((node) => this.#read(node)))].filter((value) => !made.has(value));
    const formulas = new Map<number, Expression>(inputs.map((value, index) => [value, operand(index)]));
    const folds: RowFold[] = [];
    for (const node of own) {
      const of = (index: number): Expression => formulas.get(node.inputs[index]) as Expression;
      const fold = foldOf(this.#graph, node);
      if (fold === null) formulas.set(node.outputs[0], replace((node.plan as PointwisePlan).expression, of));
      else {
        formulas.set(node.outputs[0], operand(inputs.length + folds.length));
        folds.push({ operation: fold.operation, formula: of(0) });
      }
    }
    const inner = new Map<number, number>();
    for (const node of own) for (const value of new Set(node.inputs)) inner.set(value, (inner.get(value) ?? 0) + 1);
    const outputs = own.map((node) => node.outputs[0]).filter((value) => (this.#uses.get(value) ?? 0) > (inner.get(value) ?? 0));
    const results = outputs.map((value): RowResult => {
      const isWhole = sameShape(values[value].type.shape, this.#cells.shape);
      return { of: isWhole ? "cells" : "rows", formula: formulas.get(value) as Expression };
    });
    const fits = folds.length <= most.folds && results.length <= most.results && inputs.length <= mostOperands;
    if (!fits || [...folds, ...results].some(({ formula }) => schedule(formula).length > most.steps)) return null;
    const types = inputs.map((value) => values[value].type);
    if (!types.some((type) => sameShape(type.shape, this.#cells.shape))) return null;
    const options = { axis: this.#axis, folds, results };
    const { path } = nodes[this.#seed];
    const operator = rowsOperator as GraphNode["operator"];
    return { operator, options, plan: operator.plan(options, types), inputs, outputs, path, fusion: null };
  }

  /** Values that a node reads, not those that only lend it their shape. */
  #read(node: GraphNode): number[] {
    if (node.operator !== pointwiseOperator) return [...node.inputs];
    return operandsOf((node.plan as PointwisePlan).expression).map((index) => node.inputs[index]);
  }
}
