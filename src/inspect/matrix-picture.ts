import { fail } from "../base/errors.ts";
import type { TermMatrix } from "./matrix.ts";

/** Cells of the picture at most, on a side: larger matrices are drawn as the share of entries in each square. */
const mostCells = 160;

/**
 * The matrix as an SVG picture, one square for each entry; equal factors have equal colours, so ties can be seen. A matrix with more
 * than 160 rows or columns is drawn in squares of several entries, the darker the more of them are not zero. Readable on light and dark pages.
 * Throws: when the matrix is empty.
 */
export function drawMatrix(matrix: TermMatrix, title: string): string {
  const { rows, columns } = matrix;
  if (rows === 0 || columns === 0) fail("inspect", "matrix", "rows x columns", ">= 1 x 1", `${rows} x ${columns}`);
  const step = Math.ceil(Math.max(rows, columns) / mostCells);
  const [height, width] = [Math.ceil(rows / step), Math.ceil(columns / step)];
  const side = Math.max(height, width);
  const margin = side / 80;
  const unit = Math.min(360, 28 * side) / (side + 2 * margin);
  const [wide, high] = [width + 2 * margin, height + 2 * margin];
  const marks = step === 1 ? entryMarks(matrix) : shareMarks(matrix, step);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="${-margin} ${-margin} ${wide} ${high}" width="${Math.round(wide * unit)}" height="${Math.round(high * unit)}" role="img" aria-label="${escapeText(title)}">`,
    `<title>${escapeText(title)}</title>`,
    "<style>.m{--paper:#fff;--line:#8a8f98;--ink:#1b1f24}@media (prefers-color-scheme:dark){.m{--paper:#14171b;--line:#6b727c;--ink:#e8eaed}}</style>",
    `<g class="m"><rect x="0" y="0" width="${width}" height="${height}" fill="var(--paper)" stroke="var(--line)" stroke-width="1" vector-effect="non-scaling-stroke"/>`,
    ...marks,
    "</g></svg>\n",
  ].join("\n");
}

const escapeText = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");

/** Neighbouring factors get hues far apart: steps of the golden angle, at a lightness that shows on white and on black. */
const colourOf = (factor: number): string => `hsl(${Math.round((factor * 137.508) % 360)} 62% 52%)`;

function entryMarks({ row, column, parameter }: TermMatrix): string[] {
  const byFactor = new Map<number, string[]>();
  for (let i = 0; i < row.length; i++) {
    const path = byFactor.get(parameter[i]) ?? [];
    path.push(`M${column[i]} ${row[i]}h1v1h-1z`);
    byFactor.set(parameter[i], path);
  }
  return [...byFactor].map(([factor, path]) => `<path fill="${colourOf(factor)}" d="${path.join("")}"/>`);
}

function shareMarks({ rows, columns, row, column }: TermMatrix, step: number): string[] {
  const width = Math.ceil(columns / step);
  const counts = new Float64Array(Math.ceil(rows / step) * width);
  for (let i = 0; i < row.length; i++) counts[Math.floor(row[i] / step) * width + Math.floor(column[i] / step)]++;
  const levels = new Map<number, string[]>();
  const most = counts.reduce((a, b) => Math.max(a, b), 0);
  counts.forEach((count, square) => {
    if (count === 0) return;
    const level = Math.ceil((count / most) * 8) / 8;
    const path = levels.get(level) ?? [];
    path.push(`M${square % width} ${Math.floor(square / width)}h1v1h-1z`);
    levels.set(level, path);
  });
  return [...levels].map(([level, path]) => `<path fill="var(--ink)" fill-opacity="${level}" d="${path.join("")}"/>`);
}
