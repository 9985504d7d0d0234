import type { Lanes, Vector } from "./lanes.ts";

/** ln 2 in two parts; the first has 9 bits, so that k times it is exact. */
const ln2High = 0.693359375;
const ln2Low = Math.LN2 - ln2High;
/** 1.5 * 2^23: adding it rounds to an integer, which then stands in the low bits. */
const rounder = 12582912;
export const smallestNormal = 2 ** -126;
/** exp is finite up to the first and a normal number from the second on. */
const expHigh = 88.72283172607422;
const expLow = -87.33654022216797;

/** exp(r) = 1 + r + r^2 P(r) for |r| <= ln 2 / 2: relative error 3.2e-9. */
const expNearZero = [0.49999994, 0.166665211, 0.0416682586, 0.00836866628, 0.0013821196];
/** log(1 + f) = f - f^2 / 2 + f^3 P(f) for sqrt(1/2) <= 1 + f < sqrt(2): relative error 5.9e-9. */
const logNearOne = [0.333333313, -0.250008196, 0.200012416, -0.166234091, 0.142015815, -0.131596163, 0.127622053, -0.0763639435];

/**
 * e^x = 2^k e^r, k = x / ln 2 rounded; at most 1.1 ulps off. A result below the smallest normal number (x < -87.3365) is 0.
 * Source: Cody and Waite 1980, chapter 6 (reduction in two parts); coefficients fitted for least largest relative error.
 */
export function exp(lanes: Lanes, operand: Vector): Vector {
  const x = lanes.keep(operand);
  const shifted = lanes.keep(lanes.multiplyAdd(x, lanes.number(Math.LOG2E), lanes.number(rounder)));
  const k = lanes.keep(lanes.subtract(shifted, lanes.number(rounder)));
  const r = lanes.keep(lanes.multiplySubtract(k, lanes.number(ln2Low), lanes.multiplySubtract(k, lanes.number(ln2High), x)));
  const curve = lanes.multiplyAdd(lanes.multiply(r, r), lanes.polynomial(r, expNearZero), r);
  const mantissa = lanes.add(curve, lanes.number(1));
  // the exponent is added as an integer: 2^k itself overflows at k = 128
  const scaled = lanes.op("i32x4.add", mantissa, lanes.shift("i32x4.shl", shifted, 23));
  const flushed = lanes.and(scaled, lanes.op("f32x4.ge", x, lanes.number(expLow)));
  // beyond the range, and for NaN, x * infinity is the answer
  return lanes.select(lanes.op("f32x4.le", x, lanes.number(expHigh)), flushed, lanes.multiply(x, lanes.number(Infinity)));
}

/**
 * ln x = k ln 2 + log(1 + f), x = 2^k (1 + f); at most 0.9 ulps off, subnormal x included; -infinity at 0, NaN below.
 * With `isNormal`, x is known to be at least the smallest normal number, or NaN: a quarter of the instructions less.
 * Source: Cody and Waite 1980, chapter 5 (reduction); coefficients fitted for least largest relative error.
 */
export function log(lanes: Lanes, operand: Vector, isNormal: boolean): Vector {
  const x = lanes.keep(operand);
  const subnormal = isNormal ? null : lanes.keep(lanes.op("f32x4.lt", x, lanes.number(smallestNormal)));
  const normal = subnormal === null ? x : lanes.select(subnormal, lanes.multiply(x, lanes.number(2 ** 25)), x);
  const root = lanes.number(Math.SQRT1_2);
  const fromRoot = lanes.keep(lanes.op("i32x4.sub", normal, root));
  const exponent = lanes.op("f32x4.convert_i32x4_s", lanes.shift("i32x4.shr_s", fromRoot, 23));
  const k = lanes.keep(subnormal === null ? exponent : lanes.subtract(exponent, lanes.and(subnormal, lanes.number(25))));
  const f = lanes.keep(lanes.subtract(lanes.op("i32x4.add", lanes.and(fromRoot, lanes.bits(0x7fffff)), root), lanes.number(1)));
  const square = lanes.keep(lanes.multiply(f, f));
  const cubic = lanes.multiply(lanes.multiply(square, f), lanes.polynomial(f, logNearOne));
  const small = lanes.multiplySubtract(square, lanes.number(0.5), lanes.multiplyAdd(k, lanes.number(ln2Low), cubic));
  const finite = lanes.multiplyAdd(k, lanes.number(ln2High), lanes.add(small, f));
  const belowInfinity = lanes.op("f32x4.lt", x, lanes.number(Infinity));
  if (isNormal) return lanes.select(belowInfinity, finite, x);
  // below 0 all bits are set, which is a NaN; infinity and NaN stay; at 0 the sign and exponent bits are those of -infinity
  const below = lanes.or(x, lanes.op("f32x4.lt", x, lanes.number(0)));
  const special = lanes.or(below, lanes.and(lanes.op("f32x4.eq", x, lanes.number(0)), lanes.number(-Infinity)));
  const regular = lanes.and(lanes.op("f32x4.gt", x, lanes.number(0)), belowInfinity);
  return lanes.select(regular, finite, special);
}

/** Largest integer <= x, exact for every x; made of conversions because the rounding instructions do not pack. */
export function floor(lanes: Lanes, operand: Vector): Vector {
  const x = lanes.keep(operand);
  const cut = lanes.keep(lanes.op("f32x4.convert_i32x4_s", lanes.op("i32x4.trunc_sat_f32x4_s", x)));
  const lower = lanes.subtract(cut, lanes.and(lanes.op("f32x4.gt", cut, x), lanes.number(1)));
  const signed = lanes.or(lower, lanes.and(x, lanes.bits(-0x80000000)));
  const fractional = lanes.op("f32x4.lt", lanes.op("f32x4.abs", x), lanes.number(2 ** 23));
  return lanes.select(fractional, signed, x);
}
