import { size, type Tensor } from "../base/types.ts";
import type { LabelledCells, LabelledPicture, Normalisation } from "../data/dataset.ts";
import { normaliseInto, scaleOf } from "../data/normalise.ts";
import { copyBox, rowsOfBox, type Tile, tilesOf } from "../data/tiles.ts";
import { cellScores, confusionMatrix } from "../nn/metrics.ts";
import { addTables, type Scores } from "./scores.ts";

/** Runs a net on one example of a shape [channels, ...extents]: logits [1, classes, ...extents], valid until the next run. */
export type RunAt = (input: Float32Array, shape: readonly number[]) => Promise<Tensor>;

/** Pictures of more cells are labelled in tiles, so that they need no more memory. */
const mostCells = 2 ** 20;

/** Longest side of such a tile, and the cells by which tiles overlap on each side. */
const tileSide = 768;
const mostMargin = 64;

/** Extents that a picture is run at: its own, or those of a tile; `only` where the net takes no others. */
function tileFor(extents: readonly number[], only: readonly number[] | undefined): readonly number[] {
  if (only !== undefined) return only;
  return size(extents) <= mostCells ? extents : extents.map((extent) => Math.min(extent, tileSide));
}

/**
 * Logits of every cell of a picture, in one run or in overlapping tiles (see `tilesOf`).
 * Shapes: input [channels, ...extents], normalised -> [1, classes, ...extents].
 */
export async function logitsOfCells(
  input: Float32Array,
  shape: readonly number[],
  run: RunAt,
  { classes, only }: { readonly classes: number; readonly only?: readonly number[] },
): Promise<Tensor> {
  const [channels, ...extents] = shape;
  const box = tileFor(extents, only);
  const isWhole = box.every((extent, axis) => extent === extents[axis]);
  if (isWhole) return run(input, shape);
  const data = new Float32Array(classes * size(extents));
  const part = new Float32Array(channels * size(box));
  for (const tile of tilesOf(extents, box, Math.min(mostMargin, Math.floor(Math.min(...box) / 4)))) {
    for (let channel = 0; channel < channels; channel++)
      copyBox(input, channel * size(extents), extents, tile.from, box, part, channel * size(box));
    keepCells(await run(part, [channels, ...box]), tile, box, data, extents);
  }
  return { dtype: "f32", shape: [1, classes, ...extents], data };
}

/** Copies the cells of a tile that count. */
function keepCells(
  logits: Tensor,
  { from, keepFrom, keepTo }: Tile,
  box: readonly number[],
  into: Float32Array,
  extents: readonly number[],
): void {
  const kept = keepTo.map((end, axis) => end - keepFrom[axis]);
  const inside = keepFrom.map((start, axis) => start - from[axis]);
  const [sources, targets] = [rowsOfBox(box, inside, kept), rowsOfBox(extents, keepFrom, kept)];
  const last = kept.length - 1;
  for (let index = 0; index < logits.shape[1]; index++) {
    sources.forEach((source, row) => {
      const start = index * size(box) + source + inside[last];
      const target = index * size(extents) + targets[row] + keepFrom[last];
      for (let cell = 0; cell < kept[last]; cell++) into[target + cell] = logits.data[start + cell];
    });
  }
}

/** Mean over the cells of -log softmax(V)_label. */
function entropyOf({ data, shape: [, classes, ...extents] }: Tensor, labels: ArrayLike<number>): number {
  const cells = size(extents);
  let sum = 0;
  for (let cell = 0; cell < cells; cell++) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < classes; index++) largest = Math.max(largest, data[index * cells + cell]);
    let total = 0;
    for (let index = 0; index < classes; index++) total += Math.exp(data[index * cells + cell] - largest);
    sum += Math.log(total) + largest - data[labels[cell] * cells + cell];
  }
  return sum / cells;
}

/** A picture as a net takes it. */
export function normalised({ shape, pixels }: Pick<LabelledPicture, "shape" | "pixels">, normalisation: Normalisation): Float32Array {
  const input = new Float32Array(size(shape));
  normaliseInto(pixels, 0, scaleOf(shape, normalisation, true), input, 0);
  return input;
}

/** Scores whole pictures at full size: one table of all cells, and the cross-entropy of the mean picture. */
export async function scorePictures(
  labelled: LabelledCells,
  classes: number,
  logitsOf: (picture: LabelledPicture) => Promise<Tensor>,
): Promise<Scores> {
  let table = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  let [count, loss] = [0, 0];
  for (const picture of labelled.pictures()) {
    const logits = await logitsOf(picture);
    table = addTables(table, confusionMatrix(logits, picture.labels));
    loss += entropyOf(logits, picture.labels);
    count++;
  }
  return { count, loss: loss / Math.max(1, count), accuracy: cellScores(table).accuracy, table };
}
