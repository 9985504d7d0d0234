import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { multiplyAdd, whileBelow } from "../../emit/wasm/vectors.ts";
import { size } from "../../base/types.ts";
import type { Algorithm, Device, Emission, Routine, StepSpec } from "../contract.ts";
import { plainLayout } from "../layout.ts";
import { type MatmulPlan, matmulOperator } from "./index.ts";

/** Columns that one pass keeps in registers. */
const columnsAtOnce = 16;
/** Rows of a chunk. */
const rowsOfChunk = 16;

const argument = (f: FunctionBuilder, position: number): Local => {
  const local = f.local("i32");
  f.get(f.parameters[0]).memory("i32.load", 4 * position).set(local);
  return local;
};

/** B[.., j, r] -> [.., r, j]: the product reads rows of columns. One chunk a matrix. */
function emitTransposed(f: FunctionBuilder, inner: number, columns: number): void {
  const [, begin, end] = f.parameters;
  const [source, target] = [argument(f, 0), argument(f, 1)];
  const [matrix, r, j, from, to, mostR, mostJ] = f.locals("i32", 7);
  f.i32(inner).set(mostR).i32(columns).set(mostJ).get(begin).set(matrix);
  whileBelow(f, matrix, end, 1, () => {
    f.get(matrix).i32(4 * inner * columns).op("i32.mul").get(source).op("i32.add").set(from);
    f.get(matrix).i32(4 * inner * columns).op("i32.mul").get(target).op("i32.add").set(to);
    f.i32(0).set(r);
    whileBelow(f, r, mostR, 1, () => {
      f.i32(0).set(j);
      whileBelow(f, j, mostJ, 1, () => {
        f.get(to).get(j).i32(4).op("i32.mul", "i32.add");
        f.get(from).get(j).i32(4 * inner).op("i32.mul", "i32.add").memory("f32.load").memory("f32.store");
      });
      f.get(to).i32(4 * columns).op("i32.add").set(to).get(from).i32(4).op("i32.add").set(from);
    });
  });
}

/** C[l, i, :] for the rows of the chunk: columns in vectors, then one by one. */
function emitProduct(f: FunctionBuilder, plan: MatmulPlan, rowChunks: number, device: Device): void {
  const { rows, inner, columns, transposeA, examples: counted } = plan;
  const [, begin, end, examples] = f.parameters;
  const [a, b, c] = [0, 1, 2].map((position) => argument(f, position));
  const [chunk, matrix, row, lastRow, j, r, lastR, pa, pb, pc, from] = f.locals("i32", 11);
  const matrixA = plan.a.shape.length > 2 ? 4 * rows * inner : 0;
  const matrixB = plan.b.shape.length > 2 ? 4 * inner * columns : 0;
  const [rowA, stepA] = transposeA ? [4, 4 * rows] : [4 * inner, 4];
  const vectors = f.locals("v128", columnsAtOnce / 4);
  const [splat, sum] = [f.local("v128"), f.local("f32")];
  if (counted === "inner") f.get(examples).set(lastR);
  else f.i32(inner).set(lastR);
  const overInner = (body: () => void): void => {
    f.get(from).set(pa).get(b).get(matrix).i32(matrixB).op("i32.mul", "i32.add").get(j).i32(4).op("i32.mul", "i32.add").set(pb).i32(0).set(r);
    whileBelow(f, r, lastR, 1, () => {
      body();
      f.get(pa).i32(stepA).op("i32.add").set(pa).get(pb).i32(4 * columns).op("i32.add").set(pb);
    });
  };
  const wideColumns = columns - (columns % columnsAtOnce);
  const lastColumn = f.local("i32");
  f.get(begin).set(chunk);
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).i32(rowChunks).op("i32.div_s").set(matrix).get(chunk).i32(rowChunks).op("i32.rem_s").i32(rowsOfChunk).op("i32.mul").set(row);
    f.get(row).i32(rowsOfChunk).op("i32.add").set(lastRow);
    if (counted === "rows") f.get(lastRow).get(examples).get(lastRow).get(examples).op("i32.lt_s", "select").set(lastRow);
    else f.get(lastRow).i32(rows).get(lastRow).i32(rows).op("i32.lt_s", "select").set(lastRow);
    whileBelow(f, row, lastRow, 1, () => {
      f.get(a).get(matrix).i32(matrixA).op("i32.mul", "i32.add").get(row).i32(rowA).op("i32.mul", "i32.add").set(from);
      f.get(c).get(matrix).i32(4 * rows * columns).op("i32.mul", "i32.add").get(row).i32(4 * columns).op("i32.mul", "i32.add").set(pc);
      f.i32(0).set(j);
      if (wideColumns > 0) {
        f.i32(wideColumns).set(lastColumn);
        whileBelow(f, j, lastColumn, columnsAtOnce, () => {
          for (const vector of vectors) f.f32x4(0).set(vector);
          overInner(() => {
            f.get(pa).memory("v128.load32_splat").set(splat);
            vectors.forEach((vector, v) => multiplyAdd(f, device.fma, vector, () => f.get(splat), () => f.get(pb).memory("v128.load", 16 * v)));
          });
          vectors.forEach((vector, v) => f.get(pc).get(j).i32(4).op("i32.mul", "i32.add").get(vector).memory("v128.store", 16 * v));
        });
      }
      f.i32(columns).set(lastColumn);
      whileBelow(f, j, lastColumn, 1, () => {
        f.f32(0).set(sum);
        overInner(() => f.get(sum).get(pa).memory("f32.load").get(pb).memory("f32.load").op("f32.mul", "f32.add").set(sum));
        f.get(pc).get(j).i32(4).op("i32.mul", "i32.add").get(sum).memory("f32.store");
      });
    });
  });
}

/** Matrix product on plain layouts: rows of C at a time, sixteen columns in registers; a transposed B is turned first. */
export const plainMatmul: Algorithm<MatmulPlan> = {
  id: "wasm-matmul-rows",
  operator: "matmul",
  layouts: (_plan, fusion) => (fusion === null ? [{ inputs: [plainLayout, plainLayout], operands: [], outputs: [1] }] : []),
  refuses: () => null,
  estimate: ({ leading, rows, inner, columns }) => 2000 + (leading * rows * inner * columns) / (columns < columnsAtOnce ? 1 : 8),
  emit(plan, _buffers, _fusion, device): Emission {
    const { rows, columns, inner, leading, examples } = plan;
    const line = matmulOperator.line(plan).replace(/ n\d+/, " n");
    const rowChunks = Math.max(1, Math.ceil(rows / rowsOfChunk));
    const matricesB = plan.b.shape.length > 2 ? leading : 1;
    const perExample = (count: number, of: { batched: boolean; shape: readonly number[] }): number => (of.batched && of.shape.length > 2 ? count / of.shape[0] : count);
    const turn: StepSpec[] = !plan.transposeB ? [] : [{
      routine: routine(`wasm-matmul-turn | ${inner}x${columns}`, (f) => emitTransposed(f, inner, columns)),
      operands: [{ of: "input", index: 1, access: "read" }, { of: "temporary", index: 0, access: "write" }],
      chunks: { each: perExample(matricesB, plan.b), group: plan.b.batched && plan.b.shape.length > 2 ? 1 : 0 },
    }];
    const chunks = examples === "rows" ? { each: 1, group: rowsOfChunk } : examples === "leading" ? { each: (leading / plan.output.shape[0]) * rowChunks, group: 1 } : { each: leading * rowChunks, group: 0 };
    return {
      temporaries: plan.transposeB ? [4 * size(plan.b.shape)] : [],
      constants: [],
      steps: [...turn, {
        routine: routine(`wasm-matmul-rows | ${line} | ${device.tier}`, (f) => emitProduct(f, plan, examples === "rows" ? 2 ** 24 : rowChunks, device)),
        operands: [{ of: "input", index: 0, access: "read" }, plan.transposeB ? { of: "temporary", index: 0, access: "read" } : { of: "input", index: 1, access: "read" }, { of: "output", index: 0, access: "write" }],
        chunks,
      }],
    };
  },
};

const routine = (key: string, emit: (f: FunctionBuilder) => void): Routine => ({ key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], emit) });
