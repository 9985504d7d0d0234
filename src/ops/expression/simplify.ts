import { invariant } from "../../base/errors.ts";
import { call, constant, type Expression } from "../contract.ts";
import { comparisons } from "./primitives.ts";
import type { Row } from "./row.ts";
import { table } from "./table.ts";

export function rowOf(name: string): Row {
  const row = table.get(name);
  invariant(row !== undefined, () => `no function ${name} in the table`);
  return row;
}

/** Rebuilds a formula from its leaves; parts that were shared stay shared. */
export function rebuild(expression: Expression, change: (part: Expression) => Expression): Expression {
  const known = new Map<Expression, Expression>();
  const visit = (part: Expression): Expression => {
    const before = known.get(part);
    if (before !== undefined) return before;
    const made = change(part.kind === "call" ? call(part.name, ...part.inputs.map(visit)) : part);
    known.set(part, made);
    return made;
  };
  return visit(expression);
}

/** The formula with operand `index` replaced. */
export const substitute = (expression: Expression, index: number, by: Expression): Expression =>
  rebuild(expression, (part) => (part.kind === "operand" && part.index === index ? by : part));

/** The operands that a formula reads, in ascending order. */
export function operandsOf(expression: Expression): number[] {
  const found = new Set<number>();
  rebuild(expression, (part) => {
    if (part.kind === "operand") found.add(part.index);
    return part;
  });
  return [...found].sort((a, b) => a - b);
}

/**
 * The same function with less to do: constants folded, neutral elements gone, products with a comparison made selections
 * (so that a slope of 0 also silences an infinity). Never x * 0 = 0, which is wrong for NaN.
 */
export const simplify = (expression: Expression): Expression => rebuild(expression, simplifyPart);

function simplifyPart(part: Expression): Expression {
  if (part.kind !== "call") return part;
  if (part.inputs.every((input) => input.kind === "constant")) {
    const value = rowOf(part.name).value(...part.inputs.map((input) => (input.kind === "constant" ? input.value : 0)));
    // text and JSON of options carry finite constants only
    if (Number.isFinite(value)) return constant(value);
  }
  return rules.get(part.name)?.(part.inputs) ?? part;
}

const is = (part: Expression, value: number): boolean => part.kind === "constant" && part.value === value;
/** Inputs of a call of that name, else null. */
const inputsOf = (part: Expression, name: string): readonly Expression[] | null =>
  part.kind === "call" && part.name === name ? part.inputs : null;
/** Equal formulas; their text would be compared slower, as it repeats what parts share. */
function same(a: Expression, b: Expression, known = new Map<Expression, Expression>()): boolean {
  if (a === b || known.get(a) === b) return true;
  if (a.kind === "operand") return b.kind === "operand" && a.index === b.index;
  if (a.kind === "constant") return b.kind === "constant" && Object.is(a.value, b.value);
  if (b.kind !== "call" || a.name !== b.name || !a.inputs.every((input, i) => same(input, b.inputs[i], known))) return false;
  known.set(a, b);
  return true;
}

const again = (name: string, ...inputs: Expression[]): Expression => simplifyPart(call(name, ...inputs));

type Rule = (inputs: readonly Expression[]) => Expression | undefined;

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ["add", simplifySum],
  ["subtract", simplifyDifference],
  ["multiply", simplifyProduct],
  ["divide", simplifyQuotient],
  ["negate", simplifyNegation],
  ["abs", ([a]) => (isPositive(a) ? a : undefined)],
  ["less", ([a, b]) => (isPositive(a) && b.kind === "constant" && b.value <= 0 ? constant(0) : undefined)],
  ["select", ([condition, a, b]) => (condition.kind === "constant" ? (condition.value !== 0 ? a : b) : same(a, b) ? a : undefined)],
]);

/** Whether a part is NaN or a number from +0 on, whatever the operands are. */
function isPositive(part: Expression): boolean {
  if (part.kind === "constant") return part.value > 0;
  if (part.kind === "operand") return false;
  if (part.name === "max") return part.inputs.some((input) => input.kind === "constant" && input.value > 0);
  return part.name === "abs" || part.name === "exp" || part.name === "square";
}

function simplifySum([a, b]: readonly Expression[]): Expression | undefined {
  if (is(a, 0)) return b;
  if (is(b, 0)) return a;
  const [minusA, minusB] = [inputsOf(a, "negate"), inputsOf(b, "negate")];
  if (minusB !== null) return again("subtract", a, minusB[0]);
  if (minusA !== null) return again("subtract", b, minusA[0]);
  const [chosenA, chosenB] = [inputsOf(a, "select"), inputsOf(b, "select")];
  if (chosenA === null || chosenB === null) return undefined;
  // the two halves of the slope of a selection
  const halves = is(chosenA[2], 0) && is(chosenB[1], 0) && same(chosenA[0], chosenB[0]);
  return halves ? again("select", chosenA[0], chosenA[1], chosenB[2]) : undefined;
}

function simplifyDifference([a, b]: readonly Expression[]): Expression | undefined {
  if (is(b, 0)) return a;
  if (is(a, 0)) return again("negate", b);
  const minusB = inputsOf(b, "negate");
  return minusB === null ? undefined : again("add", a, minusB[0]);
}

function simplifyQuotient([a, b]: readonly Expression[]): Expression | undefined {
  if (is(b, 1)) return a;
  const minusA = inputsOf(a, "negate");
  return minusA === null ? undefined : again("negate", again("divide", minusA[0], b));
}

function simplifyNegation([a]: readonly Expression[]): Expression | undefined {
  const minusA = inputsOf(a, "negate");
  if (minusA !== null) return minusA[0];
  const difference = inputsOf(a, "subtract");
  return difference === null ? undefined : again("subtract", difference[1], difference[0]);
}

function simplifyProduct([a, b]: readonly Expression[]): Expression | undefined {
  if (b.kind === "constant" && a.kind !== "constant") return again("multiply", b, a);
  if (is(a, 1)) return b;
  if (is(a, -1)) return again("negate", b);
  const [minusA, minusB] = [inputsOf(a, "negate"), inputsOf(b, "negate")];
  if (minusB !== null) return again("negate", again("multiply", a, minusB[0]));
  if (minusA !== null) return again("negate", again("multiply", minusA[0], b));
  const product = a.kind === "constant" ? inputsOf(b, "multiply") : null;
  if (product !== null && product[0].kind === "constant") return again("multiply", again("multiply", a, product[0]), product[1]);
  const [underA, underB] = [inputsOf(a, "reciprocal"), inputsOf(b, "reciprocal")];
  if (underB !== null) return again("divide", a, underB[0]);
  if (underA !== null) return again("divide", b, underA[0]);
  return masked(a, b) ?? masked(b, a);
}

/** A 1 or 0 times a value. */
function masked(mask: Expression, value: Expression): Expression | undefined {
  if (mask.kind !== "call") return undefined;
  if (comparisons.has(mask.name)) return again("select", mask, value, constant(0));
  if (mask.name !== "select") return undefined;
  const [condition, a, b] = mask.inputs;
  if (is(b, 0) && (is(a, 1) || isMask(a))) return again("select", condition, again("multiply", a, value), b);
  if (is(a, 0) && (is(b, 1) || isMask(b))) return again("select", condition, a, again("multiply", b, value));
  return undefined;
}

const isMask = (part: Expression): boolean =>
  is(part, 0) ||
  is(part, 1) ||
  (part.kind === "call" && (comparisons.has(part.name) || (part.name === "select" && isMask(part.inputs[1]) && isMask(part.inputs[2]))));
