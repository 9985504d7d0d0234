import { fail } from "../base/errors.ts";
import { random } from "../base/random.ts";
import { size, strides, type Tensor } from "../base/types.ts";
import { rankOneFactors } from "../graph/factors.ts";
import { tensor } from "../graph/trace.ts";

/** A kernel as sums of outer products, for each pair of channels by itself. */
export interface SeparatedKernel {
  /** One tensor for each axis, [...pairs, rank, taps of the axis]: K[pair, t0, t1, ...] = sum over r of f0[pair, r, t0] f1[pair, r, t1] ... */
  readonly factors: readonly Tensor[];
  /** |K - K_r| / |K|, the norm over all pairs and taps together; 0 for a kernel of zeros. */
  readonly error: number;
}

/** Leading extents (pairs of channels, as convolutions keep them) and the axes behind them. */
function partsOf(kernel: Tensor, axes: number): { pairs: readonly number[]; extents: readonly number[] } {
  const { shape } = kernel;
  const fits = Number.isInteger(axes) && axes >= 1 && axes <= 3 && axes <= shape.length;
  if (!fits) fail("separable", "kernel", "axes", `1 to 3, of the ${shape.length} of [${shape.join(",")}]`, axes, "They are the last ones.");
  return { pairs: shape.slice(0, shape.length - axes), extents: shape.slice(shape.length - axes) };
}

/**
 * The kernel as one outer product of vectors for each pair of channels, K[pair, t0, t1, ...] = f0[pair, t0] f1[pair, t1] ..., exactly (to the
 * rounding of f32); null where some pair is not of rank one.
 * Source: Goodfellow et al. 2016, section 9.8.
 * Shapes: [...pairs, ...k] with `axes` axes behind the pairs -> factors [...pairs, 1, k_i].
 * Throws: when `axes` is not 1 to 3.
 * Example: `separateKernel(tensor([1, 1, 3, 3], [1, 0, -1, 2, 0, -2, 1, 0, -1]))`
 */
export function separateKernel(kernel: Tensor, axes = kernel.shape.length - 2): SeparatedKernel | null {
  const { pairs, extents } = partsOf(kernel, axes);
  const taps = size(extents);
  const found: Float64Array[][] = [];
  for (let pair = 0; pair < size(pairs); pair++) {
    const own = rankOneFactors(kernel.data.subarray(pair * taps, (pair + 1) * taps), extents);
    if (own === null) return null;
    found.push(own);
  }
  return separated(kernel, pairs, extents, 1, found);
}

/**
 * The nearest kernel of lower rank for each pair of channels: the sum of `rank` outer products with the least |K - K_r|, by singular values
 * on two axes and alternating least squares (CP) on three, where it is the best that they reach.
 * Source: Goodfellow et al. 2016, section 9.8; Jaderberg, Vedaldi and Zisserman 2014; Kolda and Bader, Tensor Decompositions, 2009, section 3.4.
 * Shapes: as separateKernel, factors [...pairs, rank, k_i].
 * Throws: when `rank` is no whole number >= 1, or `axes` is not 1 to 3.
 */
export function lowRankKernel(kernel: Tensor, rank: number, axes = kernel.shape.length - 2): SeparatedKernel {
  if (!Number.isInteger(rank) || rank < 1) fail("separable", "kernel", "rank", "a whole number >= 1", rank);
  const { pairs, extents } = partsOf(kernel, axes);
  const taps = size(extents);
  const found = Array.from({ length: size(pairs) }, (_, pair) => {
    const cells = Float64Array.from(kernel.data.subarray(pair * taps, (pair + 1) * taps));
    if (axes === 1) return [Float64Array.from({ length: rank * taps }, (_, i) => cells[i] ?? 0)];
    return axes === 2 ? leadingPairs(cells, extents, rank) : alternate(cells, extents, rank);
  });
  return separated(kernel, pairs, extents, rank, found);
}

/** The sum of outer products that the factors stand for, [...pairs, ...k]. */
export function composeKernel(factors: readonly Tensor[]): Tensor {
  const [{ shape }] = factors;
  const [pairs, rank] = [shape.slice(0, -2), shape[shape.length - 2]];
  const extents = factors.map((factor) => factor.shape[factor.shape.length - 1]);
  const steps = strides(extents);
  const taps = size(extents);
  return tensor(
    [...pairs, ...extents],
    Float64Array.from({ length: size(pairs) * taps }, (_, cell) => {
      const [pair, tap] = [Math.floor(cell / taps), cell % taps];
      let sum = 0;
      for (let r = 0; r < rank; r++)
        sum += factors.reduce(
          (product, { data }, axis) => product * data[(pair * rank + r) * extents[axis] + (Math.floor(tap / steps[axis]) % extents[axis])],
          1,
        );
      return sum;
    }),
  );
}

function separated(
  kernel: Tensor,
  pairs: readonly number[],
  extents: readonly number[],
  rank: number,
  found: readonly (readonly Float64Array[])[],
): SeparatedKernel {
  const factors = extents.map((extent, axis) =>
    tensor(
      [...pairs, rank, extent],
      found.flatMap((own) => [...own[axis]]),
    ),
  );
  const { data } = composeKernel(factors);
  let [apart, whole] = [0, 0];
  kernel.data.forEach((value, i) => {
    apart += (value - data[i]) ** 2;
    whole += value ** 2;
  });
  return { factors, error: whole === 0 ? 0 : Math.sqrt(apart / whole) };
}

/** Largest sweeps of plane rotations, and the cosine between columns from which on they count as orthogonal. */
const mostSweeps = 60;
const orthogonal = 1e-15;

/** Left and right singular vectors of the largest singular values, each times its root; one-sided Jacobi rotations. */
function leadingPairs(cells: Float64Array, [rows, columns]: readonly number[], rank: number): Float64Array[] {
  const a = Array.from({ length: columns }, (_, j) => Float64Array.from({ length: rows }, (_, i) => cells[i * columns + j]));
  const v = a.map((_, j) => Float64Array.from({ length: columns }, (_, i) => (i === j ? 1 : 0)));
  const dot = (x: Float64Array, y: Float64Array): number => x.reduce((sum, value, i) => sum + value * y[i], 0);
  const rotate = (x: Float64Array, y: Float64Array, c: number, s: number): void => {
    for (let i = 0; i < x.length; i++) [x[i], y[i]] = [c * x[i] - s * y[i], s * x[i] + c * y[i]];
  };
  for (let sweep = 0, turned = true; turned && sweep < mostSweeps; sweep++) {
    turned = false;
    for (let p = 0; p < columns; p++)
      for (let q = p + 1; q < columns; q++) {
        const [pp, qq, pq] = [dot(a[p], a[p]), dot(a[q], a[q]), dot(a[p], a[q])];
        if (Math.abs(pq) <= orthogonal * Math.sqrt(pp * qq) || pq === 0) continue;
        const zeta = (qq - pp) / (2 * pq);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta));
        const c = 1 / Math.sqrt(1 + t * t);
        rotate(a[p], a[q], c, c * t);
        rotate(v[p], v[q], c, c * t);
        turned = true;
      }
  }
  const order = a.map((column, j) => ({ j, value: Math.sqrt(dot(column, column)) })).sort((x, y) => y.value - x.value);
  const left = new Float64Array(rank * rows);
  const right = new Float64Array(rank * columns);
  for (let r = 0; r < Math.min(rank, columns); r++) {
    const { j, value } = order[r];
    if (value === 0) break;
    const root = Math.sqrt(value);
    a[j].forEach((cell, i) => {
      left[r * rows + i] = cell / root;
    });
    v[j].forEach((cell, i) => {
      right[r * columns + i] = cell * root;
    });
  }
  return [left, right];
}

/** Starts and sweeps of the alternating least squares, and the gain of a sweep below which they end. */
const starts = 4;
const mostRounds = 400;
const leastGain = 1e-12;

/** CP factors by alternating least squares, the best of several starts. */
function alternate(cells: Float64Array, extents: readonly number[], rank: number): Float64Array[] {
  const draw = random(1);
  const whole = cells.reduce((sum, value) => sum + value * value, 0);
  let best: { factors: Float64Array[]; error: number } | null = null;
  for (let start = 0; start < starts; start++) {
    const factors = extents.map((extent) => Float64Array.from({ length: rank * extent }, () => draw.normal()));
    let error = Number.POSITIVE_INFINITY;
    for (let round = 0; round < mostRounds; round++) {
      extents.forEach((_, axis) => void solveAxis(cells, extents, rank, factors, axis));
      const before = error;
      error = squaredError(cells, extents, rank, factors);
      if (before - error <= leastGain * whole) break;
    }
    if (best === null || error < best.error) best = { factors, error };
    if (error <= leastGain * whole) break;
  }
  return best?.factors ?? [];
}

/** Visits every cell with its position on each axis. */
function eachCell(extents: readonly number[], visit: (cell: number, at: readonly number[]) => void): void {
  const steps = strides(extents);
  for (let cell = 0; cell < size(extents); cell++)
    visit(
      cell,
      steps.map((step, axis) => Math.floor(cell / step) % extents[axis]),
    );
}

function squaredError(cells: Float64Array, extents: readonly number[], rank: number, factors: readonly Float64Array[]): number {
  let sum = 0;
  eachCell(extents, (cell, at) => {
    let made = 0;
    for (let r = 0; r < rank; r++) made += factors.reduce((product, factor, axis) => product * factor[r * extents[axis] + at[axis]], 1);
    sum += (cells[cell] - made) ** 2;
  });
  return sum;
}

/** The factor of one axis that fits best while the others stay: normal equations of `rank` unknowns for each tap. */
function solveAxis(cells: Float64Array, extents: readonly number[], rank: number, factors: Float64Array[], axis: number): void {
  const sums = new Float64Array(rank * extents[axis]);
  const others = (r: number, at: readonly number[]): number =>
    factors.reduce((product, factor, i) => (i === axis ? product : product * factor[r * extents[i] + at[i]]), 1);
  eachCell(extents, (cell, at) => {
    for (let r = 0; r < rank; r++) sums[r * extents[axis] + at[axis]] += cells[cell] * others(r, at);
  });
  const gram = Array.from({ length: rank }, (_, r) =>
    Float64Array.from({ length: rank }, (_, s) =>
      factors.reduce((product, factor, i) => {
        if (i === axis) return product;
        let dot = 0;
        for (let tap = 0; tap < extents[i]; tap++) dot += factor[r * extents[i] + tap] * factor[s * extents[i] + tap];
        return product * dot;
      }, 1),
    ),
  );
  factors[axis] = solve(gram, sums, extents[axis]);
}

/** Solves a symmetric system for several right sides by Gauss with pivots on the diagonal; unknowns that it does not determine are 0. */
function solve(matrix: Float64Array[], right: Float64Array, columns: number): Float64Array {
  const rank = matrix.length;
  const largest = Math.max(...matrix.map((row, i) => row[i]));
  const solved = new Float64Array(right);
  const done = new Set<number>();
  for (let step = 0; step < rank; step++) {
    let pivot = -1;
    for (let i = 0; i < rank; i++) if (!done.has(i) && (pivot < 0 || matrix[i][i] > matrix[pivot][pivot])) pivot = i;
    if (matrix[pivot][pivot] <= 1e-14 * largest) break;
    done.add(pivot);
    for (let i = 0; i < rank; i++) {
      if (i === pivot) continue;
      const factor = matrix[i][pivot] / matrix[pivot][pivot];
      for (let j = 0; j < rank; j++) matrix[i][j] -= factor * matrix[pivot][j];
      for (let c = 0; c < columns; c++) solved[i * columns + c] -= factor * solved[pivot * columns + c];
    }
  }
  for (let i = 0; i < rank; i++)
    for (let c = 0; c < columns; c++) solved[i * columns + c] = done.has(i) ? solved[i * columns + c] / matrix[i][i] : 0;
  return solved;
}
