/** An example or a kernel to be shown: cells row-major, channels first, on 1 (signal), 2 (image) or 3 axes (volume, shown as slices). */
export interface Picture {
  /** 1 (one value) or 3 (red, green, blue). */
  readonly channels: 1 | 3;
  /** Length; height and width; depth, height and width. */
  readonly extents: readonly number[];
  /** channels * extents values. */
  readonly data: Float32Array | Uint8Array;
  /** The value shown darkest; 0 for bytes, else the least one. */
  readonly low?: number;
  /** The value shown brightest; 255 for bytes, else the greatest one. */
  readonly high?: number;
}

/** One kernel of the first layer. It is scaled by its own largest magnitude unless its picture gives `low` and `high`. */
export interface KernelPicture {
  readonly caption: string;
  readonly picture: Picture;
}

/** What one epoch gave. Accuracies are shares in [0, 1]; a measure that was not taken is left out. */
export interface ReportEpoch {
  readonly epoch: number;
  readonly trainLoss: number;
  readonly trainAccuracy?: number;
  readonly validationLoss?: number;
  readonly validationAccuracy?: number;
  readonly learningRate: number;
  readonly seconds: number;
}

/** One example of the test set, with what the net said of it. */
export interface ReportExample {
  readonly file?: string;
  /** Class (or value) that the data give. */
  readonly given: string;
  /** Class (or value) that the net gives. */
  readonly predicted: string;
  /** Probability of the predicted class, in [0, 1]. */
  readonly probability?: number;
  readonly picture: Picture;
}

/** One picture of the test set, the classes of its cells as given, and as the net gives them. */
export interface ReportLabels {
  readonly file: string;
  readonly picture: Picture;
  /** Numbers of classes, from 0 (darkest) to the last (brightest). */
  readonly given: Picture;
  readonly predicted: Picture;
  /** Share of cells that are right, in [0, 1]. */
  readonly accuracy: number;
}

/** One line of the table of layers. Counts are for one example. */
export interface ReportLayer {
  readonly path: string;
  readonly kind: string;
  readonly output: string;
  readonly parameters: number;
  readonly multiplyAdds: number;
  readonly receptiveField?: string;
  /** As measured; left out where it was not. */
  readonly cost?: ReportCost;
}

/** What a layer takes for one example on one thread. */
export interface ReportCost {
  readonly bytes: number;
  readonly ns: number;
  /** Layers whose work its routines do too, at least in part. */
  readonly includes: readonly string[];
  /** The layer whose routines do all of its work. */
  readonly within?: string;
}

/** Scores on examples that the training never saw. */
export interface ReportTest {
  /** Share of right ones, in [0, 1]. */
  readonly accuracy?: number;
  readonly loss: number;
  /** Number of examples by class given (row) and class predicted (column). */
  readonly confusion?: readonly (readonly number[])[];
  readonly count: number;
  /** Accuracy and table count cells instead of examples. */
  readonly ofCells?: boolean;
}

/** A word or list from the settings or the environment. */
export type ReportValue = string | number | boolean | null | undefined | readonly ReportValue[] | { readonly [key: string]: ReportValue };

/** Everything that `renderReport` shows: plain data, and JSON but for the cells of pictures. */
export interface ReportData {
  readonly name: string;
  /** The line that repeats the run. */
  readonly command: string;
  readonly date: string;
  readonly settings: Readonly<Record<string, ReportValue>>;
  readonly environment: Readonly<Record<string, ReportValue>>;
  readonly seed: number;
  /** Names of the classes; empty for a regression. */
  readonly classes: readonly string[];
  readonly epochs: readonly ReportEpoch[];
  readonly bestEpoch: number;
  readonly task: "classification" | "regression";
  /** Left out where the run ended before its test. */
  readonly test?: ReportTest;
  readonly mistakes: readonly ReportExample[];
  readonly rights: readonly ReportExample[];
  /** Pictures of the test whose cells have classes. */
  readonly labelled?: readonly ReportLabels[];
  readonly kernels: readonly KernelPicture[];
  readonly layers: readonly ReportLayer[];
  /** A whole run of one example, where layers were measured. */
  readonly measured?: { readonly session: string; readonly ns: number };
  readonly notes: readonly string[];
}
