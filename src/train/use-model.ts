import { mkdir, readFile, stat } from "node:fs/promises";
import { basename, extname, join } from "node:path";
import { fail, Problems, ToeplitzError } from "../base/errors.ts";
import { sameShape } from "../base/types.ts";
import type { Dataset, LabelledCells, LabelledPicture, Split } from "../data/dataset.ts";
import { examplesOf } from "../data/examples.ts";
import { readPictureTensor } from "../data/image-folder.ts";
import { levelsOf, readWholePicture } from "../data/labelled-folder.ts";
import { openDataset } from "../data/open.ts";
import { writeFileWhole } from "../formats/write-file.ts";
import type { SessionOptions, Target } from "../graph/session.ts";
import { normalised } from "./cells.ts";
import { decodeModel, type Model, type Prediction } from "./model.ts";
import { runFiles } from "./run-folder.ts";
import type { Scores } from "./scores.ts";
import { checkData } from "./unequal.ts";

/**
 * Reads a model: a model file, a run folder, or the name of a run in `runs`.
 * Throws: ToeplitzError when nothing is there, or it is no whole model file.
 */
export async function openModel(path: string, target: Target, options: SessionOptions & { readonly runs?: string } = {}): Promise<Model> {
  const { runs = "runs", ...session } = options;
  const file = await modelFile(path, runs);
  const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) =>
    fail("model", file, "file", "a model file that can be read", error.code ?? error.message),
  );
  return decodeModel(bytes, file, target, session);
}

/** The model file that a path or the name of a run stands for. */
export async function modelFile(path: string, runs = "runs"): Promise<string> {
  for (const candidate of [path, ...(basename(path) === path ? [join(runs, path)] : [])]) {
    const found = await stat(candidate).catch(() => null);
    if (found === null) continue;
    if (!found.isDirectory()) return candidate;
    const file = join(candidate, runFiles.model);
    if ((await stat(file).catch(() => null)) !== null) return file;
    fail("model", candidate, "folder", `a run with ${runFiles.model}`, "a folder without", "A run has it after its first epoch.");
  }
  return fail("model", path, "file", `a model file, a run folder, or a run in ${runs}`, "nothing there");
}

/** Which part of a set is scored; `auto` is the test part of a set that has one, else all of it. */
export type PartChoice = "auto" | "train" | "validation" | "test" | "all";

/** How good a model is on data. */
export interface Evaluation {
  readonly data: Dataset;
  /** What was scored, with the model's normalisation and class numbers. */
  readonly split: Split;
  readonly part: string;
  readonly scores: Scores;
}

/**
 * Scores a model on a set, with the model's own normalisation, extents and classes.
 * Throws: ToeplitzError when the set is of another shape or has other classes.
 */
export async function evaluateModel(
  model: Model,
  path: string,
  { part = "auto", progress }: { part?: PartChoice; progress?: (done: number, total: number) => void } = {},
): Promise<Evaluation> {
  const { shape, classes } = model;
  const [channels, ...extents] = shape;
  const isPicture = extents.length === 2 && (channels === 1 || channels === 3);
  const ofCells = model.description.labels === "cells";
  // without a hold-out a set that is not divided stays whole
  const isUnequal = model.description.unequal !== undefined;
  const sized = isUnequal ? ({ size: Math.max(...extents), proportions: "kept" } as const) : { size: [extents[0], extents[1]] as const };
  const form = isPicture ? { ...sized, channels: channels as 1 | 3 } : {};
  const data = await openDataset(path, { ...form, holdout: 0, progress });
  const problems = new Problems("evaluate", path);
  const [wanted, given] = [ofCells, data.train.labelled !== undefined].map((isOfCells) => (isOfCells ? "cells" : "whole examples"));
  problems.check(wanted === given, "classes", `those of ${wanted}, as the model gives them`, `those of ${given}`);
  problems.check(
    isUnequal ? fits(data.shape, shape) : sameShape(data.shape, shape),
    "shape of the examples",
    `[${shape.join(", ")}]${isUnequal ? " at most" : ""}, which the model takes`,
    `[${data.shape.join(", ")}]`,
  );
  const unknown = data.classes.filter((name) => !classes.includes(name));
  problems.check(
    unknown.length === 0,
    "classes",
    `those of the model: ${classes.join(", ")}`,
    unknown.join(", "),
    "The model cannot give them.",
  );
  problems.throwIfAny();
  if (model.description.unequal !== undefined) checkData("evaluate", data, model.description.unequal.least);
  const name = part !== "auto" ? part : data.test !== undefined && data.test.count > 0 ? "test" : "all";
  const split = adapt(partOf(data, name, path), data.classes, model);
  return { data, split, part: name, scores: await model.score(split) };
}

/** Whether examples of one shape lie within another. */
const fits = (own: readonly number[], most: readonly number[]): boolean =>
  own.length === most.length && own[0] === most[0] && own.every((extent, axis) => extent <= most[axis]);

function partOf(data: Dataset, name: Exclude<PartChoice, "auto">, path: string): Split {
  const parts = (name === "all" ? [data.train, data.validation, data.test] : [data[name]]).filter(
    (split) => split !== undefined && split.count > 0,
  ) as Split[];
  if (parts.length === 0) return fail("evaluate", path, "part", `${name} with at least 1 example`, "0 examples");
  return parts.length === 1 ? parts[0] : joinSplits(parts);
}

/** Parts of one set one after another: they share the same examples. */
function joinSplits(parts: readonly Split[]): Split {
  const join = (pick: (split: Split) => Int32Array): Int32Array => Int32Array.from(parts.flatMap((split) => [...pick(split)]));
  const [first] = parts;
  return {
    ...first,
    count: parts.reduce((sum, { count }) => sum + count, 0),
    labels: join(({ labels }) => labels),
    ids: join(({ ids }) => ids),
    ...(first.extents && { extents: join(({ extents }) => extents ?? new Int32Array()) }),
    rows: join(({ rows, count }) => rows ?? Int32Array.from({ length: count }, (_, row) => row)),
    ...(first.labelled && { labelled: joinCells(parts, first.labelled) }),
    ...(first.names && { names: parts.flatMap(({ names }) => names ?? []) }),
  };
}

/** Whole pictures of several parts. */
const joinCells = (parts: readonly Split[], first: LabelledCells): LabelledCells => ({
  ...first,
  pictures: () => parts.flatMap(({ labelled }) => [...(labelled?.pictures() ?? [])]),
});

/** The split as the model sees it: its normalisation, its numbers of the classes. */
function adapt(split: Split, classes: readonly string[], model: Model): Split {
  const { examples } = split;
  if (split.labelled !== undefined) return { ...split, labelled: adaptCells(split.labelled, classes, model) };
  const labels = split.labels.map((label) => model.classes.indexOf(classes[label]));
  if (examples === undefined) return { ...split, labels };
  return { ...split, labels, examples: examplesOf({ ...examples.data, normalisation: model.description.normalisation }) };
}

/** The same for pictures with a class for each cell. */
function adaptCells(labelled: LabelledCells, classes: readonly string[], model: Model): LabelledCells {
  const numbers = classes.map((name) => model.classes.indexOf(name));
  const pictures = function* (): Generator<LabelledPicture> {
    for (const picture of labelled.pictures()) yield { ...picture, labels: picture.labels.map((label) => numbers[label]) };
  };
  return { ...labelled, pictures };
}

/** What a model says of one file. */
export type FilePrediction =
  | { readonly file: string; readonly prediction: Prediction }
  | { readonly file: string; readonly error: ToeplitzError };

/** Classifies picture files one after another; one that cannot be read gives its error in its place. */
export async function* predictFiles(model: Model, files: readonly string[]): AsyncGenerator<FilePrediction, void, void> {
  const { shape } = model;
  const { normalisation, unequal } = model.description;
  const proportions = unequal === undefined ? "squeezed" : "kept";
  const isPicture = shape.length === 3 && (shape[0] === 1 || shape[0] === 3);
  if (!isPicture) fail("predict", "", "model", "one that takes pictures, [1 or 3, height, width]", `[${shape.join(", ")}]`);
  for (const file of files) {
    try {
      const [prediction] = await model.predict([await readPictureTensor(file, { shape, normalisation, proportions })]);
      yield { file, prediction };
    } catch (error) {
      if (!(error instanceof ToeplitzError)) throw error;
      yield { file, error };
    }
  }
}

/** The labels of one file, as a picture. */
export type FileLabels =
  | { readonly file: string; readonly labels: string; readonly extents: readonly number[]; readonly shares: readonly number[] }
  | { readonly file: string; readonly error: ToeplitzError };

/**
 * Labels every cell of picture files at their full size and writes one PNG each, `<name>-labels.png` in `folder`: the class's own level where the set's classes
 * are levels of grey, else levels spread from black to white in the order of the classes. `shares` are the shares of the classes in the picture's cells.
 */
export async function* labelFiles(model: Model, files: readonly string[], folder: string): AsyncGenerator<FileLabels, void, void> {
  const { classes, shape, description } = model;
  const { encode } = await import("fast-png");
  const levels = levelsOf(classes);
  await mkdir(folder, { recursive: true });
  for (const file of files) {
    try {
      const picture = await readWholePicture(file, shape[0]);
      const { labels, extents } = await model.labelCells(normalised(picture, description.normalisation), picture.shape);
      const [height, width] = extents;
      const path = join(folder, `${basename(file, extname(file))}-labels.png`);
      const data = Uint8Array.from(labels, (label) => levels[label]);
      await writeFileWhole(path, encode({ width, height, data, channels: 1, depth: 8 }));
      const counts = classes.map(() => 0);
      for (const label of labels) counts[label]++;
      yield { file, labels: path, extents, shares: counts.map((count) => count / labels.length) };
    } catch (error) {
      if (!(error instanceof ToeplitzError)) throw error;
      yield { file, error };
    }
  }
}
