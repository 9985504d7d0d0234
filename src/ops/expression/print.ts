import { fail } from "../../base/errors.ts";
import { call, constant, type Expression, operand } from "../contract.ts";

/** Text of a formula as it stands in problem lines: operands are bare numbers, constants carry a `#`: `add(0,multiply(1,#0.5))`. */
export function printExpression(expression: Expression): string {
  const known = new Map<Expression, string>();
  const text = (part: Expression): string => {
    const before = known.get(part);
    if (before !== undefined) return before;
    const made =
      part.kind === "operand"
        ? String(part.index)
        : part.kind === "constant"
          ? `#${Object.is(part.value, -0) ? "-0" : part.value}`
          : `${part.name}(${part.inputs.map(text).join(",")})`;
    known.set(part, made);
    return made;
  };
  return text(expression);
}

/**
 * Reads what `printExpression` wrote.
 * Throws: when the text is not a formula, with the position.
 */
export function parseExpression(text: string): Expression {
  let at = 0;
  const wrong = (expected: string): never => fail("expression", text, `character ${at + 1}`, expected, text[at] ?? "the end");
  const match = (pattern: RegExp): string | null => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found === null) return null;
    at += found[0].length;
    return found[0];
  };
  const part = (): Expression => {
    const index = match(/\d+/y);
    if (index !== null) return operand(Number(index));
    const value = match(/#[^,()\s]+/y);
    if (value !== null) {
      const number = Number(value.slice(1));
      if (Number.isNaN(number) && value !== "#NaN") wrong("a number after #");
      return constant(number);
    }
    const name = match(/[a-zA-Z]\w*/y) ?? wrong("an operand number, a #constant or a function name");
    if (match(/\(/y) === null) wrong("(");
    const inputs: Expression[] = [];
    do inputs.push(part());
    while (match(/,/y) !== null);
    if (match(/\)/y) === null) wrong(", or )");
    return call(name, ...inputs);
  };
  const expression = part();
  if (at < text.length) wrong("the end");
  return expression;
}
