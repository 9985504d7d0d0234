import { invariant } from "../base/errors.ts";
import { size } from "../base/types.ts";
import type { ExampleData, Examples, Normalisation, Split } from "./dataset.ts";
import { normaliseInto, ownScale, scaleOf } from "./normalise.ts";
import { sharedBytes, ThreadPool } from "./threads.ts";
import { extentsOf, shapeAt } from "./unequal.ts";

/** Which examples a split has, and what is known of them. */
export interface Members {
  readonly rows: Int32Array;
  readonly labels: Int32Array;
  readonly ids: Int32Array;
  readonly names?: readonly string[];
}

/** Room for examples: u8, in shared memory where there is some. */
export function examplePixels(count: number, shape: readonly number[]): Uint8Array {
  return new Uint8Array(sharedBytes(count * size(shape)));
}

/** Examples kept in memory. */
export function storedExamples(
  pixels: Uint8Array | Float32Array,
  shape: readonly number[],
  normalisation: Normalisation,
  extents?: Int32Array,
): Examples {
  return examplesOf({ place: { kind: "stored", pixels }, shape, normalisation, ...(extents && { extents }) });
}

/** Examples and their threads. */
export function examplesOf(data: ExampleData): Examples {
  const pool = new ThreadPool(data);
  return { data, threads: (count) => pool.open(count), close: () => pool.close() };
}

/** A split of stored examples. */
export function storedSplit(examples: Examples, members: Members): Split {
  const { place, shape, extents, normalisation } = examples.data;
  invariant(place.kind === "stored", () => "a stored split of examples that are files");
  const { pixels } = place;
  const scale = scaleOf(shape, normalisation, pixels instanceof Uint8Array);
  const cells = size(shape);
  return {
    count: members.rows.length,
    ...members,
    ...ownExtents(examples.data, members),
    examples,
    read: (index, into, offset) => {
      const row = members.rows[index];
      normaliseInto(pixels, row * cells, ownScale(scale, shapeAt(shape, extents, row)), into, offset);
    },
  };
}

/** Extents of the members, where rows have their own. */
export const ownExtents = ({ extents, shape }: ExampleData, { rows }: Members): Pick<Split, "extents"> =>
  extents === undefined ? {} : { extents: extentsOf(extents, rows, shape.length - 1) };

/** Some members of a list of members, by index. */
export function membersAt(members: Members, indices: ArrayLike<number>): Members {
  const take = (list: Int32Array): Int32Array => Int32Array.from({ length: indices.length }, (_, index) => list[indices[index]]);
  return {
    rows: take(members.rows),
    labels: take(members.labels),
    ids: take(members.ids),
    ...(members.names === undefined ? {} : { names: Array.from(indices, (index) => members.names?.[index] ?? "") }),
  };
}
