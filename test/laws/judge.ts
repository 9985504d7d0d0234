import { type Random, random } from "../../src/base/random.ts";
import { size, type TensorType } from "../../src/base/types.ts";
import type { Algorithm, Device, Operator } from "../../src/ops/contract.ts";
import type { WindowPlan } from "../../src/ops/window/index.ts";
import { windowOperator } from "../../src/ops/window/index.ts";
import { boundOf, isExactOnIntegers } from "./bounds.ts";
import { runAlone, type Trial } from "./isolated.ts";

export const devices: readonly Device[] = [
  { tier: "wide", fma: true, wide: true },
  { tier: "relaxed", fma: true, wide: false },
  { tier: "plain", fma: false, wide: false },
];

/** Cells for the inputs of a plan: small integers, or reals; indices and keys are made to be valid. */
export function cellsFor(operator: Operator, plan: unknown, draw: Random, integers: boolean): Float64Array[] {
  const cell = (type: TensorType): number =>
    type.dtype === "i32" ? draw.integer(0, 6) : integers ? draw.integer(-4, 4) : draw.uniform() < 0.02 ? 0 : 0.25 + 2 * draw.uniform();
  const inputs = operator.inputs(plan).map((type) => Float64Array.from({ length: size(type.shape) }, () => cell(type)));
  if (operator.name !== "window" || (plan as WindowPlan).role === "select") return inputs;
  const select = { ...(plan as WindowPlan), role: "select" as const };
  const [type] = windowOperator.inputs(select);
  const index = windowOperator.reference(select, [Float64Array.from({ length: size(type.shape) }, () => draw.integer(-4, 4))])[1];
  return [inputs[0], index];
}

const show = (wrong: readonly string[]): string => wrong.slice(0, 5).join("; ");

function compare(got: readonly Float64Array[], want: readonly Float64Array[], bound: readonly Float64Array[] | null): string[] {
  return want.flatMap((cells, output) =>
    Array.from(cells.keys()).flatMap((cell) => {
      const [a, b] = [got[output][cell], cells[cell]];
      const close =
        bound === null
          ? a === b || (Number.isNaN(a) && Number.isNaN(b))
          : Math.abs(a - b) <= bound[output][cell] || a === b || (Number.isNaN(a) && Number.isNaN(b));
      return close ? [] : [`output ${output}[${cell}] is ${a}, expected ${b}${bound === null ? " exactly" : ` +- ${bound[output][cell]}`}`];
    }),
  );
}

/** What one algorithm does wrong on one plan, in every layout that it accepts; empty when it keeps the laws. */
export function judge<P>(
  algorithm: Algorithm<P>,
  operator: Operator<P>,
  plan: P,
  device: Device,
  seed: number,
): { broken: string[]; accepted: number } {
  const broken: string[] = [];
  let accepted = 0;
  const choices = algorithm.layouts(plan, null, device).filter((choice) => algorithm.refuses(plan, choice, null, device) === null);
  const context = (law: string): string => `[${law}] ${algorithm.id} on ${device.tier}, seed ${seed}: ${operator.line(plan)}`;
  for (const choice of choices) {
    accepted++;
    const draw = random(seed);
    const integers = cellsFor(operator as Operator, plan, draw, true);
    const reals = cellsFor(operator as Operator, plan, draw, false);
    const trial: Trial<P> = { operator, algorithm, plan, device, choice, inputs: reals };
    const halo = accepted % 2 === 1 ? { outputHalo: { low: 1, high: 2, fill: 3 } } : {};
    const report = (law: string, wrong: readonly string[]): void => {
      if (wrong.length > 0) broken.push(`${context(law)}: ${show(wrong)}`);
    };
    if (isExactOnIntegers(operator as Operator, plan)) {
      const { outputs, damage } = runAlone({ ...trial, inputs: integers, ...halo });
      report("oracle-exact", compare(outputs, operator.reference(plan, integers), null));
      report("guard", damage);
    }
    const expected = operator.reference(plan, reals);
    const first = runAlone({ ...trial, ...halo });
    report("oracle-real", compare(first.outputs, expected, boundOf(operator as Operator)(plan, reals, expected)));
    report("guard", first.damage);
    const shuffled = runAlone({ ...trial, ...halo, order: (chunks) => [...random(seed, chunks).permutation(chunks)] });
    report("repeat", compare(shuffled.outputs, first.outputs, null));
    report("short-batch", shortBatch(trial, first.outputs));
  }
  return { broken, accepted };
}

/** With fewer examples the results are those of the first examples (or of a plan made for as many). */
function shortBatch<P>(trial: Trial<P>, whole: readonly Float64Array[]): string[] {
  const { operator, plan } = trial;
  const types = [...operator.inputs(plan), ...operator.outputs(plan)];
  const batch = types.find((type) => type.batched)?.shape[0] ?? 1;
  if (batch < 2) return [];
  const examples = batch - 1;
  const { outputs, damage } = runAlone({ ...trial, examples });
  const kept = operator.outputs(plan).map((type, i) => (type.batched ? whole[i].subarray(0, (whole[i].length / batch) * examples) : null));
  const cut = trial.inputs.map((cells, i) =>
    operator.inputs(plan)[i].batched
      ? Float64Array.from(cells).map((cell, at) => (at < (cells.length / batch) * examples ? cell : 0))
      : Float64Array.from(cells),
  );
  // operators that sum over the examples are linear there: examples of zeros add nothing
  const sums = operator.name === "moments" ? outputs : operator.reference(plan, cut);
  const want = kept.map((cells, i) => cells ?? sums[i]);
  const bound = boundOf(operator as Operator)(
    plan,
    trial.inputs.map((cells) => Float64Array.from(cells)),
    operator.reference(
      plan,
      trial.inputs.map((cells) => Float64Array.from(cells)),
    ),
  );
  return [
    ...damage,
    ...compare(
      outputs,
      want,
      bound.map((cells, i) => cells.subarray(0, want[i].length)),
    ),
  ];
}
