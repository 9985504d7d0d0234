import { Command } from "commander";
import type { TermMatrix } from "../../inspect/matrix.ts";
import { type Context, printJson, printLine } from "../context.ts";
import { printCount, printTable } from "../print.ts";

interface Flags {
  readonly kernel?: number[];
  readonly svg?: string;
  readonly npz?: string;
  readonly mtx?: string;
  readonly json?: boolean;
}

/** Matrices of at most so many columns are printed. */
const printedColumns = 24;

const numbers = (text: string): number[] => text.split(",").map(Number);

/** `matrix "PROBLEM LINE"` */
export function matrixCommand(context: Context): Command {
  return new Command("matrix")
    .description("a grid-linear problem as the matrix it is: entries, structure, storage; as text, picture or file")
    .argument("<line...>", 'problem line, e.g. "grid-linear forward n1 ci1 co1 g1 | i5 k3 s1 d1 p1:1 t1 zero"')
    .option("--kernel <a,b,...>", "numbers of K in plain order (of V for role kernel); 1, 2, 3, ... when left out", numbers)
    .option("--svg <file>", "write a picture: equal factors in equal colours")
    .option("--npz <file>", "write compressed sparse rows: indptr, indices, data, shape")
    .option("--mtx <file>", "write a Matrix Market file")
    .option("--json", "print one JSON object")
    .action(async (words: string[], { kernel, svg, npz, mtx, json }: Flags) => {
      const {
        countMatrix,
        drawMatrix,
        matrixOf,
        nameStructure,
        printProblem,
        sparseRows,
        writeFileWhole,
        writeMatrixMarket,
        writeMatrixNpz,
      } = await import("../../node.ts");
      const matrix = matrixOf(words.join(" "));
      const line = printProblem(matrix.plan);
      const rows = sparseRows(matrix, kernel ?? Float64Array.from({ length: matrix.parameters }, (_, i) => i + 1));
      if (svg !== undefined) await writeFileWhole(svg, drawMatrix(matrix, line));
      if (npz !== undefined) await writeFileWhole(npz, await writeMatrixNpz(rows));
      if (mtx !== undefined) await writeFileWhole(mtx, writeMatrixMarket(rows, line));
      const counts = countMatrix(matrix);
      const structure = nameStructure(matrix);
      if (json === true) {
        printJson(context, { line, structure, ...counts });
        return;
      }
      printLine(context, line);
      if (matrix.columns <= printedColumns && matrix.rows <= 2 * printedColumns)
        for (const text of entries(matrix)) printLine(context, text);
      printLine(context, `${counts.rows} x ${counts.columns}: ${structure}`);
      const share = `${(100 * counts.density).toPrecision(3)} %`;
      printLine(
        context,
        `${printCount(counts.nonZeros)} entries (${share}) of ${printCount(counts.distinct)} factor${counts.distinct === 1 ? "" : "s"}`,
      );
      const kept = Object.entries({
        "all numbers": counts.bytes.dense,
        "row, column, value": counts.bytes.coordinates,
        "compressed rows": counts.bytes.sparseRows,
        "the factors": counts.bytes.factors,
      }).map(([way, bytes]) => [way, printCount(bytes)]);
      for (const text of printTable(["kept as", "bytes"], kept, [false, true])) printLine(context, text);
    });
}

/** The matrix with k0, k1, ... for its factors and dots for zeros. */
function entries({ plan, rows, columns, row, column, parameter }: TermMatrix): string[] {
  const letter = plan.role === "kernel" ? "v" : "k";
  const cells = Array.from({ length: rows }, () => new Array<string>(columns).fill("."));
  row.forEach((r, i) => {
    const before = cells[r][column[i]];
    cells[r][column[i]] = before === "." ? `${letter}${parameter[i]}` : `${before}+${letter}${parameter[i]}`;
  });
  const width = Math.max(...cells.flat().map((cell) => cell.length));
  return cells.map((line) => line.map((cell) => cell.padStart(width)).join(" "));
}
