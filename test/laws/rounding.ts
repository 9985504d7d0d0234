import { constant, type Expression, operand } from "../../src/ops/contract.ts";
import type { Row } from "../../src/ops/expression/row.ts";
import { expand, type Step, schedule } from "../../src/ops/expression/schedule.ts";
import { rowOf } from "../../src/ops/expression/simplify.ts";

/** Unit roundoff of f32. */
export const epsilon = 2 ** -24;
const largest = 3.4028234663852886e38;
/** Below it f32 has fewer bits, and exp gives 0. */
const smallest = 2 ** -126;

/** What a formula gives in float64, and how far an f32 evaluation may be from it. */
export interface Estimate {
  readonly value: number;
  readonly error: number;
}

type Call = Extract<Step, { kind: "call" }>;

/**
 * Running error of a formula: every function adds what its row of the table promises (ulps, on its domain) and passes on how
 * far it moves when its operands move by their errors. Outside of its domain a row is taken apart into primitives.
 */
export class Rounding {
  readonly #steps: readonly Step[];
  /** Expansions of the rows that are none of the primitives. */
  readonly #inner: readonly (Rounding | null)[];

  constructor(expression: Expression) {
    this.#steps = schedule(expression);
    this.#inner = this.#steps.map((step) => (step.kind === "call" ? this.#expansion(step) : null));
  }

  #expansion({ name, inputs }: Call): Rounding | null {
    const { expansion } = rowOf(name);
    const given = inputs.map((input, i): Expression => {
      const step = this.#steps[input];
      return step.kind === "constant" ? constant(step.value) : operand(i);
    });
    return expansion === undefined ? null : new Rounding(expand(expansion(given)));
  }

  at(operands: ArrayLike<number>, errors: ArrayLike<number>): Estimate {
    const made: Estimate[] = [];
    this.#steps.forEach((step, i) => {
      if (step.kind === "operand") made.push({ value: operands[step.index], error: errors[step.index] });
      else if (step.kind === "constant") made.push({ value: step.value, error: Math.abs(Math.fround(step.value) - step.value) });
      else {
        const inputs = step.inputs.map((input) => made[input]);
        made.push(called(rowOf(step.name), inputs, this.#inner[i]));
      }
    });
    return made[made.length - 1];
  }
}

function called(row: Row, inputs: readonly Estimate[], inner: Rounding | null): Estimate {
  const values = inputs.map(({ value }) => value);
  const value = row.value(...values);
  const moved = spread(row, inputs, value);
  // what copies an operand or tells two apart does not round, but f32 has no room for tiny and huge numbers
  const own = row.ulps === 0 ? 0 : 2 * row.ulps * epsilon * Math.abs(value) + smallest;
  const promised = row.expansion === undefined || row.ulps === 0 || inputs.every((input, i) => inside(input, row.domain[i]));
  const overflow = Number.isFinite(value) && Math.abs(value) + moved + own > largest;
  if (overflow || inner === null || promised) return { value, error: overflow ? Number.POSITIVE_INFINITY : moved + own };
  const parts = inner.at(
    values,
    inputs.map(({ error }) => error),
  );
  return { value, error: parts.error + (Object.is(parts.value, value) ? 0 : Math.abs(parts.value - value)) };
}

const inside = ({ value, error }: Estimate, [low, high]: readonly [number, number]): boolean =>
  value - error >= low && value + error <= high;

/** How far the function moves when its operands move by their errors; infinite where that is not known. */
function spread(row: Row, inputs: readonly Estimate[], value: number): number {
  if (inputs.every(({ error }) => error === 0)) return 0;
  const known = simple[row.name]?.(inputs);
  if (known !== undefined) return Number.isNaN(known) ? Number.POSITIVE_INFINITY : known;
  let most = 0;
  for (const given of corners(inputs.map(endsOf))) {
    const other = row.value(...given);
    const far = Object.is(other, value) ? 0 : Math.abs(other - value);
    most = Math.max(most, Number.isNaN(far) ? Number.POSITIVE_INFINITY : far);
  }
  return most;
}

const either = ([a, b]: readonly Estimate[]): number => a.error + b.error;
const larger = ([a, b]: readonly Estimate[]): number => Math.max(a.error, b.error);
const same = ([a]: readonly Estimate[]): number => a.error;
const meets = ([a, b]: readonly Estimate[]): number => (Math.abs(a.value - b.value) <= a.error + b.error ? 1 : 0);

/** Functions whose movement has a formula; the others are tried at the ends of their operands. */
const simple: Readonly<Record<string, (inputs: readonly Estimate[]) => number | undefined>> = {
  add: either,
  subtract: either,
  multiply: ([a, b]) => Math.abs(a.value) * b.error + Math.abs(b.value) * a.error + a.error * b.error,
  negate: same,
  abs: same,
  relu: same,
  min: larger,
  max: larger,
  equal: meets,
  notEqual: meets,
  divide: ([, b]) => (Math.abs(b.value) <= b.error ? Number.POSITIVE_INFINITY : undefined),
  reciprocal: ([a]) => (Math.abs(a.value) <= a.error ? Number.POSITIVE_INFINITY : undefined),
};

/** Both ends, the value itself, and 0 where it lies between: functions turn there. */
function endsOf({ value, error }: Estimate): number[] {
  if (error === 0) return [value];
  return [value - error, value, value + error, ...(Math.abs(value) < error ? [0] : [])];
}

const corners = (ends: readonly (readonly number[])[]): number[][] =>
  ends.reduce<number[][]>((heads, list) => heads.flatMap((head) => list.map((end) => [...head, end])), [[]]);
