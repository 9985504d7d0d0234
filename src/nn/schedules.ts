import { fail, Problems } from "../base/errors.ts";

/** Learning rate at a step, which counts from 1 to `steps`, the number of steps of the whole run. */
export type Schedule = (step: number, steps: number) => number;

function checkRate(kind: string, rate: number): void {
  if (!(rate > 0 && Number.isFinite(rate))) fail(kind, "", "rate", "> 0", rate);
}

/** The same rate at every step. */
export function constantRate(rate: number): Schedule {
  checkRate("constantRate", rate);
  return () => rate;
}

/** A part of the run in steps: up to 1 it is a share of all steps, else a number of steps. */
const stepsOf = (part: number, steps: number): number => (part <= 1 ? part * steps : part);

/**
 * rate * factor^(number of marks passed). Marks up to 1 are shares of the run, others are steps.
 * Example: `stepRate(0.1, { at: [0.5, 0.75] })`
 */
export function stepRate(
  rate: number,
  { at = [0.5, 0.75], factor = 0.1 }: { readonly at?: readonly number[]; readonly factor?: number } = {},
): Schedule {
  checkRate("stepRate", rate);
  const problems = new Problems("stepRate");
  problems.check(
    at.every((mark) => mark > 0),
    "marks",
    "> 0",
    `[${at.join(", ")}]`,
  );
  problems.check(factor > 0, "factor", "> 0", factor);
  problems.throwIfAny();
  return (step, steps) => rate * factor ** at.filter((mark) => step > stepsOf(mark, steps)).length;
}

/** From 0 to 1 by half a cosine. */
const rise = (part: number): number => (1 - Math.cos(Math.PI * Math.min(1, Math.max(0, part)))) / 2;

/**
 * Rises in a straight line over `warmup`, then falls from `rate` towards `floor` by half a cosine, which it would reach one step after the last.
 * Source: Loshchilov and Hutter 2017, eq. 5; warm-up: Goyal et al. 2017, section 2.2.
 * Units: warmup up to 1 is a share of the run, else steps.
 */
export function cosineRate(rate: number, { floor = 0, warmup = 0 }: { readonly floor?: number; readonly warmup?: number } = {}): Schedule {
  checkRate("cosineRate", rate);
  const problems = new Problems("cosineRate");
  problems.check(floor >= 0 && floor <= rate, "floor", `0 to the rate ${rate}`, floor);
  problems.check(warmup >= 0, "warm-up", ">= 0", warmup);
  problems.throwIfAny();
  return (step, steps) => {
    const rising = Math.round(stepsOf(warmup, steps));
    if (step <= rising) return (rate * step) / (rising + 1);
    return floor + (rate - floor) * (1 - rise((step - rising - 1) / Math.max(1, steps - rising)));
  };
}

/**
 * Rises from rate / 25 to rate over `peak` of the run and falls to rate / 25 / 10,000 at the last step, both by half a cosine.
 * Source: Smith and Topin 2019.
 */
export function oneCycleRate(
  rate: number,
  { peak = 0.3, start = 25, end = 1e4 }: { readonly peak?: number; readonly start?: number; readonly end?: number } = {},
): Schedule {
  checkRate("oneCycleRate", rate);
  const problems = new Problems("oneCycleRate");
  problems.check(peak > 0 && peak < 1, "peak", "> 0 and < 1", peak);
  problems.check(start >= 1 && end >= 1, "divisors", ">= 1", `${start}, ${end}`);
  problems.throwIfAny();
  return (step, steps) => {
    const top = peak * steps - 1;
    const low = rate / start;
    const at = step - 1;
    if (at <= top) return low + (rate - low) * rise(at / Math.max(1e-9, top));
    const last = low / end;
    return last + (rate - last) * (1 - rise((at - top) / (steps - 1 - top)));
  };
}

/** Schedules by name, made from a rate. */
export const schedules: Readonly<Record<string, (rate: number) => Schedule>> = {
  constant: (rate) => constantRate(rate),
  step: (rate) => stepRate(rate),
  cosine: (rate) => cosineRate(rate),
  oneCycle: (rate) => oneCycleRate(rate),
};
