import { invariant } from "../../base/errors.ts";
import { call, type Expression } from "../contract.ts";
import { rowOf, simplify } from "./simplify.ts";

/** The same formula in primitives alone. */
export function expand(expression: Expression): Expression {
  const known = new Map<Expression, Expression>();
  const rewrite = (part: Expression): Expression => {
    if (part.kind !== "call") return part;
    const before = known.get(part);
    if (before !== undefined) return before;
    const { expansion } = rowOf(part.name);
    const inputs = part.inputs.map(rewrite);
    const made = expansion === undefined ? call(part.name, ...inputs) : rewrite(expansion(inputs));
    known.set(part, made);
    known.set(made, made);
    return made;
  };
  return simplify(rewrite(expression));
}

/** One step of a formula; `inputs` are positions of earlier steps. */
export type Step =
  | { readonly kind: "operand"; readonly index: number }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "call"; readonly name: string; readonly inputs: readonly number[] };

/** A formula as a list in which equal parts stand once and the last step is the result: what evaluators and printers walk. */
export function schedule(expression: Expression): Step[] {
  const { steps, results } = scheduleAll([expression]);
  invariant(results[0] === steps.length - 1, () => "the result of a formula is its last step");
  return steps;
}

/** Several formulas as one such list, and the step of each result. */
export function scheduleAll(expressions: readonly Expression[]): { readonly steps: Step[]; readonly results: readonly number[] } {
  const steps: Step[] = [];
  const byText = new Map<string, number>();
  const byPart = new Map<Expression, number>();
  const once = (text: string, step: Step): number => {
    const before = byText.get(text);
    if (before !== undefined) return before;
    byText.set(text, steps.length);
    return steps.push(step) - 1;
  };
  const visit = (part: Expression): number => {
    const before = byPart.get(part);
    if (before !== undefined) return before;
    let made: number;
    if (part.kind === "call") {
      const inputs = part.inputs.map(visit);
      made = once(`${part.name} ${inputs.join(" ")}`, { kind: "call", name: part.name, inputs });
    } else if (part.kind === "operand") made = once(`operand ${part.index}`, part);
    else made = once(`constant ${Object.is(part.value, -0) ? "-0" : part.value}`, part);
    byPart.set(part, made);
    return made;
  };
  return { results: expressions.map(visit), steps };
}
