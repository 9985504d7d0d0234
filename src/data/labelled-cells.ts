import { keyOf, unit } from "../base/random.ts";
import { size } from "../base/types.ts";
import { augmenter, labelAugmenter, looksAround } from "./augment.ts";
import type { AugmentJob, LabelledCells, LabelledPicture, Normalisation, Split } from "./dataset.ts";
import { normaliseInto, scaleOf } from "./normalise.ts";
import { copyBox, type Tile, tilesOf } from "./tiles.ts";

/** Names the stream of places among the streams of one seed. */
const stream = 0x706c6163;

/** Label of cells that do not count. */
export const ignoredLabel = -1;

/** How pictures become examples of one shape. */
export interface CellForm {
  /** [channels, ...extents] of an example. */
  readonly shape: readonly number[];
  readonly normalisation: Normalisation;
}

/** What examples of a part are made from. */
interface Source {
  readonly form: CellForm;
  readonly pictures: readonly LabelledPicture[];
  readonly ids: Int32Array;
}

function splitOf({ form, pictures, ids }: Source, names: readonly string[], write: LabelledCells["write"]): Split {
  return {
    count: ids.length,
    labels: new Int32Array(ids.length),
    ids,
    names,
    labelled: { ignore: ignoredLabel, write, pictures: () => pictures },
    read: (index, into, offset) => write(index, undefined, into, offset, new Int32Array(size(form.shape.slice(1))), 0),
  };
}

const idsFrom = (first: number, count: number): Int32Array => Int32Array.from({ length: count }, (_, index) => first + index);

/** Random parts of pictures: in every epoch others, as many as cover the pictures once. What is turned or zoomed is cut from a wider part. */
export function croppedSplit(pictures: readonly LabelledPicture[], form: CellForm, firstId: number): Split {
  const box = form.shape.slice(1);
  const places = pictures.flatMap((picture) =>
    new Array<LabelledPicture>(Math.max(1, Math.round(size(picture.shape.slice(1)) / size(box)))).fill(picture),
  );
  const ids = idsFrom(firstId, places.length);
  const names = places.map(({ name }) => name);
  return splitOf({ form, pictures, ids }, names, (index, augment, into, offset, labels, labelOffset) => {
    const job = augment ?? { augmentation: {}, seed: 0, epoch: 0 };
    writeCrop(places[index], form, ids[index], job, { into, offset, labels, labelOffset });
  });
}

interface Destination {
  readonly into: Float32Array;
  readonly offset: number;
  readonly labels: Int32Array;
  readonly labelOffset: number;
}

function writeCrop({ shape, pixels, labels }: LabelledPicture, form: CellForm, id: number, job: AugmentJob, to: Destination): void {
  const { augmentation, seed, epoch } = job;
  const [channels, ...extents] = shape;
  const box = form.shape.slice(1);
  const wide = box.map((extent, axis) =>
    looksAround(augmentation) ? Math.max(extent, Math.min(extents[axis], Math.ceil(1.5 * extent))) : extent,
  );
  const key = keyOf(seed, stream, epoch, id);
  const from = wide.map((extent, axis) => Math.floor(unit(key, axis) * (Math.max(0, extents[axis] - extent) + 1)));
  const cells = size(wide);
  const part = new Uint8Array(channels * cells);
  for (let channel = 0; channel < channels; channel++) copyBox(pixels, channel * size(extents), extents, from, wide, part, channel * cells);
  const given = new Uint8Array(cells);
  copyBox(labels, 0, extents, from, wide, given, 0);
  const wideShape = [channels, ...wide];
  const changed = new Float32Array(channels * cells);
  augmenter(augmentation, wideShape, scaleOf(wideShape, form.normalisation, true), seed, epoch)({ pixels: part, from: 0, id }, changed, 0);
  const moved = new Int32Array(cells);
  labelAugmenter(augmentation, wideShape, seed, epoch)(given, id, moved, ignoredLabel);
  copyMiddle({ changed, moved, channels, wide, box }, to);
  if (box.some((extent, axis) => extent > extents[axis])) ignoreBeyond(to, box, extents);
}

interface Changed {
  readonly changed: Float32Array;
  readonly moved: Int32Array;
  readonly channels: number;
  readonly wide: readonly number[];
  readonly box: readonly number[];
}

function copyMiddle({ changed, moved, channels, wide, box }: Changed, { into, offset, labels, labelOffset }: Destination): void {
  const low = wide.map((extent, axis) => (extent - box[axis]) >> 1);
  const [cells, kept] = [size(wide), size(box)];
  for (let channel = 0; channel < channels; channel++) copyBox(changed, channel * cells, wide, low, box, into, offset + channel * kept);
  // labels fit a float
  const middle = new Float32Array(kept);
  copyBox(Float32Array.from(moved), 0, wide, low, box, middle, 0);
  labels.set(middle, labelOffset);
}

/** Cells beyond a picture that is smaller than an example do not count. */
function ignoreBeyond({ labels, labelOffset }: Destination, box: readonly number[], extents: readonly number[]): void {
  forCells(box, (place, cell) => {
    if (place.some((at, axis) => at >= extents[axis])) labels[labelOffset + cell] = ignoredLabel;
  });
}

function forCells(box: readonly number[], visit: (place: readonly number[], cell: number) => void): void {
  const place = box.map(() => 0);
  for (let cell = 0; cell < size(box); cell++) {
    visit(place, cell);
    for (let axis = box.length - 1; axis >= 0; axis--) {
      if (++place[axis] < box[axis]) break;
      place[axis] = 0;
    }
  }
}

/** Share of a tile's extent by which tiles overlap on each side: cells at a border have fewer neighbours than in the whole picture. */
const marginShare = 8;

/** Overlapping tiles that cover every picture; each cell counts once. */
export function tiledSplit(pictures: readonly LabelledPicture[], form: CellForm, firstId: number): Split {
  const box = form.shape.slice(1);
  const margin = Math.floor(Math.min(...box) / marginShare);
  const tiles = pictures.flatMap((picture) => tilesOf(picture.shape.slice(1), box, margin).map((tile) => ({ picture, tile })));
  const names = tiles.map(({ picture }) => picture.name);
  return splitOf({ form, pictures, ids: idsFrom(firstId, tiles.length) }, names, (index, _, into, offset, labels, labelOffset) =>
    writeTile(tiles[index], form, { into, offset, labels, labelOffset }),
  );
}

function writeTile({ picture, tile }: { picture: LabelledPicture; tile: Tile }, form: CellForm, to: Destination): void {
  const { shape, pixels, labels } = picture;
  const [channels, ...extents] = shape;
  const box = form.shape.slice(1);
  const cells = size(box);
  const part = new Uint8Array(channels * cells);
  for (let channel = 0; channel < channels; channel++)
    copyBox(pixels, channel * size(extents), extents, tile.from, box, part, channel * cells);
  normaliseInto(part, 0, scaleOf(form.shape, form.normalisation, true), to.into, to.offset);
  const given = new Uint8Array(cells);
  copyBox(labels, 0, extents, tile.from, box, given, 0);
  forCells(box, (place, cell) => {
    const counts = place.every((at, axis) => {
      const own = tile.from[axis] + at;
      return own >= tile.keepFrom[axis] && own < tile.keepTo[axis];
    });
    to.labels[to.labelOffset + cell] = counts ? given[cell] : ignoredLabel;
  });
}
