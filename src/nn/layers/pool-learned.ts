import { fail, Problems } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import { tensor } from "../../graph/trace.ts";
import { validCells } from "../../graph/unequal.ts";
import { type AxisExtent, call, constant, type Expression, type Extents, operand, type Value } from "../../ops/contract.ts";
import { lowest } from "../../ops/window/index.ts";
import {
  abs,
  add,
  clip,
  divide,
  matmul,
  maximum,
  maxWindow,
  mean,
  multiply,
  pointwise,
  reshape,
  slice,
  softmax,
  subtract,
  sum,
  transpose,
  where,
} from "../../ops.ts";
import type { Initialiser } from "../initialisers.ts";
import type { Layer } from "../scope.ts";
import { checkWhole, layer, partsOf, perAxis } from "./layer.ts";

type PerAxis<T> = T | readonly T[];

/** Middles of m even parts of an axis, in parts: 1/2, 3/2, ... */
const middles = (m: number): number[] => Array.from({ length: m }, (_, i) => i + 0.5);

/** Positions of the cells of a grid, or of its regions, by axis: the extent of a region is 1. */
function positions(counts: readonly number[], regions: readonly number[]): number[][] {
  return counts.map((count, axis) => {
    const inner = size(counts.slice(axis + 1));
    const along = middles(count).map((middle) => (middle * regions[axis]) / count);
    return Array.from({ length: size(counts) }, (_, cell) => along[Math.floor(cell / inner) % count]);
  });
}

/** Regions on every axis of so many cells. */
function regionsOn(kind: string, cells: readonly number[], regions: PerAxis<number>): number[] {
  const to = perAxis(regions, cells.length, kind, "regions");
  const whole = to.every((count, axis) => Number.isInteger(count) && count >= 1 && count <= cells[axis]);
  if (!whole) fail(kind, "", "regions", `1 to ${cells.join(" x ")} on each axis`, `[${to.join(", ")}]`);
  return to;
}

function checkSharpness(kind: string, sharpness: number): void {
  if (!(sharpness > 0 && Number.isFinite(sharpness))) fail(kind, "", "sharpness", "> 0", sharpness);
}

/** Of examples of unequal extents: the cells of each axis, and 1 in its own cells, [N, 1, L]. */
interface Own {
  readonly extents: Extents;
  readonly valid: Value;
}

/** What a layer makes of cells joined to one axis, for examples of unequal extents too. */
function joined(input: Value, to: readonly number[], body: (own: Own | null) => Value): Value {
  const extents = input.graph.extents(input);
  if (extents === null) return body(null);
  return input.graph.unequal([null, ...to.map(() => null)], () => {
    const [, , ...all] = input.type.shape;
    const every = input.graph.constant({ shape: [1, ...all], fill: 1 });
    const valid = multiply(every, validCells(input, extents) ?? every);
    return body({ extents, valid: reshape(valid, [1, size(all)]) });
  });
}

/** Sum of cells by their shares in every region over the sum of the shares: V [N, C, L], shares [N?, R, L] -> [N, C, ...regions]. */
function averaged(flat: Value, all: Value, to: readonly number[], own: Own | null): Value {
  const shares = own === null ? all : multiply(all, own.valid);
  const whole = sum(shares, shares.type.shape.length - 1);
  const means = divide(matmul(flat, shares, { transposeB: true }), reshape(whole, [1, size(to)]));
  return reshape(means, [flat.type.shape[1], ...to]);
}

export interface DynamicPoolOptions {
  readonly kind?: "average" | "max";
  /** Rounds of k-means. */
  readonly iterations?: number;
  /** How hard a cell belongs to the nearest centre: exp(-sharpness distance^2), distances in regions of the first, even grid. */
  readonly sharpness?: number;
}

/**
 * Regions found in each example by clustering where its features are strong: from an even grid of centres, rounds of soft k-means
 * a[r, x] = softmax over r of -sharpness |x - centre r|^2, centre r = sum of w a x / sum of w a, with the strength w[x] = sum over channels of |V|
 * as weight; then the mean, sum of a V / sum of a, or the largest a V (for V >= 0). Differentiable: features move the centres.
 * Source: Goodfellow et al. 2016, section 9.3 (Boureau et al. 2011 cluster for every image); soft k-means: MacKay 2003, section 20.2.
 * Shapes: [N, C, ...n] -> [N, C, ...regions], by the centres' places in the first grid; the work is linear in cells times regions.
 * Examples of unequal extents have each the grid of their own cells.
 * Throws: when there are more regions than cells on an axis.
 * Example: `dynamicPool([2, 2], { iterations: 4 })`
 */
export function dynamicPool(regions: PerAxis<number>, options: DynamicPoolOptions = {}): Layer {
  const { kind = "average", iterations = 4, sharpness = 2 } = options;
  checkSharpness("dynamicPool", sharpness);
  if (kind !== "average" && kind !== "max") fail("dynamicPool", "", "kind", "average or max", JSON.stringify(kind));
  if (!Number.isInteger(iterations) || iterations < 0) fail("dynamicPool", "", "iterations", "a whole number >= 0", iterations);
  return layer("dynamicPool", { regions, ...options }, (input) => {
    const { channels, extents } = partsOf(input, "dynamicPool");
    const to = regionsOn("dynamicPool", extents, regions);
    input.graph
      .extents(input)
      ?.slice(1)
      .forEach((extent, axis) => {
        if (extent !== null) input.graph.needs(extent, to[axis]);
      });
    return joined(input, to, (own) => {
      const flat = reshape(input, [channels, size(extents)]);
      const shares = clustered(flat, placesOf(input, to, own), positions(to, to), own, { iterations, sharpness });
      if (kind === "average") return averaged(flat, shares, to, own);
      const [cells, count] = [size(extents), size(to)];
      const each = multiply(reshape(flat, [channels, 1, cells]), reshape(shares, [1, count, cells]));
      const counted = own === null ? each : where(reshape(own.valid, [1, 1, cells]), each, lowest);
      return reshape(maxWindow(counted, { kernel: [1, 1, cells] }).value, [channels, ...to]);
    });
  });
}

/** Positions of the cells by axis, in regions: [1, L], or [N, 1, L] where examples have extents of their own. */
function placesOf(input: Value, to: readonly number[], own: Own | null): Value[] {
  const extents = input.type.shape.slice(2);
  const row = (values: readonly number[]): Value => input.graph.constant(tensor([1, values.length], values));
  const parts = positions(
    extents,
    to.map((regions, axis) => regions * extents[axis]),
  );
  return positions(extents, to).map((along, axis) => {
    const extent = own?.extents[1 + axis] ?? null;
    return extent === null ? row(along) : divide(row(parts[axis]), reshape(extent.counts, [1, 1]));
  });
}

/** Shares of every cell in every cluster, [N, R, L]. */
function clustered(
  flat: Value,
  places: readonly Value[],
  first: readonly (readonly number[])[],
  own: Own | null,
  { iterations, sharpness }: { readonly iterations: number; readonly sharpness: number },
): Value {
  const column = (values: readonly number[]): Value => flat.graph.constant(tensor([values.length, 1], values));
  const [count, length] = [first[0].length, flat.type.shape[2]];
  const strength = sum(pointwise(call("abs", operand(0)), [flat]), 1);
  const relative = call("divide", operand(0), call("max", operand(1), constant(1e-30)));
  const total = (cells: Value): Value => sum(cells, 1, { keepAxes: true });
  const level = own === null ? mean(strength, 1, { keepAxes: true }) : divide(total(strength), total(reshape(own.valid, [length])));
  const weights = reshape(pointwise(relative, [strength, level]), [1, length]);
  const even = pointwise(operand(1), [slice(weights, 2, 0, 1), column(new Array<number>(count).fill(0))]);
  let centres = first.map((along) => add(even, column(along)));
  const belong = (): Value => softmax(pointwise(nearness(places.length, sharpness), [...places, ...centres]), 1);
  for (let round = 0; round < iterations; round++) {
    const pulls = multiply(belong(), weights);
    const mass = sum(pulls, 2, { keepAxes: true });
    // a cluster without strength stays where it is
    const moved = call(
      "divide",
      call("add", operand(0), call("multiply", operand(2), constant(1e-6))),
      call("add", operand(1), constant(1e-6)),
    );
    centres = centres.map((centre, axis) => pointwise(moved, [sum(multiply(pulls, places[axis]), 2, { keepAxes: true }), mass, centre]));
  }
  return belong();
}

/** -sharpness |place - centre|^2: operands are the places by axis, then the centres. */
function nearness(axes: number, sharpness: number): Expression {
  const squares = Array.from({ length: axes }, (_, axis) => {
    const apart = call("subtract", operand(axis), operand(axes + axis));
    return call("multiply", apart, apart);
  });
  return call(
    "multiply",
    constant(-sharpness),
    squares.reduce((a, b) => call("add", a, b)),
  );
}

export interface LearnedPoolOptions {
  /** How hard a cell belongs to its part of the even grid that regions begin as. */
  readonly sharpness?: number;
  /** Cells of the learned structure on each axis; between them it is interpolated, so that it serves inputs of any extents. Those of the input when left out. */
  readonly grid?: PerAxis<number>;
}

/**
 * One pooling structure learned with the net and applied to all examples: Z[c, r] = sum over x of a[r, x] V[c, x] / sum over x of a[r, x], with
 * the learned shares a = softmax over r of logits[r, x], each cell's among all regions. They begin as soft parts of an even grid. With `grid`, the
 * logits of a cell are those of the structure at its place, by linear interpolation along every axis.
 * Source: Goodfellow et al. 2016, section 9.3 (Jia et al. 2012 select regions); learned weights in [0, 1] of all cells, sum of w[r, x] V[c, x]:
 * Malinowski and Fritz 2013.
 * Shapes: [N, C, ...n] -> [N, C, ...regions]; the parameter "regions" is [R, ...n] (extents are fixed), or [R, ...grid].
 * Throws: when there are more regions than cells on an axis; when examples are of unequal extents and there is no `grid`.
 * Example: `learnedPool([2, 2], { grid: 8 })`
 */
export function learnedPool(regions: PerAxis<number>, options: LearnedPoolOptions = {}): Layer {
  const { sharpness = 2 } = options;
  checkSharpness("learnedPool", sharpness);
  return layer("learnedPool", { regions, ...options }, (input, scope) => {
    const { channels, extents } = partsOf(input, "learnedPool");
    const cells = perAxis(options.grid ?? extents, extents.length, "learnedPool", "grid");
    const problems = new Problems("learnedPool");
    checkWhole(problems, "grid", cells);
    problems.throwIfAny();
    const to = regionsOn("learnedPool", cells, regions);
    const unequal = input.graph.extents(input) !== null;
    if (unequal && options.grid === undefined)
      fail("learnedPool", "", "grid", "cells of a structure for examples of unequal extents", "none", "Such as { grid: 8 }.");
    const logits = scope.parameter("regions", [size(to), ...cells], evenGrid(cells, to, sharpness));
    return joined(input, to, (own) => {
      const all = options.grid === undefined ? logits : interpolated(logits, extents, own);
      const each = reshape(all, [size(to), size(extents)]);
      return averaged(reshape(input, [channels, size(extents)]), softmax(each, each.type.batched ? 1 : 0), to, own);
    });
  });
}

/** A structure [R, ...grid] at the cells of an input: [R, ...n], or [N, R, ...n] where examples have extents of their own. */
function interpolated(structure: Value, extents: readonly number[], own: Own | null): Value {
  const [regions, ...grid] = structure.type.shape;
  let value = structure;
  for (let axis = grid.length - 1; axis >= 0; axis--) {
    const lead = [regions, ...extents.slice(axis + 1), ...grid.slice(0, axis)];
    const weights = weightsOf(structure, grid[axis], extents[axis], own?.extents[1 + axis] ?? null);
    const along = reshape(matmul(reshape(value, [size(lead), grid[axis]]), weights, { transposeB: true }), [...lead, extents[axis]]);
    // the axis that is done comes behind the regions, so that the next one is last
    const order = [0, lead.length, ...Array.from({ length: lead.length - 1 }, (_, i) => i + 1)];
    value = transpose(along, along.type.batched ? [0, ...order.map((at) => at + 1)] : order);
  }
  return value;
}

/** How much of each cell of a structure is in each of n cells, n those of all examples or of each: [n, grid] or [N, n, grid]. */
function weightsOf(like: Value, grid: number, cells: number, own: AxisExtent | null): Value {
  const list = (shape: readonly number[], part: (i: number) => number): Value =>
    like.graph.constant(
      tensor(
        shape,
        Array.from({ length: size(shape) }, (_, i) => part(i)),
      ),
    );
  const parts = list([cells, 1], (cell) => (cell + 0.5) * grid);
  const places = clip(subtract(divide(parts, own === null ? cells : reshape(own.counts, [1, 1])), 0.5), 0, grid - 1);
  const apart = abs(
    subtract(
      places,
      list([1, grid], (i) => i),
    ),
  );
  return maximum(subtract(1, apart), 0);
}

/** -sharpness |cell - middle of the region|^2, distances in regions. */
function evenGrid(extents: readonly number[], to: readonly number[], sharpness: number): Initialiser {
  const [cells, centres] = [positions(extents, to), positions(to, to)];
  return Object.freeze({
    kind: `even grid of ${to.join(" x ")} regions`,
    fill: (values: Float32Array) => {
      const length = size(extents);
      values.forEach((_, at) => {
        const [region, cell] = [Math.floor(at / length), at % length];
        const apart = cells.reduce((total, along, axis) => total + (along[cell] - centres[axis][region]) ** 2, 0);
        values[at] = 0 - sharpness * apart;
      });
    },
  });
}
