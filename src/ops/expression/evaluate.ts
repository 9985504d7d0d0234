import type { Expression } from "../contract.ts";
import { schedule } from "./schedule.ts";
import { rowOf } from "./simplify.ts";

/** A formula as a function of its operands, in float64: the oracle. */
export function compile(expression: Expression): (operands: readonly number[] | Float64Array) => number {
  const steps = schedule(expression);
  const values = new Float64Array(steps.length);
  const operands: { at: number; index: number }[] = [];
  const calls: (() => void)[] = [];
  steps.forEach((step, at) => {
    if (step.kind === "constant") values[at] = step.value;
    else if (step.kind === "operand") operands.push({ at, index: step.index });
    else calls.push(callOf(values, at, rowOf(step.name).value, step.inputs));
  });
  return (given) => {
    for (const { at, index } of operands) values[at] = given[index];
    for (const run of calls) run();
    return values[values.length - 1];
  };
}

function callOf(
  values: Float64Array,
  at: number,
  value: (...inputs: readonly number[]) => number,
  [a, b, c]: readonly number[],
): () => void {
  if (b === undefined) {
    return () => {
      values[at] = value(values[a]);
    };
  }
  if (c === undefined) {
    return () => {
      values[at] = value(values[a], values[b]);
    };
  }
  return () => {
    values[at] = value(values[a], values[b], values[c]);
  };
}
