import { fail } from "../base/errors.ts";
import type { TermMatrix } from "./matrix.ts";

/** How far the numbers of a matrix are from those that a convolution could have. All are shares of the sum of squares. */
export interface PriorDistance {
  /** Outside of the receptive fields, where the convolution has zeros. */
  readonly outside: number;
  /** Inside, but different from the mean of what would be one parameter. */
  readonly untied: number;
  /** outside + untied: 0 for a convolution, 1 for what no convolution resembles. */
  readonly total: number;
  /** The nearest kernel, in the order of K. */
  readonly kernel: Float64Array;
}

/**
 * Projects a dense matrix W onto the subspace of the convolutions of a plan, min over K of |W - M_K|^2, and measures what is left: a convolution
 * is a dense layer with an infinitely strong prior, zero outside the field and equal along the ties.
 * Each number of K is the mean of W over the entries it stands in; those sets do not overlap, so the projection is orthogonal.
 * Source: Goodfellow et al. 2016, section 9.4.
 * Shapes: `weights` rows x columns, row-major, as `denseMatrix` gives them: the kernel of a dense layer, or of a locally connected one.
 * Throws: when the length does not fit, all weights are zero, or several taps share a cell (borders other than zero and wrap on small grids).
 */
export function distanceFromConvolution(matrix: TermMatrix, weights: ArrayLike<number>): PriorDistance {
  const { rows, columns, row, column, parameter, parameters } = matrix;
  if (weights.length !== rows * columns)
    fail("inspect", "prior", "weights", `${rows * columns} (${rows} rows x ${columns} columns)`, weights.length);
  const [sums, squares, counts] = [new Float64Array(parameters), new Float64Array(parameters), new Float64Array(parameters)];
  for (let i = 0; i < row.length; i++) {
    if (i > 0 && row[i] === row[i - 1] && column[i] === column[i - 1])
      fail(
        "inspect",
        "prior",
        `entry (${row[i]}, ${column[i]})`,
        "one tap",
        "several",
        "Choose a border of zeros, or a grid wider than the kernel.",
      );
    const weight = weights[row[i] * columns + column[i]];
    sums[parameter[i]] += weight;
    squares[parameter[i]] += weight * weight;
    counts[parameter[i]]++;
  }
  let all = 0;
  for (let i = 0; i < weights.length; i++) all += weights[i] * weights[i];
  if (!(all > 0)) fail("inspect", "prior", "sum of squares of the weights", "a number > 0", all);
  const kernel = sums.map((sum, i) => (counts[i] === 0 ? 0 : sum / counts[i]));
  const inside = squares.reduce((a, b) => a + b, 0);
  const tied = kernel.reduce((total, mean, i) => total + mean * mean * counts[i], 0);
  const [outside, untied] = [Math.max(0, all - inside) / all, Math.max(0, inside - tied) / all];
  return { outside, untied, total: outside + untied, kernel };
}
