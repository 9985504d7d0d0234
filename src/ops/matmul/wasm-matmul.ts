import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { multiplyAdd, whileBelow } from "../../emit/wasm/vectors.ts";
import type { Algorithm, Chunks, Device, Emission, Layout, OperandRef, Routine } from "../contract.ts";
import { plainLayout } from "../layout.ts";
import { stepsOf } from "../pair-lists.ts";
import { type MatmulPlan, matmulOperator } from "./index.ts";

/** Columns that one pass keeps in registers. */
const columnsAtOnce = 16;
/** Rows of a chunk. */
const rowsOfChunk = 16;

/** Where the matrices of an operand lie, in bytes. */
interface Matrices {
  /** From one example to the next, where the example axis is a leading one. */
  readonly example: number;
  /** Of every matrix of an example, from the start of the buffer. */
  readonly offsets: readonly number[];
  readonly row: number;
  readonly column: number;
}

/** Matrices that one example has, or all of them where the example axis is no leading one. */
const matricesOf = ({ leading, examples, output }: MatmulPlan): number => (examples === "leading" ? leading / output.shape[0] : leading);

function matrices(plan: MatmulPlan, type: TensorType, layout: Layout, transposed: boolean): Matrices {
  const { origin, axes } = stepsOf(type, layout);
  const rank = axes.length;
  const [row, column] = transposed ? [axes[rank - 1], axes[rank - 2]] : [axes[rank - 2], axes[rank - 1]];
  const byExample = plan.examples === "leading" && rank > 2;
  const lead = byExample ? 1 : 0;
  const extents = type.shape.slice(lead, -2);
  const offsets = Array.from({ length: matricesOf(plan) }, (_, matrix) => {
    let [rest, offset] = [matrix, origin];
    for (let axis = extents.length - 1; axis >= 0; axis--) {
      offset += (rest % extents[axis]) * axes[lead + axis];
      rest = Math.floor(rest / extents[axis]);
    }
    return offset;
  });
  return { example: byExample ? axes[0] : 0, offsets, row, column };
}

/** B turned by a step before: matrices one after another. */
function turned(plan: MatmulPlan): Matrices {
  const bytes = 4 * plan.inner * plan.columns;
  const own = plan.b.shape.length > 2 ? bytes : 0;
  const count = matricesOf(plan);
  return {
    example: plan.examples === "leading" ? own * count : 0,
    offsets: Array.from({ length: count }, (_, matrix) => matrix * own),
    row: 4 * plan.columns,
    column: 4,
  };
}

const argument = (f: FunctionBuilder, position: number): Local => {
  const local = f.local("i32");
  f.get(f.parameters[0])
    .memory("i32.load", 4 * position)
    .set(local);
  return local;
};

/** to = base + example * step + offset of the matrix, which stands in a table of rows of three. */
function emitMatrix(f: FunctionBuilder, base: Local, at: Matrices, example: Local, row: Local, position: number, to: Local): void {
  f.get(base)
    .get(row)
    .memory("i32.load", 4 * position)
    .op("i32.add");
  if (at.example > 0) f.get(example).i32(at.example).op("i32.mul", "i32.add");
  f.set(to);
}

/** local = table + 12 * (matrix mod count); example = matrix / count */
function emitTableRow(f: FunctionBuilder, table: Local, matrix: Local, count: number, example: Local, row: Local): void {
  f.get(matrix).i32(count).op("i32.div_u").set(example);
  f.get(table).get(matrix).i32(count).op("i32.rem_u").i32(12).op("i32.mul", "i32.add").set(row);
}

/** B[.., j, r] -> [.., r, j]: the product reads rows of columns. One chunk a matrix. */
function emitTurn(f: FunctionBuilder, { inner, columns }: MatmulPlan, source: Matrices, target: Matrices): void {
  const [, begin, end] = f.parameters;
  const [b, temporary, table] = [0, 1, 2].map((position) => argument(f, position));
  const [matrix, example, row, r, j, from, at, to, mostR, mostJ] = f.locals("i32", 10);
  f.i32(inner).set(mostR).i32(columns).set(mostJ).get(begin).set(matrix);
  whileBelow(f, matrix, end, 1, () => {
    emitTableRow(f, table, matrix, source.offsets.length, example, row);
    emitMatrix(f, b, source, example, row, 0, from);
    emitMatrix(f, temporary, target, example, row, 1, to);
    f.i32(0).set(r);
    whileBelow(f, r, mostR, 1, () => {
      f.get(from).set(at).i32(0).set(j);
      whileBelow(f, j, mostJ, 1, () => {
        f.get(to).get(at).memory("f32.load").memory("f32.store");
        f.get(to).i32(4).op("i32.add").set(to).get(at).i32(source.column).op("i32.add").set(at);
      });
      f.get(from).i32(source.row).op("i32.add").set(from);
    });
  });
}

/** Where A, B (or B turned) and C lie. */
interface Places {
  readonly a: Matrices;
  readonly b: Matrices;
  readonly c: Matrices;
}

/** C[l, i, :] for the rows of the chunk: columns in vectors, then one by one. */
function emitProduct(f: FunctionBuilder, plan: MatmulPlan, { a, b, c }: Places, rowChunks: number, device: Device): void {
  const { rows, inner, examples: counted } = plan;
  const [, chunk, end, examples] = f.parameters;
  const [baseA, baseB, baseC, table] = [0, 1, 2, 3].map((position) => argument(f, position));
  const [matrix, example, tableRow, row, lastRow, lastR, rowA, matrixB, rowC] = f.locals("i32", 9);
  if (counted === "inner") f.get(examples).set(lastR);
  else f.i32(inner).set(lastR);
  const cells = new RowCode(f, plan, device, { step: [a.column, b.row], lastR });
  whileBelow(f, chunk, end, 1, () => {
    if (counted === "rows") f.i32(0).set(matrix).get(chunk).set(row);
    else f.get(chunk).i32(rowChunks).op("i32.div_u").set(matrix).get(chunk).i32(rowChunks).op("i32.rem_u").set(row);
    f.get(row).i32(rowsOfChunk).op("i32.mul").tee(row).i32(rowsOfChunk).op("i32.add").set(lastRow);
    const most = (): void => void (counted === "rows" ? f.get(examples) : f.i32(rows));
    f.get(lastRow);
    most();
    f.get(lastRow);
    most();
    f.op("i32.lt_s", "select").set(lastRow);
    emitTableRow(f, table, matrix, a.offsets.length, example, tableRow);
    emitMatrix(f, baseA, a, example, tableRow, 0, rowA);
    emitMatrix(f, baseB, b, example, tableRow, 1, matrixB);
    emitMatrix(f, baseC, c, example, tableRow, 2, rowC);
    f.get(row).i32(a.row).op("i32.mul").get(rowA).op("i32.add").set(rowA);
    f.get(row).i32(c.row).op("i32.mul").get(rowC).op("i32.add").set(rowC);
    whileBelow(f, row, lastRow, 1, () => {
      cells.emit(rowA, matrixB, rowC);
      f.get(rowA).i32(a.row).op("i32.add").set(rowA).get(rowC).i32(c.row).op("i32.add").set(rowC);
    });
  });
}

/** Code for one row of C. */
class RowCode {
  readonly #f: FunctionBuilder;
  readonly #columns: number;
  readonly #fma: boolean;
  readonly #step: readonly [number, number];
  readonly #lastR: Local;
  readonly #vectors: readonly Local[];
  readonly #splat: Local;
  readonly #sum: Local;
  readonly #scratch: readonly Local[];

  constructor(f: FunctionBuilder, { columns }: MatmulPlan, { fma }: Device, inner: { step: readonly [number, number]; lastR: Local }) {
    this.#f = f;
    this.#columns = columns;
    this.#fma = fma;
    this.#step = inner.step;
    this.#lastR = inner.lastR;
    this.#vectors = f.locals("v128", columnsAtOnce / 4);
    this.#splat = f.local("v128");
    this.#sum = f.local("f32");
    this.#scratch = f.locals("i32", 5);
  }

  /** Walks the inner axis with pointers into A and B, from the column `j` bytes on. */
  #overInner(rowA: Local, matrixB: Local, j: Local, body: (a: Local, b: Local) => void): void {
    const f = this.#f;
    const [, , r, a, b] = this.#scratch;
    f.get(rowA).set(a).get(matrixB).get(j).op("i32.add").set(b).i32(0).set(r);
    whileBelow(f, r, this.#lastR, 1, () => {
      body(a, b);
      f.get(a).i32(this.#step[0]).op("i32.add").set(a).get(b).i32(this.#step[1]).op("i32.add").set(b);
    });
  }

  emit(rowA: Local, matrixB: Local, rowC: Local): void {
    const f = this.#f;
    const [j, last] = this.#scratch;
    const wide = this.#columns - (this.#columns % columnsAtOnce);
    f.i32(0).set(j);
    if (wide > 0) {
      f.i32(4 * wide).set(last);
      whileBelow(f, j, last, 4 * columnsAtOnce, () => {
        for (const vector of this.#vectors) f.f32x4(0).set(vector);
        this.#overInner(rowA, matrixB, j, (a, b) => {
          f.get(a).memory("v128.load32_splat").set(this.#splat);
          const splat = (): void => void f.get(this.#splat);
          this.#vectors.forEach((vector, v) => multiplyAdd(f, this.#fma, vector, splat, () => f.get(b).memory("v128.load", 16 * v)));
        });
        this.#vectors.forEach((vector, v) =>
          f
            .get(rowC)
            .get(j)
            .op("i32.add")
            .get(vector)
            .memory("v128.store", 16 * v),
        );
      });
    }
    if (wide === this.#columns) return;
    f.i32(4 * this.#columns).set(last);
    whileBelow(f, j, last, 4, () => {
      f.f32(0).set(this.#sum);
      this.#overInner(rowA, matrixB, j, (a, b) =>
        f.get(this.#sum).get(a).memory("f32.load").get(b).memory("f32.load").op("f32.mul", "f32.add").set(this.#sum),
      );
      f.get(rowC).get(j).op("i32.add").get(this.#sum).memory("f32.store");
    });
  }
}

/** Matrix product on plain layouts: rows of C at a time, sixteen columns in registers; a transposed B is turned first. */
export const plainMatmul: Algorithm<MatmulPlan> = {
  id: "wasm-matmul-rows",
  operator: "matmul",
  layouts: (_plan, fusion) => (fusion === null ? [{ inputs: [plainLayout, plainLayout], operands: [], outputs: [1] }] : []),
  refuses: () => null,
  estimate: ({ leading, rows, inner, columns }) => 2000 + (leading * rows * inner * columns) / (columns < columnsAtOnce ? 1 : 8),
  emit(plan, { inputs, outputs }, _fusion, device): Emission {
    const { rows, examples, transposeA, transposeB } = plan;
    const a = matrices(plan, plan.a, inputs[0], transposeA);
    const source = matrices(plan, plan.b, inputs[1], transposeB);
    const b = transposeB ? turned(plan) : source;
    const c = matrices(plan, plan.output, outputs[0], false);
    const count = matricesOf(plan);
    const group = examples === "leading" ? 1 : 0;
    const rowChunks = Math.max(1, Math.ceil(rows / rowsOfChunk));
    const chunks: Chunks = examples === "rows" ? { each: 1, group: rowsOfChunk } : { each: count * rowChunks, group };
    const steps = [a, b, c, source].map(({ example, row, column }) => [example, row, column].join(":")).join(" ");
    const key = `${matmulOperator.line(plan).replace(/ n\d+/, " n")} | ${steps} | ${device.tier}`;
    const table = (places: readonly Matrices[]): Int32Array =>
      Int32Array.from(a.offsets.flatMap((_, matrix) => [0, 1, 2].map((i) => places[i]?.offsets[matrix] ?? 0)));
    const inB: OperandRef = transposeB ? { of: "temporary", index: 0, access: "read" } : { of: "input", index: 1, access: "read" };
    const product = {
      routine: routine(`wasm-matmul-rows | ${key}`, (f) => emitProduct(f, plan, { a, b, c }, rowChunks, device)),
      operands: [{ of: "input", index: 0, access: "read" }, inB, { of: "output", index: 0, access: "write" }, constantAt(0)],
      chunks,
    } as const;
    if (!transposeB) return { temporaries: [], constants: [table([a, b, c])], steps: [product] };
    const turn = {
      routine: routine(`wasm-matmul-turn | ${key}`, (f) => emitTurn(f, plan, source, b)),
      operands: [{ of: "input", index: 1, access: "read" }, { of: "temporary", index: 0, access: "write" }, constantAt(1)],
      chunks: plan.b.shape.length > 2 ? { each: count, group } : { each: 1, group: 0 },
    } as const;
    return { temporaries: [4 * size(plan.b.shape)], constants: [table([a, b, c]), table([source, b])], steps: [turn, product] };
  },
};

const constantAt = (index: number): OperandRef => ({ of: "constant", index, access: "read" });

const routine = (key: string, emit: (f: FunctionBuilder) => void): Routine => ({
  key,
  build: (module) => module.function(["i32", "i32", "i32", "i32"], [], emit),
});
