import type { Expression } from "../contract.ts";
import { expand, schedule } from "./schedule.ts";
import { rowOf } from "./simplify.ts";

/** A number that a formula has for certain; `exact` when rounding cannot have moved it. */
interface Known {
  readonly value: number;
  readonly exact: boolean;
}

const rounded: ReadonlySet<string> = new Set(["add", "subtract", "multiply", "divide", "sqrt"]);
const discontinuous: ReadonlySet<string> = new Set(["floor", "equal", "less", "lessEqual"]);

/**
 * Does the emitted formula give exactly 0 where every operand is 0? Then spare lanes need no mask.
 * Operands listed in `free` may have any value. False when in doubt.
 */
export function zeroAtZero(expression: Expression, free: readonly number[] = []): boolean {
  const steps = schedule(expand(expression));
  const known: (Known | null)[] = [];
  for (const step of steps) {
    if (step.kind === "operand") known.push(free.includes(step.index) ? null : { value: 0, exact: true });
    else if (step.kind === "constant") known.push({ value: Math.fround(step.value), exact: true });
    else {
      const inputs = step.inputs.map((input) => known[input]);
      known.push(step.name === "select" ? select(inputs) : evaluate(step.name, inputs));
    }
  }
  const result = known[steps.length - 1];
  return result?.exact === true && result.value === 0;
}

function select([condition, a, b]: readonly (Known | null)[]): Known | null {
  return condition?.exact !== true ? null : condition.value !== 0 ? a : b;
}

function evaluate(name: string, inputs: readonly (Known | null)[]): Known | null {
  const sure = inputs.filter((input) => input !== null);
  if (sure.length < inputs.length || sure.some(({ value }) => !(Math.abs(value) < 1e30))) return null;
  const values = sure.map(({ value }) => value);
  const value = rowOf(name).value(...values);
  const exact = sure.every((input) => input.exact);
  if (name === "multiply" && sure.some((input) => input.exact && input.value === 0)) return { value: 0, exact: true };
  if (name === "divide" && sure[0].exact && sure[0].value === 0 && Math.abs(values[1]) > 1e-30) return { value: 0, exact: true };
  if (discontinuous.has(name)) return exact || separate(name, values) ? { value, exact: true } : null;
  if (rounded.has(name)) return { value, exact: exact && Math.fround(value) === value };
  if (name === "exp" || name === "log") return { value, exact: exact && values[0] === (name === "exp" ? 0 : 1) };
  return { value, exact };
}

/** Far enough apart that rounding cannot change the comparison. */
function separate(name: string, [a, b]: readonly number[]): boolean {
  return name !== "floor" && Math.abs(a - b) > 1e-3 * (Math.abs(a) + Math.abs(b));
}
