import { invariant } from "../base/errors.ts";
import type { Graph, GraphNode } from "../graph/graph.ts";
import type { Algorithm, Emission, Family } from "../ops/contract.ts";

/** Algorithms that are here already, as one family. */
export const familyOf = (algorithms: readonly Algorithm[]): Family => ({
  name: "given",
  operators: [...new Set(algorithms.map(({ operator }) => operator))],
  load: () => Promise.resolve(algorithms),
});

const isFor = ({ operators, comesFrom, refuses }: Family, { operator: { name }, plan }: GraphNode): boolean =>
  operators.includes(name) ? (refuses?.(plan) ?? null) === null : (comesFrom?.(name, plan) ?? false);

/**
 * The algorithms that a traced graph may be planned with, in the order of the families: those that no node asks for are not read, and
 * stand there as one that refuses. They depend on the graph alone, not on what was read before, and so does the plan.
 */
export async function algorithmsFor(graph: Graph, families: readonly Family[]): Promise<readonly Algorithm[]> {
  const lists = families.map((family) =>
    graph.nodes.some((node) => isFor(family, node)) ? family.load() : family.operators.map(absent(family)),
  );
  return (await Promise.all(lists)).flat();
}

/** Stands for the algorithms of a family for one operator, so that `explain()` can say why there are none. */
const absent =
  ({ name, refuses }: Family) =>
  (operator: string): Algorithm => ({
    id: name,
    operator,
    layouts: () => [],
    refuses: (plan) => refuses?.(plan) ?? null,
    estimate: () => Number.POSITIVE_INFINITY,
    emit: (): Emission => {
      invariant(false, () => `${name} was chosen and not loaded`);
    },
  });
