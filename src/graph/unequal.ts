import { fail, invariant } from "../base/errors.ts";
import { size } from "../base/types.ts";
import { type AxisExtent, call, constant, type Expression, type Extents, type Margin, operand, type Value } from "../ops/contract.ts";
import { compile } from "../ops/expression/evaluate.ts";
import { gatherRest, reshapeRest } from "../ops/move/index.ts";
import { pointwise } from "../ops/pointwise/index.ts";
import { toWhole } from "../ops/regions/index.ts";
import { type WindowWay, windowedExtent } from "../ops/unequal.ts";

/**
 * One batch holds examples of unequal extents: each lies at the low end of every axis of the batch's cells, and holds zero beyond its own.
 * An operator that could see or make something else there has a rule (`Operator.unequal`), so that every example gives what it gives alone.
 * Source: Goodfellow et al. 2016, section 9.7.
 */

/** Extents worked out of others by a formula of operand 0. */
export function extentOf(from: AxisExtent, formula: Expression): AxisExtent {
  const evaluate = compile(formula);
  return { ...from, counts: pointwise(formula, [from.counts]), of: (fed) => evaluate([from.of(fed)]) };
}

/** Extents that windows leave of others. */
export const windowedBy = (from: AxisExtent, way: WindowWay): AxisExtent => extentOf(from, windowedExtent(way));

/** The number of cells of each example as an operand of one more axis: [examples, 1]. */
const column = (counts: Value): Value => reshapeRest(counts, [1]);

/** Extents that any function of whole numbers makes of those up to `largest`. */
export function extentBy(from: AxisExtent, largest: number, made: (cells: number) => number): AxisExtent {
  const table = from.counts.graph.constant({
    dtype: "f32",
    shape: [largest],
    data: Float32Array.from({ length: largest }, (_, i) => made(i + 1)),
  });
  const row = toWhole(pointwise(call("subtract", operand(0), constant(1)), [column(from.counts)]));
  return { ...from, counts: reshapeRest(gatherRest(table, row, 0), []), of: (fed) => made(from.of(fed)) };
}

/** Most cells of an example whose numbers f32 tells apart. */
const mostNumbered = 2 ** 24;

/**
 * Cells of an example in the order that they have for that example alone: draw i of an example is that of its own cell i, whatever the extents of
 * the batch.
 */
export function inOwnOrder(value: Value, extents: Extents): Value {
  const [, ...shape] = value.type.shape;
  const cells = size(shape);
  if (extents.every((extent) => extent === null)) return value;
  if (cells > mostNumbered) fail("graph", "", "draws for an example", `<= ${mostNumbered} for unequal extents`, cells);
  const operands: Value[] = [];
  const given = (one: Value): Expression => {
    operands.push(one);
    return operand(operands.length - 1);
  };
  const position = shape.reduce<Expression>((before, own, axis) => {
    const along = shape.map((_, other) => (other === axis ? own : 1));
    const numbers = Float32Array.from({ length: own }, (_, cell) => cell);
    const here = given(value.graph.constant({ dtype: "f32", shape: along, data: numbers }));
    const extent = extents[axis];
    const counts =
      extent === null
        ? constant(own)
        : given(
            reshapeRest(
              extent.counts,
              shape.map(() => 1),
            ),
          );
    return call("add", call("multiply", before, counts), here);
  }, constant(0));
  const order = reshapeRest(toWhole(pointwise(position, operands)), [cells]);
  return reshapeRest(gatherRest(reshapeRest(value, [cells]), order, 0), shape);
}

/**
 * Each example with cells of its own number put around it: for an example of n cells on an axis, those that the axis' margin says for n. They hold
 * `fill`, and count as cells of the example.
 */
export function paddedEach(value: Value, margins: readonly (((cells: number) => Margin) | null)[], fill: number): Value {
  const own = value.graph.extents(value);
  const { graph } = value;
  const axes = margins.flatMap((margin, axis) => {
    const extent = own?.[axis] ?? null;
    if (margin === null || extent === null) return [];
    const most = value.type.shape[1 + axis];
    const padded = (cells: number): number => cells + margin(cells).low + margin(cells).high;
    const room = Math.max(...Array.from({ length: most }, (_, i) => padded(i + 1)));
    return [{ axis, extent, room, low: extentBy(extent, most, (cells) => margin(cells).low), left: extentBy(extent, most, padded) }];
  });
  const left = (own ?? []).map((extent, axis) => axes.find((one) => one.axis === axis)?.left ?? extent);
  return graph.unequal(left, () =>
    axes.reduce((made, { axis, extent, room, low }) => {
      const places = graph.constant({ dtype: "f32", shape: [room], data: Float32Array.from({ length: room }, (_, cell) => cell) });
      const [from, cells] = [pointwise(call("subtract", operand(0), operand(1)), [places, column(low.counts)]), column(extent.counts)];
      const held = call("multiply", call("lessEqual", constant(0), operand(0)), call("less", operand(0), operand(1)));
      const index = toWhole(pointwise(call("select", held, operand(0), constant(-1)), [from, cells]));
      const moved = gatherRest(made, index, axis);
      if (fill === 0) return moved;
      const inside = reshapeRest(pointwise(held, [from, cells]), own?.map((_, other) => (other === axis ? room : 1)) ?? []);
      return pointwise(call("select", operand(0), operand(1), constant(fill)), [inside, moved]);
    }, value),
  );
}

/** 1 in the cells of an example, 0 beyond: [examples, 1 or extent, ...], of extent 1 where the whole axis is valid; null where all is. */
export function validCells(value: Value, extents: Extents): Value | null {
  const { shape } = value.type;
  const rank = shape.length - 1;
  invariant(value.type.batched && extents.length === rank, () => "extents of a value without examples");
  const inside = extents.flatMap((extent, axis) => {
    if (extent === null) return [];
    const along = Array.from({ length: rank }, (_, other) => (other === axis ? shape[axis + 1] : 1));
    const cells = Float32Array.from({ length: shape[axis + 1] }, (_, cell) => cell);
    const counts = reshapeRest(
      extent.counts,
      Array.from({ length: rank }, () => 1),
    );
    return [pointwise(call("less", operand(0), operand(1)), [value.graph.constant({ dtype: "f32", shape: along, data: cells }), counts])];
  });
  return inside.length === 0 ? null : inside.reduce((a, b) => pointwise(call("multiply", operand(0), operand(1)), [a, b]));
}

/** The value with `fill` beyond the extents. */
export function maskedBeyond(value: Value, extents: Extents, fill = 0): Value {
  const valid = validCells(value, extents);
  return valid === null ? value : pointwise(call("select", operand(0), operand(1), constant(fill)), [valid, value]);
}
