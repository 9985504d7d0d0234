import { call, constant, type Expression } from "../contract.ts";

type Part = Expression | number;

const part = (value: Part): Expression => (typeof value === "number" ? constant(value) : value);

/** A call of a row, with numbers for constants. */
export const apply = (name: string, ...inputs: readonly Part[]): Expression => call(name, ...inputs.map(part));

export const plus = (a: Part, b: Part): Expression => apply("add", a, b);
export const minus = (a: Part, b: Part): Expression => apply("subtract", a, b);
export const times = (a: Part, b: Part): Expression => apply("multiply", a, b);
export const over = (a: Part, b: Part): Expression => apply("divide", a, b);
export const below = (a: Part, b: Part): Expression => apply("less", a, b);
export const choose = (condition: Part, a: Part, b: Part): Expression => apply("select", condition, a, b);

/** Value of a polynomial by Horner's rule; coefficients from the constant term up. */
export function polynomial(x: Expression, coefficients: readonly number[]): Expression {
  return coefficients
    .slice(0, -1)
    .reduceRight<Expression>((sum, coefficient) => plus(times(sum, x), coefficient), constant(coefficients[coefficients.length - 1]));
}
