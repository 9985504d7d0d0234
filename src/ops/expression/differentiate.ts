import { constant, type Expression, operand } from "../contract.ts";
import { plus, times } from "./build.ts";
import { operandsOf, rowOf, simplify } from "./simplify.ts";

/**
 * Partial derivative of a formula with respect to operand `index` (the chain rule, from the operand up).
 * With `output`, the outermost function may read its own result as that operand instead of working it out again.
 */
export function differentiateExpression(expression: Expression, index: number, output?: number): Expression {
  const known = new Map<Expression, Expression | null>();
  const slope = (part: Expression): Expression | null => {
    if (part.kind === "constant") return null;
    if (part.kind === "operand") return part.index === index ? constant(1) : null;
    const before = known.get(part);
    if (before !== undefined) return before;
    const inner = part.inputs.map(slope);
    const result = part === expression && output !== undefined ? operand(output) : part;
    const outer = inner.some((term) => term !== null) ? rowOf(part.name).slope(part.inputs, result) : [];
    const terms = inner.flatMap((term, i) => (term === null || isZero(outer[i]) ? [] : [times(outer[i], term)]));
    const sum = terms.length === 0 ? null : terms.reduce((a, b) => plus(a, b));
    known.set(part, sum);
    return sum;
  };
  return simplify(slope(expression) ?? constant(0));
}

const isZero = (part: Expression): boolean => part.kind === "constant" && part.value === 0;

/** True when the derivative with respect to the first operand reads the output and never that operand itself. */
export function fromOutput(expression: Expression): boolean {
  return !operandsOf(differentiateExpression(expression, 0, Number.MAX_SAFE_INTEGER)).includes(0);
}
