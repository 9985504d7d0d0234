/** How stored numbers become input: (v - mean) / deviation, per channel, where v is a pixel / 255 (u8 sets) or the stored number (f32 sets). */
export interface Normalisation {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
}

/**
 * The examples of one part of a set (train, validation or test).
 *
 * Shapes: `read` writes one example as f32 [channels, ...extents], of its own extents where the part has them.
 */
export interface Split {
  readonly count: number;
  /** Class index of each example. */
  readonly labels: Int32Array;
  /** Extents of each example, [count, axes], in sets whose examples are of unequal extents; absent where all have those of the set. */
  readonly extents?: Int32Array;
  /** Stable example ids, unique over the whole set: what random draws are keyed by. */
  readonly ids: Int32Array;
  /** Where every cell has a class of its own; `labels` are zeros then. */
  readonly labelled?: LabelledCells;
  /** A name per example, where the set has them: the file inside the folder, with `/`. */
  readonly names?: readonly string[];
  /** Where the numbers are, for those who fill batches beside training; absent in splits of the user's own. */
  readonly examples?: Examples;
  /** Row of each example in `examples`. */
  readonly rows?: Int32Array;
  /** Writes example `index`, already normalised, at `offset`. */
  read(index: number, into: Float32Array, offset: number): void;
}

/** The classes of cells, for a part of a set in which each example is a part of a picture. */
export interface LabelledCells {
  /** Label of a cell that does not count. */
  readonly ignore: number;
  /** Writes example `index`, its cells normalised and its labels [...extents], both changed alike. */
  write(index: number, augment: AugmentJob | undefined, into: Float32Array, offset: number, labels: Int32Array, labelOffset: number): void;
  /** The whole pictures that the examples are parts of, one after another. */
  pictures(): Iterable<LabelledPicture>;
}

/** A whole picture with a class for each cell. */
export interface LabelledPicture {
  readonly name: string;
  /** [channels, ...extents]. */
  readonly shape: readonly number[];
  /** Stored numbers, as `normaliseInto` takes them. */
  readonly pixels: Uint8Array;
  /** Class of each cell [...extents]. */
  readonly labels: Uint8Array;
}

/** A labelled set. */
export interface Dataset {
  readonly name: string;
  /** Shape of one example: [channels, ...extents]; the largest extents where examples have their own (see `Split.extents`). */
  readonly shape: readonly number[];
  readonly classes: readonly string[];
  readonly train: Split;
  /** For every choice that training makes: early stopping, settings. */
  readonly validation?: Split;
  /** Scored once, at the end. */
  readonly test?: Split;
  readonly normalisation: Normalisation;
  /** What a person should know about the reading, e.g. `left out 1 of 400 pictures: a/b.jpg (truncated ...)`. */
  readonly notes: readonly string[];
  /** Ends the threads that fill batches. They do not keep a process alive. */
  close?(): Promise<void>;
}

/** Examples ready for a net. Valid until the next batch is asked for: its buffers are used again. */
export interface Batch {
  readonly count: number;
  /** f32 [count, ...shape]; an example of extents of its own lies at the low end of every axis, with zeros beyond. */
  readonly input: Float32Array;
  /** Shape of one example's cells: [channels, ...extents]. */
  readonly shape: readonly number[];
  /** i32 [count, axes], where examples are of unequal extents. */
  readonly extents?: Int32Array;
  /** i32 [count], or [count, ...extents] where every cell has a class. */
  readonly labels: Int32Array;
  readonly ids: Int32Array;
  /** Place of each example in the split. */
  readonly places: Int32Array;
}

/** Examples kept as numbers, one after the other; in shared memory where there is some, so that threads read them in place. */
export interface StoredExamples {
  readonly kind: "stored";
  readonly pixels: Uint8Array | Float32Array;
}

/** Pictures that are decoded when they are needed. */
export interface FileExamples {
  readonly kind: "files";
  readonly paths: readonly string[];
  readonly decoder: Decoder;
  readonly maximumPixels: number;
  readonly proportions: Proportions;
}

/** Whether pictures are resized to one size, or keep their proportions and get one longer side. */
export type Proportions = "squeezed" | "kept";

/** Which decoder reads pictures: `sharp` (native, optional) or `plain` (JavaScript and wasm). */
export type Decoder = "sharp" | "plain";

/** Plain data that says where examples are; crosses to another thread as it is. */
export interface ExampleData {
  readonly place: StoredExamples | FileExamples;
  readonly shape: readonly number[];
  /** Extents of each row [rows, axes] where they are unequal. The cells of a row are then those of its own extents, at the begin of a row's room. */
  readonly extents?: Int32Array;
  readonly normalisation: Normalisation;
}

/** Examples and the threads that read them. */
export interface Examples {
  readonly data: ExampleData;
  /** Threads that fill batches, made when first asked for; undefined where there are none. */
  threads(count: number): Promise<FillingThreads | undefined>;
  close(): Promise<void>;
}

/** Threads that fill slots of a ring. */
export interface FillingThreads {
  fill(job: FillJob): Promise<void>;
}

/** One batch to fill: plain data. */
export interface FillJob {
  /** Rows of the examples, in the order of the batch. */
  readonly rows: Int32Array;
  readonly ids: Int32Array;
  readonly into: Float32Array;
  /** Shape of one example's cells in `into`, where it is not that of the examples. */
  readonly shape?: readonly number[];
  readonly augment?: AugmentJob;
}

/** What augmentation needs beside the example itself: plain data. */
export interface AugmentJob {
  readonly augmentation: Augmentation;
  readonly seed: number;
  readonly epoch: number;
}

/**
 * Random changes of an example; what is absent is not done. Draws depend on seed, epoch and example id alone.
 *
 * Units: fractions are of the extent of an axis; brightness and noise are in units of v (see Normalisation), where white is 1.
 */
export interface Augmentation {
  /** Axes (of the extents, 0 = first) that are mirrored with probability 1/2. */
  readonly flip?: readonly number[];
  /** Largest shift along each axis, as a fraction of its extent. */
  readonly shift?: number;
  /** Largest rotation in the plane of the last two axes, in degrees. */
  readonly rotate?: number;
  /** Zoom by a factor between 1 / (1 + scale) and 1 + scale. */
  readonly scale?: number;
  /** Shortest side of a random part that is cut out and blown up, as a fraction of the extent. */
  readonly crop?: number;
  /** Largest number added to v. */
  readonly brightness?: number;
  /** Distance to the mean multiplied by a factor between 1 / (1 + contrast) and 1 + contrast. */
  readonly contrast?: number;
  /** The same for the distance to grey; three channels only. */
  readonly saturation?: number;
  /** Deviation of noise added to every cell. */
  readonly noise?: number;
  /** Side of a box set to the mean, as a fraction of the extent. */
  readonly cutout?: number;
  /** What lies outside of an example: its nearest cell, or v = 0. Default `edge`. */
  readonly fill?: "edge" | "zero";
}
