import { fail } from "../../base/errors.ts";
import { size } from "../../base/types.ts";
import { tensor } from "../../graph/trace.ts";
import { call, constant, type Expression, operand, type Value } from "../../ops/contract.ts";
import { add, divide, matmul, maxWindow, mean, multiply, pointwise, reshape, slice, softmax, sum } from "../../ops.ts";
import type { Initialiser } from "../initialisers.ts";
import type { Layer } from "../scope.ts";
import { layer, partsOf, perAxis } from "./layer.ts";

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

function grid(kind: string, input: Value, regions: PerAxis<number>): { extents: readonly number[]; to: number[]; flat: Value } {
  const { channels, extents } = partsOf(input, kind);
  const to = perAxis(regions, extents.length, kind, "regions");
  const whole = to.every((count, axis) => Number.isInteger(count) && count >= 1 && count <= extents[axis]);
  if (!whole) fail(kind, "", "regions", `1 to ${extents.join(" x ")} on each axis`, `[${to.join(", ")}]`);
  return { extents, to, flat: reshape(input, [channels, size(extents)]) };
}

function checkSharpness(kind: string, sharpness: number): void {
  if (!(sharpness > 0 && Number.isFinite(sharpness))) fail(kind, "", "sharpness", "> 0", sharpness);
}

/** Sum of cells by their shares in every region over the sum of the shares: V [N, C, L], shares [N?, R, L] -> [N, C, ...regions]. */
function averaged(flat: Value, shares: Value, to: readonly number[]): Value {
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
 * Throws: when there are more regions than cells on an axis, or examples are of unequal extents.
 * Example: `dynamicPool([2, 2], { iterations: 4 })`
 */
export function dynamicPool(regions: PerAxis<number>, options: DynamicPoolOptions = {}): Layer {
  const { kind = "average", iterations = 4, sharpness = 2 } = options;
  checkSharpness("dynamicPool", sharpness);
  if (!Number.isInteger(iterations) || iterations < 0) fail("dynamicPool", "", "iterations", "a whole number >= 0", iterations);
  return layer("dynamicPool", { regions, ...options }, (input) => {
    const { extents, to, flat } = grid("dynamicPool", input, regions);
    const shares = clustered(input, flat, positions(extents, to), positions(to, to), { iterations, sharpness });
    if (kind === "average") return averaged(flat, shares, to);
    const [channels, cells, count] = [flat.type.shape[1], size(extents), size(to)];
    const each = multiply(reshape(flat, [channels, 1, cells]), reshape(shares, [1, count, cells]));
    return reshape(maxWindow(each, { kernel: [1, 1, cells] }).value, [channels, ...to]);
  });
}

/** Shares of every cell in every cluster, [N, R, L]. */
function clustered(
  input: Value,
  flat: Value,
  cells: readonly (readonly number[])[],
  first: readonly (readonly number[])[],
  { iterations, sharpness }: { readonly iterations: number; readonly sharpness: number },
): Value {
  const row = (values: readonly number[], shape: readonly number[]): Value => input.graph.constant(tensor(shape, values));
  const [count, length] = [first[0].length, cells[0].length];
  const strength = sum(pointwise(call("abs", operand(0)), [flat]), 1);
  const relative = call("divide", operand(0), call("max", operand(1), constant(1e-30)));
  const weights = reshape(pointwise(relative, [strength, mean(strength, 1, { keepAxes: true })]), [1, length]);
  const places = cells.map((along) => row(along, [1, length]));
  const even = pointwise(operand(1), [slice(weights, 2, 0, 1), row(new Array<number>(count).fill(0), [count, 1])]);
  let centres = first.map((along) => add(even, row(along, [count, 1])));
  const belong = (): Value => softmax(pointwise(nearness(cells.length, sharpness), [...places, ...centres]), 1);
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

/**
 * One pooling structure learned with the net and applied to all examples: Z[c, r] = sum over x of a[r, x] V[c, x] / sum over x of a[r, x], with
 * the learned shares a = softmax over r of logits[r, x], each cell's among all regions. They begin as soft parts of an even grid.
 * Source: Goodfellow et al. 2016, section 9.3 (Jia et al. 2012 select regions); learned weights in [0, 1] of all cells, sum of w[r, x] V[c, x]:
 * Malinowski and Fritz 2013.
 * Shapes: [N, C, ...n] -> [N, C, ...regions]; the parameter "regions" is [R, ...n], so extents are fixed.
 * Throws: when there are more regions than cells on an axis, or examples are of unequal extents.
 * Example: `learnedPool([2, 2])`
 */
export function learnedPool(regions: PerAxis<number>, { sharpness = 2 }: { readonly sharpness?: number } = {}): Layer {
  checkSharpness("learnedPool", sharpness);
  return layer("learnedPool", { regions, sharpness }, (input, scope) => {
    const { extents, to, flat } = grid("learnedPool", input, regions);
    const logits = scope.parameter("regions", [size(to), ...extents], evenGrid(extents, to, sharpness));
    return averaged(flat, softmax(reshape(logits, [size(to), size(extents)]), 0), to);
  });
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
