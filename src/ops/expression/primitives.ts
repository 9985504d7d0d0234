import { constant } from "../contract.ts";
import { apply, below, choose, over, times } from "./build.ts";
import type { Row } from "./row.ts";

const zero = constant(0);
const one = constant(1);
const wide: readonly [number, number] = [-100, 100];
const ieee = "IEEE 754, one rounding";

/** NaN goes through, and -0 is below 0: `Math.min` and `Math.max` as they are. */
export const primitives: readonly Row[] = [
  { name: "add", arity: 2, value: (a, b) => a + b, slope: () => [one, one], source: ieee, ulps: 0.5, domain: [wide, wide] },
  { name: "subtract", arity: 2, value: (a, b) => a - b, slope: () => [one, constant(-1)], source: ieee, ulps: 0.5, domain: [wide, wide] },
  { name: "multiply", arity: 2, value: (a, b) => a * b, slope: ([a, b]) => [b, a], source: ieee, ulps: 0.5, domain: [wide, wide] },
  {
    name: "divide",
    arity: 2,
    value: (a, b) => a / b,
    slope: ([a, b]) => [apply("reciprocal", b), apply("negate", over(a, times(b, b)))],
    source: ieee,
    ulps: 0.5,
    domain: [wide, [0.1, 10]],
  },
  { name: "negate", arity: 1, value: (a) => -a, slope: () => [constant(-1)], source: ieee, ulps: 0, domain: [wide] },
  { name: "abs", arity: 1, value: Math.abs, slope: ([a]) => [apply("sign", a)], source: "slope 0 at 0", ulps: 0, domain: [wide] },
  { name: "sqrt", arity: 1, value: Math.sqrt, slope: (_, z) => [over(0.5, z)], source: ieee, ulps: 0.5, domain: [[0.01, 100]] },
  { name: "floor", arity: 1, value: Math.floor, slope: () => [zero], source: "slope 0", ulps: 0, domain: [wide] },
  {
    name: "min",
    arity: 2,
    value: (a, b) => Math.min(a, b),
    slope: ([a, b]) => [apply("lessEqual", a, b), below(b, a)],
    source: "the slope of a tie goes to the first operand",
    ulps: 0,
    domain: [wide, wide],
  },
  {
    name: "max",
    arity: 2,
    value: (a, b) => Math.max(a, b),
    slope: ([a, b]) => [apply("lessEqual", b, a), below(a, b)],
    source: "the slope of a tie goes to the first operand",
    ulps: 0,
    domain: [wide, wide],
  },
  {
    name: "exp",
    arity: 1,
    value: Math.exp,
    slope: (_, z) => [z],
    source: "e^x; infinite above 88.73, 0 below -103.98",
    ulps: 2,
    domain: [[-80, 80]],
  },
  {
    name: "log",
    arity: 1,
    value: Math.log,
    slope: ([a]) => [apply("reciprocal", a)],
    source: "natural logarithm; -infinity at 0",
    ulps: 2,
    domain: [[1e-3, 1e3]],
  },
  {
    name: "equal",
    arity: 2,
    value: (a, b) => (a === b ? 1 : 0),
    slope: () => [zero, zero],
    source: "1 or 0; 0 with NaN",
    ulps: 0,
    domain: [wide, wide],
  },
  {
    name: "less",
    arity: 2,
    value: (a, b) => (a < b ? 1 : 0),
    slope: () => [zero, zero],
    source: "1 or 0; 0 with NaN",
    ulps: 0,
    domain: [wide, wide],
  },
  {
    name: "lessEqual",
    arity: 2,
    value: (a, b) => (a <= b ? 1 : 0),
    slope: () => [zero, zero],
    source: "1 or 0; 0 with NaN",
    ulps: 0,
    domain: [wide, wide],
  },
  {
    name: "select",
    arity: 3,
    value: (condition, a, b) => (condition !== 0 ? a : b),
    slope: ([condition]) => [zero, choose(condition, 1, 0), choose(condition, 0, 1)],
    source: "the second operand where the first is not 0 (NaN is not), else the third",
    ulps: 0,
    domain: [[-1, 1], wide, wide],
  },
];

/** Names whose value is 1 or 0. */
export const comparisons: ReadonlySet<string> = new Set(["equal", "notEqual", "less", "lessEqual"]);
