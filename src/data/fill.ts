import { type Augmenter, augmenter } from "./augment.ts";
import type { AugmentJob, ExampleData, FillJob } from "./dataset.ts";
import { normaliseInto, type Scale, scaleOf } from "./normalise.ts";

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
  const { place, shape, normalisation } = data;
  const cells = shape.reduce((product, extent) => product * extent, 1);
  const scale = scaleOf(shape, normalisation, place.kind === "files" || place.pixels instanceof Uint8Array);
  if (place.kind === "stored") {
    const { pixels } = place;
    return {
      fill({ rows, ids, into, augment }) {
        const write = writer(shape, scale, augment);
        for (let index = 0; index < rows.length; index++) write({ pixels, from: rows[index] * cells, id: ids[index] }, into, index * cells);
        return undefined;
      },
      load: async (row) => pixels.slice(row * cells, (row + 1) * cells),
    };
  }
  // late, because a page has no files and bundles for pages leave it out: see `browser` in package.json
  const loader = import("./picture-loader.ts").then(({ pictureLoader }) => pictureLoader(place, shape));
  const load = async (row: number): Promise<Uint8Array> => (await loader)(row);
  return {
    async fill({ rows, ids, into, augment }) {
      const write = writer(shape, scale, augment);
      for (let start = 0; start < rows.length; start += decodedAtOnce) {
        const pictures = await Promise.all(Array.from(rows.subarray(start, start + decodedAtOnce), load));
        for (const [index, pixels] of pictures.entries()) write({ pixels, from: 0, id: ids[start + index] }, into, (start + index) * cells);
      }
    },
    load,
  };
}

function writer(shape: readonly number[], scale: Scale, augment: AugmentJob | undefined): Augmenter {
  if (augment !== undefined) return augmenter(augment.augmentation, shape, scale, augment.seed, augment.epoch);
  return ({ pixels, from }, into, offset) => normaliseInto(pixels, from, scale, into, offset);
}
