import { call, constant, type Expression, operand, type Value } from "../ops/contract.ts";
import { pointwise } from "../ops/pointwise/index.ts";

/**
 * How a parameter follows its gradient: a frozen record. Formulas are over the operands parameter 0, gradient 1,
 * learning rate 2, step 3 (counts from 1), then the slots in their order.
 */
export interface Optimiser {
  readonly kind: string;
  readonly settings: Readonly<Record<string, unknown>>;
  /** State kept for each parameter. */
  readonly slots: readonly { readonly name: string; readonly fill: number }[];
  /** New slots, then the new parameter. Formulas may use the new slots that come before them, by `next`. */
  readonly rules: (next: (slot: number) => Expression) => { readonly slots: readonly Expression[]; readonly parameter: Expression };
}

const [parameter, gradient, rate, step] = [0, 1, 2, 3].map(operand);
const slot = (index: number): Expression => operand(4 + index);
const n = constant;
const add = (a: Expression, b: Expression): Expression => call("add", a, b);
const sub = (a: Expression, b: Expression): Expression => call("subtract", a, b);
const mul = (...factors: Expression[]): Expression => factors.reduce((product, factor) => call("multiply", product, factor));
const div = (a: Expression, b: Expression): Expression => call("divide", a, b);
const sqrt = (a: Expression): Expression => call("sqrt", a);
const square = (a: Expression): Expression => mul(a, a);
const max = (a: Expression, b: Expression): Expression => call("max", a, b);
/** 1 - b^t, without cancellation where b is near 1. */
const biasOfStep = (base: number): Expression => call("negate", call("expm1", mul(step, n(Math.log(base)))));
/** b^t by exp(t ln b). */
const powerOfStep = (base: number, of: Expression = step): Expression => call("exp", mul(of, n(Math.log(base))));
/** a + (b - a) w */
const towards = (from: Expression, to: Expression, weight: number): Expression => add(mul(n(1 - weight), from), mul(n(weight), to));
const decayed = (decay: number): Expression => (decay === 0 ? gradient : add(gradient, mul(n(decay), parameter)));

const make = (kind: string, settings: object, slots: readonly (readonly [string, number])[], rules: Optimiser["rules"]): Optimiser =>
  Object.freeze({ kind, settings: { ...settings }, slots: slots.map(([name, fill]) => ({ name, fill })), rules });

/** Stochastic gradient descent: v' = momentum v + g, p' = p - rate v' (Nesterov: p - rate (g + momentum v')). Source: Sutskever et al. 2013, section 2. */
export function sgd({ momentum = 0, nesterov = false, weightDecay = 0 } = {}): Optimiser {
  const g = decayed(weightDecay);
  if (momentum === 0) return make("sgd", { weightDecay }, [], () => ({ slots: [], parameter: sub(parameter, mul(rate, g)) }));
  return make("sgd", { momentum, nesterov, weightDecay }, [["velocity", 0]], (next) => ({
    slots: [add(mul(n(momentum), slot(0)), g)],
    parameter: sub(parameter, mul(rate, nesterov ? add(g, mul(n(momentum), next(0))) : next(0))),
  }));
}

interface AdamOptions {
  readonly beta1?: number;
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
  /** Divides by the largest second moment so far. Source: Reddi et al. 2018. */
  readonly amsgrad?: boolean;
}

function adamLike(
  kind: string,
  { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, amsgrad = false }: AdamOptions,
  decoupled: boolean,
): Optimiser {
  const g = decoupled ? gradient : decayed(weightDecay);
  const start = decoupled ? mul(parameter, sub(n(1), mul(rate, n(weightDecay)))) : parameter;
  const slots: [string, number][] = [["first", 0], ["second", 0], ...(amsgrad ? [["largest", 0] as [string, number]] : [])];
  return make(kind, { beta1, beta2, epsilon, weightDecay, amsgrad }, slots, (next) => {
    const unbiased = sqrt(biasOfStep(beta2));
    const deviation = add(div(sqrt(next(amsgrad ? 2 : 1)), unbiased), n(epsilon));
    const moments = [towards(slot(0), g, 1 - beta1), towards(slot(1), square(g), 1 - beta2)];
    return {
      slots: amsgrad ? [...moments, max(slot(2), next(1))] : moments,
      parameter: sub(start, div(mul(div(rate, biasOfStep(beta1)), next(0)), deviation)),
    };
  });
}

/** p' = p - rate m^ / (sqrt(v^) + epsilon), with m, v the running means of g and g^2. Source: Kingma and Ba 2015, algorithm 1. */
export const adam = (options: AdamOptions = {}): Optimiser => adamLike("adam", options, false);
/** Adam with weight decay apart from the gradient. Source: Loshchilov and Hutter 2019, algorithm 2. */
export const adamW = (options: AdamOptions = {}): Optimiser => adamLike("adamW", { weightDecay: 0.01, ...options }, true);

/** Adam with Nesterov momentum and its warming schedule mu_t = beta1 (1 - 0.5 * 0.96^(t psi)). Source: Dozat 2016. */
export function nadam({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, momentumDecay = 0.004 } = {}): Optimiser {
  const g = decayed(weightDecay);
  const warmed = (at: Expression): Expression => mul(n(beta1), sub(n(1), mul(n(0.5), powerOfStep(0.96, mul(at, n(momentumDecay))))));
  return make(
    "nadam",
    { beta1, beta2, epsilon, weightDecay, momentumDecay },
    [
      ["first", 0],
      ["second", 0],
      ["product", 1],
    ],
    (next) => {
      const [mu, ahead] = [warmed(step), warmed(add(step, n(1)))];
      const deviation = add(sqrt(div(next(1), biasOfStep(beta2))), n(epsilon));
      const byGradient = div(mul(sub(n(1), mu), g), sub(n(1), next(2)));
      const byMoment = div(mul(ahead, next(0)), sub(n(1), mul(next(2), ahead)));
      return {
        slots: [towards(slot(0), g, 1 - beta1), towards(slot(1), square(g), 1 - beta2), mul(slot(2), mu)],
        parameter: sub(parameter, mul(rate, div(add(byGradient, byMoment), deviation))),
      };
    },
  );
}

/** p' = p - rate g / (sqrt(v) + epsilon), v the running mean of g^2 (less the squared mean of g when centred). Source: Tieleman and Hinton 2012; Graves 2013. */
export function rmsprop({ alpha = 0.99, epsilon = 1e-8, weightDecay = 0, momentum = 0, centered = false } = {}): Optimiser {
  const g = decayed(weightDecay);
  const slots: [string, number][] = [["square", 0]];
  if (centered) slots.push(["mean", 0]);
  if (momentum > 0) slots.push(["velocity", 0]);
  return make("rmsprop", { alpha, epsilon, weightDecay, momentum, centered }, slots, (next) => {
    const spread = centered ? sub(next(0), square(next(1))) : next(0);
    const move = div(g, add(sqrt(spread), n(epsilon)));
    const velocity = slots.length - 1;
    const rules = [towards(slot(0), square(g), 1 - alpha)];
    if (centered) rules.push(towards(slot(1), g, 1 - alpha));
    if (momentum > 0) rules.push(add(mul(n(momentum), slot(velocity)), move));
    return { slots: rules, parameter: sub(parameter, mul(rate, momentum > 0 ? next(velocity) : move)) };
  });
}

/** p' = p - rate g / (sqrt(sum of g^2) + epsilon). Source: Duchi et al. 2011. */
export function adagrad({ rateDecay = 0, epsilon = 1e-10, weightDecay = 0 } = {}): Optimiser {
  const g = decayed(weightDecay);
  const slowed = rateDecay === 0 ? rate : div(rate, add(n(1), mul(sub(step, n(1)), n(rateDecay))));
  return make("adagrad", { rateDecay, epsilon, weightDecay }, [["sum", 0]], (next) => ({
    slots: [add(slot(0), square(g))],
    parameter: sub(parameter, div(mul(slowed, g), add(sqrt(next(0)), n(epsilon)))),
  }));
}

/** Steps scaled by the running size of past steps over that of past gradients. Source: Zeiler 2012, algorithm 1. */
export function adadelta({ rho = 0.9, epsilon = 1e-6, weightDecay = 0 } = {}): Optimiser {
  const g = decayed(weightDecay);
  return make(
    "adadelta",
    { rho, epsilon, weightDecay },
    [
      ["square", 0],
      ["steps", 0],
    ],
    (next) => {
      const move = mul(div(sqrt(add(slot(1), n(epsilon))), sqrt(add(next(0), n(epsilon)))), g);
      return {
        slots: [towards(slot(0), square(g), 1 - rho), towards(slot(1), square(move), 1 - rho)],
        parameter: sub(parameter, mul(rate, move)),
      };
    },
  );
}

/** Adam with the largest gradient in place of the mean square: u' = max(beta2 u, |g| + epsilon). Source: Kingma and Ba 2015, algorithm 2. */
export function adamax({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 } = {}): Optimiser {
  const g = decayed(weightDecay);
  return make(
    "adamax",
    { beta1, beta2, epsilon, weightDecay },
    [
      ["first", 0],
      ["largest", 0],
    ],
    (next) => ({
      slots: [towards(slot(0), g, 1 - beta1), max(mul(n(beta2), slot(1)), add(call("abs", g), n(epsilon)))],
      parameter: sub(parameter, div(mul(rate, next(0)), mul(biasOfStep(beta1), next(1)))),
    }),
  );
}

/** What an update reads. */
export interface UpdateInputs {
  readonly parameter: Value;
  readonly gradient: Value;
  readonly learningRate: Value;
  readonly step: Value;
  readonly slots: readonly Value[];
}

/** Traces one parameter's update: each slot and the parameter is one pointwise formula. */
export function update(optimiser: Optimiser, given: UpdateInputs): { slots: Value[]; parameter: Value } {
  const operands = [given.parameter, given.gradient, given.learningRate, given.step, ...given.slots];
  const made: Value[] = [];
  const first = operands.length;
  const { slots, parameter: formula } = optimiser.rules((index) => operand(first + index));
  const trace = (expression: Expression): Value => compact(expression, [...operands, ...made]);
  for (const rule of slots) made.push(trace(rule));
  return { slots: made, parameter: trace(formula) };
}

/**
 * One pointwise node over just the operands that the formula reads. What depends on scalars alone (learning rate, step) is worked
 * out once in a node of its own, which all parameters share, instead of in every cell.
 */
function compact(expression: Expression, operands: readonly Value[]): Value {
  const isScalar = (part: Expression): boolean =>
    part.kind === "call" && operandsIn(part).every((index) => operands[index].type.shape.length === 0);
  const used: Value[] = [];
  const operandOf = (value: Value): Expression => {
    if (!used.includes(value)) used.push(value);
    return operand(used.indexOf(value));
  };
  const renumber = (part: Expression): Expression => {
    if (part.kind === "constant") return part;
    if (part.kind === "operand") return operandOf(operands[part.index]);
    return isScalar(part) ? operandOf(compact(part, operands)) : call(part.name, ...part.inputs.map(renumber));
  };
  // a formula of scalars is itself the node that is shared
  const whole = isScalar(expression);
  const plain = (part: Expression): Expression => (part.kind === "call" ? call(part.name, ...part.inputs.map(plain)) : renumber(part));
  return pointwise(whole ? plain(expression) : renumber(expression), used);
}

const operandsIn = (expression: Expression): number[] =>
  expression.kind === "operand" ? [expression.index] : expression.kind === "call" ? expression.inputs.flatMap(operandsIn) : [];

export const optimisers: Readonly<Record<string, (options?: Record<string, never>) => Optimiser>> = {
  sgd,
  adam,
  adamW,
  nadam,
  rmsprop,
  adagrad,
  adadelta,
  adamax,
};
