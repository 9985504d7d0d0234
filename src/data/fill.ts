import { fail } from "../base/errors.ts";
import { size } from "../base/types.ts";
import { type Augmenter, augmenter } from "./augment.ts";
import type { AugmentJob, ExampleData, FillJob } from "./dataset.ts";
import { normaliseInto, ownScale, type Scale, scaleOf } from "./normalise.ts";
import { placeCells, shapeAt } from "./unequal.ts";

/** Fills batches; the same code in the thread of training and beside it, hence the same bits. */
export interface Filler {
  /** Fills one batch: at once, or when the returned promise is kept. */
  fill(job: FillJob): Promise<void> | undefined;
  /** The stored numbers of one example. */
  load(row: number): Promise<Uint8Array | Float32Array>;
}

/** Pictures decoded at the same time in one thread. */
const decodedAtOnce = 8;

/** Prepares the filling of batches from examples. */
export function openFiller(data: ExampleData): Filler {
  const { place, shape, extents, normalisation } = data;
  const cells = size(shape);
  const scale = scaleOf(shape, normalisation, place.kind === "files" || place.pixels instanceof Uint8Array);
  if (place.kind === "stored") {
    const { pixels } = place;
    return {
      fill(job) {
        const write = batchWriter(data, scale, job);
        for (let index = 0; index < job.rows.length; index++) write(pixels, job.rows[index] * cells, index);
        return undefined;
      },
      load: async (row) => pixels.slice(row * cells, row * cells + size(shapeAt(shape, extents, row))),
    };
  }
  // late, because a page has no files and bundles for pages leave it out: see `browser` in package.json
  const loader = import("./picture-loader.ts").then(({ pictureLoader }) => pictureLoader(place, shape));
  const load = async (row: number): Promise<Uint8Array> => {
    const pixels = await (await loader)(row);
    const own = shapeAt(shape, extents, row);
    if (pixels.length !== size(own))
      fail("data", place.paths[row], "picture", `${own.slice(1).join(" x ")} cells, as when the set was opened`, "other proportions");
    return pixels;
  };
  return {
    async fill(job) {
      const write = batchWriter(data, scale, job);
      for (let start = 0; start < job.rows.length; start += decodedAtOnce) {
        const pictures = await Promise.all(Array.from(job.rows.subarray(start, start + decodedAtOnce), load));
        for (const [index, pixels] of pictures.entries()) write(pixels, 0, start + index);
      }
    },
    load,
  };
}

/** Writes example `index` of a batch from its stored numbers. */
type Write = (pixels: Uint8Array | Float32Array, from: number, index: number) => void;

function batchWriter({ shape, extents }: ExampleData, scale: Scale, { rows, ids, into, augment, shape: grid = shape }: FillJob): Write {
  const cells = size(grid);
  if (extents === undefined) {
    const write = exampleWriter(shape, scale, augment);
    return (pixels, from, index) => write({ pixels, from, id: ids[index] }, into, index * cells);
  }
  const spread = spreader(shape, grid);
  return (pixels, from, index) => {
    const own = shapeAt(shape, extents, rows[index]);
    const write = exampleWriter(own, ownScale(scale, own), augment);
    spread(own, (dense) => write({ pixels, from, id: ids[index] }, dense, 0), into, index * cells);
  };
}

function exampleWriter(shape: readonly number[], scale: Scale, augment: AugmentJob | undefined): Augmenter {
  if (augment !== undefined) return augmenter(augment.augmentation, shape, scale, augment.seed, augment.epoch);
  return ({ pixels, from }, into, offset) => normaliseInto(pixels, from, scale, into, offset);
}

/** Writes an example of extents of its own by itself, then puts it on the grid of its batch. */
export type Spread = (shape: readonly number[], write: (dense: Float32Array) => void, into: Float32Array, offset: number) => void;

export function spreader(largest: readonly number[], grid: readonly number[]): Spread {
  const dense = new Float32Array(size(largest));
  return (shape, write, into, offset) => {
    write(dense);
    placeCells(dense, shape, into, offset, grid);
  };
}
