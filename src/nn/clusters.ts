import { Problems } from "../base/errors.ts";
import { type Random, random } from "../base/random.ts";
import { size } from "../base/types.ts";

/** Options of `clusterPatches`. */
export interface ClusterOptions {
  /** Number of clusters: kernels. */
  readonly count: number;
  /** Extent of a patch on every axis. */
  readonly extent: number;
  /** Patches drawn. Default 20,000. */
  readonly patches?: number;
  /** Rounds of k-means; it ends sooner where no patch changes its cluster. Default 20. */
  readonly rounds?: number;
  /** Added to the variance of a patch before it is divided by its root, in units of the data. Default 0.1, for data of variance 1. */
  readonly contrast?: number;
  /** Added to the variances before whitening. Default 0.1. */
  readonly whitening?: number;
  /** Default 0. */
  readonly seed?: number;
}

/** Clusters of whitened patches: w = W ((p - mean p) / sqrt(var p + contrast) - m), nearest to one of the centroids. */
export interface PatchClusters {
  /** Shape of a patch [channels, ...extents]. */
  readonly shape: readonly number[];
  readonly contrast: number;
  /** m [cells]. */
  readonly mean: Float64Array;
  /** W, symmetric [cells, cells]. */
  readonly whitening: Float64Array;
  /** [count, cells]. */
  readonly centroids: Float64Array;
  readonly count: number;
}

/**
 * Learns kernels without labels: patches at random places of random examples, each with its mean taken off and divided by its deviation, whitened (ZCA:
 * W = U (D + whitening)^(-1/2) U', U D U' their covariance), then clustered by k-means.
 * Source: Coates, Lee and Ng 2011, section 3; Goodfellow et al. 2016, section 9.9.
 * Shapes: examples [n, channels, ...extents], 1 to 3 axes.
 * Throws: when a patch does not fit into an example, or an option is out of range.
 * Example: `const clusters = clusterPatches(cells, [1, 28, 28], { count: 64, extent: 6 })`
 */
export function clusterPatches(examples: Float32Array, shape: readonly number[], options: ClusterOptions): PatchClusters {
  const { count, extent, patches: drawn = 20_000, rounds = 20, contrast = 0.1, whitening: added = 0.1, seed = 0 } = options;
  const problems = new Problems("clusterPatches");
  const whole = (value: number): boolean => Number.isInteger(value) && value >= 1;
  for (const [name, value] of Object.entries({ count, extent, patches: drawn, rounds }))
    problems.check(whole(value), name, "a whole number >= 1", value);
  problems.check(drawn >= count, "patches", `>= ${count}, one for each cluster`, drawn);
  problems.check(contrast > 0, "contrast", "> 0", contrast);
  problems.check(added > 0, "whitening", "> 0", added);
  const fits = shape.length >= 2 && shape.slice(1).every((cells) => cells >= extent);
  problems.check(fits, "extent", `at most the extents ${shape.slice(1).join(" x ")} of an example`, extent);
  problems.check(
    examples.length > 0 && examples.length % size(shape) === 0,
    "examples",
    `a multiple of ${size(shape)} cells`,
    examples.length,
  );
  problems.throwIfAny();
  const draw = random(seed, 0x70617463);
  const patchShape = [shape[0], ...shape.slice(1).map(() => extent)];
  const patches = drawPatches(examples, shape, patchShape, drawn, draw);
  const cells = size(patchShape);
  for (let patch = 0; patch < drawn; patch++) normaliseContrast(patches.subarray(patch * cells, (patch + 1) * cells), contrast);
  const { mean, whitening } = zca(patches, cells, added);
  const white = whiten(patches, cells, mean, whitening);
  return { shape: patchShape, contrast, mean, whitening, centroids: kMeans(white, cells, count, rounds, draw), count };
}

/** Places of a patch's cells in an example, from its first cell. */
function offsetsOf(shape: readonly number[], patch: readonly number[]): Int32Array {
  let offsets = [0];
  shape.forEach((extent, axis) => {
    offsets = offsets.flatMap((offset) => Array.from({ length: patch[axis] }, (_, cell) => offset * extent + cell));
  });
  return Int32Array.from(offsets);
}

function drawPatches(
  examples: Float32Array,
  shape: readonly number[],
  patch: readonly number[],
  count: number,
  draw: Random,
): Float64Array {
  const offsets = offsetsOf(shape, patch);
  const cells = offsets.length;
  const patches = new Float64Array(count * cells);
  for (let number = 0; number < count; number++) {
    let first = draw.integer(0, examples.length / size(shape) - 1);
    shape.forEach((extent, axis) => {
      first = first * extent + (axis === 0 ? 0 : draw.integer(0, extent - patch[axis]));
    });
    for (let cell = 0; cell < cells; cell++) patches[number * cells + cell] = examples[first + offsets[cell]];
  }
  return patches;
}

/** (p - mean) / sqrt(variance + contrast). */
function normaliseContrast(patch: Float64Array, contrast: number): void {
  const mean = patch.reduce((sum, value) => sum + value, 0) / patch.length;
  const variance = patch.reduce((sum, value) => sum + (value - mean) ** 2, 0) / patch.length;
  const deviation = Math.sqrt(variance + contrast);
  for (let cell = 0; cell < patch.length; cell++) patch[cell] = (patch[cell] - mean) / deviation;
}

function zca(patches: Float64Array, cells: number, added: number): { mean: Float64Array; whitening: Float64Array } {
  const count = patches.length / cells;
  const mean = new Float64Array(cells);
  patches.forEach((value, at) => {
    mean[at % cells] += value / count;
  });
  const covariance = new Float64Array(cells * cells);
  const centred = new Float64Array(cells);
  for (let patch = 0; patch < count; patch++) {
    for (let cell = 0; cell < cells; cell++) centred[cell] = patches[patch * cells + cell] - mean[cell];
    for (let row = 0; row < cells; row++)
      for (let column = 0; column <= row; column++) covariance[row * cells + column] += centred[row] * centred[column];
  }
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column <= row; column++) {
      covariance[row * cells + column] /= count;
      covariance[column * cells + row] = covariance[row * cells + column];
    }
  }
  const { values, vectors } = eigen(covariance, cells);
  const whitening = new Float64Array(cells * cells);
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      let sum = 0;
      for (let k = 0; k < cells; k++)
        sum += (vectors[row * cells + k] * vectors[column * cells + k]) / Math.sqrt(Math.max(0, values[k]) + added);
      whitening[row * cells + column] = sum;
    }
  }
  return { mean, whitening };
}

/**
 * Eigenvalues and orthonormal eigenvectors (columns) of a symmetric matrix, by Jacobi's rotations.
 * Source: Golub and Van Loan 2013, section 8.5.
 */
export function eigen(matrix: Float64Array, order: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const vectors = new Float64Array(order * order);
  for (let k = 0; k < order; k++) vectors[k * order + k] = 1;
  const scale = a.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  for (let sweep = 0; sweep < 50; sweep++) {
    let largest = 0;
    for (let p = 0; p < order; p++) {
      for (let q = p + 1; q < order; q++) {
        const off = a[p * order + q];
        largest = Math.max(largest, Math.abs(off));
        if (Math.abs(off) > 1e-14 * scale) rotate(a, vectors, order, p, q);
      }
    }
    if (largest <= 1e-12 * scale) break;
  }
  return { values: Float64Array.from({ length: order }, (_, k) => a[k * order + k]), vectors };
}

/** One rotation in the plane of p and q that makes a[p, q] zero. */
function rotate(a: Float64Array, vectors: Float64Array, order: number, p: number, q: number): void {
  const ratio = (a[q * order + q] - a[p * order + p]) / (2 * a[p * order + q]);
  const tangent = Math.sign(ratio || 1) / (Math.abs(ratio) + Math.sqrt(ratio * ratio + 1));
  const cosine = 1 / Math.sqrt(tangent * tangent + 1);
  const sine = tangent * cosine;
  const turn = (m: Float64Array, i: number, j: number): void => {
    const [x, y] = [m[i], m[j]];
    m[i] = cosine * x - sine * y;
    m[j] = sine * x + cosine * y;
  };
  for (let k = 0; k < order; k++) turn(a, k * order + p, k * order + q);
  for (let k = 0; k < order; k++) turn(a, p * order + k, q * order + k);
  for (let k = 0; k < order; k++) turn(vectors, k * order + p, k * order + q);
}

function whiten(patches: Float64Array, cells: number, mean: Float64Array, whitening: Float64Array): Float64Array {
  const white = new Float64Array(patches.length);
  for (let from = 0; from < patches.length; from += cells) {
    for (let row = 0; row < cells; row++) {
      let sum = 0;
      for (let cell = 0; cell < cells; cell++) sum += whitening[row * cells + cell] * (patches[from + cell] - mean[cell]);
      white[from + row] = sum;
    }
  }
  return white;
}

/**
 * Centroids of k-means; an empty cluster begins again at a point drawn anew.
 * Source: Lloyd 1982. Shapes: points [n, cells] -> [count, cells].
 */
function kMeans(points: Float64Array, cells: number, count: number, rounds: number, draw: Random): Float64Array {
  const total = points.length / cells;
  const pick = (into: Float64Array, cluster: number): void => {
    const from = draw.integer(0, total - 1) * cells;
    into.set(points.subarray(from, from + cells), cluster * cells);
  };
  let centroids = new Float64Array(count * cells);
  spreadCentroids(points, cells, centroids, draw);
  const nearest = new Int32Array(total).fill(-1);
  for (let round = 0; round < rounds; round++) {
    const half = Float64Array.from({ length: count }, (_, cluster) => squaresOf(centroids, cluster * cells, cells) / 2);
    let changes = 0;
    const sums = new Float64Array(count * cells);
    const members = new Int32Array(count);
    for (let point = 0; point < total; point++) {
      const cluster = nearestTo(points, point * cells, centroids, half, cells);
      if (cluster !== nearest[point]) changes++;
      nearest[point] = cluster;
      members[cluster]++;
      for (let cell = 0; cell < cells; cell++) sums[cluster * cells + cell] += points[point * cells + cell];
    }
    if (changes === 0) break;
    centroids = sums.map((sum, at) => sum / Math.max(1, members[Math.floor(at / cells)]));
    members.forEach((own, cluster) => {
      if (own === 0) pick(centroids, cluster);
    });
  }
  return centroids;
}

/**
 * First centroids: points drawn one after another, each with a chance in proportion to its squared distance from the nearest one drawn before.
 * Source: Arthur and Vassilvitskii 2007.
 */
function spreadCentroids(points: Float64Array, cells: number, centroids: Float64Array, draw: Random): void {
  const total = points.length / cells;
  const far = new Float64Array(total).fill(Number.POSITIVE_INFINITY);
  let chosen = draw.integer(0, total - 1);
  for (let cluster = 0; cluster * cells < centroids.length; cluster++) {
    centroids.set(points.subarray(chosen * cells, (chosen + 1) * cells), cluster * cells);
    let sum = 0;
    for (let point = 0; point < total; point++) {
      let distance = 0;
      for (let cell = 0; cell < cells; cell++) distance += (points[point * cells + cell] - centroids[cluster * cells + cell]) ** 2;
      far[point] = Math.min(far[point], distance);
      sum += far[point];
    }
    let left = draw.uniform() * sum;
    chosen = far.findIndex((distance) => {
      left -= distance;
      return left < 0;
    });
    // where all points are centroids already, any will do
    if (chosen < 0) chosen = draw.integer(0, total - 1);
  }
}

function squaresOf(values: Float64Array, from: number, cells: number): number {
  let sum = 0;
  for (let cell = from; cell < from + cells; cell++) sum += values[cell] ** 2;
  return sum;
}

/** The cluster with the largest x c - |c|^2 / 2. */
function nearestTo(points: Float64Array, from: number, centroids: Float64Array, half: Float64Array, cells: number): number {
  let [best, most] = [0, Number.NEGATIVE_INFINITY];
  for (let cluster = 0; cluster < half.length; cluster++) {
    let product = -half[cluster];
    for (let cell = 0, at = cluster * cells; cell < cells; cell++, at++) product += points[from + cell] * centroids[at];
    if (product > most) [best, most] = [cluster, product];
  }
  return best;
}
