import { size, strides } from "../../base/types.ts";
import { type RegionsPlan, rangesOf, regionsTypes } from "./plan.ts";

/** Walks the regions of one example and channel in output order: for each its cells, in scan order. */
function eachRegion(
  plan: RegionsPlan,
  table: ArrayLike<number>,
  example: number,
  visit: (output: number, cells: readonly number[]) => void,
): void {
  const steps = strides(plan.input);
  let outputs: number[][] = [[0]];
  rangesOf(plan, table, example).forEach((ranges, axis) => {
    outputs = outputs.flatMap((cells) =>
      ranges.map(([start, end]) =>
        cells.flatMap((cell) => Array.from({ length: Math.max(0, end - start) }, (_, i) => cell + (start + i) * steps[axis])),
      ),
    );
  });
  outputs.forEach((cells, output) => {
    visit(output, cells);
  });
}

/** The largest cell: the first among equals, and the first NaN before everything. */
function largest(values: Float64Array, base: number, cells: readonly number[]): number {
  let best = cells[0];
  for (const cell of cells) {
    const [value, most] = [values[base + cell], values[base + best]];
    if (Number.isNaN(most)) break;
    if (value > most || Number.isNaN(value)) best = cell;
  }
  return best;
}

/** The cell at which the running sum of the positive cells passes `draw` times their sum; null where that is NaN. */
function drawn(values: Float64Array, base: number, cells: readonly number[], draw: number): number | null {
  const parts = cells.map((cell) => Math.max(0, values[base + cell]));
  const limit = draw * parts.reduce((a, b) => a + b, 0);
  if (Number.isNaN(limit)) return null;
  let chosen = cells[0];
  let sum = 0;
  cells.forEach((cell, i) => {
    if (sum <= limit) chosen = cell;
    sum += parts[i];
  });
  return chosen;
}

export function referenceRegions(plan: RegionsPlan, inputs: readonly Float64Array[]): Float64Array[] {
  const { role, examples, channels } = plan;
  const [first, beside] = inputs;
  const table = inputs[inputs.length - 1];
  const { input, output } = regionsTypes(plan);
  const [inputCells, outputCells] = [size(plan.input), size(plan.output)];
  const backward = role === "scatter" || role === "spread";
  const result = new Float64Array(size((backward ? input : output).shape));
  const index = new Float64Array(result.length);
  for (let example = 0; example < examples; example++) {
    for (let channel = 0; channel < channels; channel++) {
      const block = channel * inputCells;
      const from = example * channels * inputCells + block;
      const to = (example * channels + channel) * outputCells;
      eachRegion(plan, table, example, (region, cells) => {
        const at = to + region;
        if (role === "sum") result[at] = cells.reduce((sum, cell) => sum + first[from + cell], 0);
        else if (role === "spread") for (const cell of cells) result[from + cell] += first[at];
        else if (role === "select" || role === "draw") {
          const best = cells.length === 0 ? -1 : role === "select" ? largest(first, from, cells) : drawn(first, from, cells, beside[at]);
          result[at] = best === null ? Number.NaN : best < 0 ? 0 : first[from + best];
          index[at] = best === -1 ? -1 : block + (best ?? cells[0]);
        } else {
          // an index is a cell of its own region, or none
          const cell = beside[at] - block;
          if (!cells.includes(cell)) return;
          if (role === "take") result[at] = first[from + cell];
          else result[from + cell] += first[at];
        }
      });
    }
  }
  return role === "select" || role === "draw" ? [result, index] : [result];
}

/** An index such as select makes: for every region one of its cells, chosen by `pick`; -1 for a region without cells. For tests. */
export function regionIndices(plan: RegionsPlan, table: ArrayLike<number>, pick: (count: number) => number): Float64Array {
  const outputCells = size(plan.output);
  const cells = new Float64Array(plan.examples * plan.channels * outputCells);
  for (let example = 0; example < plan.examples; example++) {
    for (let channel = 0; channel < plan.channels; channel++) {
      eachRegion(plan, table, example, (region, choices) => {
        const chosen = choices.length === 0 ? -1 : channel * size(plan.input) + choices[pick(choices.length)];
        cells[(example * plan.channels + channel) * outputCells + region] = chosen;
      });
    }
  }
  return cells;
}
