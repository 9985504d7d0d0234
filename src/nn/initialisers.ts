import { fail } from "../base/errors.ts";
import { keyOf, random } from "../base/random.ts";
import { sameShape, size, type Tensor } from "../base/types.ts";

/** How a parameter begins: a frozen record. `fans` are the connections into and out of one unit. */
export interface Initialiser {
  readonly kind: string;
  fill(cells: Float32Array, shape: readonly number[], draw: ReturnType<typeof random>): void;
}

/** Connections into and out of a unit for a kernel [out, in, ...taps], or [out, in]. */
function fans(shape: readonly number[]): { into: number; outOf: number } {
  const taps = size(shape.slice(2));
  return { into: (shape[1] ?? 1) * taps, outOf: (shape[0] ?? 1) * taps };
}

export const constantInitialiser = (value: number): Initialiser =>
  Object.freeze({ kind: `constant ${value}`, fill: (cells: Float32Array) => void cells.fill(value) });
export const zeros: Initialiser = constantInitialiser(0);
export const ones: Initialiser = constantInitialiser(1);

type Distribution = "normal" | "uniform";

/** Independent draws of mean 0 and the given variance. */
function scaled(kind: string, distribution: Distribution, variance: (shape: readonly number[]) => number): Initialiser {
  return Object.freeze({
    kind: `${kind} ${distribution}`,
    fill(cells: Float32Array, shape: readonly number[], draw: ReturnType<typeof random>) {
      const deviation = Math.sqrt(variance(shape));
      const bound = deviation * Math.sqrt(3);
      for (let i = 0; i < cells.length; i++)
        cells[i] = distribution === "normal" ? deviation * draw.normal() : bound * (2 * draw.uniform() - 1);
    },
  });
}

/** Variance gain / fan-in; gain 2 keeps the scale through relu. Source: He et al. 2015, eq. 10. */
export const he = (distribution: Distribution = "normal", gain = 2): Initialiser =>
  scaled(`he ${gain}`, distribution, (shape) => gain / fans(shape).into);
/** Variance 2 / (fan-in + fan-out). Source: Glorot and Bengio 2010, eq. 12. */
export const glorot = (distribution: Distribution = "uniform"): Initialiser =>
  scaled("glorot", distribution, (shape) => 2 / (fans(shape).into + fans(shape).outOf));
/** Variance 1 / fan-in. Source: LeCun et al. 1998, section 4.6. */
export const lecun = (distribution: Distribution = "normal"): Initialiser => scaled("lecun", distribution, (shape) => 1 / fans(shape).into);
/** Uniform within 1 / sqrt(connections): the usual start of biases. */
export const fanUniform = (connections: number): Initialiser => scaled(`fan ${connections}`, "uniform", () => 1 / (3 * connections));

/** Rows (or columns, whichever are fewer) orthogonal and of length `gain`, by Gram-Schmidt on normal draws. Source: Saxe et al. 2014. */
export function orthogonal(gain = 1): Initialiser {
  return Object.freeze({
    kind: `orthogonal ${gain}`,
    fill(cells: Float32Array, shape: readonly number[], draw: ReturnType<typeof random>) {
      const rows = shape[0];
      const columns = cells.length / rows;
      const [count, length] = rows <= columns ? [rows, columns] : [columns, rows];
      const vectors = orthonormal(count, length, draw);
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++)
          cells[row * columns + column] = gain * (rows <= columns ? vectors[row][column] : vectors[column][row]);
      }
    },
  });
}

function orthonormal(count: number, length: number, draw: ReturnType<typeof random>): Float64Array[] {
  const vectors: Float64Array[] = [];
  while (vectors.length < count) {
    const vector = Float64Array.from({ length }, () => draw.normal());
    // twice, since one pass loses orthogonality to rounding
    for (let pass = 0; pass < 2; pass++) {
      for (const other of vectors) {
        const along = vector.reduce((sum, value, i) => sum + value * other[i], 0);
        for (let i = 0; i < length; i++) vector[i] -= along * other[i];
      }
    }
    const norm = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
    if (norm > 1e-6) vectors.push(vector.map((value) => value / norm));
  }
  return vectors;
}

/** The cells of a tensor, for kernels that were made elsewhere. Throws: when the parameter has another shape. Example: `conv(8, { kernel: 5, initialiser: givenCells(kernels) })` */
export const givenCells = ({ shape: given, data }: Pick<Tensor, "shape" | "data">): Initialiser =>
  Object.freeze({
    kind: "given",
    fill(cells: Float32Array, shape: readonly number[]) {
      if (!sameShape(shape, given))
        fail("givenCells", "", "shape of the parameter", `[${given.join(", ")}], as the given tensor`, `[${shape.join(", ")}]`);
      cells.set(data);
    },
  });

/** The first cells of a parameter: they depend on seed and name alone. */
export function initialCells(initialiser: Initialiser, shape: readonly number[], seed: number, name: string): Float32Array {
  const cells = new Float32Array(size(shape));
  initialiser.fill(cells, shape, random(seed, keyOf(...[...name].map((letter) => letter.charCodeAt(0)))));
  return cells;
}
