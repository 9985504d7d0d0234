import { type Random, random } from "../../src/base/random.ts";
import type { Fusion, Operator } from "../../src/ops/contract.ts";
import { type Expected, expect, expectFused, isExactOnIntegers, isIntegral, once, type Slack } from "./bounds.ts";
import { cellsFor, type Kind, operandCells } from "./cells.ts";
import { fusionsFor, type NamedFusion } from "./fusions.ts";

/** Cells of the inputs, what the oracle makes of them, and how far a result may be from it. */
export interface Data {
  readonly inputs: readonly Float64Array[];
  readonly expected: Expected;
  /** Bounds count; otherwise every cell must be equal. */
  readonly bounded: boolean;
}

/** Bounds that every cell keeps but one that has to be NaN and is not. */
export const endless = (values: readonly Float64Array[]): Float64Array[] =>
  values.map((cells) => cells.map(() => Number.POSITIVE_INFINITY));

/**
 * How a case is tried: `named` (from problems.txt) in every layout, `sampled` in one of them, `large` (named too, with several
 * chunks) on whole numbers alone.
 */
export type Sort = "named" | "sampled" | "large";

/** A run of fewer examples than the plan's. */
interface Short {
  readonly data: Data;
  readonly examples: number;
  /** The plan for as many. */
  readonly plan: unknown;
}

/** A plan with its data: one case for all algorithms that may take it. */
export class Case {
  readonly operator: Operator;
  readonly plan: unknown;
  readonly seed: number;
  readonly sort: Sort;
  readonly line: string;
  readonly exact: boolean;
  readonly fusions: readonly NamedFusion[];
  readonly integers = once(() => this.#data("integers", this.plan));
  readonly reals = once(() => this.#data("reals", this.plan));
  readonly rectified = once(() => this.#data("rectified", this.plan));
  readonly nans = once(() => this.#data("nans", this.plan));
  /** A batch that is not full: the same plan for fewer examples; null where there is no batch. */
  readonly short = once(() => this.#short());
  readonly #fused = new Map<string, Data>();

  constructor(operator: Operator, plan: unknown, seed: number, sort: Sort) {
    this.operator = operator;
    this.plan = plan;
    this.seed = seed;
    this.sort = sort;
    this.line = operator.line(plan);
    this.exact = isExactOnIntegers(operator, plan);
    this.fusions = fusionsFor(operator, plan);
  }

  draw(purpose: number): Random {
    return random(this.seed, purpose);
  }

  #data(kind: Kind, plan: unknown): Data {
    const inputs = cellsFor(this.operator, plan, this.draw({ integers: 1, reals: 2, nans: 3, rectified: 6 }[kind]), kind);
    return { inputs, expected: expect(this.operator, plan, inputs), bounded: kind !== "integers" || !this.exact };
  }

  #short(): Short | null {
    const batched = [...this.operator.inputs(this.plan), ...this.operator.outputs(this.plan)].find((type) => type.batched);
    if (batched === undefined || batched.shape[0] < 2) return null;
    const examples = this.draw(4).integer(1, batched.shape[0] - 1);
    const plan = this.operator.parse(this.line.replace(/ n\d+( |$)/, ` n${examples}$1`));
    return { data: this.#data(this.exact ? "integers" : "reals", plan), examples, plan };
  }

  fused({ name, fusion }: NamedFusion, kind: Kind, slack: Slack = {}): Data {
    return this.#fuse(`${name} ${kind}`, this[kind](), this.plan, fusion, kind, slack);
  }

  /** The fused formula over fewer examples; null where there is no batch. */
  fusedShort({ name, fusion }: NamedFusion, slack: Slack = {}): Pick<Short, "data" | "examples"> | null {
    const short = this.short();
    if (short === null) return null;
    const { examples, plan } = short;
    const operands = fusion.operands.map((type) => (type.batched ? { ...type, shape: [examples, ...type.shape.slice(1)] } : type));
    const kind = this.exact ? "integers" : "reals";
    return { data: this.#fuse(`${name} short`, short.data, plan, { ...fusion, operands }, kind, slack), examples };
  }

  #fuse(name: string, bare: Data, plan: unknown, fusion: Fusion, kind: Kind, slack: Slack): Data {
    const key = `${name} ${slack.rounding ?? 1} ${slack.spread ?? 0}`;
    const known = this.#fused.get(key);
    if (known !== undefined) return known;
    const operands = operandCells(fusion.operands, this.draw(5), kind);
    const expected = expectFused(bare.expected, this.operator.outputs(plan)[0], fusion, operands, slack);
    const made = { inputs: [...bare.inputs, ...operands], expected, bounded: bare.bounded || !isIntegral(fusion.epilogue) };
    this.#fused.set(key, made);
    return made;
  }
}
