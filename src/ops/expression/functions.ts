import { constant, type Expression } from "../contract.ts";
import { apply, below, choose, minus, over, plus, polynomial, times } from "./build.ts";
import type { Row } from "./row.ts";
import { erf, erfc } from "./special.ts";

const zero = constant(0);
const fitted = "polynomials fitted for least largest relative error on the interval";

/** exp(z^2) erfc(z) = t P(t), t = 1 / (1 + z / 2), for z >= 0: relative error 4.4e-8. */
const scaledTail = [
  0.2820855747418838, 0.2823900677149819, 0.24299661121778843, 0.20310993315334444, -0.027623455103268826, 0.2795126214096054,
  -0.48846089908805923, 0.28518283471618133, -0.05919333214361748,
];
/** erf(x) = x P(x^2) for |x| <= 0.7: relative error 6.4e-10. */
const erfNearZero = [
  1.1283791663825418, -0.37612628571771173, 0.11283547132035318, -0.026844844780093826, 0.005139057890630647, -0.0006956788659601014,
];
/** exp(x) - 1 = x P(x) for |x| <= 0.5: relative error 3.1e-9. */
const expm1NearZero = [
  1.0000000005820224, 0.5000000417192796, 0.1666666291406838, 0.041665318202502945, 0.008333634654510322, 0.0013997324373415953,
  0.00019841187469219358,
];
/** sin(x) = x P(x^2) and cos(x) = P(x^2) for |x| <= pi / 4: relative errors 3.7e-9 and 6.6e-11. */
const sinNearZero = [0.9999999963511165, -0.16666648690351327, 0.008331936048589327, -0.00019491653885261913];
const cosNearZero = [0.9999999999346753, -0.49999999516241117, 0.04166660816752361, -0.0013886382965698186, 2.435966266191746e-5];

/** erfc(|x|), from 1 down to 0 without cancellation. */
function tail(x: Expression): Expression {
  const z = apply("abs", x);
  const t = apply("reciprocal", plus(times(z, 0.5), 1));
  return times(times(t, polynomial(t, scaledTail)), apply("exp", apply("negate", times(z, z))));
}

/** log(1 + t) for t >= 0: the rounding of 1 + t is divided out. */
export function logOnePlus(t: Expression): Expression {
  const u = plus(t, 1);
  return choose(apply("equal", u, 1), t, times(apply("log", u), over(t, minus(u, 1))));
}

/** sin or cos: x = k pi/2 + r with pi/2 in three parts, so that k times the first two is exact for |k| < 2^13. */
function circular(x: Expression, shift: 0 | 1): Expression {
  const k = apply("floor", plus(times(x, 2 / Math.PI), 0.5));
  const r = minus(minus(minus(x, times(k, 1.5703125)), times(k, 0.0004837512969970703)), times(k, 7.549789948768648e-8));
  const square = times(r, r);
  const turned = shift === 0 ? k : plus(k, 1);
  const quadrant = minus(turned, times(apply("floor", times(turned, 0.25)), 4));
  const odd = apply("equal", times(minus(quadrant, 2), minus(quadrant, 2)), 1);
  const size = choose(odd, polynomial(square, cosNearZero), times(r, polynomial(square, sinNearZero)));
  return choose(below(quadrant, 2), size, apply("negate", size));
}

/** x^y. Small exponents that are multiples of 1/2 are products and a square root; else exp(y log|x|) with the sign that a whole exponent gives. */
function power([x, y]: readonly Expression[]): Expression {
  if (y.kind === "constant") {
    const size = Math.abs(y.value);
    if (Number.isInteger(size) && size <= 8) return y.value < 0 ? apply("reciprocal", product(x, size)) : product(x, size);
    if (size === 0.5) return apply(y.value < 0 ? "rsqrt" : "sqrt", x);
    if (Number.isInteger(2 * size) && size <= 8) {
      const root = times(product(x, Math.floor(size)), apply("sqrt", x));
      return y.value < 0 ? apply("reciprocal", root) : root;
    }
  }
  const magnitude = apply("exp", times(y, apply("log", apply("abs", x))));
  const half = times(y, 0.5);
  const signed = choose(apply("equal", apply("floor", half), half), magnitude, apply("negate", magnitude));
  // 0 * (x - x) / 0 is NaN: a negative base has a real power only for whole exponents
  const whole = choose(apply("equal", apply("floor", y), y), signed, over(minus(x, x), minus(x, x)));
  return choose(apply("equal", y, 0), 1, choose(below(x, 0), whole, magnitude));
}

function product(x: Expression, count: number): Expression {
  if (count === 0) return constant(1);
  if (count === 1) return x;
  const half = product(x, Math.floor(count / 2));
  return count % 2 === 0 ? times(half, half) : times(times(half, half), x);
}

function powerSlope([x, y]: readonly Expression[], output: Expression): Expression[] {
  const logarithm = choose(apply("equal", x, 0), 0, times(output, apply("log", x)));
  return [times(y, apply("power", x, minus(y, 1))), logarithm];
}

const slopeOfErf = ([x]: readonly Expression[], scale: number): Expression[] => [times(scale, apply("exp", apply("negate", times(x, x))))];

export const functions: readonly Row[] = [
  {
    name: "stopGradient",
    arity: 1,
    value: (x) => x,
    expansion: ([x]) => x,
    slope: () => [zero],
    source: "identity with slope 0",
    ulps: 0,
    domain: [[-9, 9]],
  },
  {
    name: "sign",
    arity: 1,
    value: Math.sign,
    expansion: ([x]) => choose(below(0, x), 1, choose(below(x, 0), -1, x)),
    slope: () => [zero],
    source: "-1, 0 or 1",
    ulps: 0,
    domain: [[-9, 9]],
  },
  {
    name: "square",
    arity: 1,
    value: (x) => x * x,
    expansion: ([x]) => times(x, x),
    slope: ([x]) => [times(2, x)],
    source: "x^2",
    ulps: 0.5,
    domain: [[-9, 9]],
  },
  {
    name: "reciprocal",
    arity: 1,
    value: (x) => 1 / x,
    expansion: ([x]) => over(1, x),
    slope: (_, z) => [apply("negate", times(z, z))],
    source: "1 / x",
    ulps: 0.5,
    domain: [[0.1, 9]],
  },
  {
    name: "rsqrt",
    arity: 1,
    value: (x) => 1 / Math.sqrt(x),
    expansion: ([x]) => over(1, apply("sqrt", x)),
    slope: (_, z) => [times(-0.5, times(z, times(z, z)))],
    source: "1 / sqrt(x)",
    ulps: 1.5,
    domain: [[0.01, 100]],
  },
  {
    name: "power",
    arity: 2,
    value: (x, y) => x ** y,
    expansion: power,
    slope: powerSlope,
    source: "x^y; ulps grow as |y log x|",
    ulps: 24,
    domain: [
      [0.2, 5],
      [-3, 3],
    ],
  },
  {
    name: "log1p",
    arity: 1,
    value: Math.log1p,
    expansion: ([x]) => choose(apply("equal", plus(x, 1), x), apply("log", x), logOnePlus(x)),
    slope: ([x]) => [apply("reciprocal", plus(x, 1))],
    source: "Goldberg 1991, theorem 4",
    ulps: 4,
    domain: [[-0.9, 9]],
  },
  {
    name: "expm1",
    arity: 1,
    value: Math.expm1,
    expansion: ([x]) => choose(below(apply("abs", x), 0.5), times(x, polynomial(x, expm1NearZero)), minus(apply("exp", x), 1)),
    slope: (_, z) => [plus(z, 1)],
    source: fitted,
    ulps: 8,
    domain: [[-9, 9]],
  },
  {
    name: "erf",
    arity: 1,
    value: erf,
    expansion: ([x]) =>
      choose(
        below(apply("abs", x), 0.7),
        times(x, polynomial(times(x, x), erfNearZero)),
        choose(below(x, 0), minus(tail(x), 1), minus(1, tail(x))),
      ),
    slope: (inputs) => slopeOfErf(inputs, 2 / Math.sqrt(Math.PI)),
    source: fitted,
    ulps: 8,
    domain: [[-4, 4]],
  },
  {
    name: "erfc",
    arity: 1,
    value: erfc,
    expansion: ([x]) => choose(below(x, 0), minus(2, tail(x)), tail(x)),
    slope: (inputs) => slopeOfErf(inputs, -2 / Math.sqrt(Math.PI)),
    source: `${fitted}; ulps grow as x^2`,
    ulps: 32,
    domain: [[-4, 4]],
  },
  {
    name: "sin",
    arity: 1,
    value: Math.sin,
    expansion: ([x]) => circular(x, 0),
    slope: ([x]) => [apply("cos", x)],
    source: `Cody and Waite 1980 (reduction), for |x| < 12000; ${fitted}`,
    ulps: 4,
    domain: [[-20, 20]],
  },
  {
    name: "cos",
    arity: 1,
    value: Math.cos,
    expansion: ([x]) => circular(x, 1),
    slope: ([x]) => [apply("negate", apply("sin", x))],
    source: `Cody and Waite 1980 (reduction), for |x| < 12000; ${fitted}`,
    ulps: 4,
    domain: [[-20, 20]],
  },
  {
    name: "notEqual",
    arity: 2,
    value: (a, b) => (a !== b ? 1 : 0),
    expansion: ([a, b]) => minus(1, apply("equal", a, b)),
    slope: () => [zero, zero],
    source: "1 or 0; 1 with NaN",
    ulps: 0,
    domain: [
      [-9, 9],
      [-9, 9],
    ],
  },
];
