import { fail } from "../base/errors.ts";
import { size } from "../base/types.ts";
import { type Graph, inputsOf } from "../graph/graph.ts";
import { replay } from "../graph/replay.ts";
import type { Session } from "../graph/session.ts";
import type { LayerInfo } from "../nn/scope.ts";
import { type LayerValue, layerValues } from "./layer-values.ts";
import type { FieldAxis } from "./receptive-field.ts";

/** A change of a picture in its frame: where each cell's content comes from (null: from outside, zero), on a grid whose cells lie `jump` input cells apart. */
export interface GridTransform {
  readonly name: string;
  /** Undefined where the grid has no cells for it: a shift that is no multiple of the jump, a turn of a frame that is not square. */
  cells(extents: readonly number[], jump: readonly number[]): ((cell: readonly number[]) => readonly number[] | null) | undefined;
}

const within = (cell: readonly number[], extents: readonly number[]): readonly number[] | null =>
  cell.every((position, axis) => position >= 0 && position < extents[axis]) ? cell : null;

/** x'[c] = x[c - by], zeros from outside. Units: input cells. */
export const shiftBy = (...by: readonly number[]): GridTransform => ({
  name: `shift by ${by.join(", ")}`,
  cells: (extents, jump) => {
    const steps = by.map((cells, axis) => cells / jump[axis]);
    if (steps.length !== extents.length || !steps.every(Number.isInteger)) return undefined;
    return (cell) =>
      within(
        cell.map((position, axis) => position - steps[axis]),
        extents,
      );
  },
});

/** A quarter turn of the last two axes. */
export const quarterTurn: GridTransform = {
  name: "turn by 90 degrees",
  cells: (extents, jump) => {
    const [rows, columns] = extents.slice(-2);
    if (extents.length < 2 || rows !== columns || jump.at(-1) !== jump.at(-2)) return undefined;
    return (cell) => [...cell.slice(0, -2), cell[cell.length - 1], rows - 1 - cell[cell.length - 2]];
  },
};

/** The middle, twice as large. */
export const doubleSize: GridTransform = {
  name: "twice as large",
  cells: (extents) => {
    if (extents.some((extent) => extent < 2)) return undefined;
    return (cell) => cell.map((position, axis) => Math.floor(position / 2) + Math.floor(extents[axis] / 4));
  },
};

/** What one layer does under a transform T: f(T x) against T f(x), and against f(x) itself. */
export interface EquivarianceRow {
  readonly path: string;
  readonly kind: string;
  /** Root mean square of f(T x) - T f(x), relative to that of f(x), over cells whose fields lie inside the picture. Undefined where there are none. */
  readonly inside?: number;
  /** The same over the other cells. */
  readonly border?: number;
  /** Share of cells where f(T x) = f(x), up to the tolerance: what is invariant. */
  readonly unchanged: number;
  /** Mean square of f(T x) - T f(x) by cell, over channels and examples, row-major; NaN where T f(x) comes from outside. */
  readonly map: Float64Array;
  readonly extents: readonly number[];
}

/** Every cell of a grid, row-major. */
function* eachCell(extents: readonly number[]): Generator<number[]> {
  const cell = extents.map(() => 0);
  for (let count = size(extents); count > 0; count--) {
    yield cell;
    for (let axis = extents.length - 1; axis >= 0 && ++cell[axis] === extents[axis]; axis--) cell[axis] = 0;
  }
}

const positionOf = (cell: readonly number[], extents: readonly number[]): number =>
  cell.reduce((position, at, axis) => position * extents[axis] + at, 0);

/** [examples, channels, ...extents] with every cell taken from where the transform says. */
export function transformGrid(
  data: Float32Array,
  planes: number,
  extents: readonly number[],
  from: (cell: readonly number[]) => readonly number[] | null,
): Float32Array {
  const [cells, result] = [size(extents), new Float32Array(data.length)];
  let to = 0;
  for (const cell of eachCell(extents)) {
    const source = from(cell);
    if (source !== null) {
      const at = positionOf(source, extents);
      for (let plane = 0; plane < planes; plane++) result[plane * cells + to] = data[plane * cells + at];
    }
    to++;
  }
  return result;
}

/**
 * Measures for every layer that keeps the axes of the input how far f(T x) is from T f(x): zero (up to rounding) is equivariance, which convolution
 * has for shifts inside the picture, and not at borders, nor for turns and sizes.
 * Source: Goodfellow et al. 2016, sections 9.2 and 9.3.
 * Shapes: `pictures` [examples, channels, ...extents] as the net's input takes them; the session holds the net's parameters.
 * Units: `tolerance` (0 when left out) is a part of the root mean square of f(x): what differs by less is unchanged.
 * Throws: when the net has no input with axes, or the transform does not fit it.
 */
export async function measureEquivariance(
  net: { readonly graph: Graph; readonly layers: readonly LayerInfo[] },
  session: Session,
  pictures: Float32Array,
  transform: GridTransform,
  { tolerance = 0 }: { readonly tolerance?: number } = {},
): Promise<EquivarianceRow[]> {
  if (!(tolerance >= 0)) fail("inspect", "equivariance", "tolerance", ">= 0, a part of the root mean square", tolerance);
  const input = inputsOf(net.graph).find(({ type }) => type.batched && type.shape.length > 2);
  if (input === undefined) return fail("inspect", "equivariance", "inputs of the net", "one with axes", "none");
  const [, channels, ...extents] = input.type.shape;
  const examples = pictures.length / (channels * size(extents));
  if (!Number.isInteger(examples) || examples < 1 || examples > input.type.shape[0])
    fail("inspect", "equivariance", "examples", `1 to ${input.type.shape[0]} of ${channels} x ${extents.join(" x ")} cells`, examples);
  const change = transform.cells(
    extents,
    extents.map(() => 1),
  );
  if (change === undefined) return fail("inspect", "equivariance", transform.name, "a picture that it fits", extents.join(" x "));
  const layers = layerValues(net);
  const { tracer, values } = replay(net.graph);
  for (const { path, value } of layers) tracer.output(path, values[value]);
  const program = await session.compile(tracer.finish());
  const results = async (cells: Float32Array): Promise<Float32Array[]> => {
    const outputs = await program.run({ [input.name]: cells }, examples);
    return layers.map(({ path }) => Float32Array.from(outputs[path].data as Float32Array));
  };
  const plain = await results(pictures);
  const changed = await results(transformGrid(pictures, examples * channels, extents, change));
  program.close();
  return layers.map((layer, i) => compare(layer, extents, transform, tolerance, plain[i], changed[i]));
}

function compare(
  { path, kind, shape: [, ...extents], field }: LayerValue,
  whole: readonly number[],
  transform: GridTransform,
  tolerance: number,
  plain: Float32Array,
  changed: Float32Array,
): EquivarianceRow {
  const cells = size(extents);
  const planes = plain.length / cells;
  const scale = Math.sqrt(plain.reduce((sum, cell) => sum + cell * cell, 0) / plain.length) || 1;
  let same = 0;
  for (let i = 0; i < plain.length; i++) if (Math.abs(plain[i] - changed[i]) <= tolerance * scale) same++;
  const unchanged = same / plain.length;
  const map = new Float64Array(cells).fill(Number.NaN);
  const from = transform.cells(
    extents,
    field.map(({ jump }) => jump),
  );
  if (from === undefined) return { path, kind, unchanged, map, extents };
  const isInside = (cell: readonly number[]): boolean => cell.every((at, axis) => fieldInside(at, field[axis], whole[axis]));
  const parts = { inside: { squares: 0, count: 0 }, border: { squares: 0, count: 0 } };
  let to = 0;
  for (const cell of eachCell(extents)) {
    const source = from(cell);
    if (source !== null) {
      const at = positionOf(source, extents);
      let squares = 0;
      for (let plane = 0; plane < planes; plane++) squares += (changed[plane * cells + to] - plain[plane * cells + at]) ** 2;
      map[to] = squares / planes;
      const part = parts[isInside(cell) && isInside(source) ? "inside" : "border"];
      part.squares += map[to];
      part.count++;
    }
    to++;
  }
  const error = ({ squares, count }: { squares: number; count: number }): number | undefined =>
    count === 0 ? undefined : Math.sqrt(squares / count) / scale;
  return { path, kind, inside: error(parts.inside), border: error(parts.border), unchanged, map, extents };
}

const fieldInside = (cell: number, { size: seen, jump, start }: FieldAxis, extent: number): boolean =>
  start + cell * jump >= 0 && start + cell * jump + seen <= extent;
