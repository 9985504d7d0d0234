import type { Expression } from "../contract.ts";
import { apply, below, choose, minus, over, plus, times } from "./build.ts";
import { logOnePlus } from "./functions.ts";
import type { Row } from "./row.ts";
import { erfc } from "./special.ts";

const seluAlpha = 1.6732632423543772;
const seluScale = 1.0507009873554805;
const activation: readonly [number, number] = [-8, 8];

/** 1 strictly between the bounds, else 0. */
const between = (x: Expression, low: Expression | number, high: Expression | number): Expression =>
  choose(below(low, x), below(x, high), 0);
const sigmoidOf = (x: Expression): Expression => over(1, plus(1, apply("exp", apply("negate", x))));
const isPositiveConstant = (x: Expression): boolean => x.kind === "constant" && x.value >= 0;

/** 2 u of the tanh form of gelu: u = sqrt(2 / pi) (x + 0.044715 x^3). */
const doubleArgument = (x: Expression): Expression => times(2 * Math.sqrt(2 / Math.PI), times(x, plus(1, times(0.044715, times(x, x)))));

const clipped = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high);
const clip = (x: Expression, low: Expression | number, high: Expression | number): Expression => apply("min", apply("max", x, low), high);

/** max(x, 0) and its piecewise linear kin. */
const piecewise: readonly Row[] = [
  {
    name: "relu",
    arity: 1,
    value: (x) => Math.max(x, 0),
    expansion: ([x]) => apply("max", x, 0),
    slope: (_, z) => [below(0, z)],
    source: "Goodfellow et al. 2016, eq. 6.37; slope 0 at 0",
    ulps: 0,
    domain: [activation],
  },
  {
    name: "leakyRelu",
    arity: 2,
    value: (x, slope) => (x > 0 ? x : slope * x),
    expansion: ([x, slope]) => choose(below(0, x), x, times(slope, x)),
    // only for a slope >= 0 does the output's sign tell the input's
    slope: ([x, slope], z) => [choose(below(0, isPositiveConstant(slope) ? z : x), 1, slope), choose(below(0, x), 0, x)],
    source: "Maas et al. 2013; with a learned slope He et al. 2015",
    ulps: 0.5,
    domain: [activation, [0, 0.5]],
  },
  {
    name: "clip",
    arity: 3,
    value: clipped,
    expansion: ([x, low, high]) => clip(x, low, high),
    slope: ([x, low, high], z) => [between(z, low, high), apply("lessEqual", x, low), apply("lessEqual", high, x)],
    source: "min(max(x, low), high); slope 0 at the bounds",
    ulps: 0,
    domain: [activation, [-5, -1], [1, 5]],
  },
  {
    name: "relu6",
    arity: 1,
    value: (x) => clipped(x, 0, 6),
    expansion: ([x]) => clip(x, 0, 6),
    slope: (_, z) => [between(z, 0, 6)],
    source: "Krizhevsky 2010",
    ulps: 0,
    domain: [activation],
  },
  {
    name: "hardTanh",
    arity: 1,
    value: (x) => clipped(x, -1, 1),
    expansion: ([x]) => clip(x, -1, 1),
    slope: (_, z) => [between(z, -1, 1)],
    source: "Collobert 2004",
    ulps: 0,
    domain: [activation],
  },
  {
    name: "hardSigmoid",
    arity: 1,
    value: (x) => clipped(x + 3, 0, 6) / 6,
    expansion: ([x]) => over(clip(plus(x, 3), 0, 6), 6),
    slope: (_, z) => [times(1 / 6, between(z, 0, 1))],
    source: "min(max(x + 3, 0), 6) / 6, Howard et al. 2019",
    ulps: 16,
    domain: [[-2.75, 8]],
  },
  {
    name: "hardSwish",
    arity: 1,
    value: (x) => (x * clipped(x + 3, 0, 6)) / 6,
    expansion: ([x]) => times(x, over(clip(plus(x, 3), 0, 6), 6)),
    slope: ([x]) => [choose(below(x, -3), 0, choose(apply("lessEqual", x, 3), plus(over(x, 3), 0.5), 1))],
    source: "x min(max(x + 3, 0), 6) / 6, Howard et al. 2019",
    ulps: 16,
    domain: [[-2.75, 8]],
  },
];

const elu = (x: number, alpha: number): number => (x > 0 ? x : alpha * Math.expm1(x));
const celu = (x: number, alpha: number): number => (x > 0 ? x : alpha * Math.expm1(x / alpha));

/** The exponential linear units. */
const exponential: readonly Row[] = [
  {
    name: "elu",
    arity: 2,
    value: elu,
    expansion: ([x, alpha]) => choose(below(0, x), x, times(alpha, apply("expm1", x))),
    slope: ([x, alpha], z) => [
      isPositiveConstant(alpha) ? choose(below(0, z), 1, plus(z, alpha)) : choose(below(0, x), 1, times(alpha, apply("exp", x))),
      choose(below(0, x), 0, apply("expm1", x)),
    ],
    source: "Clevert et al. 2015",
    ulps: 8,
    domain: [activation, [0.5, 2]],
  },
  {
    name: "selu",
    arity: 1,
    value: (x) => seluScale * elu(x, seluAlpha),
    expansion: ([x]) => choose(below(0, x), times(seluScale, x), times(seluScale * seluAlpha, apply("expm1", x))),
    slope: (_, z) => [choose(below(0, z), seluScale, plus(z, seluScale * seluAlpha))],
    source: "Klambauer et al. 2017",
    ulps: 8,
    domain: [activation],
  },
  {
    name: "celu",
    arity: 2,
    value: celu,
    expansion: ([x, alpha]) => choose(below(0, x), x, times(alpha, apply("expm1", over(x, alpha)))),
    slope: ([x, alpha], z) => {
      const ratio = over(x, alpha);
      const inside = isPositiveConstant(alpha)
        ? choose(below(0, z), 1, plus(over(z, alpha), 1))
        : choose(below(0, x), 1, apply("exp", ratio));
      return [inside, choose(below(0, x), 0, minus(apply("expm1", ratio), times(ratio, apply("exp", ratio))))];
    },
    source: "Barron 2017",
    ulps: 12,
    domain: [activation, [0.5, 2]],
  },
];

/** 1 / (1 + exp(-x)) and its kin. */
const smooth: readonly Row[] = [
  {
    name: "sigmoid",
    arity: 1,
    value: (x) => 1 / (1 + Math.exp(-x)),
    expansion: ([x]) => sigmoidOf(x),
    slope: (_, z) => [times(z, minus(1, z))],
    source: "Goodfellow et al. 2016, eq. 3.30",
    ulps: 4,
    domain: [[-80, 80]],
  },
  {
    name: "logSigmoid",
    arity: 1,
    value: (x) => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x))),
    expansion: ([x]) => minus(apply("min", x, 0), logOnePlus(apply("exp", apply("negate", apply("abs", x))))),
    slope: (_, z) => [apply("negate", apply("expm1", z))],
    source: "log(sigmoid(x)) without overflow",
    ulps: 6,
    domain: [[-80, 60]],
  },
  {
    name: "tanh",
    arity: 1,
    value: Math.tanh,
    expansion: ([x]) => {
      const e = apply("expm1", times(-2, apply("abs", x)));
      const size = over(e, plus(e, 2));
      return choose(below(x, 0), size, apply("negate", size));
    },
    slope: (_, z) => [minus(1, times(z, z))],
    source: "tanh|x| = -e / (e + 2), e = exp(-2|x|) - 1",
    ulps: 8,
    domain: [activation],
  },
  {
    name: "softplus",
    arity: 1,
    value: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
    expansion: ([x]) => plus(apply("max", x, 0), logOnePlus(apply("exp", apply("negate", apply("abs", x))))),
    slope: (_, z) => [apply("negate", apply("expm1", apply("negate", z)))],
    source: "Goodfellow et al. 2016, eq. 3.31, without overflow",
    ulps: 6,
    domain: [[-60, 80]],
  },
  {
    name: "softsign",
    arity: 1,
    value: (x) => x / (1 + Math.abs(x)),
    expansion: ([x]) => over(x, plus(1, apply("abs", x))),
    slope: ([x]) => [apply("square", apply("reciprocal", plus(1, apply("abs", x))))],
    source: "Glorot and Bengio 2010",
    ulps: 1.5,
    domain: [activation],
  },
  {
    name: "gelu",
    arity: 1,
    value: (x) => 0.5 * x * erfc(-x * Math.SQRT1_2),
    expansion: ([x]) => times(times(0.5, x), apply("erfc", times(-Math.SQRT1_2, x))),
    slope: ([x]) => {
      const density = times(1 / Math.sqrt(2 * Math.PI), apply("exp", times(-0.5, times(x, x))));
      return [plus(times(0.5, apply("erfc", times(-Math.SQRT1_2, x))), times(x, density))];
    },
    source: "Hendrycks and Gimpel 2016: x times the normal distribution function",
    ulps: 40,
    domain: [[-5, 8]],
  },
  {
    name: "geluTanh",
    arity: 1,
    value: (x) => x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
    expansion: ([x]) => over(x, plus(1, apply("exp", apply("negate", doubleArgument(x))))),
    slope: ([x]) => {
      const s = apply("sigmoid", doubleArgument(x));
      const inner = times(2 * Math.sqrt(2 / Math.PI), plus(1, times(3 * 0.044715, times(x, x))));
      return [times(s, plus(1, times(times(x, minus(1, s)), inner)))];
    },
    source: "Hendrycks and Gimpel 2016, tanh form: 0.5 (1 + tanh u) = sigmoid(2 u)",
    ulps: 48,
    domain: [[-5, 8]],
  },
  {
    name: "silu",
    arity: 1,
    value: (x) => x / (1 + Math.exp(-x)),
    expansion: ([x]) => over(x, plus(1, apply("exp", apply("negate", x)))),
    slope: ([x]) => {
      const s = apply("sigmoid", x);
      return [times(s, plus(1, times(x, minus(1, s))))];
    },
    source: "Elfwing et al. 2017: x sigmoid(x)",
    ulps: 4,
    domain: [[-60, 80]],
  },
  {
    name: "mish",
    arity: 1,
    value: (x) => x * Math.tanh(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
    // tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2), and 1 to the last place from e^20 on
    expansion: ([x]) => {
      const e = apply("exp", apply("min", x, 20));
      const n = times(e, plus(e, 2));
      return times(x, over(n, plus(n, 2)));
    },
    slope: ([x]) => {
      const t = apply("tanh", apply("softplus", x));
      return [plus(t, times(times(x, apply("sigmoid", x)), minus(1, times(t, t))))];
    },
    source: "Misra 2019: x tanh(softplus(x))",
    ulps: 6,
    domain: [[-60, 80]],
  },
];

export const activations: readonly Row[] = [...piecewise, ...exponential, ...smooth];
