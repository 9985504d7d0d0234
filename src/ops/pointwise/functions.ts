import { fail } from "../../base/errors.ts";
import { constant, type Expression, operand, type Value } from "../contract.ts";
import { apply } from "../expression/build.ts";
import { pointwise } from "./operators.ts";

/** A value or a number, which stands for a constant. */
export type Operand = Value | number;

/** Applies a function of the table to values and numbers, broadcast; numbers become constants of the formula. */
export function applyFunction(name: string, ...inputs: readonly Operand[]): Value {
  const values = inputs.filter((input): input is Value => typeof input !== "number");
  if (values.length === 0) fail(name, "", "operands", "at least one value", inputs.join(", "), "Work out numbers in JavaScript.");
  let next = 0;
  const parts: Expression[] = inputs.map((input) => (typeof input === "number" ? constant(input) : operand(next++)));
  return pointwise(apply(name, ...parts), values);
}

type Unary = (x: Value) => Value;
type Binary = (a: Operand, b: Operand) => Value;

const unary =
  (name: string): Unary =>
  (x) =>
    applyFunction(name, x);
const binary =
  (name: string): Binary =>
  (a, b) =>
    applyFunction(name, a, b);

/** a + b, broadcast: shapes are right-aligned and extents equal or 1. */
export const add: Binary = binary("add");
/** a - b, broadcast. */
export const subtract: Binary = binary("subtract");
/** a b, broadcast. */
export const multiply: Binary = binary("multiply");
/** a / b, broadcast. */
export const divide: Binary = binary("divide");
/** a^b; NaN for a negative base with an exponent that is not whole. */
export const power: Binary = binary("power");
/** The larger of a and b; NaN goes through, and the slope of a tie goes to a. */
export const maximum: Binary = binary("max");
/** The smaller of a and b; NaN goes through, and the slope of a tie goes to a. */
export const minimum: Binary = binary("min");
/** 1 where a = b, else 0; slope 0. */
export const equal: Binary = binary("equal");
/** 1 where a and b differ, else 0; slope 0. */
export const notEqual: Binary = binary("notEqual");
/** 1 where a < b, else 0; slope 0. */
export const less: Binary = binary("less");
/** 1 where a <= b, else 0; slope 0. */
export const lessEqual: Binary = binary("lessEqual");
/** 1 where a > b, else 0; slope 0. */
export const greater: Binary = (a, b) => less(b, a);
/** 1 where a >= b, else 0; slope 0. */
export const greaterEqual: Binary = (a, b) => lessEqual(b, a);
/** a where the condition is not 0, else b. */
export const where = (condition: Value, a: Operand, b: Operand): Value => applyFunction("select", condition, a, b);

/** -x */
export const negate: Unary = unary("negate");
/** |x|; slope 0 at 0. */
export const abs: Unary = unary("abs");
/** -1, 0 or 1; slope 0. */
export const sign: Unary = unary("sign");
/** Largest whole number <= x; slope 0. */
export const floor: Unary = unary("floor");
/** x^2 */
export const square: Unary = unary("square");
/** sqrt(x) */
export const sqrt: Unary = unary("sqrt");
/** 1 / sqrt(x) */
export const rsqrt: Unary = unary("rsqrt");
/** 1 / x */
export const reciprocal: Unary = unary("reciprocal");
/** e^x */
export const exp: Unary = unary("exp");
/** e^x - 1, exact near 0. */
export const expm1: Unary = unary("expm1");
/** Natural logarithm. */
export const log: Unary = unary("log");
/** log(1 + x), exact near 0. */
export const log1p: Unary = unary("log1p");
/** sin(x), for |x| < 12000. */
export const sin: Unary = unary("sin");
/** cos(x), for |x| < 12000. */
export const cos: Unary = unary("cos");
/** Error function. */
export const erf: Unary = unary("erf");
/** x as f32 with slope 0: nothing before it learns through it. */
export const stopGradient: Unary = unary("stopGradient");
/** x as f32: the numbers of an i32 or u8 value. */
export const toFloat: Unary = (x) => pointwise(operand(0), [x]);

/** max(x, 0); slope 0 at 0. Source: Goodfellow et al. 2016, eq. 6.37. */
export const relu: Unary = unary("relu");
/** x where x > 0, else slope x; the slope may be a learned value. Source: Maas et al. 2013, He et al. 2015. */
export const leakyRelu = (x: Value, slope: Operand = 0.01): Value => applyFunction("leakyRelu", x, slope);
/** min(max(x, 0), 6) */
export const relu6: Unary = unary("relu6");
/** x where x > 0, else alpha (e^x - 1). Source: Clevert et al. 2015. */
export const elu = (x: Value, alpha: Operand = 1): Value => applyFunction("elu", x, alpha);
/** x where x > 0, else alpha (e^(x / alpha) - 1). Source: Barron 2017. */
export const celu = (x: Value, alpha: Operand = 1): Value => applyFunction("celu", x, alpha);
/** Scaled elu that keeps mean 0 and deviation 1. Source: Klambauer et al. 2017. */
export const selu: Unary = unary("selu");
/** 1 / (1 + e^-x). Source: Goodfellow et al. 2016, eq. 3.30. */
export const sigmoid: Unary = unary("sigmoid");
/** log(sigmoid(x)) without overflow. */
export const logSigmoid: Unary = unary("logSigmoid");
/** Hyperbolic tangent. */
export const tanh: Unary = unary("tanh");
/** log(1 + e^x) without overflow. Source: Goodfellow et al. 2016, eq. 3.31. */
export const softplus: Unary = unary("softplus");
/** x / (1 + |x|). Source: Glorot and Bengio 2010. */
export const softsign: Unary = unary("softsign");
/** x times the normal distribution function of x. Source: Hendrycks and Gimpel 2016. */
export const gelu: Unary = unary("gelu");
/** gelu by its tanh approximation. */
export const geluTanh: Unary = unary("geluTanh");
/** x sigmoid(x). Source: Elfwing et al. 2017. */
export const silu: Unary = unary("silu");
/** x tanh(softplus(x)). Source: Misra 2019. */
export const mish: Unary = unary("mish");
/** min(max(x + 3, 0), 6) / 6 */
export const hardSigmoid: Unary = unary("hardSigmoid");
/** x min(max(x + 3, 0), 6) / 6. Source: Howard et al. 2019. */
export const hardSwish: Unary = unary("hardSwish");
/** min(max(x, -1), 1) */
export const hardTanh: Unary = unary("hardTanh");
/** min(max(x, low), high); slope 0 at the bounds. */
export const clip = (x: Value, low: Operand, high: Operand): Value => applyFunction("clip", x, low, high);
