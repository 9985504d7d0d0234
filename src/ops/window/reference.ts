import { size, strides } from "../../base/types.ts";
import { type WindowPlan, windowTypes } from "./plan.ts";

/** Walks the windows of one example in output order: for each its input cells, in scan order of the taps. */
function eachWindow({ axes }: WindowPlan, visit: (output: number, cells: readonly number[]) => void): void {
  const inputSteps = strides(axes.map((axis) => axis.input));
  const outputs = axes.map((axis) => axis.output);
  const position = new Array<number>(axes.length).fill(0);
  const count = size(outputs);
  for (let output = 0; output < count; output++) {
    let cells = [0];
    axes.forEach(({ input, kernel, stride, dilation, low }, axis) => {
      const taps = Array.from({ length: kernel }, (_, tap) => position[axis] * stride + tap * dilation - low).filter(
        (cell) => cell >= 0 && cell < input,
      );
      cells = cells.flatMap((cell) => taps.map((tap) => cell + tap * inputSteps[axis]));
    });
    visit(output, cells);
    for (let axis = axes.length - 1; axis >= 0 && ++position[axis] === outputs[axis]; axis--) position[axis] = 0;
  }
}

/** The cell with the largest value: the first among equals, and the first NaN before everything. */
function largest(values: Float64Array, base: number, cells: readonly number[]): number {
  let best = cells[0];
  for (const cell of cells) {
    const [value, most] = [values[base + cell], values[base + best]];
    if (Number.isNaN(most)) break;
    if (value > most || Number.isNaN(value)) best = cell;
  }
  return best;
}

export function referenceWindow(plan: WindowPlan, [first, index]: readonly Float64Array[]): Float64Array[] {
  const { input, output } = windowTypes(plan);
  const [inputCells, outputCells] = [size(input.shape) / plan.examples, size(output.shape) / plan.examples];
  const results =
    plan.role === "select"
      ? [new Float64Array(size(output.shape)), new Float64Array(size(output.shape))]
      : [new Float64Array(size(plan.role === "take" ? output.shape : input.shape))];
  for (let example = 0; example < plan.examples; example++) {
    const [from, to] = [example * inputCells, example * outputCells];
    eachWindow(plan, (cell, cells) => {
      if (plan.role === "select") {
        const best = largest(first, from, cells);
        results[0][to + cell] = first[from + best];
        results[1][to + cell] = best;
      } else if (plan.role === "take") results[0][to + cell] = first[from + index[to + cell]];
      else results[0][from + index[to + cell]] += first[to + cell];
    });
  }
  return results;
}

/** An index such as select makes: for every window one of its cells, chosen by `pick`. For tests of scatter and take. */
export function windowIndices(plan: WindowPlan, pick: (count: number) => number): Float64Array {
  const { output } = windowTypes(plan);
  const cells = new Float64Array(size(output.shape));
  for (let example = 0; example < plan.examples; example++) {
    eachWindow(plan, (cell, choices) => {
      cells[(example * cells.length) / plan.examples + cell] = choices[pick(choices.length)];
    });
  }
  return cells;
}
