import { invariant } from "../../../base/errors.ts";
import type { FunctionBuilder } from "../../../emit/wasm/function.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type { OperandRef, Routine, StepSpec } from "../../contract.ts";
import type { Placement } from "../../layout.ts";
import type { GridLinearPlan } from "../plan.ts";
import { countDown } from "../tiles/panel.ts";

/** A value seen as a matrix of examples x columns (channels and cells). */
export interface View {
  readonly columns: number;
  readonly rowBytes: number;
  /** Lanes behind the last column of a row that belong to the value. */
  readonly spare: number;
  /** Words of the columns from the start of an example, where they do not just follow each other. */
  readonly scattered: readonly number[] | null;
}

/** Is the layer dense: no axes, or a kernel that covers the whole input on every axis, so that there is one output cell? */
export function isDense({ axes }: GridLinearPlan): boolean {
  return axes.every(
    ({ input, kernel, dilation, low, high, output }) =>
      kernel === input && (dilation === 1 || kernel === 1) && low === 0 && high === 0 && output === 1,
  );
}

/** Columns in the order of K's: channel by channel, cells in the order of the taps that meet them. */
export function viewOf(at: Placement, flip: boolean): View {
  const cells = at.extents.reduce((product, extent) => product * extent, 1);
  const columns = at.channels * cells;
  const plain = { columns, rowBytes: 4 * at.exampleStride, spare: at.exampleStride - columns, scattered: null };
  if (at.extents.length === 0) return plain;
  const outside = at.halo.some(({ low, high }) => low > 0 || high > 0);
  invariant(at.block === 1, () => "channel blocks of a map");
  if (!outside && (!flip || cells === 1)) return plain;
  const scattered = Array.from({ length: columns }, (_, column) => {
    const channel = Math.floor(column / cells);
    let rest = flip ? cells - 1 - (column % cells) : column % cells;
    let word = channel * at.blockStride + at.origin;
    for (let axis = at.extents.length - 1; axis >= 0; axis--) {
      word += (rest % at.extents[axis]) * at.strides[axis];
      rest = Math.floor(rest / at.extents[axis]);
    }
    return word;
  });
  return { columns, rowBytes: 4 * at.exampleStride, spare: 0, scattered };
}

/** Examples that one chunk copies. */
const group = 8;

/** The step that copies the columns of a view between the value and a matrix without gaps. */
export function copyStep(direction: "gather" | "scatter", from: OperandRef, to: OperandRef, record: OperandRef): StepSpec {
  return { routine: copyRoutine(direction), operands: [from, to, record], chunks: { each: 1, group } };
}

export const copyRecord = ({ columns, rowBytes, scattered }: View): Int32Array =>
  Int32Array.from([columns, rowBytes, ...(scattered ?? []).map((word) => 4 * word)]);

const copyRoutine = (direction: "gather" | "scatter"): Routine => ({
  key: `grid-linear dense ${direction}`,
  build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitCopy(f, direction)),
});

function emitCopy(f: FunctionBuilder, direction: "gather" | "scatter"): void {
  const [table, chunk, end, examples] = f.parameters;
  const [from, to, record, example, last, matrix, value, left, at] = f.locals("i32", 9);
  loadWords(f, table, [from, to, record]);
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", 4 * index);
  f.get(chunk).i32(group).op("i32.mul").set(example);
  f.get(end).i32(group).op("i32.mul").tee(last).get(examples).get(last).get(examples).op("i32.lt_s", "select").set(last);
  f.block((exit) => {
    f.get(example).get(last).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      const [matrixBase, valueBase] = direction === "gather" ? [to, from] : [from, to];
      f.get(matrixBase).get(example);
      word(0).op("i32.mul").i32(2).op("i32.shl", "i32.add").set(matrix);
      f.get(valueBase).get(example);
      word(1).op("i32.mul", "i32.add").set(value);
      f.get(record).set(at);
      word(0).set(left);
      countDown(f, left, () => {
        const cell = (): FunctionBuilder => f.get(value).get(at).memory("i32.load", 8).op("i32.add");
        if (direction === "gather")
          cellInto(
            f,
            () => f.get(matrix),
            () => cell(),
          );
        else
          cellInto(
            f,
            () => cell(),
            () => f.get(matrix),
          );
        advance(f, matrix, 4);
        advance(f, at, 4);
      });
      f.get(example).i32(1).op("i32.add").tee(example).get(last).op("i32.lt_s").branchIf(next);
    });
  });
}

function cellInto(f: FunctionBuilder, to: () => void, from: () => void): void {
  to();
  from();
  f.memory("f32.load").memory("f32.store");
}
