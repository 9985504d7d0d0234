import { size, type TensorType } from "./base/types.ts";
import type { Dataset } from "./data/dataset.ts";
import type * as idx from "./data/idx.ts";
import type * as pictures from "./data/image-folder.ts";
import type * as labelled from "./data/labelled-folder.ts";
import type * as sets from "./data/open.ts";
import type * as files from "./formats/write-file.ts";
import { inputsOf } from "./graph/graph.ts";
import type { CompileOptions, Feeds, Session, SessionOptions } from "./graph/session.ts";
import { nodeHost } from "./hosts/node-host.ts";
import type * as check from "./inspect/check.ts";
import type { MeasureOptions, NetCost } from "./inspect/measure.ts";
import type { TracedNet } from "./inspect/summary.ts";
import type { Net } from "./nn/scope.ts";
import type { TracedStep } from "./nn/step.ts";
import { familyOf } from "./plan/families.ts";
import { everyAlgorithm, families } from "./targets/wasm/list.ts";
import { type WasmSession, wasmTarget } from "./targets/wasm/session.ts";
import type { FitResult } from "./train/fit.ts";
import type { Model } from "./train/model.ts";
import type { OpenedNet, OpenNetOptions } from "./train/open-net.ts";
import type { RunFolder } from "./train/run-folder.ts";
import type { FitOptions } from "./train/settings.ts";
import type { Continuation, TrainedRun, TrainOptions, TrainRequest } from "./train/train-run.ts";
import type * as use from "./train/use-model.ts";

export { augmentations, parseAugmentation } from "./data/augmentations.ts";
export { type BatchOptions, batches } from "./data/batches.ts";
export type { Augmentation, Batch, Dataset, Split } from "./data/dataset.ts";
export { type DigitsOptions, digits } from "./data/digits.ts";
export type { ImageFolderOptions } from "./data/image-folder.ts";
export { type ArrayExample, type ArrayParts, type ArraysOptions, arrays } from "./data/memory.ts";
export type { OpenOptions } from "./data/open.ts";
export { readSafetensors, writeSafetensors } from "./formats/safetensors.ts";
export * from "./index.ts";
export type { LayerCost, Phase, PhaseCost } from "./inspect/attribute.ts";
export type { MeasureOptions, NetCost } from "./inspect/measure.ts";
export { type ComplexLayer, complexLayers, type LayerStage, type StageKind } from "./inspect/stages.ts";
export { type LayerSummary, type NetSummary, summarise } from "./inspect/summary.ts";
export type { Ending, FitResult } from "./train/fit.ts";
export type { Best, EpochMetrics } from "./train/history.ts";
export type { CellLabels, Model, ModelDescription, Prediction } from "./train/model.ts";
export type { FitOptions, StepMetrics } from "./train/settings.ts";
export type { Continuation, TrainedRun, TrainOptions, TrainRequest } from "./train/train-run.ts";
export type { Evaluation, FileLabels, FilePrediction, PartChoice } from "./train/use-model.ts";

/** The wasm target with Node's threads. V8's flags are set when the first session is opened, not before (`TOEPLITZ_V8_FLAGS=0` leaves them alone). */
export const target = wasmTarget(nodeHost, families);

/**
 * Opens a session of the wasm target: one memory, its threads, and the programs that share both.
 * Example: `const session = await open({ threads: 2 })`
 */
export const open = (options?: SessionOptions): Promise<Session> => target.open(options);

// what reads, writes and trains is loaded when it is asked for: a program that only runs a net starts sooner

/** Opens a set that is recognised by what is in it: the demo, idx files, label pictures, or class folders of pictures. */
export const openDataset: typeof sets.openDataset = async (...words) => (await import("./data/open.ts")).openDataset(...words);

/** Opens a folder of pictures in class folders, with or without train, val and test folders above them. */
export const imageFolder: typeof pictures.imageFolder = async (...words) => (await import("./data/image-folder.ts")).imageFolder(...words);

/** Opens a folder of images and of label pictures, one label for each cell. */
export const labelledFolder: typeof labelled.labelledFolder = async (...words) =>
  (await import("./data/labelled-folder.ts")).labelledFolder(...words);

/** Reads one picture as a net takes it: [channels, height, width], normalised. */
export const readPicture: typeof pictures.readPicture = async (...words) => (await import("./data/image-folder.ts")).readPicture(...words);

/** Opens a folder of idx files (MNIST and its kin). */
export const idxFolder: typeof idx.idxFolder = async (...words) => (await import("./data/idx.ts")).idxFolder(...words);

/** Writes a file whole or not at all. */
export const writeFileWhole: typeof files.writeFileWhole = async (...words) =>
  (await import("./formats/write-file.ts")).writeFileWhole(...words);

/** Options of `fit` in Node. */
export interface NodeFitOptions extends FitOptions {
  /** Folder that keeps the run: `runs/digits`. Nothing is written when it is left out. */
  readonly run?: string;
  /** Goes on with the run of that folder where there is one. */
  readonly resume?: boolean;
}

/**
 * Trains a net on a set; settings that are left out are chosen from the data. The weights of the lowest validation loss are kept, and scored once on the test part.
 * Equal nets, sets, options and tiers give equal bits, whatever the number of threads.
 *
 * Throws: ToeplitzError when options are out of range, the net does not fit the set, the loss is not finite, or the folder cannot be written.
 * Example: `const { model, test } = await fit(net, await imageFolder("flowers/"), { epochs: 20 })`
 */
export async function fit(net: Net, data: Dataset, options: NodeFitOptions = {}): Promise<FitResult> {
  const { run, resume = false, ...rest } = options;
  if (run === undefined) return (await import("./train/fit.ts")).fit(net, data, rest, target);
  const [{ fitInFolder }, { isRunFolder, RunFolder }] = await Promise.all([import("./train/keep-run.ts"), import("./train/run-folder.ts")]);
  const goesOn = resume && (await isRunFolder(run));
  const folder = (): Promise<RunFolder> => (goesOn ? RunFolder.resume(run) : RunFolder.create(run));
  return fitInFolder(net, data, rest, target, { folder, command: "a program of the user's own" });
}

/** Opens data and net by name and trains them in a new run folder; see `toeplitz train`. */
export const train = async (request: TrainRequest, options: TrainOptions): Promise<TrainedRun> =>
  (await import("./train/train-run.ts")).train(request, options, target);

/** Goes on with a run; see `toeplitz train --resume`. */
export const resumeRun = async (changes: Continuation, options: TrainOptions): Promise<TrainedRun> =>
  (await import("./train/train-run.ts")).resumeRun(changes, options, target);

/**
 * Reads a trained net: a model file, a run folder, or the name of a run in `runs`.
 * Throws: ToeplitzError when nothing is there, or it is no whole model file.
 * Example: `const [{ class: name }] = await (await loadModel("flowers.safetensors")).predict(cells)`
 */
export const loadModel = async (path: string, options: SessionOptions & { readonly runs?: string } = {}): Promise<Model> =>
  (await import("./train/use-model.ts")).openModel(path, target, options);

/** Scores a model on a data set: see `toeplitz evaluate`. */
export const evaluateModel: typeof use.evaluateModel = async (...words) => (await import("./train/use-model.ts")).evaluateModel(...words);

/** Classifies picture files one after another; one that cannot be read gives its error in its place. */
export async function* predictFiles(...words: Parameters<typeof use.predictFiles>): ReturnType<typeof use.predictFiles> {
  yield* (await import("./train/use-model.ts")).predictFiles(...words);
}

/** Labels every cell of picture files at full size and writes the labels as PNG files. */
export async function* labelFiles(...words: Parameters<typeof use.labelFiles>): ReturnType<typeof use.labelFiles> {
  yield* (await import("./train/use-model.ts")).labelFiles(...words);
}

/** A net by name, from a file, a model file or a run, traced: what `summarise` prints. */
export const openNet = async (name: string, options: OpenNetOptions = {}): Promise<OpenedNet> =>
  (await import("./train/open-net.ts")).openNet(name, target, options);

/**
 * Measures what every layer of a traced net costs on this machine: multiply-adds, bytes, and time; of a training step forward, backward and update apart.
 * Example: `const { layers } = await measureLayers(traceEvaluation(net, { batch: 8, inputs: { input: { shape: [3, 32, 32] } } }))`
 */
export const measureLayers = async (traced: TracedNet | TracedStep, options: MeasureOptions = {}): Promise<NetCost> =>
  (await import("./inspect/measure.ts")).measureLayers(traced, target, options);

/**
 * The plan of a net in words: for every node the algorithm, the layout, and why others refused.
 * Throws: ToeplitzError when there is no such net.
 */
export async function explain(name: string, options: OpenNetOptions & SessionOptions & Pick<CompileOptions, "tune"> = {}): Promise<string> {
  const { traced } = await openNet(name, options);
  const { threads, tier, profile = false, tune } = options;
  const session = await target.open({ threads, tier, profile });
  try {
    const program = await session.compile(traced.graph, { tune });
    for (let run = 0; profile && run < 5; run++) await program.run(zeroFeeds(traced));
    return program.explain();
  } finally {
    await session.close();
  }
}

/** Zeros for every feed; the learning rate keeps the states as they are. */
function zeroFeeds({ graph }: TracedNet): Feeds {
  const feed = ({ dtype, shape }: TensorType): Feeds[string] => {
    if (shape.length === 0) return 0;
    return dtype === "f32" ? new Float32Array(size(shape)) : new Int32Array(size(shape));
  };
  return Object.fromEntries(inputsOf(graph).map(({ name, type }) => [name, feed(type)]));
}

/**
 * Runs one problem line on the reference and on every algorithm that takes it, and compares.
 * Throws: ToeplitzError when the line is of no operator, or is wrong.
 */
export async function checkLine(
  line: string,
  { seed = 1, tier }: { readonly seed?: number; readonly tier?: SessionOptions["tier"] } = {},
): ReturnType<typeof check.checkProblem> {
  const { checkProblem } = await import("./inspect/check.ts");
  return checkProblem(
    line,
    {
      algorithms: await everyAlgorithm(),
      open: (list, threads) => wasmTarget(nodeHost, [familyOf(list)]).open({ threads, tier }) as Promise<WasmSession>,
    },
    seed,
  );
}
