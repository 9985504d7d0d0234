import { fail } from "../../base/errors.ts";
import { printType, size } from "../../base/types.ts";
import type { Border } from "../../grid/axis.ts";
import { restAxis } from "../axes.ts";
import { call, type Margin, operand, type Value } from "../contract.ts";
import { pointwise } from "../pointwise/operators.ts";
import { rest } from "./kind.ts";
import { type AxisMap, concatRest, gatherRest, remap, reshapeRest, transposeRest, wholeAxis } from "./operator.ts";

/**
 * The same cells in the same order under other extents, those after the example axis of a batched value; one of them may be -1
 * and is worked out.
 * Throws: when the numbers of cells differ.
 */
export function reshape(x: Value, shape: readonly number[]): Value {
  const open = shape.indexOf(-1);
  const others = size(shape.filter((_, axis) => axis !== open));
  return reshapeRest(x, open < 0 ? shape : shape.map((extent, axis) => (axis === open ? size(rest(x.type)) / others : extent)));
}

/** All cells of an example on one axis. */
export const flatten = (x: Value): Value => reshape(x, [size(rest(x.type))]);

/**
 * Axes in another order: axis i of the result is axis order[i]; the example axis stays first.
 * Throws: when the order is not each axis once.
 */
export function transpose(x: Value, order: readonly number[]): Value {
  const first = x.type.batched ? 1 : 0;
  const hint = "The example axis stays first.";
  if (first === 1 && order[0] !== 0)
    fail("transpose", printType(x.type), "order", "0, the example axis, first", `[${order.join(",")}]`, hint);
  return transposeRest(
    x,
    order.slice(first).map((axis) => axis - first),
  );
}

/** Maps for the axes after the example axis, of which `change` replaces some. */
function mapped(x: Value, change: (map: AxisMap, axis: number) => AxisMap, fill = 0): Value {
  return remap(
    x,
    rest(x.type).map((extent, axis) => change(wholeAxis(extent), axis)),
    fill,
  );
}

/**
 * Cells start, start + step, ... below end on one axis; negative bounds count from the end, as in `Array.slice`.
 * Throws: when nothing is left, or for the example axis.
 */
export function slice(x: Value, axis: number, start: number, end?: number, step = 1): Value {
  const at = restAxis("slice", x, axis);
  const extent = rest(x.type)[at];
  const bound = (value: number): number => Math.max(0, Math.min(extent, value < 0 ? value + extent : value));
  const [low, high] = [bound(start), bound(end ?? extent)];
  const output = Math.ceil((high - low) / step);
  const whole = [start, end ?? 0, step].every(Number.isInteger) && step >= 1 && output >= 1;
  if (!whole)
    fail(
      "slice",
      printType(x.type),
      `bounds on axis ${axis}`,
      `at least one cell of ${extent}, step >= 1`,
      `${start} to ${end ?? extent}, step ${step}`,
    );
  return mapped(x, (map, i) => (i === at ? { ...map, start: low, step, output } : map));
}

/** The axes in reverse. */
export function flip(x: Value, axes: number | readonly number[]): Value {
  const at = (typeof axes === "number" ? [axes] : axes).map((axis) => restAxis("flip", x, axis));
  return mapped(x, (map, i) => (at.includes(i) ? { ...map, start: map.input - 1, step: -1 } : map));
}

type Cells = number | Margin;
const margin = (cells: Cells): Margin => (typeof cells === "number" ? { low: cells, high: cells } : cells);

/** Margins by axis: one for each of the last axes, or one number for all axes after the channels. */
function margins(room: string, x: Value, cells: number | readonly Cells[]): (Margin | null)[] {
  const extents = rest(x.type);
  const list: readonly Cells[] = typeof cells === "number" ? extents.slice(1).map(() => cells) : cells;
  if (list.length > extents.length) fail(room, printType(x.type), "margins", `at most ${extents.length}, for the last axes`, list.length);
  return extents.map((_, axis) => {
    const at = axis - extents.length + list.length;
    return at < 0 ? null : margin(list[at]);
  });
}

/** Cells taken off both ends of the last axes. */
export function crop(x: Value, cells: number | readonly Cells[]): Value {
  const list = margins("crop", x, cells);
  list.forEach((own, axis) => {
    const extent = rest(x.type)[axis];
    if (own !== null && (own.low < 0 || own.high < 0 || own.low + own.high >= extent))
      fail("crop", printType(x.type), "margins", `0 to ${extent - 1} cells of ${extent} in all`, `${own.low} + ${own.high}`);
  });
  return mapped(x, (map, axis) => {
    const own = list[axis];
    return own === null ? map : { ...map, start: own.low, output: map.input - own.low - own.high };
  });
}

/** Cells put around both ends of the last axes: a fill value, or what the border says. */
export function pad(x: Value, cells: number | readonly Cells[], options: { readonly border?: Border; readonly fill?: number } = {}): Value {
  const list = margins("pad", x, cells);
  for (const own of list)
    if (own !== null && (own.low < 0 || own.high < 0))
      fail("pad", printType(x.type), "margins", "cells >= 0", `${own.low}, ${own.high}`, "Use crop.");
  const border = options.border ?? "zero";
  const padded = (map: AxisMap, own: Margin | null): AxisMap =>
    own === null ? map : { ...map, start: 0 - own.low, output: map.input + own.low + own.high, border };
  return mapped(x, (map, axis) => padded(map, list[axis]), options.fill ?? 0);
}

/** Every cell repeated on the axes after the channels: nearest upsampling by whole factors, one for all or one each. */
export function upsample(x: Value, factors: number | readonly number[]): Value {
  const spatial = rest(x.type).length - 1;
  const list = typeof factors === "number" ? new Array<number>(Math.max(0, spatial)).fill(factors) : factors;
  const whole = list.length === spatial && list.every((factor) => Number.isInteger(factor) && factor >= 1);
  if (!whole)
    fail("upsample", printType(x.type), "factors", `${spatial} whole numbers >= 1, for the axes after the channels`, `[${list.join(",")}]`);
  return mapped(x, (map, axis) => (axis === 0 ? map : { ...map, repeat: list[axis - 1], output: map.input * list[axis - 1] }));
}

/**
 * Channels laid out as cells: [C r^d, ...m] -> [C, ...m r], the finer position on the first axis in the slowest part of the channel.
 * Source: Shi et al. 2016.
 * Throws: when the channels do not divide.
 */
export function pixelShuffle(x: Value, factor: number): Value {
  const [channels, ...extents] = rest(x.type);
  const axes = extents.length;
  const block = factor ** axes;
  const divides = Number.isInteger(factor) && factor >= 1 && channels % block === 0;
  if (!divides) fail("pixelShuffle", printType(x.type), "channels", `a multiple of ${factor}^${axes} = ${block}`, channels);
  const split = reshapeRest(x, [channels / block, ...new Array<number>(axes).fill(factor), ...extents]);
  const order = [0, ...extents.flatMap((_, axis) => [1 + axes + axis, 1 + axis])];
  return reshapeRest(transposeRest(split, order), [channels / block, ...extents.map((extent) => extent * factor)]);
}

/**
 * Values one after another along an axis (1, the channels of a batch, when left out).
 * Throws: when their other extents differ.
 */
export function concat(values: readonly Value[], axis = 1): Value {
  if (values.length === 0) fail("concat", "", "values", ">= 1", 0);
  return concatRest(values, restAxis("concat", values[0], axis));
}

/** Cells of one axis picked by i32 indices, one list for all examples or one for each; 0 where an index is none of its cells. */
export const gather = (x: Value, index: Value, axis: number): Value => gatherRest(x, index, restAxis("gather", x, axis));

/**
 * 1 at the channel that an index names, else 0: [examples, ...m] i32 -> [examples, depth, ...m]; the new axis can be another than 1.
 * An index that is no channel gives zeros alone.
 */
export function oneHot(indices: Value, depth: number, axis = 1): Value {
  const extents = rest(indices.type);
  const at = axis - (indices.type.batched ? 1 : 0);
  if (!Number.isInteger(depth) || depth < 1) fail("oneHot", printType(indices.type), "depth", "a whole number >= 1", depth);
  if (!Number.isInteger(at) || at < 0 || at > extents.length)
    fail("oneHot", printType(indices.type), "axis", `up to ${extents.length + (axis - at)}, after the example axis`, axis);
  const numbers = {
    dtype: "f32" as const,
    shape: [depth, ...extents.slice(at).map(() => 1)],
    data: Float32Array.from({ length: depth }, (_, channel) => channel),
  };
  const spread = reshapeRest(indices, [...extents.slice(0, at), 1, ...extents.slice(at)]);
  return pointwise(call("equal", operand(0), operand(1)), [spread, indices.graph.constant(numbers)]);
}
