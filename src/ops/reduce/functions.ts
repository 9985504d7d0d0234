import type { TensorType } from "../../base/types.ts";
import { axisOf, restAxis } from "../axes.ts";
import { operand, type Value } from "../contract.ts";
import { minus, over, times } from "../expression/build.ts";
import { reshapeRest } from "../move/operator.ts";
import { exp, log, negate, stopGradient, subtract } from "../pointwise/functions.ts";
import { fold, pointwise } from "../pointwise/operators.ts";
import { maxWindow } from "../window/index.ts";
import { countedCells } from "./count.ts";
import { reduceOptions } from "./fold.ts";
import { foldedCells, momentsOperator } from "./moments.ts";

export interface ReduceAxes {
  /** Leaves an axis of extent 1 for each axis that is reduced; the example axis, once reduced, is gone. */
  readonly keepAxes?: boolean;
}

type Axes = number | readonly number[];

function listed(room: string, x: Value, axes: Axes | undefined): Set<number> {
  const all = axes === undefined ? x.type.shape.map((_, axis) => axis) : typeof axes === "number" ? [axes] : axes;
  return new Set(all.map((axis) => axisOf(room, x, axis)));
}

/** Type with extent 1 on the axes; the example axis among them is gone. */
function reducedType(type: TensorType, axes: ReadonlySet<number>): TensorType {
  const shape = type.shape.map((extent, axis) => (axes.has(axis) ? 1 : extent));
  const summed = type.batched && axes.has(0);
  return { dtype: "f32", shape: summed ? shape.slice(1) : shape, batched: type.batched && !summed };
}

/** A reduced value in the shape that was asked for. */
function shaped(value: Value, type: TensorType, axes: ReadonlySet<number>, { keepAxes = false }: ReduceAxes): Value {
  const shape = type.shape.flatMap((extent, axis) => (!axes.has(axis) ? [extent] : keepAxes && !(axis === 0 && type.batched) ? [1] : []));
  return reshapeRest(value, value.type.batched ? shape.slice(1) : shape);
}

/**
 * Sum over axes (all when left out), the example axis, axis 0 of a batched value, among them.
 * Shapes: [..] -> [..] without those axes; with keepAxes extent 1 there, save for the example axis.
 */
export function sum(x: Value, axes?: Axes, options: ReduceAxes = {}): Value {
  const over = listed("sum", x, axes);
  const type = reducedType(x.type, over);
  const whole = type.shape.every((extent) => extent === 1) && !type.batched;
  return shaped(fold(x, whole ? { ...type, shape: [] } : type), x.type, over, options);
}

/** Mean over axes (all when left out); over the example axis it divides by the run's number of examples. */
export function mean(x: Value, axes?: Axes, options: ReduceAxes = {}): Value {
  const reduced = listed("mean", x, axes);
  const output = reducedType(x.type, reduced);
  const { cells, examples } = foldedCells({ input: x.type, output });
  const total = sum(x, axes, options);
  const extents = x.graph.extents(x);
  if (extents !== null) {
    const count = countedCells(x, extents, output);
    return pointwise(over(operand(0), operand(1)), [
      total,
      count.type.batched
        ? reshapeRest(
            count,
            total.type.shape.slice(1).map(() => 1),
          )
        : count,
    ]);
  }
  if (!examples) return pointwise(times(1 / cells, operand(0)), [total]);
  return pointwise(over(operand(0), times(cells, operand(1))), [total, x.graph.examples()]);
}

/** Mean and biased variance over axes (all when left out), in two passes. */
export function moments(x: Value, axes?: Axes, options: ReduceAxes = {}): { mean: Value; variance: Value } {
  const over = listed("moments", x, axes);
  const { keep, shape } = reduceOptions(reducedType(x.type, over));
  const [first, second] = x.graph.apply(momentsOperator, { keep, shape }, [x]);
  return { mean: shaped(first, x.type, over, options), variance: shaped(second, x.type, over, options) };
}

/** Biased variance over axes (all when left out): the mean of (x - mean)^2. */
export const variance = (x: Value, axes?: Axes, options: ReduceAxes = {}): Value => moments(x, axes, options).variance;

/**
 * Largest cell over axes (all but the example axis when left out); its gradient goes to the first of equals; NaN goes through.
 * Throws: for the example axis.
 */
export function max(x: Value, axes?: Axes, options: ReduceAxes = {}): Value {
  const first = x.type.batched ? 1 : 0;
  const all = axes ?? x.type.shape.map((_, axis) => axis).slice(first);
  const over = listed("max", x, all);
  for (const axis of over) restAxis("max", x, axis);
  const kernel = x.type.shape.map((extent, axis) => (over.has(axis) ? extent : 1)).slice(first);
  return shaped(maxWindow(x, { kernel }).value, x.type, over, options);
}

/** Smallest cell over axes (all but the example axis when left out); its gradient goes to the first of equals; NaN goes through. */
export const min = (x: Value, axes?: Axes, options: ReduceAxes = {}): Value => negate(max(negate(x), axes, options));

/** x - max over the axis, which softmax and its logarithm do not depend on: exp cannot overflow. */
const shifted = (x: Value, axis: number): Value => subtract(x, stopGradient(max(x, axis, { keepAxes: true })));

/** e^x over its sum along an axis (1, the channels of a batch, when left out). Source: Goodfellow et al. 2016, eq. 6.29. */
export function softmax(x: Value, axis = 1): Value {
  const e = exp(shifted(x, axis));
  return pointwise(over(operand(0), operand(1)), [e, sum(e, axis, { keepAxes: true })]);
}

/** log(softmax(x)) without cancellation. Source: Goodfellow et al. 2016, eq. 6.30. */
export function logSoftmax(x: Value, axis = 1): Value {
  const s = shifted(x, axis);
  return pointwise(minus(operand(0), operand(1)), [s, log(sum(exp(s), axis, { keepAxes: true }))]);
}

/** log of the sum of e^x along an axis, without overflow. */
export function logSumExp(x: Value, axis = 1, options: ReduceAxes = {}): Value {
  const most = stopGradient(max(x, axis, { keepAxes: true }));
  const total = log(sum(exp(subtract(x, most)), axis, { keepAxes: true }));
  return shaped(
    pointwise({ kind: "call", name: "add", inputs: [operand(0), operand(1)] }, [total, most]),
    x.type,
    listed("logSumExp", x, axis),
    options,
  );
}
