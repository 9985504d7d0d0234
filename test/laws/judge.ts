import { keyOf, random } from "../../src/base/random.ts";
import { printType } from "../../src/base/types.ts";
import type { Algorithm, Device, Emission, LayoutChoice } from "../../src/ops/contract.ts";
import { printLayout } from "../../src/ops/layout.ts";
import { pooledType } from "../../src/ops/pool.ts";
import { printFusion } from "../../src/plan/candidates.ts";
import { type Slack, slacken } from "./bounds.ts";
import { type Case, type Data, endless } from "./case.ts";
import type { NamedFusion } from "./fusions.ts";
import { runAlone, type Trial, type TrialResult } from "./isolated.ts";

export const devices: readonly Device[] = [
  { tier: "wide", fma: true, wide: true },
  { tier: "relaxed", fma: true, wide: false },
  { tier: "plain", fma: false, wide: false },
];

export interface Verdict {
  /** Broken laws, with all that is needed to see them again. */
  readonly broken: string[];
  accepted: number;
  refused: number;
  /** Fusions that were taken. */
  fused: number;
  /** The most chunks that a step had. */
  chunks: number;
}

const place = (cell: number, shape: readonly number[]): string =>
  shape
    .reduceRight<{ at: number[]; rest: number }>(
      ({ at, rest }, extent) => ({ at: [rest % extent, ...at], rest: Math.floor(rest / extent) }),
      {
        at: [],
        rest: cell,
      },
    )
    .at.join(",");

/** The first wrong cells: index, result, expectation, bound. */
function wrongCells(
  got: readonly Float64Array[],
  want: readonly Float64Array[],
  errors: readonly Float64Array[] | null,
  shapes: readonly (readonly number[])[],
): string[] {
  const wrong: string[] = [];
  want.forEach((cells, output) => {
    for (let cell = 0; cell < cells.length && wrong.length < 5; cell++) {
      const [a, b] = [got[output][cell], cells[cell]];
      if (a === b || (Number.isNaN(a) && Number.isNaN(b))) continue;
      const error = errors?.[output][cell] ?? 0;
      if (errors !== null && ((error === Number.POSITIVE_INFINITY && !Number.isNaN(b)) || Math.abs(a - b) <= error)) continue;
      wrong.push(`output ${output}[${place(cell, shapes[output])}] is ${a}, expected ${b} ${error === 0 ? "exactly" : `+- ${error}`}`);
    }
    if (got[output].length !== cells.length) wrong.push(`output ${output} has ${got[output].length} cells, expected ${cells.length}`);
  });
  return wrong;
}

/** Never the order that they have. */
export function shuffled(seed: number): (chunks: number) => readonly number[] {
  return (chunks) => {
    const reversed = Array.from({ length: chunks }, (_, i) => chunks - 1 - i);
    return seed % 2 === 0 ? reversed : [...random(seed, chunks).permutation(chunks)].reverse();
  };
}

/** One algorithm on one case and one device. */
export class Judge {
  readonly verdict: Verdict = { broken: [], accepted: 0, refused: 0, fused: 0, chunks: 0 };
  readonly #algorithm: Algorithm;
  readonly #device: Device;
  readonly #own: Case;

  constructor(algorithm: Algorithm, own: Case, device: Device) {
    this.#algorithm = algorithm;
    this.#own = own;
    this.#device = device;
  }

  /** Tries the laws in the layouts that the algorithm accepts; `all` of them, and all fusions, when one plan is looked into. */
  run(all = false): Verdict {
    const { line, seed, sort, fusions } = this.#own;
    const { accepted, refused } = this.#offers(null);
    this.verdict.accepted = accepted.length;
    this.verdict.refused = accepted.length === 0 ? 1 : refused;
    // each case tries a few layouts and fusions; all cases together try all of them on every device
    const turn = keyOf(...Array.from(line, (letter) => letter.charCodeAt(0)), seed, devices.indexOf(this.#device)) >>> 0;
    const picked = accepted.length === 0 ? [] : [accepted[turn % accepted.length]];
    if (sort === "large" && this.#device.tier === "relaxed") return this.verdict;
    if (sort === "large") for (const choice of picked) this.#large(choice, turn);
    else (sort === "named" || all ? accepted : picked).forEach((choice, i) => this.#bare(choice, seed + i));
    fusions.forEach((fusion, i) => {
      // few algorithms take windows
      const often = fusion.fusion.pool === undefined ? 5 : 2;
      if (all || (sort === "large" ? line.length % fusions.length === i : (turn + i) % often === 0)) this.#fusion(fusion, turn);
    });
    return this.verdict;
  }

  #offers(fusion: NamedFusion | null): { accepted: LayoutChoice[]; refused: number } {
    const { plan } = this.#own;
    const given = fusion?.fusion ?? null;
    const asked = given?.pool === undefined || this.#algorithm.pools === true;
    const choices = asked ? this.#algorithm.layouts(plan, given, this.#device) : [];
    const accepted = choices.filter((choice) => {
      const why = this.#algorithm.refuses(plan, choice, given, this.#device);
      if (why !== null && !/^\S.*\.$/.test(why)) this.#report("refusal", choice, [`"${why}" is no sentence`], fusion);
      return why === null;
    });
    for (const choice of accepted) {
      const estimate = this.#algorithm.estimate(plan, choice, given, this.#device);
      if (!(estimate > 0 && Number.isFinite(estimate))) this.#report("estimate", choice, [`predicted time ${estimate}`], fusion);
    }
    return { accepted, refused: choices.length - accepted.length };
  }

  #report(law: string, choice: LayoutChoice | null, wrong: readonly string[], fusion: NamedFusion | null = null): void {
    if (wrong.length === 0) return;
    const { line, seed } = this.#own;
    const formula =
      fusion === null
        ? ""
        : ` | fused ${fusion.name}: ${printFusion(fusion.fusion)} over ${fusion.fusion.operands.map(printType).join(" ") || "-"}`;
    const layouts =
      choice === null ? "" : ` | ${[...choice.inputs, ...choice.operands].map(printLayout).join(" ")} -> ${choice.outputs.join(" ")}`;
    this.verdict.broken.push(
      `[${law}] ${this.#algorithm.id} on ${this.#device.tier}, seed ${seed}: \`${line}\`${formula}${layouts}: ${wrong.slice(0, 5).join("; ")}`,
    );
  }

  #compare(law: string, choice: LayoutChoice, { outputs, damage }: TrialResult, data: Data, fusion: NamedFusion | null = null): void {
    const shapes = this.#own.operator.outputs(this.#own.plan).map((type) => pooledType(type, fusion?.fusion.pool).shape);
    const { expected, bounded } = data;
    const { rounding } = this.#algorithm;
    const errors = bounded || rounding !== undefined ? this.#errors(law, choice, data, fusion === null ? this.#algorithm : {}) : null;
    this.#report(law, choice, wrongCells(outputs, expected.values, errors, shapes), fusion);
    this.#report("guard", choice, damage, fusion);
  }

  #errors(law: string, choice: LayoutChoice, { inputs, expected }: Data, slack: Slack): readonly Float64Array[] {
    if (law.endsWith("nan") && this.#spreads(choice, inputs)) return endless(expected.values);
    const types = this.#own.operator.outputs(this.#own.plan);
    return expected.errors().map((cells, i) => slacken(cells, types[i], slack));
  }

  /** A NaN may reach other cells than its own: through a transform, or where it meets the zeros of another operand's padding. */
  #spreads(choice: LayoutChoice, inputs: readonly Float64Array[]): boolean {
    if (this.#algorithm.rounding !== undefined) return true;
    const padded = choice.inputs.map(({ halo }) => halo.some(({ low, high }) => low > 0 || high > 0));
    return this.#algorithm.operator === "grid-linear" && padded.some((has, i) => has && inputs[1 - i].some(Number.isNaN));
  }

  /** Runs a trial; a trap breaks the law too. */
  #try(
    law: string,
    trial: Omit<Trial<unknown>, "operator" | "algorithm" | "plan" | "device">,
    fusion: NamedFusion | null = null,
  ): TrialResult | null {
    const { operator, plan } = this.#own;
    try {
      const made = runAlone({ operator, algorithm: this.#algorithm, plan, device: this.#device, ...trial });
      this.verdict.chunks = Math.max(this.verdict.chunks, ...made.chunks);
      return made;
    } catch (error) {
      this.#report(law, trial.choice ?? null, [String(error)], fusion);
      return null;
    }
  }

  #bare(choice: LayoutChoice, seed: number): void {
    const own = this.#own;
    const outputHalo = { low: 1 + (seed % 2), high: 2 - (seed % 2), fill: 3 };
    const halos = { outputHalo, inputHalo: { low: seed % 3, high: 1 } };
    const check = (law: string, data: Data, trial: Partial<Trial<unknown>>): TrialResult | null => {
      const made = this.#try(law, { choice, inputs: data.inputs, ...trial });
      if (made !== null) this.#compare(law, choice, made, data);
      return made;
    };
    if (own.exact) check("oracle-exact", own.integers(), halos);
    const reals = own.reals();
    const first = check("oracle-real", reals, own.exact ? {} : halos);
    if (this.#algorithm.rounding !== undefined) check("oracle-rectified", own.rectified(), {});
    const again = this.#try("repeat", { choice, inputs: reals.inputs, order: shuffled(seed), ...(own.exact ? {} : halos) });
    if (first !== null && again !== null) this.#same("repeat", choice, again, first);
    check("nan", own.nans(), {});
    const short = own.short();
    if (short !== null) check("short-batch", short.data, { examples: short.examples, ...halos });
    if (first !== null) this.#inPlace(choice, reals, null, first.emission);
  }

  /** Several chunks, and example groups that end early. */
  #large(choice: LayoutChoice, seed: number): void {
    const own = this.#own;
    const [law, data] = own.exact ? ["oracle-exact", own.integers()] : ["oracle-real", own.reals()];
    const trial = { choice, inputs: data.inputs, outputHalo: { low: 2, high: 1, fill: 3 } };
    const first = this.#try(law, trial);
    if (first !== null) this.#compare(law, choice, first, data);
    const again = this.#try("repeat", { ...trial, order: shuffled(seed) });
    if (first !== null && again !== null) this.#same("repeat", choice, again, first);
    const short = own.short();
    const part = short === null ? null : this.#try("short-batch", { choice, inputs: short.data.inputs, examples: short.examples });
    if (short !== null && part !== null) this.#compare("short-batch", choice, part, short.data);
  }

  #same(law: string, choice: LayoutChoice, got: TrialResult, want: TrialResult, fusion: NamedFusion | null = null): void {
    const shapes = this.#own.operator.outputs(this.#own.plan).map(({ shape }) => shape);
    this.#report(law, choice, [...wrongCells(got.outputs, want.outputs, null, shapes), ...got.damage], fusion);
  }

  /** Each output in the buffer of each input or operand that has its type and layout and that it may lie in. */
  #inPlace(choice: LayoutChoice, data: Data, fusion: NamedFusion | null, { inPlace = false }: Emission): void {
    if (inPlace === false) return;
    const { operator, plan } = this.#own;
    const outputs = operator.outputs(plan);
    const layouts = [...choice.inputs, ...choice.operands];
    const given = { choice, inputs: data.inputs, fusion: fusion?.fusion ?? null };
    const apart = this.#try("in-place", given, fusion);
    [...operator.inputs(plan), ...(fusion?.fusion.operands ?? [])].forEach((type, input) => {
      const bare = layouts[input].halo.every(({ low, high }) => low === 0 && high === 0);
      outputs.forEach((own, output) => {
        if (printType(type) !== printType(own) || layouts[input].block !== choice.outputs[output] || !bare) return;
        if (inPlace !== true && !inPlace(output, input)) return;
        const made = this.#try("in-place", { ...given, inPlace: { output, input } }, fusion);
        if (made !== null && apart !== null) this.#same("in-place", choice, made, apart, fusion);
      });
    });
  }

  #fusion(fusion: NamedFusion, seed: number): void {
    const { accepted } = this.#offers(fusion);
    if (accepted.length === 0) return;
    this.verdict.fused++;
    const choice = accepted[seed % accepted.length];
    const halos = { outputHalo: { low: 2, high: 1, fill: 3 }, inputHalo: { low: 1, high: 2 } };
    const { rounding } = this.#algorithm;
    const kind = this.#own.exact && rounding === undefined ? "integers" : "reals";
    const trial = { choice, fusion: fusion.fusion, ...(seed % 2 === 0 ? halos : {}) };
    const check = (law: string, data: Data, more: Partial<Trial<unknown>> = {}): TrialResult | null => {
      const made = this.#try(law, { ...trial, inputs: data.inputs, ...more }, fusion);
      if (made !== null) this.#compare(law, choice, made, data, fusion);
      return made;
    };
    const order = shuffled(seed);
    check("fusion", this.#own.fused(fusion, kind, this.#algorithm), this.#own.sort === "large" ? { order } : {});
    if (this.#own.sort === "large") return;
    const reals = this.#own.fused(fusion, "reals", this.#algorithm);
    const real = check("fusion-real", reals, { order });
    check("fusion-nan", this.#own.fused(fusion, "nans", this.#algorithm));
    const short = this.#own.fusedShort(fusion, this.#algorithm);
    if (short !== null) check("fusion-short", short.data, { examples: short.examples });
    if (real !== null) this.#inPlace(choice, reals, fusion, real.emission);
  }
}
