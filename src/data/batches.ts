import { Problems } from "../base/errors.ts";
import { keyOf } from "../base/random.ts";
import { augmenter, isIdentity } from "./augment.ts";
import { checkAugmentation } from "./augmentations.ts";
import type { Augmentation, AugmentJob, Batch, Examples, FillJob, Split } from "./dataset.ts";
import { openFiller } from "./fill.ts";
import { scaleOf } from "./normalise.ts";
import { sharedBytes } from "./threads.ts";

/** How a split is cut into batches. */
export interface BatchOptions {
  /** Examples per batch; the last one of an epoch may be shorter. */
  readonly batch: number;
  /** Shape of one example: the set's `shape`. Needed only for splits of the user's own (no `examples`). */
  readonly shape?: readonly number[];
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
 * A batch is valid until the next is asked for: its buffers are used again.
 *
 * Shapes: input f32 [count, channels, ...extents], labels and ids i32 [count].
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
  if (options.augment !== undefined) checkAugmentation(options.augment, exampleShape.length - 1);
  const order = options.shuffle ? epochOrder(split.ids, seed, epoch) : Int32Array.from({ length: split.count }, (_, index) => index);
  const augment = options.augment === undefined || isIdentity(options.augment) ? undefined : { augmentation: options.augment, seed, epoch };
  return generate({ split, order, batch, from, prefetch, threads, augment, shape: exampleShape });
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
}

/** One set of buffers of the ring. */
interface Slot {
  readonly input: Float32Array;
  readonly labels: Int32Array;
  readonly ids: Int32Array;
  readonly rows: Int32Array;
  count: number;
  filled: Promise<void> | undefined;
}

/** Fills one slot: at once, or when the promise is kept. */
type Fill = (slot: Slot) => Promise<void> | undefined;

async function* generate(epoch: Epoch): AsyncGenerator<Batch, void, void> {
  const { split, batch, from, shape } = epoch;
  const cells = shape.reduce((product, extent) => product * extent, 1);
  const count = batchCount(split, batch);
  const { fill, ahead } = await filling(epoch, Math.min(batch, split.count) * cells);
  const slots = Array.from({ length: Math.min(ahead + 1, count - from) }, () => makeSlot(Math.min(batch, split.count), cells));
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
      yield batchOf(slot, cells);
    }
  } finally {
    // buffers are not left to threads that still write
    await Promise.allSettled(slots.map((slot) => slot.filled));
  }
}

function makeSlot(batch: number, cells: number): Slot {
  const integers = (): Int32Array => new Int32Array(sharedBytes(batch * 4));
  return {
    input: new Float32Array(sharedBytes(batch * cells * 4)),
    labels: integers(),
    ids: integers(),
    rows: integers(),
    count: 0,
    filled: undefined,
  };
}

function choose(slot: Slot, { split, order, batch }: Epoch, number: number): void {
  const start = number * batch;
  slot.count = Math.min(batch, order.length - start);
  for (let index = 0; index < slot.count; index++) {
    const example = order[start + index];
    slot.labels[index] = split.labels[example];
    slot.ids[index] = split.ids[example];
    slot.rows[index] = split.rows === undefined ? example : split.rows[example];
  }
}

function batchOf({ count, input, labels, ids }: Slot, cells: number): Batch {
  if (count === labels.length) return { count, input, labels, ids };
  return { count, input: input.subarray(0, count * cells), labels: labels.subarray(0, count), ids: ids.subarray(0, count) };
}

function jobOf({ count, rows, ids, input }: Slot, augment: AugmentJob | undefined): FillJob {
  const isWhole = count === rows.length;
  return {
    rows: isWhole ? rows : rows.subarray(0, count),
    ids: isWhole ? ids : ids.subarray(0, count),
    into: input,
    ...(augment && { augment }),
  };
}

/** Who fills the slots, and how many batches ahead. */
async function filling({ split, threads, augment, prefetch, shape }: Epoch, cells: number): Promise<{ fill: Fill; ahead: number }> {
  const { examples } = split;
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

/** Fills from `read` alone: splits of the user's own. Brightness and noise are then in units of what `read` writes. */
function fillFromReads(split: Split, augment: AugmentJob | undefined, shape: readonly number[]): Fill {
  const cells = shape.reduce((product, extent) => product * extent, 1);
  const plain = { mean: new Array<number>(shape[0]).fill(0), deviation: new Array<number>(shape[0]).fill(1) };
  const change = augment && augmenter(augment.augmentation, shape, scaleOf(shape, plain, false), augment.seed, augment.epoch);
  const pixels = new Float32Array(cells);
  return (slot) => {
    for (let index = 0; index < slot.count; index++) {
      if (change === undefined) split.read(slot.rows[index], slot.input, index * cells);
      else {
        split.read(slot.rows[index], pixels, 0);
        change({ pixels, from: 0, id: slot.ids[index] }, slot.input, index * cells);
      }
    }
    return undefined;
  };
}
