import { existsSync } from "node:fs";
import { random } from "../../src/base/random.ts";
import type { Algorithm, Device, Operator } from "../../src/ops/contract.ts";
import { problemsOf } from "../ops/problems.ts";
import { isSmall } from "./bounds.ts";
import { Case } from "./case.ts";
import { Judge, type Verdict } from "./judge.ts";
import { samplePlan } from "./samples.ts";

/** Sampled plans that every algorithm gets on every device; `TOEPLITZ_LAW_SAMPLES` asks for more. */
export const samples = Number(process.env.TOEPLITZ_LAW_SAMPLES ?? 25);
/** The oracle visits every term: plans beyond this many take too long, and named ones beyond the second number. */
const [mostTerms, mostLargeTerms] = [1e5, 1.2e7];
/** Few samples: a quick look, with some of the named plans and one device or net where there are several. */
export const smoke = samples < 10;
/** Plans drawn for one that an algorithm accepts, and in all. */
const [patience, leastTries] = [40, 1000];
/** Room of an operator whose folder has another name. */
const rooms: Readonly<Record<string, string>> = { moments: "reduce" };

/** Cases of one operator, shared by its algorithms and all devices: the lines of problems.txt, and sampled plans as many as are asked for. */
export class Cases {
  readonly operator: Operator;
  readonly named: readonly Case[];
  /** Named plans with several chunks; none in a short run. */
  readonly large: readonly Case[];
  readonly #sampled: (Case | null)[] = [];

  constructor(operator: Operator) {
    this.operator = operator;
    const room = rooms[operator.name] ?? operator.name;
    const exists = existsSync(new URL(`../../src/ops/${room}/problems.txt`, import.meta.url));
    const lines = exists ? problemsOf(room, operator.name) : [];
    const plans = lines.map(({ line }) => operator.parse(line));
    const small = (plan: unknown): boolean => isSmall(operator, plan, mostTerms);
    const named = plans.filter((plan, i) => small(plan) && (!smoke || i % 4 === 0));
    this.named = named.map((plan) => new Case(operator, plan, 1, "named"));
    const large = plans.filter((plan) => !smoke && !small(plan) && isSmall(operator, plan, mostLargeTerms));
    this.large = large.map((plan) => new Case(operator, plan, 1, "large"));
  }

  /** The case of a seed; null where the oracle would take too long. */
  sampled(seed: number): Case | null {
    while (this.#sampled.length <= seed) {
      const next = this.#sampled.length;
      const plan = samplePlan(this.operator, random(next, 77));
      this.#sampled.push(isSmall(this.operator, plan, mostTerms) ? new Case(this.operator, plan, next, "sampled") : null);
    }
    return this.#sampled[seed];
  }
}

/** What an algorithm does on the named cases and on so many sampled ones that it accepts. */
export function tryAll(algorithm: Algorithm, cases: Cases, device: Device, wanted = samples): Verdict {
  const total: Verdict = { broken: [], accepted: 0, refused: 0, fused: 0, chunks: 0 };
  const add = (own: Case): boolean => {
    const verdict = new Judge(algorithm, own, device).run();
    total.broken.push(...verdict.broken);
    total.accepted += verdict.accepted > 0 ? 1 : 0;
    total.refused += verdict.refused > 0 ? 1 : 0;
    total.fused += verdict.fused;
    total.chunks = Math.max(total.chunks, verdict.chunks);
    return verdict.accepted > 0;
  };
  for (const own of [...cases.named, ...cases.large]) add(own);
  let found = 0;
  for (let seed = 0; seed < Math.max(leastTries, patience * wanted) && found < wanted; seed++) {
    const own = cases.sampled(seed);
    if (own !== null && add(own)) found++;
  }
  return total;
}

/** The first law that an algorithm breaks on some case, or null: what the suite says of a planted bug. */
export function firstBroken(algorithm: Algorithm, cases: Cases, device: Device, most = samples): string | null {
  const sampled = Array.from({ length: 8 * most }, (_, seed) => seed);
  for (const own of [...cases.named, ...sampled.map((seed) => cases.sampled(seed))]) {
    if (own === null) continue;
    const { broken } = new Judge(algorithm, own, device).run();
    if (broken.length > 0) return broken[0];
  }
  return null;
}
