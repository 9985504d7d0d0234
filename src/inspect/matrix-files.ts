import type { Tensor } from "../base/types.ts";
import type { SparseRows } from "./matrix.ts";

/**
 * The matrix as a Matrix Market file: `row column value`, counted from 1.
 * Source: Boisvert, Pozo and Remington 1996, "The Matrix Market exchange formats".
 */
export function writeMatrixMarket({ rows, columns, start, column, value }: SparseRows, comment = ""): string {
  const lines = ["%%MatrixMarket matrix coordinate real general"];
  for (const line of comment === "" ? [] : comment.split("\n")) lines.push(`% ${line}`);
  lines.push(`${rows} ${columns} ${column.length}`);
  for (let r = 0; r < rows; r++) for (let i = start[r]; i < start[r + 1]; i++) lines.push(`${r + 1} ${column[i] + 1} ${value[i]}`);
  return `${lines.join("\n")}\n`;
}

/** The matrix as an .npz file with `indptr`, `indices`, `data` and `shape`: compressed sparse rows, as scientific Python names them. */
export async function writeMatrixNpz({ rows, columns, start, column, value }: SparseRows): Promise<Uint8Array> {
  // late: the zip library takes as long to load as a small net to compile
  const { writeNpz } = await import("../formats/npz.ts");
  const list = (data: Int32Array | Float32Array): Tensor =>
    data instanceof Int32Array ? { dtype: "i32", shape: [data.length], data } : { dtype: "f32", shape: [data.length], data };
  return writeNpz(
    new Map([
      ["indptr", list(start)],
      ["indices", list(column)],
      ["data", list(Float32Array.from(value))],
      ["shape", list(Int32Array.of(rows, columns))],
    ]),
    { compress: true },
  );
}
