import { fail, invariant } from "../../base/errors.ts";
import { call, constant, operand, type Value } from "../../ops/contract.ts";
import { drawRegions, maxRegions, sumRegions, toWhole } from "../../ops/regions/index.ts";
import { concat, multiply, pointwise, slice, subtract } from "../../ops.ts";
import { checkPower, meanOf, powers, products, rooted, share } from "./pool-sums.ts";

/** What is kept of a region: its mean, its largest cell, or (sum of |V|^p)^(1/p). */
export type PoolKind = "average" | "max" | { readonly power: number };

export function checkKind(room: string, kind: PoolKind): void {
  if (typeof kind === "object") checkPower(room, kind.power);
  else if (kind !== "average" && kind !== "max") fail(room, "", "kind", "average, max or { power: p }", JSON.stringify(kind));
}

/** First cells of the regions of one axis, and the cells beyond their last: known, or worked out in a run, [N, m]. */
export type AxisRegions =
  | { readonly starts: readonly number[]; readonly ends: readonly number[] }
  | { readonly starts: Value; readonly ends: Value };

type Known = Extract<AxisRegions, { readonly starts: readonly number[] }>;

/** Regions on all axes: their table, how many there are on each axis, and the cells of each. */
export interface Regions {
  readonly table: Value;
  readonly output: readonly number[];
  readonly cells: () => Value;
}

const isKnown = (axis: AxisRegions): axis is Known => Array.isArray(axis.starts);

/** Regions that are the same for all examples. */
function knownRegions(input: Value, axes: readonly Known[]): Regions {
  const extents = input.type.shape.slice(2);
  const counted = axes.map(({ starts, ends }, axis) =>
    starts.map((start, region) => Math.min(extents[axis], ends[region]) - Math.max(0, start)),
  );
  invariant(
    counted.every((cells) => cells.every((count) => count >= 1)),
    () => "regions without cells",
  );
  const table = Int32Array.from(axes.flatMap(({ starts, ends }) => [...starts, ...ends]));
  return {
    table: input.graph.constant({ dtype: "i32", shape: [table.length], data: table }),
    output: axes.map(({ starts }) => starts.length),
    cells: () => products(input, counted),
  };
}

/** Regions of the input by axis; one table serves all examples where every axis is known. */
export function regionsOf(input: Value, axes: readonly AxisRegions[]): Regions {
  if (axes.every(isKnown)) return knownRegions(input, axes);
  const like = axes.flatMap((axis) => (isKnown(axis) ? [] : [axis.starts]))[0];
  const one = slice(like, 1, 0, 1);
  const numbers = (list: readonly number[]): Value =>
    pointwise(operand(1), [one, input.graph.constant({ dtype: "f32", shape: [list.length], data: Float32Array.from(list) })]);
  const values = axes.map((axis) => (isKnown(axis) ? { starts: numbers(axis.starts), ends: numbers(axis.ends) } : axis));
  return {
    table: toWhole(
      concat(
        values.flatMap(({ starts, ends }) => [starts, ends]),
        1,
      ),
    ),
    output: values.map(({ starts }) => starts.type.shape[1]),
    cells: () =>
      products(
        input,
        values.map(({ starts, ends }) => subtract(ends, starts)),
      ),
  };
}

/** What is kept of every region. Shapes: [N, C, ...n] -> [N, C, ...m]. */
export function poolRegions(input: Value, { table, output, cells }: Regions, kind: PoolKind): Value {
  if (kind === "max") return maxRegions(input, table, output).value;
  if (kind === "average") return meanOf(sumRegions(input, table, output), cells());
  return rooted(sumRegions(powers(input, kind.power), table, output), kind.power);
}

const rectified = (input: Value): Value => pointwise(call("max", operand(0), constant(0)), [input]);

/** With draws, a cell drawn with probability proportional to max(V, 0); without, the mean with those weights. */
export function drawFrom(input: Value, { table, output }: Regions, draws: Value | null): Value {
  if (draws !== null) return drawRegions(input, draws, table, output).value;
  return weightedByItself(input, (value) => sumRegions(value, table, output));
}

/** sum of a^2 / sum of a, a = max(V, 0); 0 where no cell is > 0. */
export function weightedByItself(input: Value, sums: (value: Value) => Value): Value {
  const cells = rectified(input);
  return share(sums(multiply(cells, cells)), sums(cells));
}
