import { fail, Problems } from "../base/errors.ts";
import { sameShape, size, type Tensor } from "../base/types.ts";
import type { Batch } from "../data/dataset.ts";
import { gridFor, placeCells } from "../data/unequal.ts";
import type { ModelDescription } from "./model-description.ts";
import { gridNamed } from "./unequal.ts";

type Described = Pick<ModelDescription, "shape" | "unequal">;

/** Examples that are run together. */
export interface ExampleRun {
  /** Where each one came in what was given. */
  readonly places: readonly number[];
  /** Shape of one example's cells. */
  readonly shape: readonly number[];
  readonly cells: Float32Array;
  /** i32 [examples, axes], where the net asks for them. */
  readonly extents: Int32Array | undefined;
}

/** Shapes that examples' cells have, from the fewest cells to the whole. */
export const gridsOfModel = ({ shape, unequal }: Described): (readonly number[])[] => [
  ...Object.keys(unequal?.grids ?? {}).map((name) => [shape[0], ...gridNamed(name)]),
  shape,
];

/** Cuts examples into runs of at most `most`: as they lie, or those of one grid together. */
export function exampleRuns(model: Described, input: Float32Array | readonly Tensor[], most: number): ExampleRun[] {
  return input instanceof Float32Array ? cutExamples(model, input, most) : groupExamples(model, input, most);
}

function cutExamples({ shape, unequal }: Described, input: Float32Array, most: number): ExampleRun[] {
  const cells = size(shape);
  const count = input.length / cells;
  if (!Number.isInteger(count) || count < 1)
    fail("model", "predict", "input", `a multiple of ${cells} cells (${shape.join(" x ")})`, input.length);
  return Array.from({ length: Math.ceil(count / most) }, (_, number) => {
    const from = number * most;
    const places = Array.from({ length: Math.min(most, count - from) }, (_, row) => from + row);
    const extents = unequal && repeated(shape, places.length);
    return { places, shape, cells: input.subarray(from * cells, (from + places.length) * cells), extents };
  });
}

/** Extents of so many examples that are all of one shape. */
const repeated = ([, ...extents]: readonly number[], count: number): Int32Array =>
  Int32Array.from({ length: count * extents.length }, (_, at) => extents[at % extents.length]);

function groupExamples(model: Described, examples: readonly Tensor[], most: number): ExampleRun[] {
  checkExamples(model, examples);
  const grids = gridsOfModel(model);
  return gridMembers(grids, examples).flatMap((members, grid) => {
    const shape = grids[grid];
    return Array.from({ length: Math.ceil(members.length / most) }, (_, number) => {
      const places = members.slice(number * most, (number + 1) * most);
      const own = places.map((place) => examples[place]);
      const cells = new Float32Array(places.length * size(shape));
      for (const [row, { data, shape: from }] of own.entries()) placeCells(data as Float32Array, from, cells, row * size(shape), shape);
      return { places, shape, cells, extents: model.unequal && Int32Array.from(own.flatMap((one) => one.shape.slice(1))) };
    });
  });
}

/** A run costs as much as this share of the cells of a whole example, beside its own cells: weights are read again. */
const runShare = 1 / 2;

/** Examples of each grid; few of one grid join those of a larger one where that costs less than a run of their own. */
function gridMembers(grids: readonly (readonly number[])[], examples: readonly Tensor[]): number[][] {
  const members = grids.map((): number[] => []);
  for (const [place, { shape }] of examples.entries()) members[gridFor(grids, shape)].push(place);
  const price = runShare * size(grids[grids.length - 1]);
  for (const [grid, own] of members.entries()) {
    const next = grids.findIndex(
      (other, at) => at > grid && members[at].length > 0 && other.every((extent, axis) => extent >= grids[grid][axis]),
    );
    if (next < 0 || own.length * (size(grids[next]) - size(grids[grid])) > price) continue;
    members[next].push(...own);
    members[grid] = [];
  }
  return members;
}

function checkExamples({ shape, unequal }: Described, examples: readonly Tensor[]): void {
  const [channels, ...most] = shape;
  const least = unequal?.least ?? most;
  const ranges = least.map((cells, axis) => (unequal === undefined ? `${cells}` : `${cells} to ${most[axis]}`));
  const problems = new Problems("model", "predict");
  problems.check(examples.length > 0, "examples", ">= 1", 0);
  for (const [example, { dtype, shape: own, data }] of examples.entries()) {
    const isAlike = own.length === shape.length && own[0] === channels;
    const fits = isAlike && most.every((extent, axis) => own[axis + 1] <= extent && own[axis + 1] >= least[axis]);
    problems.check(fits, `shape of example ${example}`, `[${[channels, ...ranges].join(", ")}]`, `[${own.join(", ")}]`);
    const holds = dtype === "f32" && data.length === size(own);
    problems.check(holds, `cells of example ${example}`, `f32, ${size(own)} = ${own.join(" x ")}`, `${dtype}, ${data.length}`);
  }
  problems.throwIfAny();
}

/** A batch of a set on a grid of the model, with the extents of its examples. */
export function onGrid(model: Described, { count, input, shape, extents }: Batch): Omit<ExampleRun, "places"> {
  const grids = gridsOfModel(model);
  const grid = grids[gridFor(grids, shape)];
  const own = model.unequal && (extents ?? repeated(shape, count));
  if (sameShape(shape, grid)) return { shape, cells: input, extents: own };
  const [from, to] = [size(shape), size(grid)];
  const cells = new Float32Array(count * to);
  for (let row = 0; row < count; row++) placeCells(input.subarray(row * from, (row + 1) * from), shape, cells, row * to, grid);
  return { shape: grid, cells, extents: own };
}
