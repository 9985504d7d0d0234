import { size } from "../base/types.ts";
import { typesOf } from "../ops/grid-linear/index.ts";
import type { TermMatrix } from "./matrix.ts";

/** How the blocks of a matrix (one for each pair of channels) repeat themselves. */
export type Structure = "circulant" | "Toeplitz" | "none";

/**
 * Whether every block of channels is circulant or Toeplitz on all axes, found by looking at the entries and not at the options.
 * Toeplitz: an entry depends on the difference of its cells alone; circulant: on the difference modulo the extents. With two axes these
 * are the doubly block Toeplitz and the doubly block circulant matrices.
 * Source: Goodfellow et al. 2016, section 9.1.
 */
export function structureOf(matrix: TermMatrix): Structure {
  const { plan } = matrix;
  if (plan.role === "kernel") return "none";
  const { input, output } = typesOf(plan);
  const [from, to] = plan.role === "forward" ? [input, output] : [output, input];
  const [columns, rows] = [from.shape.slice(2), to.shape.slice(2)];
  const square = columns.every((extent, axis) => extent === rows[axis]);
  if (square && repeats(matrix, rows, columns, true)) return "circulant";
  return repeats(matrix, rows, columns, false) ? "Toeplitz" : "none";
}

/** The structure in the chapter's words. */
export function nameStructure(matrix: TermMatrix): string {
  const structure = structureOf(matrix);
  const axes = matrix.plan.axes.length;
  if (structure === "none") return "no constant diagonals";
  const blocks = matrix.plan.channelsIn > 1 || matrix.plan.channelsOut > 1 ? ", one block for each pair of channels" : "";
  return `${["", "", "doubly block ", "triply block "][axes] ?? ""}${structure}${blocks}`;
}

/** Position on each axis of a cell, row-major. */
function cellAt(index: number, extents: readonly number[]): number[] {
  const cell = extents.map(() => 0);
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    cell[axis] = index % extents[axis];
    index = Math.floor(index / extents[axis]);
  }
  return cell;
}

/** True when all pairs of cells with the same difference have the same factors. */
function repeats({ row, column, parameter }: TermMatrix, rows: readonly number[], columns: readonly number[], modulo: boolean): boolean {
  const [rowCells, columnCells] = [size(rows), size(columns)];
  const diagonals = new Map<string, { readonly factors: string; seen: number; readonly length: number }>();
  for (let i = 0; i < row.length; ) {
    let end = i + 1;
    while (end < row.length && row[end] === row[i] && column[end] === column[i]) end++;
    const [to, from] = [cellAt(row[i] % rowCells, rows), cellAt(column[i] % columnCells, columns)];
    const difference = from.map((cell, axis) => {
      const apart = cell - to[axis];
      return modulo ? ((apart % rows[axis]) + rows[axis]) % rows[axis] : apart;
    });
    const key = `${Math.floor(row[i] / rowCells)} ${Math.floor(column[i] / columnCells)} ${difference.join(" ")}`;
    const factors = parameter.subarray(i, end).join(" ");
    const known = diagonals.get(key);
    if (known === undefined) diagonals.set(key, { factors, seen: 1, length: lengthOf(difference, rows, columns, modulo) });
    else if (known.factors !== factors) return false;
    else known.seen++;
    i = end;
  }
  return [...diagonals.values()].every(({ seen, length }) => seen === length);
}

/** Entries on a diagonal: pairs of cells that far apart. */
const lengthOf = (difference: readonly number[], rows: readonly number[], columns: readonly number[], modulo: boolean): number =>
  modulo
    ? size(rows)
    : difference.reduce((product, apart, axis) => product * (Math.min(rows[axis], columns[axis] - apart) - Math.max(0, -apart)), 1);
