import { invariant } from "../../base/errors.ts";
import { FunctionBuilder, type Local } from "../../emit/wasm/function.ts";
import type { Expression } from "../contract.ts";
import { exp, floor, log, smallestNormal } from "./lane-functions.ts";
import { type Constants, Lanes, type Vector } from "./lanes.ts";
import { expand, type Step, scheduleAll } from "./schedule.ts";

export type { Constants } from "./lanes.ts";
export { zeroAtZero } from "./zero-at-zero.ts";

/** How a formula meets the code around it. */
export interface FormulaContext {
  /** Pushes an operand as four lanes (f32x4); called once for each operand of the formula. */
  vector(index: number): void;
  /** Fused multiply-add; also contracts a b + c and c - a b. */
  readonly fma: boolean;
  /** Constants that `hoistConstants` set before the loop. */
  readonly constants?: Constants;
  /** Locals that one formula after the other may use; an empty list to begin with, the same for the whole function. */
  readonly scratch?: Local[];
}

/**
 * Emits a formula on four lanes and leaves the result (f32x4) on the stack. Composite functions are expanded, equal parts
 * are computed once. For a pair, emit the low and the high half one after the other, both before any store.
 * exp flushes results below 2^-126 to 0; every other function is defined on all of f32, with NaN going through.
 */
export function emitExpression(f: FunctionBuilder, expression: Expression, context: FormulaContext): void {
  emitWith(new Lanes(f, context.fma, context.constants, context.scratch), [expression], context)[0].push();
}

/** Emits several formulas over the same operands, equal parts once, and sets their results into locals. */
export function emitExpressions(
  f: FunctionBuilder,
  expressions: readonly Expression[],
  context: FormulaContext,
  into: readonly Local[],
): void {
  const results = emitWith(new Lanes(f, context.fma, context.constants, context.scratch), expressions, context);
  results.forEach((result, index) => {
    result.push();
    f.set(into[index]);
  });
}

/** Sets the formulas' constants into locals, where the code stands now: before the loop that will use them. */
export function hoistConstants(f: FunctionBuilder, expressions: Expression | readonly Expression[], fma: boolean): Constants {
  const trial = new FunctionBuilder([], []);
  const lanes = new Lanes(trial, fma);
  const list = "kind" in expressions ? [expressions] : expressions;
  for (const result of emitWith(lanes, list, { vector: () => trial.i32x4(0), fma })) result.push();
  return new Map(
    [...lanes.wanted].map((bits) => {
      const local = f.local("v128");
      f.i32x4(bits).set(local);
      return [bits, local];
    }),
  );
}

interface Ordered {
  readonly steps: readonly Step[];
  readonly results: readonly number[];
  readonly uses: readonly number[];
}

/** A tile has its formula once for each of its vectors. */
const known = new WeakMap<Expression, Ordered>();

function orderOf(expressions: readonly Expression[]): Ordered {
  const [first] = expressions;
  const before = expressions.length === 1 ? known.get(first) : undefined;
  if (before !== undefined) return before;
  const { steps, results } = scheduleAll(expressions.map(expand));
  const made = { steps, results, uses: countUses(steps, expressions.length === 1 ? [] : results) };
  if (expressions.length === 1) known.set(first, made);
  return made;
}

/** Emits all but the last instructions of each result. */
function emitWith(lanes: Lanes, expressions: readonly Expression[], context: FormulaContext): Vector[] {
  const { steps, uses, results } = orderOf(expressions);
  const made: Vector[] = [];
  const masks: (Vector | undefined)[] = [];
  const printer: Printer = { lanes, steps, uses, made, masks };
  steps.forEach((step, at) => {
    if (step.kind === "operand") made[at] = { push: () => context.vector(step.index), held: false };
    else if (step.kind === "constant") made[at] = lanes.number(step.value);
    else made[at] = emitCall(printer, step, at);
    if (uses[at] > 1) made[at] = lanes.keep(made[at]);
  });
  return results.map((result) => made[result]);
}

interface Printer {
  readonly lanes: Lanes;
  readonly steps: readonly Step[];
  readonly uses: readonly number[];
  readonly made: readonly Vector[];
  /** Comparisons as all-ones masks, by step. */
  readonly masks: (Vector | undefined)[];
}

function countUses(steps: readonly Step[], results: readonly number[]): number[] {
  const uses = steps.map(() => 0);
  for (const result of results) uses[result]++;
  for (const step of steps) if (step.kind === "call") for (const input of step.inputs) uses[input]++;
  return uses;
}

/** Whether a step is NaN or at least the smallest normal number. */
function isNormal(steps: readonly Step[], at: number): boolean {
  const step = steps[at];
  if (step.kind === "constant") return step.value >= smallestNormal;
  return step.kind === "call" && step.name === "max" && step.inputs.some((input) => isNormal(steps, input));
}

type Call = Extract<Step, { kind: "call" }>;

function emitCall(printer: Printer, step: Call, at: number): Vector {
  const { lanes, made, steps } = printer;
  const inputs = step.inputs.map((input) => made[input]);
  const [a, b] = inputs;
  switch (step.name) {
    case "add":
      return contracted(printer, step.inputs[0], b, "sum") ?? contracted(printer, step.inputs[1], a, "sum") ?? lanes.add(a, b);
    case "subtract":
      return contracted(printer, step.inputs[1], a, "difference") ?? lanes.subtract(a, b);
    case "multiply":
      return lanes.multiply(a, b);
    case "divide":
      return lanes.op("f32x4.div", a, b);
    case "negate":
      return lanes.op("f32x4.neg", a);
    case "abs":
      return lanes.op("f32x4.abs", a);
    case "sqrt":
      return lanes.op("f32x4.sqrt", a);
    case "floor":
      return floor(lanes, a);
    case "exp":
      return exp(lanes, a);
    case "log":
      return log(lanes, a, isNormal(steps, step.inputs[0]));
    case "min":
    case "max":
      return extreme(lanes, step, steps, inputs);
    case "equal":
    case "less":
    case "lessEqual":
      return lanes.and(mask(printer, at), lanes.number(1));
    case "select":
      return select(printer, step);
    default:
      return invariant(false, () => `no code for the function ${step.name}`) as never;
  }
}

/** a b + c or c - a b with one rounding, when the product has no other use. */
function contracted({ lanes, steps, uses, made }: Printer, product: number, other: Vector, kind: "sum" | "difference"): Vector | null {
  const step = steps[product];
  if (step.kind !== "call" || step.name !== "multiply" || uses[product] !== 1) return null;
  const [a, b] = step.inputs.map((input) => made[input]);
  return kind === "sum" ? lanes.multiplyAdd(a, b, other) : lanes.multiplySubtract(a, b, other);
}

/** With a number on one side, one instruction keeps NaN: pmax(x, c) = x < c ? c : x. */
function extreme(lanes: Lanes, step: Call, steps: readonly Step[], [a, b]: readonly Vector[]): Vector {
  const [first, second] = step.inputs.map((input) => steps[input]);
  const quick = step.name === "max" ? "f32x4.pmax" : "f32x4.pmin";
  if (second.kind === "constant" && !Number.isNaN(second.value)) return lanes.op(quick, a, b);
  if (first.kind === "constant" && !Number.isNaN(first.value)) return lanes.op(quick, b, a);
  return lanes.op(step.name === "max" ? "f32x4.max" : "f32x4.min", a, b);
}

const compare = { equal: "f32x4.eq", less: "f32x4.lt", lessEqual: "f32x4.le" } as const;

/** A condition as lanes of all ones or all zeros. */
function mask(printer: Printer, at: number): Vector {
  const { lanes, steps, uses, made, masks } = printer;
  const known = masks[at];
  if (known !== undefined) return known;
  const step = steps[at];
  const comparison = step.kind === "call" && step.name in compare ? compare[step.name as keyof typeof compare] : null;
  const result =
    step.kind === "call" && comparison !== null
      ? lanes.op(comparison, made[step.inputs[0]], made[step.inputs[1]])
      : lanes.op("f32x4.ne", made[at], lanes.number(0));
  masks[at] = uses[at] > 1 ? lanes.keep(result) : result;
  return masks[at];
}

function select(printer: Printer, { inputs: [condition, first, second] }: Call): Vector {
  const { lanes, steps, made } = printer;
  const chosen = mask(printer, condition);
  const otherwise = steps[second];
  if (otherwise.kind === "constant" && Object.is(otherwise.value, 0)) return lanes.and(chosen, made[first]);
  return lanes.select(chosen, made[first], made[second]);
}
