import { type Graph, type GraphNode, ownInputs } from "../graph/graph.ts";
import type { Algorithm, LayoutChoice } from "../ops/contract.ts";
import type { Want } from "./instances.ts";

/** What a node does with its values; an algorithm of null is an alias. */
export interface Chosen {
  readonly algorithm: Algorithm | null;
  readonly layout: LayoutChoice;
}

/** A place where a value is asked for: an input of a node, or the end of the run (updates and outputs). */
export interface Use {
  readonly node: number | null;
  readonly slot: number;
}

/** Uses of every value, in the order in which lowering comes to them. */
export function usesOf({ values, nodes, updates, outputs }: Graph): Use[][] {
  const uses: Use[][] = values.map(() => []);
  nodes.forEach((node, index) => {
    node.inputs.forEach((value, slot) => uses[value].push({ node: index, slot }));
  });
  for (const { value } of [...updates, ...outputs]) uses[value].push({ node: null, slot: 0 });
  return uses;
}

export const isAlias = (node: GraphNode): boolean => node.operator.alias?.(node.plan) === true && node.fusion === null;

/** How a node wants one of its inputs. */
export function wantOf(node: GraphNode, { algorithm, layout }: Chosen, slot: number): Want {
  if (algorithm === null) return "bare";
  const own = ownInputs(node);
  return slot < own ? layout.inputs[slot] : layout.operands[slot - own];
}

/** Block in which a value is made: inputs, states, constants and aliases are plain. Values that rewrites left without a producer have none. */
export function blockOf({ values }: Graph, choices: readonly Chosen[], value: number): number {
  const { source } = values[value];
  return source.kind === "node" ? (choices[source.node]?.layout.outputs[source.output] ?? 1) : 1;
}

/** Whether a plain value lies in a buffer that others see as plain: an input, a state, a constant, or either side of an alias. */
export function isSeen({ values, nodes }: Graph, uses: readonly (readonly Use[])[], value: number): boolean {
  const { source } = values[value];
  if (uses[value].length === 0) return false;
  if (source.kind !== "node" || isAlias(nodes[source.node])) return true;
  return uses[value].some(({ node }) => node !== null && isAlias(nodes[node]));
}

/** Values that stay the same until a state is written, because they depend on constants and on states that the graph does not update. */
export function derivedValues({ values, nodes, updates }: Graph): boolean[] {
  const updated = new Set(updates.map(({ state }) => state));
  const derived = values.map(({ source }) => source.kind === "constant" || (source.kind === "state" && !updated.has(source.name)));
  for (const node of nodes) {
    const isDerived = node.inputs.every((value) => derived[value]);
    for (const value of node.outputs) derived[value] = isDerived;
  }
  return derived;
}
