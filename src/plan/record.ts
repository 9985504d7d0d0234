import { Problems } from "../base/errors.ts";
import type { Graph } from "../graph/graph.ts";
import type { ChoiceRecord, NodeChoice } from "../graph/session.ts";
import { type Candidates, printChoice, printNode } from "./candidates.ts";
import { bestOfOthers, type Choice } from "./choose.ts";

/** What was chosen, as plain data. */
export function recordOf({ nodes }: Graph, choices: readonly Choice[], tier: string): ChoiceRecord {
  return { tier, nodes: nodes.map((node, i) => ({ node: printNode(node), ...partsOf(choices[i]) })) };
}

const partsOf = ({ algorithm, layout }: Pick<Choice, "algorithm" | "layout">): Pick<NodeChoice, "algorithm" | "layouts"> => ({
  algorithm: algorithm?.id ?? null,
  layouts: printChoice(layout),
});

/**
 * The choices that a record names.
 * Throws: ToeplitzError when it is of another graph or tier, or names what is no longer there.
 */
export function replay({ nodes }: Graph, candidates: readonly Candidates[], record: ChoiceRecord, tier: string): Choice[] {
  const problems = new Problems("session", "compile");
  const hint = "A record serves the graph, the tier and the version that it was made with.";
  problems.check(record.tier === tier, "tier of the choices", tier, record.tier, hint);
  problems.check(record.nodes.length === nodes.length, "nodes of the choices", String(nodes.length), record.nodes.length, hint);
  problems.throwIfAny();
  const choices = nodes.map((node, i) => {
    const { node: was, algorithm, layouts } = record.nodes[i];
    const { list, refusals } = candidates[i];
    problems.check(was === printNode(node), `choice of node ${i}`, printNode(node), was, hint);
    const taken = list.find((candidate) => {
      const parts = partsOf(candidate);
      return parts.algorithm === algorithm && parts.layouts === layouts;
    });
    const known = [...new Set(list.map((candidate) => candidate.algorithm?.id ?? "alias"))].join(", ");
    problems.check(taken !== undefined, `choice of node ${i}`, `an algorithm and layouts of ${known}`, `${algorithm}: ${layouts}`, hint);
    return { ...(taken ?? list[0]), others: bestOfOthers(list, taken ?? list[0]), refusals };
  });
  problems.throwIfAny();
  return choices;
}
