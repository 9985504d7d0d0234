import { join, resolve } from "node:path";
import { fail, Problems } from "../base/errors.ts";
import { parseAugmentation } from "../data/augmentations.ts";
import type { Dataset, Proportions } from "../data/dataset.ts";
import { type OpenOptions, openDataset } from "../data/open.ts";
import type { Target } from "../graph/session.ts";
import { models } from "../nn/models/index.ts";
import type { Net } from "../nn/scope.ts";
import { findNet } from "./find-net.ts";
import { type Beginning, beginWith } from "./fine-tune.ts";
import type { FitResult, RunFacts } from "./fit.ts";
import type { Progress } from "./history.ts";
import { fitInFolder } from "./keep-run.ts";
import { checkNew, newestRun, RunFolder } from "./run-folder.ts";
import type { FitOptions } from "./settings.ts";
import { openModel } from "./use-model.ts";

/** What is trained, as plain data: kept in `config.json`, so that a run can go on. */
export interface TrainRequest {
  /** A folder, or `demo:digits`. */
  readonly data: string;
  /** Where paths start. Default: the working folder. */
  readonly folder?: string;
  /** Name of a model, or a file that exports a net. */
  readonly model: string;
  readonly size?: number | readonly [number, number];
  readonly proportions?: Proportions;
  readonly channels?: 1 | 3;
  readonly holdout?: number;
  /** As `parseAugmentation` reads it. */
  readonly augment?: string;
  readonly clipNorm?: number;
  /** A trained model to begin with: a model file, a run folder, or the name of a run. */
  readonly from?: string;
  readonly options: PlainOptions;
}

/** Options of `fit` that are plain data. */
export type PlainOptions = Pick<
  FitOptions,
  | "epochs"
  | "batch"
  | "roundTo"
  | "accumulate"
  | "learningRate"
  | "warmup"
  | "weightDecay"
  | "labelSmoothing"
  | "seed"
  | "patience"
  | "average"
  | "rounding"
  | "recompute"
> & { readonly optimiser?: string; readonly schedule?: string; readonly frozen?: string };

/** How a run is carried out; none of this changes its bits but `tier` and, in a new run, `tune`. */
export interface TrainOptions extends Pick<FitOptions, "threads" | "tier" | "tune" | "signal" | "onStep" | "onEpoch"> {
  /** Folder of the run folders. Default `runs`. */
  readonly runs?: string;
  /** Name of the run folder. Default: after the data and the model, with a number. */
  readonly name?: string;
  /** The line that repeats the run. */
  readonly command: string;
  /** Told after every picture that was read. */
  readonly onRead?: OpenOptions["progress"];
  readonly onData?: (data: Dataset) => void;
  readonly onStart?: (facts: RunFacts, progress: Progress, folder: RunFolder) => void;
}

/** A run that has ended. The set is open still, for pictures of it; its threads do not keep a process alive. */
export interface TrainedRun extends FitResult {
  readonly folder: RunFolder;
  readonly data: Dataset;
}

/**
 * Opens data and net by name and trains them in a new run folder.
 * Throws: ToeplitzError when data, net, options or the folder's name are wrong; nothing is left behind.
 */
export async function train(request: TrainRequest, options: TrainOptions, target: Target): Promise<TrainedRun> {
  const { runs = "runs", name } = options;
  if (name !== undefined && !/^[^/\\]+$/.test(name)) fail("run", name, "name", "a folder name without slashes", name);
  if (name !== undefined) await checkNew(join(runs, name));
  const kept: TrainRequest = { ...request, folder: process.cwd() };
  const base = nameOf(request);
  const folder = (): Promise<RunFolder> => (name === undefined ? RunFolder.createNext(runs, base) : RunFolder.create(join(runs, name)));
  return runRequest(request, kept, options, target, folder);
}

/** What `--resume` is given beside: the same as the run began with, or more epochs and another patience. */
export type Continuation = Partial<Omit<TrainRequest, "options">> & { readonly options?: PlainOptions };

/**
 * Goes on with a run where its last checkpoint was made: to the same bits as if it had never stopped. Without a name the newest run is taken.
 * Throws: ToeplitzError when there is no such run, another process trains in it, something is given that it did not begin with, or data or net have changed.
 */
export async function resumeRun(given: Continuation, options: TrainOptions, target: Target): Promise<TrainedRun> {
  const { runs = "runs", name } = options;
  const folder = await RunFolder.resume(name === undefined ? await newestRun(runs) : join(runs, name));
  try {
    const { request, command } = await readRequest(folder);
    checkSame(folder.path, request, given);
    const changes: Pick<PlainOptions, "epochs" | "patience"> = {};
    for (const part of ["epochs", "patience"] as const) {
      if (given.options?.[part] !== undefined) Object.assign(changes, { [part]: given.options[part] });
    }
    const changed: TrainRequest = { ...request, options: { ...request.options, ...changes } };
    const line = Object.entries(changes).reduce((text, [part, value]) => `${text} --${part} ${value}`, command);
    return await runRequest(changed, changed, { ...options, command: line }, target, async () => folder);
  } finally {
    await folder.close();
  }
}

/** Throws: ToeplitzError with everything that is given but is not what the run began with. */
function checkSame(path: string, request: TrainRequest, { options = {}, ...given }: Continuation): void {
  const problems = new Problems("run", path);
  const check = (name: string, began: unknown, now: unknown): void => {
    const [before, after] = [began, now].map((value) => JSON.stringify(value) ?? "the default");
    problems.check(before === after, name, `${before}, as the run began`, after, "Only epochs and patience may change.");
  };
  const { data, model, folder: _, ...rest } = given;
  if (data !== undefined) check("data", placeOf(request, request.data), placeOf({}, data));
  if (model !== undefined) check("model", placeOf(request, request.model), placeOf({}, model));
  for (const [name, value] of Object.entries(rest)) check(name, request[name as keyof TrainRequest], value);
  for (const [name, value] of Object.entries(options)) {
    if (name !== "epochs" && name !== "patience") check(name, request.options[name as keyof PlainOptions], value);
  }
  problems.throwIfAny();
}

/** What a run was made by. Throws: ToeplitzError when its config is gone, damaged, or of a program. */
async function readRequest(folder: RunFolder): Promise<{ request: TrainRequest; command: string }> {
  const bytes = await folder.read("config");
  const hint = "Train anew under another --name.";
  if (bytes === null) return fail("run", folder.path, "config.json", "the settings of the run", "none", hint);
  let config: { request?: Partial<TrainRequest> | null; command?: string };
  try {
    config = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return fail("run", folder.path, "config.json", "JSON", "something else", hint);
  }
  const { request, command } = config;
  if (request === null) {
    return fail(
      "run",
      folder.path,
      "config.json",
      "a run of the command line",
      "a run of a program",
      "Go on with it in that program, by the option resume.",
    );
  }
  const problems = new Problems("run", join(folder.path, "config.json"));
  const parts = {
    data: typeof request?.data === "string",
    model: typeof request?.model === "string",
    options: typeof request?.options === "object",
  };
  for (const [part, holds] of Object.entries(parts)) problems.check(holds, `request.${part}`, "what the run was made by", "none", hint);
  problems.throwIfAny();
  return { request: request as TrainRequest, command: String(command) };
}

/** The path that a name stands for; names of models and of embedded sets are no paths. */
function placeOf({ folder = "." }: Pick<TrainRequest, "folder">, name: string): string {
  return name.startsWith("demo:") || Object.hasOwn(models, name) ? name : resolve(folder, name);
}

async function runRequest(
  request: TrainRequest,
  kept: TrainRequest,
  options: TrainOptions,
  target: Target,
  folder: () => Promise<RunFolder>,
): Promise<TrainedRun> {
  const { size, proportions, channels, holdout, clipNorm, options: plain } = request;
  const { seed = 0 } = plain;
  // a path reads as it was given, unless another process gave it
  const place = (name: string): string => (request.folder === undefined ? name : placeOf(request, name));
  const opened = await openDataset(place(request.data), { size, proportions, channels, holdout, seed, progress: options.onRead });
  let data: Dataset = { ...opened, name: request.data };
  try {
    const isOfCells = data.train.labelled !== undefined;
    const model = request.model === "default" && isOfCells ? "unet" : request.model;
    const net = await findNet(place(model), data.shape, data.classes.length, data.train.extents !== undefined);
    const beginning = request.from === undefined ? undefined : await begin(request, request.from, options, net, data, target);
    if (beginning !== undefined) data = { ...data, notes: [...data.notes, beginning.note] };
    options.onData?.(data);
    const augment = request.augment === undefined ? undefined : parseAugmentation(request.augment, data.shape.length - 1);
    const { threads, tier, tune, signal, onStep, onEpoch, command, onStart } = options;
    const fitOptions: FitOptions = {
      ...plain,
      start: beginning?.start,
      augment,
      clip: clipNorm === undefined ? undefined : { norm: clipNorm },
      threads,
      tier,
      tune,
      signal,
      onStep,
      onEpoch,
    };
    const result = await fitInFolder(net, data, fitOptions, target, { folder, command, request: kept, onStart });
    return { ...result, data };
  } catch (error) {
    await data.close?.();
    throw error;
  }
}

/** What a run begins with; one that goes on needs the model no more. */
async function begin(
  { folder }: TrainRequest,
  from: string,
  { runs, tier }: TrainOptions,
  net: Net,
  data: Dataset,
  target: Target,
): Promise<Beginning> {
  if (folder !== undefined) return { start: new Map(), note: `began with ${from}` };
  return beginWith(await openModel(from, target, { runs, tier }), from, net, data);
}

/** `digits`, `photos-resnet20`: the last folder of the data that has a name, and the model where it is not the default. */
function nameOf({ data, model }: TrainRequest): string {
  const clean = (text: string): string => text.replaceAll(/[^\p{L}\p{N}._-]+/gu, "-").replace(/^[-.]+|[-.]+$/g, "");
  const source = data.startsWith("demo:")
    ? data.split(":")[1]
    : (resolve(data)
        .split(/[/\\]/)
        .findLast((part) => part !== "") ?? "");
  const net = model === "default" ? "" : `-${clean((model.split(/[/\\]/).at(-1) ?? "").replace(/\.\w+$/, ""))}`;
  return `${clean(source) || "run"}${net}`;
}
