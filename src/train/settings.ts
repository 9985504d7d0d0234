import { Problems } from "../base/errors.ts";
import { size, type Tensor } from "../base/types.ts";
import { augmentations } from "../data/augmentations.ts";
import type { Augmentation, Batch, Dataset } from "../data/dataset.ts";
import { gridsOf } from "../data/unequal.ts";
import type { Feeds, SessionOptions } from "../graph/session.ts";
import { crossEntropy, diceLoss, type Loss, weightedLoss } from "../nn/losses.ts";
import { type Optimiser, optimisers, sgd } from "../nn/optimisers.ts";
import { cosineRate, type Schedule, schedules } from "../nn/schedules.ts";
import type { TensorSpec } from "../nn/step.ts";
import { frozenBy } from "./frozen.ts";
import type { EpochMetrics } from "./history.ts";

/** One update of the parameters, as callbacks see it. */
export interface StepMetrics {
  /** From 1. */
  readonly epoch: number;
  /** Updates so far in the whole run, from 1. */
  readonly step: number;
  /** Updates of the whole run. */
  readonly steps: number;
  /** Mean over the examples of this update. */
  readonly loss: number;
  readonly learningRate: number;
  /** Examples of this update. */
  readonly examples: number;
}

/** What a callback may answer: `stop` ends the training after this step or epoch; the best weights are restored as ever. */
// biome-ignore lint/suspicious/noConfusingVoidType: callbacks that answer nothing are written without a return
export type Answer = "stop" | undefined | void;

/** Options of `fit`; what is left out is chosen from the data. */
export interface FitOptions extends Pick<SessionOptions, "threads" | "tier" | "rounding"> {
  /** Measures algorithms on this machine before the first step, in place of predicting their time. The choices are kept in checkpoints. */
  readonly tune?: boolean;
  readonly epochs?: number;
  /** Examples of one run of the training step. */
  readonly batch?: number;
  /**
   * Extents of training batches are rounded up to multiples of it, in sets whose examples are of unequal extents: each grid is a program of its own (at
   * most 8), and examples of like extents come together, which is quicker but mixes them less. Default: every batch has the largest extents.
   */
  readonly roundTo?: number;
  /** Batches whose gradients are added before one update. Default 1. */
  readonly accumulate?: number;
  readonly optimiser?: Optimiser | string;
  /** Highest learning rate of a schedule given by name. */
  readonly learningRate?: number;
  /** `constant`, `step`, `cosine` (with `warmup`), `oneCycle`, or a function of the step. */
  readonly schedule?: Schedule | string;
  /** Rising part of the cosine schedule, as a share of the run. */
  readonly warmup?: number;
  /** For an optimiser given by name. */
  readonly weightDecay?: number;
  /** Default: cross-entropy of logits, and where every cell has a class the sum of it and the Dice loss. */
  readonly loss?: Loss;
  /** Of the default loss. */
  readonly labelSmoothing?: number;
  readonly augment?: Augmentation;
  /** Of initial values, order, augmentation and dropout. Default 0. */
  readonly seed?: number;
  /** Ends after so many epochs without a lower validation loss. Off when left out. */
  readonly patience?: number;
  readonly clip?: { readonly norm?: number; readonly value?: number };
  /** Decay of the moving average of the parameters, which is then what is validated and saved; 0 for none. */
  readonly average?: number;
  /**
   * Gradient checkpointing, for nets that would not fit: the backward pass computes values of the forward pass again instead of keeping them, for about
   * one more forward pass. True for the least memory; a number for the least work with at most so many bytes of values, before layouts and scratch.
   */
  readonly recompute?: boolean | number;
  /**
   * Parameters that do not change: by name, or by patterns of paths with commas between (`stage1,stage2/*`; what is named holds everything below).
   * Running statistics still follow the data.
   */
  readonly frozen?: string | ((parameter: string) => boolean);
  /** First values of some parameters and statistics, by name: for fine-tuning. */
  readonly start?: ReadonlyMap<string, Tensor> | Readonly<Record<string, Tensor>>;
  /** For nets of other feeds than one input and one label: their types, and how a batch becomes feeds. */
  readonly inputs?: Readonly<Record<string, TensorSpec>>;
  readonly targets?: Readonly<Record<string, TensorSpec>>;
  readonly feeds?: (batch: Batch) => Feeds;
  /** Called after every update. */
  readonly onStep?: (metrics: StepMetrics) => Answer;
  /** Called after every epoch, when its checkpoint is written. */
  readonly onEpoch?: (metrics: EpochMetrics) => Answer | Promise<Answer>;
  /** Ends the run at the next step, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** Settings as they are written down: plain JSON data. */
export interface PlainSettings {
  readonly epochs: number;
  readonly batch: number;
  /** Null where batches have the largest extents. */
  readonly roundTo: number | null;
  readonly accumulate: number;
  readonly optimiser: Readonly<Record<string, unknown>>;
  readonly learningRate: number | null;
  readonly schedule: string;
  readonly warmup: number;
  readonly loss: string;
  readonly augment: Augmentation;
  readonly seed: number;
  readonly patience: number | null;
  readonly clip: { readonly norm?: number; readonly value?: number };
  readonly average: number;
  /** The most that sums may round, in units of a plain sum's rounding; null for whatever the fastest algorithms do. */
  readonly rounding: number | null;
  /** Whether the backward pass computes values again, or the bytes that values may take; results are fused differently then. */
  readonly recompute: boolean | number;
  /** Patterns of the parameters that do not change; null where all are trained. */
  readonly frozen: string | null;
}

/** Options with everything chosen. */
export interface Settings extends Omit<PlainSettings, "optimiser" | "schedule" | "loss" | "frozen"> {
  readonly optimiser: Optimiser;
  readonly schedule: Schedule;
  readonly loss: Loss;
  readonly frozen?: (parameter: string) => boolean;
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly targets: Readonly<Record<string, TensorSpec>>;
  readonly feeds: (batch: Batch) => Feeds;
  /** Extents that batches have, from the fewest cells to the whole; one where all examples have the same. */
  readonly grids: readonly (readonly number[])[];
  /** Those of training: the whole alone, unless extents are rounded. */
  readonly trainingGrids: readonly (readonly number[])[];
  /** The same as data, for config files and checkpoints. */
  readonly plain: PlainSettings;
}

const isPhotograph = ({ shape: [channels, ...extents] }: Dataset): boolean =>
  channels === 3 && extents.length === 2 && extents.every((extent) => extent >= 32);

/** Powers of two for batches: about 10 updates an epoch on small sets. */
function batchFor(count: number): number {
  return Math.min(64, Math.max(8, 2 ** Math.round(Math.log2(Math.max(1, count / 10)))));
}

/** Batches of about 2^17 cells: 8 parts of 128 x 128. */
const batchForCells = ([, ...extents]: readonly number[]): number =>
  Math.min(64, Math.max(1, 2 ** Math.round(17 - Math.log2(size(extents)))));

/** Cross-entropy alone, or where cells have classes with the Dice loss, which keeps classes of few cells from being passed over. */
function usualLoss(labelSmoothing: number, ignore: number | undefined): Loss {
  if (ignore === undefined) return crossEntropy({ labelSmoothing });
  return weightedLoss([
    [1, crossEntropy({ labelSmoothing, ignore })],
    [1, diceLoss({ ignore })],
  ]);
}

/** Small sets are seen more often: 40 epochs of 270 examples, 11 of 8,500, 4 of 60,000. */
const epochsFor = (count: number): number => Math.min(40, Math.max(3, Math.round(1050 / Math.sqrt(Math.max(1, count)))));

function usualAugmentation({ shape, train }: Dataset, isPhotographs: boolean): Augmentation {
  if (train.labelled !== undefined) return { flip: [shape.length - 2], rotate: 10, scale: 0.1, brightness: 0.05, contrast: 0.2 };
  return isPhotographs ? augmentations.photographs : augmentations.none;
}

function optimiserOf(options: FitOptions): Optimiser {
  const { optimiser = "adamW", weightDecay } = options;
  if (typeof optimiser !== "string") return optimiser;
  if (optimiser === "sgd") return sgd({ momentum: 0.9, nesterov: true, weightDecay: weightDecay ?? 5e-4 });
  const make = optimisers[optimiser] as (options?: { weightDecay?: number }) => Optimiser;
  return weightDecay === undefined ? make() : make({ weightDecay });
}

/** Usual highest rates, for batches of 64 examples. */
const usualRates: Readonly<Record<string, number>> = { sgd: 0.05, adadelta: 1, adagrad: 0.01, rmsprop: 1e-3 };
const usualRate = (kind: string): number => usualRates[kind] ?? 3e-3;

/**
 * Chooses what the options leave open from the data.
 * Throws: ToeplitzError with every option that is out of range.
 */
export function chooseSettings(data: Dataset, options: FitOptions): Settings {
  checkOptions(data, options);
  const { count, extents } = data.train;
  const whole = data.shape.slice(1);
  const optimiser = optimiserOf(options);
  const learningRate = options.learningRate ?? usualRate(optimiser.kind);
  const name = options.schedule ?? "cosine";
  const warmup = options.warmup ?? 0.1;
  const schedule =
    typeof name === "function" ? name : name === "cosine" ? cosineRate(learningRate, { warmup }) : schedules[name](learningRate);
  const photographs = isPhotograph(data);
  // few photographs are learnt by heart at once: softened labels and averaged weights keep the net general
  const few = photographs && count < 5000;
  const { labelled } = data.train;
  const smoothing = options.labelSmoothing ?? (few && labelled === undefined ? 0.1 : 0);
  const entropy = `cross-entropy${smoothing > 0 ? `, label smoothing ${smoothing}` : ""}`;
  const usualBatch = labelled === undefined ? batchFor(count) : batchForCells(data.shape);
  const plain: PlainSettings = {
    epochs: options.epochs ?? epochsFor(count),
    batch: Math.min(options.batch ?? usualBatch, count),
    roundTo: extents === undefined ? null : (options.roundTo ?? null),
    accumulate: options.accumulate ?? 1,
    optimiser: { kind: optimiser.kind, ...optimiser.settings },
    learningRate: typeof name === "function" ? null : learningRate,
    schedule: typeof name === "function" ? "of the user's own" : name,
    warmup,
    loss: options.loss !== undefined ? "of the user's own" : labelled === undefined ? entropy : `${entropy} + Dice loss`,
    augment: options.augment ?? usualAugmentation(data, photographs),
    seed: options.seed ?? 0,
    patience: options.patience ?? null,
    clip: options.clip ?? {},
    average: options.average ?? (few ? 0.99 : 0),
    rounding: options.rounding ?? null,
    recompute: options.recompute ?? false,
    frozen: typeof options.frozen === "function" ? "of the user's own" : (options.frozen ?? null),
  };
  const grids = extents === undefined ? [whole] : gridsOf(extents, whole, options.roundTo);
  return {
    ...plain,
    optimiser,
    schedule,
    loss: options.loss ?? usualLoss(smoothing, labelled?.ignore),
    frozen: frozenBy(options.frozen),
    inputs: options.inputs ?? { input: { shape: data.shape, unequal: extents !== undefined } },
    targets: options.targets ?? { label: { shape: labelled === undefined ? [] : data.shape.slice(1), dtype: "i32" } },
    feeds: options.feeds ?? feedsOf,
    grids,
    trainingGrids: plain.roundTo === null ? [whole] : grids,
    plain,
  };
}

const feedsOf = ({ input, labels, extents }: Batch): Feeds => ({ input, label: labels, ...(extents && { "input.extents": extents }) });

function checkOptions(data: Dataset, options: FitOptions): void {
  const problems = new Problems("fit", data.name);
  const whole = (value: number | undefined, least: number): boolean => value === undefined || (Number.isInteger(value) && value >= least);
  problems.check(data.train.count > 0, "training examples", ">= 1", data.train.count);
  for (const name of ["epochs", "batch", "roundTo", "accumulate", "patience", "threads"] as const) {
    problems.check(whole(options[name], 1), name, "a whole number >= 1", options[name]);
  }
  const { recompute = true } = options;
  problems.check(typeof recompute === "boolean" || recompute > 0, "recompute", "true, false, or bytes > 0", recompute);
  const { seed = 0, average = 0, learningRate = 1, labelSmoothing = 0, warmup = 0, weightDecay = 0, rounding = 1 } = options;
  problems.check(Number.isInteger(seed) && Math.abs(seed) < 2 ** 31, "seed", "a whole number of at most 31 bits", seed);
  problems.check(learningRate > 0 && Number.isFinite(learningRate), "learningRate", "> 0", learningRate);
  problems.check(average >= 0 && average < 1, "average", ">= 0 and < 1 (0 for none)", average);
  problems.check(labelSmoothing >= 0 && labelSmoothing < 1, "labelSmoothing", ">= 0 and < 1", labelSmoothing);
  problems.check(warmup >= 0 && warmup < 1, "warmup", "a share of the run, >= 0 and < 1", warmup);
  problems.check(weightDecay >= 0, "weightDecay", ">= 0", weightDecay);
  problems.check(rounding >= 1, "rounding", ">= 1 (1 for plain sums alone)", rounding);
  for (const part of ["norm", "value"] as const) {
    problems.check((options.clip?.[part] ?? 1) > 0, `clip ${part}`, "> 0", options.clip?.[part]);
  }
  if (typeof options.optimiser === "string") {
    problems.check(options.optimiser in optimisers, "optimiser", `one of ${Object.keys(optimisers).join(", ")}`, options.optimiser);
  }
  if (typeof options.schedule === "string") {
    problems.check(options.schedule in schedules, "schedule", `one of ${Object.keys(schedules).join(", ")}`, options.schedule);
  }
  const own = [options.inputs, options.targets, options.feeds].filter((part) => part !== undefined).length;
  problems.check(
    own === 0 || options.feeds !== undefined,
    "feeds",
    "a function that makes feeds of a batch, with inputs or targets",
    "none",
  );
  problems.throwIfAny();
}
