import type { Tensor, TensorType } from "../base/types.ts";
import type { Fusion, Operator } from "../ops/contract.ts";

/** Where a value comes from. */
export type Source =
  | { readonly kind: "input"; readonly name: string }
  | { readonly kind: "state"; readonly name: string }
  | { readonly kind: "constant"; readonly content: Content }
  | { readonly kind: "examples" }
  | { readonly kind: "node"; readonly node: number; readonly output: number };

/** A constant: every cell the same, or a tensor. */
export type Content = { readonly shape: readonly number[]; readonly fill: number } | Tensor;

export interface GraphValue {
  readonly type: TensorType;
  readonly source: Source;
}

/** One call of an operator. With a fusion, the inputs beyond the operator's own are the operands 1, 2, ... of its formula. */
export interface GraphNode {
  readonly operator: Operator;
  readonly options: unknown;
  readonly plan: unknown;
  readonly inputs: readonly number[];
  readonly outputs: readonly number[];
  /** Path of the layer it was traced in, e.g. `stage1/0/conv`. */
  readonly path: string;
  readonly fusion: Fusion | null;
}

/**
 * A traced computation, as plain data: nodes in an order in which every value is made before it is used.
 * `updates` give states their new values at the end of a run.
 */
export interface Graph {
  readonly values: readonly GraphValue[];
  readonly nodes: readonly GraphNode[];
  readonly outputs: readonly { readonly name: string; readonly value: number }[];
  readonly updates: readonly { readonly state: string; readonly value: number }[];
}

/** Feeds of a graph by name. */
export function inputsOf(graph: Graph): { name: string; value: number; type: TensorType }[] {
  return graph.values.flatMap(({ source, type }, value) => (source.kind === "input" ? [{ name: source.name, value, type }] : []));
}

/** States that a graph reads, by name. */
export function statesOf(graph: Graph): { name: string; value: number; type: TensorType }[] {
  return graph.values.flatMap(({ source, type }, value) => (source.kind === "state" ? [{ name: source.name, value, type }] : []));
}

/** Number of operator inputs of a node (without the operands of its fusion). */
export const ownInputs = (node: GraphNode): number => node.inputs.length - (node.fusion?.operands.length ?? 0);

/** Largest number of examples of a batch; 1 when nothing is batched. */
export function maximalExamples(graph: Graph): number {
  return graph.values.reduce((most, { type }) => (type.batched ? Math.max(most, type.shape[0]) : most), 1);
}
