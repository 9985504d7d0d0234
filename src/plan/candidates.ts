import { invariant } from "../base/errors.ts";
import type { Graph, GraphNode } from "../graph/graph.ts";
import type { Algorithm, Device, Fusion, LayoutChoice } from "../ops/contract.ts";
import { printExpression } from "../ops/expression/print.ts";
import { plainLayout, printLayout } from "../ops/layout.ts";
import { printPool } from "../ops/pool.ts";
import { predict } from "./costs.ts";
import { derivedValues, isAlias } from "./uses.ts";

/** One way to compute a node. */
export interface Candidate {
  /** Null for an alias: the output is the input, seen with another shape. */
  readonly algorithm: Algorithm | null;
  readonly layout: LayoutChoice;
  /** Predicted (when tuned: measured) time of one thread, ns. */
  readonly estimate: number;
  /** What the algorithm itself predicts. */
  readonly formula: number;
}

/** All ways to compute a node, and why algorithms of its operator are not among them. */
export interface Candidates {
  /** Equal for nodes of equal candidates. */
  readonly key: string;
  readonly list: readonly Candidate[];
  readonly refusals: readonly Refusal[];
}

export interface Refusal {
  readonly algorithm: string;
  readonly why: string;
}

/** Times that were measured instead of predicted, ns, by `keyOf` a candidate. */
export type Measured = ReadonlyMap<string, number>;

/** What an algorithm that offers no layout is asked about, to learn its reason. */
const anyLayout: LayoutChoice = { inputs: new Array(8).fill(plainLayout), operands: new Array(8).fill(plainLayout), outputs: [1, 1] };

const noLayout = (fusion: Fusion | null): string =>
  `offers no layout for this plan${fusion === null ? "" : " with what is fused into it"}.`;

/** Layout choices that an algorithm takes; notes in `refusals` why it takes none of them. */
export function offers(algorithm: Algorithm, plan: unknown, fusion: Fusion | null, device: Device, refusals: Refusal[]): LayoutChoice[] {
  const asked = fusion?.pool === undefined || algorithm.pools === true;
  const layouts = asked ? algorithm.layouts(plan, fusion, device) : [];
  const refuse = (why: string): void => {
    if (!refusals.some((other) => other.algorithm === algorithm.id && other.why === why)) refusals.push({ algorithm: algorithm.id, why });
  };
  if (!asked) refuse("takes no pooling into its last step.");
  else if (layouts.length === 0) refuse(algorithm.refuses(plan, anyLayout, fusion, device) ?? noLayout(fusion));
  return layouts.filter((layout) => {
    const why = algorithm.refuses(plan, layout, fusion, device);
    if (why !== null) refuse(why);
    return why === null;
  });
}

const printBlock = (block: number): string => printLayout({ block, halo: [], fill: 0 });

/** `plain, b16+1:1x1:1 -> b16`: layouts of inputs and operands, blocks of outputs. */
export const printChoice = ({ inputs, operands, outputs }: LayoutChoice): string =>
  `${[...inputs, ...operands].map(printLayout).join(", ")} -> ${outputs.map(printBlock).join(", ")}`;

/** `relu(add(0,1)), max pool 2x2`: what is fused, as problem lines print formulas. */
export const printFusion = ({ epilogue, pool }: Fusion): string =>
  `${printExpression(epilogue)}${pool === undefined ? "" : `, ${printPool(pool)}`}`;

export const printNode = ({ operator, plan, fusion }: GraphNode): string =>
  `${operator.line(plan)}${fusion === null ? "" : ` | ${printFusion(fusion)} | ${fusion.operands.map(({ shape }) => shape.join("x")).join(" ")}`}`;

export const keyOf = (node: string, { algorithm, layout }: Pick<Candidate, "algorithm" | "layout">): string =>
  `${node} | ${algorithm?.id} | ${printChoice(layout)}`;

/** The candidates of nodes; equal nodes are asked for once. */
export class Catalogue {
  readonly #algorithms = new Map<string, Algorithm[]>();
  readonly #device: Device;
  readonly #measured: Measured;
  readonly #known = new Map<string, Candidates>();

  constructor(algorithms: readonly Algorithm[], device: Device, measured: Measured = new Map()) {
    for (const algorithm of algorithms) {
      const list = this.#algorithms.get(algorithm.operator) ?? [];
      this.#algorithms.set(algorithm.operator, [...list, algorithm]);
    }
    this.#device = device;
    this.#measured = measured;
  }

  /** Candidates of every node of a graph. */
  ofGraph(graph: Graph): Candidates[] {
    const derived = derivedValues(graph);
    return graph.nodes.map((node) => this.of(node, node.inputs.length > 0 && derived[node.inputs[0]]));
  }

  /** `isPrepared`: input 0 stays the same from run to run. */
  of(node: GraphNode, isPrepared: boolean): Candidates {
    if (isAlias(node)) return alias(node);
    const key = `${printNode(node)}${isPrepared ? " | prepared" : ""}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const made = this.#make(node, key, isPrepared);
    this.#known.set(key, made);
    return made;
  }

  #make({ operator, plan, fusion }: GraphNode, key: string, isPrepared: boolean): Candidates {
    const refusals: Refusal[] = [];
    const best = new Map<string, Candidate>();
    for (const algorithm of this.#algorithms.get(operator.name) ?? []) {
      for (const layout of offers(algorithm, plan, fusion, this.#device, refusals)) {
        const formula = algorithm.estimate(plan, layout, fusion, this.#device, isPrepared ? "inference" : "training");
        const measured = this.#measured.get(keyOf(key, { algorithm, layout }));
        const estimate = measured ?? predict(algorithm.id, formula, this.#device);
        // of one algorithm every layout, of several with the same layouts all: explain() tells them apart
        best.set(keyOf("", { algorithm, layout }), { algorithm, layout, estimate, formula });
      }
    }
    invariant(best.size > 0, () => `no algorithm for ${key}: ${refusals.map(({ algorithm, why }) => `${algorithm}: ${why}`).join(" ")}`);
    return { key, list: [...best.values()], refusals };
  }
}

const alias = (node: GraphNode): Candidates => ({
  key: "alias",
  list: [{ algorithm: null, layout: { inputs: [plainLayout], operands: [], outputs: node.outputs.map(() => 1) }, estimate: 0, formula: 0 }],
  refusals: [],
});
