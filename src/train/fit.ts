import { fail } from "../base/errors.ts";
import { size, type Tensor } from "../base/types.ts";
import { batchCount, batches } from "../data/batches.ts";
import type { Batch, Dataset, Split } from "../data/dataset.ts";
import type { Target } from "../graph/session.ts";
import type { Net } from "../nn/scope.ts";
import { type Checkpoint, checkContinuation, deviceOf, readStates, restoreStates } from "./checkpoint.ts";
import { type Best, type EpochMetrics, firstProgress, isKept, noSums, type Progress } from "./history.ts";
import { Model } from "./model.ts";
import { openPrograms, type Programs } from "./programs.ts";
import { noScores, type Scores } from "./scores.ts";
import { chooseSettings, type FitOptions, type Settings } from "./settings.ts";

/** Why a training ended. */
export type Ending = "epochs" | "patience" | "callback" | "signal";

/** What `fit` gives back. */
export interface FitResult {
  readonly history: readonly EpochMetrics[];
  readonly best: Best | null;
  /** Scores on the test part; of 0 examples where the set has none, or the run was interrupted. */
  readonly test: Scores;
  /** The net with its best weights. */
  readonly model: Model;
  readonly ending: Ending;
  /** What a person should know about the run. */
  readonly notes: readonly string[];
}

/** What is known when a run is ready to begin. */
export interface RunFacts {
  readonly settings: Settings;
  readonly device: string;
  /** Target, tier and threads. */
  readonly session: string;
  readonly parameters: number;
  readonly batchesPerEpoch: number;
  /** Updates of the whole run. */
  readonly steps: number;
}

/** Where a kept run stopped, and its best weights so far. */
export interface KeptRun {
  readonly checkpoint: Checkpoint;
  readonly where: string;
  readonly best: ReadonlyMap<string, Tensor> | null;
}

/** Keeps a run, so that it can go on after an end of any kind. */
export interface Keeper {
  /** Everything is ready to run. Gives back a run that is to go on. */
  begin(facts: RunFacts): Promise<KeptRun | null>;
  /** `model` is given when its weights are the best so far. */
  save(checkpoint: Checkpoint, model: Model | null): Promise<void>;
  /** The first step comes next. */
  started?(facts: RunFacts, progress: Progress): void;
}

/** Time between checkpoints inside of long epochs. */
const saveEveryMs = 5 * 60_000;

/** Time that the loop runs before signals, timers and messages are heard. */
const breathEveryMs = 30;

/** Lets the event loop turn every now and then: resolved promises alone never do. */
function breather(): () => Promise<void> | undefined {
  let last = performance.now();
  return () => {
    if (performance.now() - last < breathEveryMs) return undefined;
    return new Promise((resolve) => {
      const wake = (): void => {
        last = performance.now();
        resolve();
      };
      if (typeof setImmediate === "function") setImmediate(wake);
      else setTimeout(wake, 0);
    });
  };
}

/**
 * Trains a net on a set: shuffled batches, one update each, a validation after every epoch; the best weights (see `isKept`) are kept, and scored once on the test part.
 * Equal nets, sets, options and tiers give equal bits, whatever the number of threads.
 *
 * Throws: ToeplitzError when options are out of range, the net does not fit the set, or the loss is not finite.
 * Example: `const { model, test } = await fit(net, await imageFolder("flowers/"), { epochs: 20 }, target)`
 */
export async function fit(net: Net, data: Dataset, options: FitOptions, target: Target, keeper?: Keeper): Promise<FitResult> {
  const settings = chooseSettings(data, options);
  const session = await target.open({ threads: options.threads, tier: options.tier, rounding: options.rounding });
  try {
    const programs = await openPrograms(session, net, data, settings, options);
    const training = new Training(programs, data, settings, options, target, keeper);
    return await training.run();
  } finally {
    await session.close();
  }
}

/** One run of `fit`. */
class Training {
  readonly #programs: Programs;
  readonly #data: Dataset;
  readonly #settings: Settings;
  readonly #options: FitOptions;
  readonly #target: Target;
  readonly #keeper: Keeper | undefined;
  readonly #batchesPerEpoch: number;
  readonly #stepsPerEpoch: number;
  readonly #breathe = breather();
  readonly #notes: string[] = [];
  #progress: Progress = firstProgress;
  #best: ReadonlyMap<string, Tensor> | null = null;
  #lastSave = performance.now();
  #ending: Ending | null = null;

  constructor(programs: Programs, data: Dataset, settings: Settings, options: FitOptions, target: Target, keeper: Keeper | undefined) {
    this.#programs = programs;
    this.#data = data;
    this.#settings = settings;
    this.#options = options;
    this.#target = target;
    this.#keeper = keeper;
    this.#batchesPerEpoch = batchCount(data.train, settings.batch);
    this.#stepsPerEpoch = Math.ceil(this.#batchesPerEpoch / settings.accumulate);
  }

  async run(): Promise<FitResult> {
    await this.#begin();
    while (this.#ending === null && this.#progress.epoch < this.#settings.epochs) await this.#epoch();
    const ending = this.#ending ?? "epochs";
    const weights = this.#best ?? (await this.#programs.readModel());
    await this.#programs.writeModel(weights);
    const isScored = ending !== "signal" && this.#data.test !== undefined && this.#data.test.count > 0;
    const test = isScored && this.#data.test ? await this.#test(this.#data.test, weights) : noScores;
    const { history, best } = this.#progress;
    return { history, best, test, model: this.#model(weights), ending, notes: this.#notes };
  }

  /** Cells are scored at the full size of their pictures, by the model itself. */
  async #test(split: Split, weights: ReadonlyMap<string, Tensor>): Promise<Scores> {
    if (split.labelled === undefined) return this.#programs.score(split, this.#breathe);
    const model = this.#model(weights);
    try {
      return await model.score(split);
    } finally {
      await model.close();
    }
  }

  async #begin(): Promise<void> {
    const { session, parameters } = this.#programs;
    const facts: RunFacts = {
      settings: this.#settings,
      device: deviceOf(session),
      session: session.description,
      parameters: parameters.reduce((sum, { shape }) => sum + size(shape), 0),
      batchesPerEpoch: this.#batchesPerEpoch,
      steps: this.#settings.epochs * this.#stepsPerEpoch,
    };
    const kept = (await this.#keeper?.begin(facts)) ?? null;
    if (kept === null) await this.#save(null);
    else await this.#goOn(kept);
    this.#keeper?.started?.(facts, this.#progress);
  }

  async #goOn({ checkpoint, where, best }: KeptRun): Promise<void> {
    const { session } = this.#programs;
    checkContinuation(checkpoint, { settings: this.#settings.plain, data: this.#dataFacts() }, where);
    await restoreStates(session, checkpoint.state, where);
    const now = deviceOf(session);
    const isSame = JSON.stringify(checkpoint.choices) === JSON.stringify(this.#programs.choices());
    if (checkpoint.device !== now || !(isSame || (await this.#programs.adopt(checkpoint.choices))))
      this.#notes.push(
        `resumed on ${now} with other algorithms than the run began with (${checkpoint.device}): the last digits will differ`,
      );
    this.#progress = checkpoint.progress;
    this.#best = best;
    this.#checkPatience();
  }

  #dataFacts(): Checkpoint["data"] {
    const { name, train, classes } = this.#data;
    return { name, train: train.count, classes };
  }

  /** One epoch, or what is left of it. */
  async #epoch(): Promise<void> {
    const { batch, seed, augment, trainingGrids: grids } = this.#settings;
    const { epoch, batch: from, sums } = this.#progress;
    const started = performance.now();
    const before = sums.seconds;
    const seconds = (): number => before + (performance.now() - started) / 1000;
    const order = batches(this.#data.train, { batch, seed, epoch, shuffle: true, augment, from, shape: this.#data.shape, grids });
    for await (const examples of order) {
      const isWhole = await this.#batch(examples, seconds);
      if (isWhole && (await this.#mayStop())) return;
      await this.#breathe();
    }
    await this.#endEpoch(seconds);
  }

  /** Runs one batch; true when it closed an update. */
  async #batch(examples: Batch, seconds: () => number): Promise<boolean> {
    const { accumulate } = this.#settings;
    const { epoch, batch, step, sums } = this.#progress;
    const isLast = batch + 1 === this.#batchesPerEpoch;
    const closes = (batch + 1) % accumulate === 0 || isLast ? (batch % accumulate) + 1 : 0;
    const learningRate = this.#learningRate(step + 1);
    const { loss, correct = 0 } = await this.#programs.run(examples, { learningRate, step: step + 1, closes });
    if (!Number.isFinite(loss)) this.#refuseLoss("loss", loss, step + 1);
    this.#progress = {
      ...this.#progress,
      batch: batch + 1,
      step: closes > 0 ? step + 1 : step,
      sums: {
        loss: sums.loss + loss * examples.count,
        correct: sums.correct + correct,
        examples: sums.examples + examples.count,
        seconds: seconds(),
      },
    };
    if (closes === 0) return false;
    const steps = this.#settings.epochs * this.#stepsPerEpoch;
    const answer = this.#options.onStep?.({ epoch: epoch + 1, step: step + 1, steps, loss, learningRate, examples: examples.count });
    if (answer === "stop") this.#ending = "callback";
    return true;
  }

  #learningRate(step: number): number {
    return this.#settings.schedule(step, this.#settings.epochs * this.#stepsPerEpoch);
  }

  #refuseLoss(what: string, loss: number, step: number): never {
    const { epoch, history } = this.#progress;
    const kept = this.#keeper === undefined ? "" : ` The checkpoint after epoch ${history.length} is whole.`;
    fail(
      "train",
      `epoch ${epoch + 1}, step ${step}`,
      what,
      "a finite number",
      `${loss} at learning rate ${Number(this.#learningRate(step).toPrecision(3))}`,
      `Lower the learning rate, clip gradients (clip norm 1), or look for values in the data that are not numbers.${kept}`,
    );
  }

  /** Between updates: an end that was asked for, and checkpoints of long epochs. */
  async #mayStop(): Promise<boolean> {
    if (this.#options.signal?.aborted === true) this.#ending = "signal";
    const isEnd = this.#progress.batch === this.#batchesPerEpoch;
    if (isEnd && this.#ending !== "signal") return false;
    if (this.#ending !== null || performance.now() - this.#lastSave > saveEveryMs) await this.#save(null);
    return this.#ending !== null;
  }

  async #endEpoch(seconds: () => number): Promise<void> {
    const { epoch, step, sums, history } = this.#progress;
    const { validation } = this.#data;
    const trained = seconds();
    const scores = validation !== undefined && validation.count > 0 ? await this.#programs.score(validation, this.#breathe) : undefined;
    if (scores !== undefined && !Number.isFinite(scores.loss)) this.#refuseLoss("validation loss", scores.loss, step);
    const isClassifying = scores === undefined ? this.#data.classes.length > 0 : scores.accuracy !== undefined;
    const metrics: EpochMetrics = {
      epoch: epoch + 1,
      loss: sums.loss / sums.examples,
      ...(isClassifying && { accuracy: sums.correct / sums.examples }),
      ...(scores && { validationLoss: scores.loss }),
      ...(scores?.accuracy !== undefined && { validationAccuracy: scores.accuracy }),
      learningRate: this.#learningRate(step),
      seconds: seconds(),
      examplesPerSecond: sums.examples / trained,
    };
    const loss = scores?.loss ?? metrics.loss;
    const accuracy = scores?.accuracy ?? metrics.accuracy;
    const { best, sinceBest } = this.#progress;
    const isBest = isKept(best, history, scores, validation?.count ?? 0, this.#settings.patience);
    this.#progress = {
      epoch: epoch + 1,
      batch: 0,
      step,
      sums: noSums,
      history: [...history, metrics],
      best: isBest ? { epoch: epoch + 1, loss, ...(accuracy !== undefined && { accuracy }) } : best,
      sinceBest: isBest ? 0 : sinceBest + 1,
    };
    if (isBest) this.#best = await this.#programs.readModel();
    await this.#save(isBest && this.#best !== null ? this.#model(this.#best) : null);
    if ((await this.#options.onEpoch?.(metrics)) === "stop") this.#ending ??= "callback";
    if (this.#options.signal?.aborted === true) this.#ending = "signal";
    this.#checkPatience();
  }

  #checkPatience(): void {
    const { patience } = this.#settings;
    if (patience !== null && this.#progress.sinceBest >= patience) this.#ending ??= "patience";
  }

  #model(tensors: ReadonlyMap<string, Tensor>): Model {
    const { name, classes, shape, normalisation } = this.#data;
    const { session, net } = this.#programs;
    const training = { data: name, settings: this.#settings.plain, device: deviceOf(session), best: this.#progress.best };
    const { threads, tier, rounding } = this.#options;
    const labels = this.#data.train.labelled === undefined ? {} : { labels: "cells" as const };
    return new Model({ ...net, ...labels, classes, shape, normalisation, training }, tensors, this.#target, { threads, tier, rounding });
  }

  async #save(model: Model | null): Promise<void> {
    this.#lastSave = performance.now();
    if (this.#keeper === undefined) return;
    const { session } = this.#programs;
    const checkpoint: Checkpoint = {
      progress: this.#progress,
      settings: this.#settings.plain,
      data: this.#dataFacts(),
      device: deviceOf(session),
      choices: this.#programs.choices(),
      state: await readStates(session),
    };
    await this.#keeper.save(checkpoint, model);
    this.#lastSave = performance.now();
  }
}
