import { fail } from "../base/errors.ts";
import { printType, sameShape } from "../base/types.ts";
import { tensor } from "../graph/trace.ts";
import { call, constant, type Expression, operand, type Value } from "../ops/contract.ts";
import { divide, exp, max, maximum, mean, multiply, notEqual, oneHot, pointwise, reshape, softmax, sum } from "../ops.ts";

/** Loss of each example [N] from the net's outputs and the targets, by name. */
export type Loss = (outputs: Readonly<Record<string, Value>>, targets: Readonly<Record<string, Value>>) => Value;

/** Which output and which target a loss compares; the only ones when left out. */
export interface LossPair {
  readonly output?: string;
  readonly target?: string;
}

function pick(what: string, values: Readonly<Record<string, Value>>, name: string | undefined): Value {
  const names = Object.keys(values);
  const wanted = name ?? (names.length === 1 ? names[0] : "");
  const value = values[wanted];
  if (value === undefined)
    fail(
      "loss",
      "",
      what,
      name === undefined ? `exactly one, or the name of one of ${names.join(", ") || "none"}` : names.join(", "),
      name ?? `${names.length} (${names.join(", ")})`,
    );
  return value;
}

/** Mean over all but the example axis. */
const perExample = (cells: Value): Value =>
  cells.type.shape.length === 1 ? cells : mean(cells, cells.type.shape.map((_, axis) => axis).slice(1));

/** Logits [N, classes, ...m] and labels i32 [N, ...m]. Throws: when they do not fit. */
function logitsAndLabels(
  kind: string,
  outputs: Readonly<Record<string, Value>>,
  targets: Readonly<Record<string, Value>>,
  pair: LossPair,
): readonly [logits: Value, labels: Value] {
  const [logits, labels] = [pick("output", outputs, pair.output), pick("target", targets, pair.target)];
  const [examples, , ...extents] = logits.type.shape;
  const fits = labels.type.dtype !== "f32" && sameShape(labels.type.shape, [examples, ...extents]);
  if (!fits)
    fail(
      kind,
      "",
      "labels",
      printType({ ...logits.type, dtype: "i32", shape: [examples, ...extents] }),
      printType(labels.type),
      `One class for each cell of the logits ${printType(logits.type)}.`,
    );
  return [logits, labels];
}

export interface CrossEntropyOptions extends LossPair {
  /** Share of the target spread evenly over all classes. Source: Szegedy et al. 2016, section 7. */
  readonly labelSmoothing?: number;
  /** Weight of each class. */
  readonly classWeights?: readonly number[];
  /** A label whose cells do not count. */
  readonly ignore?: number;
}

/**
 * Cross-entropy of logits and labels: J = -sum over classes k of w_k q_k log softmax(V)_k, q = (1 - smoothing) [k = label] + smoothing / classes.
 * Source: Goodfellow et al. 2016, eq. 6.30; smoothing: Szegedy et al. 2016.
 * Shapes: logits [N, classes, ...m], labels i32 [N, ...m] (one for each cell) -> [N], the mean over the cells that count.
 * A label that is no class adds nothing but its smoothing.
 * Throws: when labels do not fit the logits, or weights the classes.
 * Example: `crossEntropy({ labelSmoothing: 0.1 })`
 */
export function crossEntropy({ labelSmoothing = 0, classWeights, ignore, ...pair }: CrossEntropyOptions = {}): Loss {
  if (!(labelSmoothing >= 0 && labelSmoothing < 1)) fail("crossEntropy", "", "label smoothing", ">= 0 and < 1", labelSmoothing);
  return (outputs, targets) => {
    const [logits, labels] = logitsAndLabels("crossEntropy", outputs, targets, pair);
    const [, classes, ...extents] = logits.type.shape;
    if (classWeights !== undefined && classWeights.length !== classes)
      fail("crossEntropy", "", "class weights", `${classes}, one for each class`, classWeights.length);
    const cells = weightedEntropy(logits, labels, labelSmoothing, classWeights);
    if (ignore === undefined) return perExample(cells);
    const counted = notEqual(labels, ignore);
    const kept = multiply(cells, counted);
    const axes = extents.map((_, axis) => 1 + axis);
    return axes.length === 0 ? kept : divide(sum(kept, axes), maximum(sum(counted, axes), 1));
  };
}

/**
 * Cross-entropy of every cell, [N, ...m]. With s = V - max V and T = sum of e^s, the logarithm of softmax is s - log T: few nodes, and
 * nothing that overflows or cancels.
 */
function weightedEntropy(logits: Value, labels: Value, smoothing: number, classWeights: readonly number[] | undefined): Value {
  const [, classes, ...extents] = logits.type.shape;
  const perClass = (cells: ArrayLike<number>): Value => logits.graph.constant(tensor([classes, ...extents.map(() => 1)], cells));
  const [first, second] = [operand(0), operand(1)];
  const shifted = pointwise(call("subtract", first, call("stopGradient", second)), [logits, max(logits, 1, { keepAxes: true })]);
  const total = sum(exp(shifted), 1, { keepAxes: true });
  const [s, t, label, index, weight] = [0, 1, 2, 3, 4].map(operand);
  const hit = call("equal", label, index);
  const share = smoothing === 0 ? hit : call("add", call("multiply", hit, constant(1 - smoothing)), constant(smoothing / classes));
  const weighted = classWeights === undefined ? share : call("multiply", share, weight);
  const terms = call("multiply", weighted, call("subtract", call("log", t), s));
  const indices = Float32Array.from({ length: classes }, (_, own) => own);
  const operands = [shifted, total, reshape(labels, [1, ...extents]), perClass(indices), perClass(classWeights ?? indices)];
  return sum(pointwise(terms, operands), 1);
}

export interface DiceOptions extends LossPair {
  /** Added above and below: a class that is neither there nor predicted has the coefficient 1. Default 1, in cells. */
  readonly smooth?: number;
  /** Classes that count; all when left out. */
  readonly classes?: readonly number[];
  /** A label whose cells do not count. */
  readonly ignore?: number;
}

/**
 * Soft Dice loss of logits and labels: J = 1 - mean over classes k of (2 sum p_k q_k + smooth) / (sum p_k + sum q_k + smooth), sums over the cells of
 * an example, p = softmax(V), q_k = [k = label].
 * Source: Milletari et al. 2016, section 3 (there with squares below); Dice 1945.
 * Shapes: logits [N, classes, ...m], labels i32 [N, ...m] -> [N].
 * Units: 0 where every cell is right and sure, towards 1 where none is.
 * Throws: when labels do not fit the logits, a class is not among them, or smooth is not above 0.
 * Example: `weightedLoss([[1, crossEntropy()], [1, diceLoss()]])`
 */
export function diceLoss({ smooth = 1, classes: counted, ignore, ...pair }: DiceOptions = {}): Loss {
  if (!(smooth > 0)) fail("diceLoss", "", "smooth", "> 0", smooth);
  return (outputs, targets) => {
    const [logits, labels] = logitsAndLabels("diceLoss", outputs, targets, pair);
    const [, classes, ...extents] = logits.type.shape;
    const wrong = counted?.find((index) => !Number.isInteger(index) || index < 0 || index >= classes);
    if (wrong !== undefined || counted?.length === 0) fail("diceLoss", "", "classes", `some of 0 to ${classes - 1}`, wrong ?? "none");
    const axes = extents.map((_, axis) => 2 + axis);
    const total = (cells: Value): Value => (axes.length === 0 ? cells : sum(cells, axes));
    // a label that is no class is hot nowhere, so that only the probabilities have to be masked
    const kept = ignore === undefined ? undefined : reshape(notEqual(labels, ignore), [1, ...extents]);
    const masked = (cells: Value): Value => (kept === undefined ? cells : multiply(cells, kept));
    const [shares, hot] = [masked(softmax(logits, 1)), masked(oneHot(labels, classes))];
    const [both, given, found, weight] = [0, 1, 2, 3].map(operand);
    const above = call("add", call("multiply", both, constant(2)), constant(smooth));
    const below = call("add", call("add", given, found), constant(smooth));
    const coefficient = call("multiply", weight, call("divide", above, below));
    const list = counted ?? Array.from({ length: classes }, (_, index) => index);
    const weights = tensor(
      [classes],
      Float32Array.from({ length: classes }, (_, index) => (list.includes(index) ? 1 / list.length : 0)),
    );
    const terms = pointwise(coefficient, [total(multiply(shares, hot)), total(hot), total(shares), logits.graph.constant(weights)]);
    return pointwise(call("subtract", constant(1), operand(0)), [sum(terms, 1)]);
  };
}

/** A loss of each cell from outputs and targets of one shape, and its mean over each example. */
function cellwise(kind: string, formula: Expression, pair: LossPair): Loss {
  return (outputs, targets) => {
    const [output, target] = [pick("output", outputs, pair.output), pick("target", targets, pair.target)];
    if (!sameShape(output.type.shape, target.type.shape))
      fail(kind, "", "target", printType(output.type), printType(target.type), "Outputs and targets have one shape.");
    return perExample(pointwise(formula, [output, target]));
  };
}

const [output, target] = [operand(0), operand(1)];
const error = call("subtract", output, target);

/** J = mean of (Z - target)^2. Source: Goodfellow et al. 2016, eq. 5.4. Shapes: [N, ...] and the same -> [N]. */
export const meanSquaredError = (pair: LossPair = {}): Loss => cellwise("meanSquaredError", call("square", error), pair);

/** J = mean of |Z - target|. Shapes: [N, ...] and the same -> [N]. */
export const meanAbsoluteError = (pair: LossPair = {}): Loss => cellwise("meanAbsoluteError", call("abs", error), pair);

/** J = mean of e^2 / (2 beta) where |e| < beta, else |e| - beta / 2, e = Z - target. Source: Girshick 2015, eq. 3; Huber 1964. Shapes: [N, ...] and the same -> [N]. */
export function smoothL1({ beta = 1, ...pair }: LossPair & { readonly beta?: number } = {}): Loss {
  if (!(beta > 0)) fail("smoothL1", "", "beta", "> 0", beta);
  const size = call("abs", error);
  const square = call("multiply", call("square", error), constant(0.5 / beta));
  return cellwise("smoothL1", call("select", call("less", size, constant(beta)), square, call("subtract", size, constant(beta / 2))), pair);
}

/** Binary cross-entropy of logits and targets in [0, 1]: J = mean of max(V, 0) - V target + log(1 + exp(-|V|)). Source: Goodfellow et al. 2016, eq. 6.26. Shapes: [N, ...] and the same -> [N]. */
export const binaryCrossEntropy = (pair: LossPair = {}): Loss =>
  cellwise("binaryCrossEntropy", call("subtract", call("softplus", output), call("multiply", output, target)), pair);

/** Weighted sum of losses, for nets with several outputs. Example: `weightedLoss([[1, crossEntropy({ output: "class", target: "label" })], [0.5, meanSquaredError({ output: "box", target: "box" })]])` */
export function weightedLoss(parts: readonly (readonly [number, Loss])[]): Loss {
  if (parts.length === 0) fail("weightedLoss", "", "losses", ">= 1", 0);
  return (outputs, targets) => {
    const losses = parts.map(([, loss]) => loss(outputs, targets));
    return pointwise(
      parts.map(([weight], i) => call("multiply", constant(weight), operand(i))).reduce((a, b) => call("add", a, b)),
      losses,
    );
  };
}
