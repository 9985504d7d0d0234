import { Problems } from "../base/errors.ts";
import { keyOf } from "../base/random.ts";
import { size } from "../base/types.ts";
import { augmenter, isIdentity } from "./augment.ts";
import { checkAugmentation } from "./augmentations.ts";
import type { Augmentation, AugmentJob, Batch, Examples, FillJob, LabelledCells, Split } from "./dataset.ts";
import { openFiller, spreader } from "./fill.ts";
import { ownScale, scaleOf } from "./normalise.ts";
import { sharedBytes } from "./threads.ts";
import { extentsAt, extentsOf, gridFor, shapeAt } from "./unequal.ts";

/** How a split is cut into batches. */
export interface BatchOptions {
  /** Examples per batch; the last one of an epoch may be shorter. */
  readonly batch: number;
  /** Shape of one example: the set's `shape`. Needed only for splits of the user's own (no `examples`). */
  readonly shape?: readonly number[];
  /**
   * Grids for examples of unequal extents, from the fewest cells to the most: an epoch's examples are sorted by the grid that holds them, so that
   * those of like extents come together, and a batch lies on the first grid that holds all of it. Default: one grid of the set's shape.
   */
  readonly grids?: readonly (readonly number[])[];
  /** Default 0. */
  readonly seed?: number;
  /** Default 0. Every epoch has its own order and its own random changes. */
  readonly epoch?: number;
  /** Default false: the order of the split. */
  readonly shuffle?: boolean;
  readonly augment?: Augmentation;
  /** Batches filled ahead. Default 3. */
  readonly prefetch?: number;
  /** First batch of the epoch to give: where a resumed run goes on. Default 0. */
  readonly from?: number;
  /** Threads that fill batches: 0 for none. Default 1 where decoding, random changes or long copies would hold training up, else 0. */
  readonly threads?: number;
}

/** Names the stream of example order among the streams of one seed. */
const stream = 0x6f726400;

/** Cells of a batch up to which a plain copy is quicker than to ask another thread. */
const trivialCells = 2 ** 19;

/** Order of the examples in an epoch: by a random key of seed, epoch and example id. */
export function epochOrder(ids: Int32Array, seed: number, epoch: number): Int32Array {
  const places = 2 ** Math.ceil(Math.log2(ids.length + 1));
  const wide = Math.min(2 ** 32, 2 ** 53 / places);
  const sorted = Float64Array.from(
    ids,
    (id, index) => Math.floor((keyOf(seed, stream, epoch, id) >>> 0) * (wide / 2 ** 32)) * places + index,
  ).sort();
  return Int32Array.from(sorted, (packed) => packed % places);
}

/** Number of batches of an epoch. */
export function batchCount(split: Split, batch: number): number {
  return Math.ceil(split.count / batch);
}

/**
 * Gives the examples of one epoch in batches. Order and random changes depend on seed, epoch and example id alone, so that a resumed run gets the same bits,
 * and so do runs with any number of threads. Batches are filled ahead, beside training, where that takes time.
 *
 * Examples of extents of their own are changed by themselves, then put on the batch's grid. A batch is valid until the next is asked for: its buffers are used again.
 *
 * Shapes: input f32 [count, ...shape], labels, ids and places i32 [count], extents i32 [count, axes] where they are unequal.
 * Throws: ToeplitzError when an option is out of range, or a picture cannot be read any more.
 * Example: `for await (const { count, input, labels } of batches(set.train, { batch: 32, seed: 1, epoch: 0, shuffle: true })) ...`
 */
export function batches(split: Split, options: BatchOptions): AsyncGenerator<Batch, void, void> {
  const { batch, seed = 0, epoch = 0, prefetch = 3, from = 0, threads } = options;
  const shape = split.examples?.data.shape ?? options.shape;
  const problems = new Problems("batches");
  const whole = (value: number, low: number): boolean => Number.isInteger(value) && value >= low;
  problems.check(whole(batch, 1), "batch", "a whole number >= 1", batch);
  problems.check(Number.isInteger(seed), "seed", "a whole number", seed);
  problems.check(whole(epoch, 0), "epoch", "a whole number >= 0", epoch);
  problems.check(whole(prefetch, 1), "prefetch", "a whole number >= 1", prefetch);
  problems.check(threads === undefined || whole(threads, 0), "threads", "a whole number >= 0", threads);
  problems.check(
    whole(from, 0) && (batch < 1 || from <= batchCount(split, batch)),
    "from",
    `a batch from 0 to ${batchCount(split, batch)}`,
    from,
  );
  problems.check(shape !== undefined, "shape", "the shape of one example", "none", "Give the option shape for a split without examples.");
  problems.throwIfAny();
  const exampleShape = shape ?? [];
  const { grids = [exampleShape.slice(1)] } = options;
  if (options.augment !== undefined) checkAugmentation(options.augment, exampleShape.length - 1);
  if (split.extents !== undefined) checkGrids(split.extents, grids);
  const drawn = options.shuffle ? epochOrder(split.ids, seed, epoch) : Int32Array.from({ length: split.count }, (_, index) => index);
  const order = grids.length === 1 ? drawn : groupedOrder(drawn, split, grids, batch, options.shuffle ? { seed, epoch } : null);
  const { augment: augmentation = {} } = options;
  // parts of pictures are drawn anew in every epoch
  const isPlain = isIdentity(augmentation) && split.labelled === undefined;
  const augment = isPlain ? undefined : { augmentation, seed, epoch };
  return generate({ split, order, batch, from, prefetch, threads, augment, shape: exampleShape, grids });
}

/** The last grid must hold every example. */
function checkGrids(extents: Int32Array, grids: readonly (readonly number[])[]): void {
  const problems = new Problems("batches");
  const last = grids[grids.length - 1];
  const most = last.map((_, axis) =>
    extents.reduce((largest, extent, at) => (at % last.length === axis ? Math.max(largest, extent) : largest), 0),
  );
  const holds = most.every((extent, axis) => extent <= last[axis]);
  problems.check(holds, "last grid", `one that holds every example: at least ${most.join(" x ")}`, last.join(" x "));
  problems.throwIfAny();
}

/** Examples sorted by their grids, otherwise in the order of the epoch, whose whole batches then come in a random order. */
function groupedOrder(
  order: Int32Array,
  { extents, ids }: Split,
  grids: readonly (readonly number[])[],
  batch: number,
  draw: { readonly seed: number; readonly epoch: number } | null,
): Int32Array {
  if (extents === undefined) return order;
  const axes = grids[0].length;
  const gridOf = Array.from(ids, (_, example) => gridFor(grids, extentsAt(extents, example, axes)));
  const sorted = order.toSorted((a, b) => gridOf[a] - gridOf[b]);
  if (draw === null) return sorted;
  const starts = Int32Array.from({ length: Math.floor(sorted.length / batch) }, (_, number) => number * batch);
  const shuffled = Array.from(epochOrder(starts, draw.seed, draw.epoch), (number) => starts[number]);
  return Int32Array.from([
    ...shuffled.flatMap((start) => [...sorted.subarray(start, start + batch)]),
    ...sorted.subarray(starts.length * batch),
  ]);
}

interface Epoch {
  readonly split: Split;
  readonly order: Int32Array;
  readonly batch: number;
  readonly from: number;
  readonly prefetch: number;
  readonly threads: number | undefined;
  readonly augment: AugmentJob | undefined;
  readonly shape: readonly number[];
  readonly grids: readonly (readonly number[])[];
}

/** One set of buffers of the ring. */
interface Slot {
  readonly input: Float32Array;
  readonly labels: Int32Array;
  readonly ids: Int32Array;
  readonly rows: Int32Array;
  readonly places: Int32Array;
  /** Of one example's cells in this batch. */
  shape: readonly number[];
  count: number;
  filled: Promise<void> | undefined;
}

/** Fills one slot: at once, or when the promise is kept. */
type Fill = (slot: Slot) => Promise<void> | undefined;

async function* generate(epoch: Epoch): AsyncGenerator<Batch, void, void> {
  const { split, batch, from, shape } = epoch;
  const cells = size(shape);
  const count = batchCount(split, batch);
  const { fill, ahead } = await filling(epoch, Math.min(batch, split.count) * cells);
  const slots = Array.from({ length: Math.min(ahead + 1, count - from) }, () =>
    makeSlot(
      Math.min(batch, split.count),
      [shape[0], ...epoch.grids[epoch.grids.length - 1]],
      split.labelled === undefined ? 1 : cells / shape[0],
    ),
  );
  const start = (number: number): void => {
    if (number >= count) return;
    const slot = slots[number % slots.length];
    choose(slot, epoch, number);
    slot.filled = fill(slot);
    // a failure is reported when its batch is asked for, not before
    slot.filled?.catch(() => {});
  };
  try {
    for (let number = from; number < Math.min(from + ahead, count); number++) start(number);
    for (let number = from; number < count; number++) {
      if (number + ahead < count) start(number + ahead);
      const slot = slots[number % slots.length];
      if (slot.filled !== undefined) await slot.filled;
      yield batchOf(slot, split);
    }
  } finally {
    // buffers are not left to threads that still write
    await Promise.allSettled(slots.map((slot) => slot.filled));
  }
}

function makeSlot(batch: number, shape: readonly number[], labelCells: number): Slot {
  const integers = (each = 1): Int32Array => new Int32Array(sharedBytes(batch * each * 4));
  return {
    input: new Float32Array(sharedBytes(batch * size(shape) * 4)),
    labels: integers(labelCells),
    ids: integers(),
    rows: integers(),
    places: integers(),
    shape,
    count: 0,
    filled: undefined,
  };
}

function choose(slot: Slot, { split, order, batch, shape, grids }: Epoch, number: number): void {
  const start = number * batch;
  slot.count = Math.min(batch, order.length - start);
  for (let index = 0; index < slot.count; index++) {
    const example = order[start + index];
    if (split.labelled === undefined) slot.labels[index] = split.labels[example];
    slot.ids[index] = split.ids[example];
    slot.rows[index] = split.rows === undefined ? example : split.rows[example];
    slot.places[index] = example;
  }
  if (split.extents === undefined) return;
  const axes = shape.length - 1;
  const own = extentsOf(split.extents, slot.places.subarray(0, slot.count), axes);
  const most = Array.from({ length: axes }, (_, axis) =>
    own.reduce((least, extent, at) => (at % axes === axis ? Math.max(least, extent) : least), 0),
  );
  slot.shape = [shape[0], ...grids[gridFor(grids, most)]];
}

function batchOf({ count, input, labels, ids, places, shape }: Slot, { extents }: Split): Batch {
  const [first, cells] = [(list: Int32Array): Int32Array => list.subarray(0, count), count * size(shape)];
  return {
    count,
    shape,
    input: cells === input.length ? input : input.subarray(0, cells),
    ...(extents && { extents: extentsOf(extents, first(places), shape.length - 1) }),
    ...(count === ids.length
      ? { labels, ids, places }
      : { labels: labels.subarray(0, (count * labels.length) / ids.length), ids: first(ids), places: first(places) }),
  };
}

function jobOf({ count, rows, ids, input, shape }: Slot, augment: AugmentJob | undefined): FillJob {
  const isWhole = count === rows.length;
  return {
    rows: isWhole ? rows : rows.subarray(0, count),
    ids: isWhole ? ids : ids.subarray(0, count),
    into: input,
    shape,
    ...(augment && { augment }),
  };
}

/** Who fills the slots, and how many batches ahead. */
async function filling({ split, threads, augment, prefetch, shape }: Epoch, cells: number): Promise<{ fill: Fill; ahead: number }> {
  const { examples, labelled } = split;
  if (labelled !== undefined) return { fill: fillCells(labelled, augment, shape), ahead: 0 };
  if (examples === undefined) return { fill: fillFromReads(split, augment, shape), ahead: 0 };
  const isQuick = examples.data.place.kind === "stored" && augment === undefined && cells <= trivialCells;
  const wanted = threads ?? (isQuick ? 0 : 1);
  const pool = wanted > 0 ? await examples.threads(wanted) : undefined;
  if (pool !== undefined) return { fill: (slot) => pool.fill(jobOf(slot, augment)), ahead: prefetch };
  const filler = openFiller(examples.data);
  return { fill: (slot) => filler.fill(jobOf(slot, augment)), ahead: aheadWithoutThreads(examples) };
}

/** Stored examples are filled when they are asked for; files are decoded one batch ahead, while training waits for its own threads. */
function aheadWithoutThreads({ data }: Examples): number {
  return data.place.kind === "files" ? 1 : 0;
}

/** Fills cells and their classes together. */
function fillCells(labelled: LabelledCells, augment: AugmentJob | undefined, shape: readonly number[]): Fill {
  const [cells, labelCells] = [size(shape), size(shape.slice(1))];
  return (slot) => {
    for (let index = 0; index < slot.count; index++)
      labelled.write(slot.rows[index], augment, slot.input, index * cells, slot.labels, index * labelCells);
    return undefined;
  };
}

/** Fills from `read` alone: splits of the user's own. Brightness and noise are then in units of what `read` writes. */
function fillFromReads(split: Split, augment: AugmentJob | undefined, shape: readonly number[]): Fill {
  const plain = { mean: new Array<number>(shape[0]).fill(0), deviation: new Array<number>(shape[0]).fill(1) };
  const scale = scaleOf(shape, plain, false);
  const pixels = new Float32Array(size(shape));
  return (slot) => {
    const spread = spreader(shape, slot.shape);
    const cells = size(slot.shape);
    for (let index = 0; index < slot.count; index++) {
      const example = slot.places[index];
      const own = shapeAt(shape, split.extents, example);
      const change = augment && augmenter(augment.augmentation, own, ownScale(scale, own), augment.seed, augment.epoch);
      const write = (into: Float32Array, offset: number): void => {
        if (change === undefined) split.read(slot.rows[index], into, offset);
        else {
          split.read(slot.rows[index], pixels, 0);
          change({ pixels, from: 0, id: slot.ids[index] }, into, offset);
        }
      };
      if (split.extents === undefined) write(slot.input, index * cells);
      else spread(own, (dense) => write(dense, 0), slot.input, index * cells);
    }
    return undefined;
  };
}
