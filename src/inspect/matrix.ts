import { fail } from "../base/errors.ts";
import { size } from "../base/types.ts";
import { forEachTerm, type GridLinearPlan, gridLinear, type Role, typesOf } from "../ops/grid-linear/index.ts";

/**
 * A linear map as a matrix in coordinate form: entry (row, column) is the sum of `fixed[parameter]` over its terms.
 * Terms are sorted by row, then column, then parameter; under `wrap`, `reflect` and `replicate` several of them may share an entry.
 */
export interface TermMatrix {
  readonly plan: GridLinearPlan;
  readonly rows: number;
  readonly columns: number;
  /** Length of the operand that is held fixed: K, or V for role `kernel`. */
  readonly parameters: number;
  readonly row: Int32Array;
  readonly column: Int32Array;
  /** Position of each term's factor in the fixed operand. */
  readonly parameter: Int32Array;
}

/** Rows, columns and fixed operand of each role, for one example. */
const sides: Readonly<Record<Role, readonly ["kernel" | "input" | "output", "kernel" | "input" | "output", "kernel" | "input"]>> = {
  forward: ["output", "input", "kernel"],
  input: ["input", "output", "kernel"],
  kernel: ["kernel", "output", "input"],
};

/** Coordinate form beyond this many terms is refused: three words each. */
const mostTerms = 2 ** 26;

/**
 * The matrix that a grid-linear plan is, for one example: Z = M_K V (role `forward`), dV = M_K^T G (`input`), dK = M_V G (`kernel`).
 * With one axis and stride 1 it is Toeplitz; with two and `wrap` doubly block circulant; see `structureOf`.
 * Source: Goodfellow et al. 2016, section 9.1 and eq. 9.7 to 9.12.
 * Shapes: rows and columns count the cells of one example, channels first, in plain order.
 * Throws: when the problem line is wrong, or the plan has more than 2^26 terms.
 * Example: `matrixOf("grid-linear forward n1 ci1 co1 g1 | i5 k3 s1 d1 p1:1 t1 zero").row`
 */
export function matrixOf(problem: GridLinearPlan | string): TermMatrix {
  const plan = { ...(typeof problem === "string" ? gridLinear.parse(problem) : problem), examples: 1 };
  const types = typesOf(plan);
  const [rowsAre, columnsAre, fixedIs] = sides[plan.role];
  const count = gridLinear.cost(plan).multiplyAdds;
  if (count > mostTerms)
    fail(
      "inspect",
      "matrix",
      "terms",
      `<= ${mostTerms}`,
      `${count} of ${size(types.kernel.shape)} parameters`,
      "Take fewer channels or cells.",
    );
  const terms = new Float64Array(count);
  const found = { row: new Int32Array(count), column: new Int32Array(count), parameter: new Int32Array(count) };
  const columns = size(types[columnsAre].shape);
  let at = 0;
  forEachTerm(plan, (kernel, input, output) => {
    const cell = { kernel, input, output };
    found.row[at] = cell[rowsAre];
    found.column[at] = cell[columnsAre];
    found.parameter[at] = cell[fixedIs];
    // exact below 2^53: the order of entries as one number
    terms[at] = cell[rowsAre] * columns + cell[columnsAre];
    at++;
  });
  const order = Uint32Array.from(terms.keys()).sort((a, b) => terms[a] - terms[b] || found.parameter[a] - found.parameter[b]);
  const sorted = (list: Int32Array): Int32Array => Int32Array.from(order, (index) => list[index]);
  return {
    plan,
    rows: size(types[rowsAre].shape),
    columns,
    parameters: size(types[fixedIs].shape),
    row: sorted(found.row),
    column: sorted(found.column),
    parameter: sorted(found.parameter),
  };
}

/** The transposed matrix: that of role `input` for a plan of role `forward`. */
export function transposeMatrix({ row, column, parameter, ...matrix }: TermMatrix): TermMatrix {
  const order = Uint32Array.from(row.keys()).sort((a, b) => column[a] - column[b] || row[a] - row[b] || parameter[a] - parameter[b]);
  const sorted = (list: Int32Array): Int32Array => Int32Array.from(order, (index) => list[index]);
  return { ...matrix, rows: matrix.columns, columns: matrix.rows, row: sorted(column), column: sorted(row), parameter: sorted(parameter) };
}

/** The problem line of a plan. */
export const printProblem = (plan: GridLinearPlan): string => gridLinear.line(plan);

/** Compressed sparse rows: entries of row r lie at start[r] <= i < start[r + 1]. Terms of one entry are added. */
export interface SparseRows {
  readonly rows: number;
  readonly columns: number;
  readonly start: Int32Array;
  readonly column: Int32Array;
  readonly value: Float64Array;
}

/** The matrix with numbers: `fixed` is K (V for role `kernel`) in plain order. */
export function sparseRows(matrix: TermMatrix, fixed: ArrayLike<number>): SparseRows {
  checkFixed(matrix, fixed);
  const { rows, columns, row, column, parameter } = matrix;
  const start = new Int32Array(rows + 1);
  const [kept, value] = [new Int32Array(row.length), new Float64Array(row.length)];
  let entries = 0;
  for (let i = 0; i < row.length; i++) {
    const same = i > 0 && row[i] === row[i - 1] && column[i] === column[i - 1];
    if (!same) {
      kept[entries] = column[i];
      start[row[i] + 1]++;
      entries++;
    }
    value[entries - 1] += fixed[parameter[i]];
  }
  for (let r = 0; r < rows; r++) start[r + 1] += start[r];
  return { rows, columns, start, column: kept.slice(0, entries), value: value.slice(0, entries) };
}

/** y = M x. */
export function multiplySparse({ rows, start, column, value }: SparseRows, x: ArrayLike<number>): Float64Array {
  const y = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    let sum = 0;
    for (let i = start[r]; i < start[r + 1]; i++) sum += value[i] * x[column[i]];
    y[r] = sum;
  }
  return y;
}

/** All rows x columns numbers, row-major: the kernel of the dense layer that computes the same. Source: Goodfellow et al. 2016, section 9.4. */
export function denseMatrix(matrix: TermMatrix, fixed: ArrayLike<number>): Float64Array {
  checkFixed(matrix, fixed);
  const { rows, columns, row, column, parameter } = matrix;
  const most = 2 ** 27;
  if (rows * columns > most) fail("inspect", "matrix", "rows x columns", `<= ${most}`, `${rows} x ${columns}`, "Use the sparse form.");
  const dense = new Float64Array(rows * columns);
  for (let i = 0; i < row.length; i++) dense[row[i] * columns + column[i]] += fixed[parameter[i]];
  return dense;
}

function checkFixed({ parameters, plan }: TermMatrix, fixed: ArrayLike<number>): void {
  if (fixed.length !== parameters)
    fail("inspect", "matrix", plan.role === "kernel" ? "cells of V" : "numbers of K", `${parameters}`, fixed.length);
}

/** What the matrix holds, and what each way to keep it takes. */
export interface MatrixCounts {
  readonly rows: number;
  readonly columns: number;
  /** Entries that a term reaches. */
  readonly nonZeros: number;
  /** Factors that occur: parameters that any cell uses. */
  readonly distinct: number;
  /** nonZeros / (rows x columns). */
  readonly density: number;
  /** Bytes in f32 and i32: all numbers, (row, column, value), compressed rows, the factors alone. */
  readonly bytes: { readonly dense: number; readonly coordinates: number; readonly sparseRows: number; readonly factors: number };
}

/** Counts O(k n) against O(m n): what sparse interactions and shared parameters save. Source: Goodfellow et al. 2016, section 9.2. */
export function countMatrix({ rows, columns, row, column, parameter }: TermMatrix): MatrixCounts {
  let nonZeros = 0;
  for (let i = 0; i < row.length; i++) if (i === 0 || row[i] !== row[i - 1] || column[i] !== column[i - 1]) nonZeros++;
  const distinct = new Set(parameter).size;
  return {
    rows,
    columns,
    nonZeros,
    distinct,
    density: nonZeros / (rows * columns),
    bytes: {
      dense: 4 * rows * columns,
      coordinates: 12 * nonZeros,
      sparseRows: 8 * nonZeros + 4 * (rows + 1),
      factors: 4 * distinct,
    },
  };
}
