import { Problems } from "../base/errors.ts";
import { sameShape } from "../base/types.ts";
import type { Dataset } from "../data/dataset.ts";
import { extentsAt } from "../data/unequal.ts";
import type { TensorSpec, TracedStep } from "../nn/step.ts";

type Specs = Readonly<Record<string, TensorSpec>>;

/** Name of a grid: `64x96`. */
export const gridName = (grid: readonly number[]): string => grid.join("x");

/** The grid of that name. */
export const gridNamed = (name: string): number[] => name.split("x").map(Number);

/** What is fed, on another grid than the whole: of the feeds whose examples are of unequal extents. */
export function specsOn(specs: Specs, whole: readonly number[], grid: readonly number[]): Specs {
  const onGrid = (spec: TensorSpec): TensorSpec =>
    spec.unequal && sameShape(spec.shape.slice(1), whole) ? { ...spec, shape: [spec.shape[0], ...grid] } : spec;
  return Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, onGrid(spec)]));
}

/** The fewest cells on each axis of which every layer of a net leaves at least one. */
export function leastExtents({ extentRules }: Pick<TracedStep, "extentRules">, whole: readonly number[]): number[] {
  return whole.map((most, axis) => {
    const leavesCells = (cells: number): boolean =>
      extentRules.every(({ extent, least }) => extent.of(whole.map((all, other) => (other === axis ? cells : all))) >= least);
    let [low, high] = [1, most];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (leavesCells(middle)) high = middle;
      else low = middle + 1;
    }
    return low;
  });
}

/** Examples named one by one in an error. */
const mostNamed = 10;

/** Throws: ToeplitzError that names examples of which some layer would leave no cell. */
export function checkData(room: string, data: Dataset, least: readonly number[]): void {
  const problems = new Problems(room, data.name);
  let named = 0;
  for (const part of ["train", "validation", "test"] as const) {
    const { extents, names, count = 0 } = data[part] ?? {};
    for (let example = 0; extents !== undefined && example < count && named < mostNamed; example++) {
      const own = extentsAt(extents, example, least.length);
      const isRight = own.every((cells, axis) => cells >= least[axis]);
      if (!isRight) named++;
      problems.check(
        isRight,
        `extents of ${names?.[example] ?? `example ${example}`} (${part})`,
        `at least ${least.join(" x ")}, of which the net leaves cells`,
        own.join(" x "),
        "Leave it out, enlarge it, or pool less.",
      );
    }
  }
  problems.throwIfAny();
}
