import type { Dataset } from "../data/dataset.ts";
import { cellScores } from "../nn/metrics.ts";
import { pictureOf, spread } from "../train/examples.ts";
import type { RunFacts } from "../train/fit.ts";
import type { EpochMetrics, Progress } from "../train/history.ts";
import { runFiles } from "../train/run-folder.ts";
import type { StepMetrics } from "../train/settings.ts";
import type { TrainedRun, TrainOptions } from "../train/train-run.ts";
import { type Context, printJson, printLine } from "./context.ts";
import { coloursOf, drawGallery } from "./draw.ts";
import { cellLines, printCount, printNumber, printSeconds, printShare } from "./print.ts";
import { SpeedMeter, StatusLine } from "./progress.ts";

/** Tells of a training while it runs. */
export interface RunLog {
  hooks(): Pick<TrainOptions, "onRead" | "onData" | "onStart" | "onStep" | "onEpoch">;
  /** An end was asked for. */
  stopping(): void;
  end(run: TrainedRun): Promise<void>;
  close(): void;
}

/** Files of the run, as paths. */
const fileOf = (folder: string, file: keyof typeof runFiles): string => `${folder}/${runFiles[file]}`;

const secondsOf = (history: readonly EpochMetrics[]): number => history.reduce((sum, { seconds }) => sum + seconds, 0);

/** One JSON object per event: start, epoch, end (or interrupted). */
export class EventLog implements RunLog {
  readonly #context: Context;
  #data: Dataset | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  hooks(): ReturnType<RunLog["hooks"]> {
    return {
      onData: (data) => {
        this.#data = data;
      },
      onStart: (facts, progress, folder) => this.#start(facts, progress, folder.path),
      onEpoch: (metrics) => printJson(this.#context, { event: "epoch", ...metrics }),
    };
  }

  #start({ settings, session, parameters, steps }: RunFacts, progress: Progress, run: string): void {
    const { name, shape, classes, train, validation, test, notes } = this.#data as Dataset;
    const examples = { train: train.count, validation: validation?.count ?? 0, test: test?.count ?? 0 };
    const resumed = progress.step > 0 ? { resumed: { epoch: progress.epoch, step: progress.step } } : {};
    printJson(this.#context, {
      event: "start",
      run,
      data: { name, shape, classes, examples, notes },
      parameters,
      steps,
      settings: settings.plain,
      target: session,
      ...resumed,
    });
  }

  stopping(): void {}

  async end({ folder, history, best, test, ending, data }: TrainedRun): Promise<void> {
    const run = folder.path;
    if (ending === "signal") {
      printJson(this.#context, { event: "interrupted", run, epochs: history.length, checkpoint: fileOf(run, "checkpoint") });
      return;
    }
    const { loss, accuracy, count, table } = test;
    const cells =
      table === undefined ? {} : { classes: cellScores(table).classes.map((score, index) => ({ name: data.classes[index], ...score })) };
    const scores = count === 0 ? {} : { test: { ...(accuracy !== undefined && { accuracy }), loss, count, ...cells } };
    const files = { model: fileOf(run, "model"), report: fileOf(run, "report") };
    printJson(this.#context, { event: "end", run, ending, epochs: history.length, best, seconds: secondsOf(history), ...files, ...scores });
  }

  close(): void {}
}

/** Lines for a person; on a terminal a progress bar and pictures in colour. */
export class ScreenLog implements RunLog {
  readonly #context: Context;
  readonly #status: StatusLine;
  readonly #speed = new SpeedMeter();
  #facts: RunFacts | undefined;
  #best = Number.POSITIVE_INFINITY;

  constructor(context: Context) {
    this.#context = context;
    this.#status = new StatusLine(context.out);
  }

  hooks(): ReturnType<RunLog["hooks"]> {
    return {
      onRead: (done, total) => this.#status.show(`reading pictures  ${done}/${total}`, done === total),
      onData: (data) => this.#describe(data),
      onStart: (facts, progress, folder) => this.#start(facts, progress, folder.path),
      onStep: (metrics) => this.#step(metrics),
      onEpoch: (metrics) => this.#epoch(metrics),
    };
  }

  #describe({ name, shape, classes, train, validation, test, notes }: Dataset): void {
    const counts = [
      `${printCount(train.count)} to train on`,
      `${printCount(validation?.count ?? 0)} for validation`,
      `${printCount(test?.count ?? 0)} for the test`,
    ];
    const list = classes.length <= 12 ? `: ${classes.join(", ")}` : "";
    this.#status.print(`data: ${name}, examples ${shape.join(" x ")}, ${counts.join(", ")}`);
    this.#status.print(`classes: ${classes.length}${list}`);
    for (const note of notes) this.#status.print(`note: ${note}`);
  }

  #start(facts: RunFacts, { epoch, step, best }: Progress, run: string): void {
    this.#facts = facts;
    this.#best = best?.loss ?? Number.POSITIVE_INFINITY;
    const { epochs, batch, optimiser } = facts.settings;
    this.#status.print(`net: ${printCount(facts.parameters)} parameters; ${facts.session}`);
    this.#status.print(`run: ${run}, ${epochs} epochs, batches of ${batch}, ${optimiser.kind}`);
    if (step > 0) this.#status.print(`resumed after ${epoch} epochs, at step ${step}`);
    this.#speed.restart();
  }

  #step({ epoch, step, steps, loss, learningRate, examples }: StepMetrics): void {
    const facts = this.#facts as RunFacts;
    const { epochs } = facts.settings;
    const stepsPerEpoch = Math.max(1, Math.round(steps / epochs));
    const view = {
      epoch,
      epochs,
      step,
      steps,
      stepsPerEpoch,
      stepInEpoch: step - (epoch - 1) * stepsPerEpoch,
      loss,
      learningRate,
      examples,
    };
    this.#status.show(this.#speed.view(view, this.#context.out.columns ?? 80));
  }

  #epoch({ epoch, loss, accuracy, validationLoss, validationAccuracy, learningRate, seconds, examplesPerSecond }: EpochMetrics): void {
    const { epochs } = (this.#facts as RunFacts).settings;
    const share = (value: number | undefined): string => (value === undefined ? "" : ` (${printShare(value, 1)})`);
    const compared = validationLoss ?? loss;
    const isBest = compared < this.#best;
    this.#best = Math.min(this.#best, compared);
    const parts = [
      `epoch ${String(epoch).padStart(String(epochs).length)}/${epochs}`,
      `loss ${printNumber(loss)}${share(accuracy)}`,
      ...(validationLoss === undefined ? [] : [`validation ${printNumber(validationLoss)}${share(validationAccuracy)}`]),
      `rate ${printNumber(learningRate)}`,
      `${printCount(examplesPerSecond)} examples/s`,
      printSeconds(seconds),
    ];
    this.#status.print(`${parts.join("  ")}${isBest ? "  best" : ""}`);
    this.#speed.restart();
  }

  stopping(): void {
    this.#status.print("stopping at the next step, with a checkpoint; once more to stop at once");
  }

  async end(run: TrainedRun): Promise<void> {
    const { folder, history, best, test, ending, notes } = run;
    for (const note of notes) this.#status.print(`note: ${note}`);
    if (ending === "signal") {
      this.#status.print(`stopped after ${history.length} whole epochs; go on by: npx toeplitz train --resume --name ${folder.name}`);
      return;
    }
    if (best !== null) {
      const accuracy = best.accuracy === undefined ? "" : `, accuracy ${printShare(best.accuracy)}`;
      this.#status.print(
        `best epoch: ${best.epoch} of ${history.length}, loss ${printNumber(best.loss)}${accuracy}; trained for ${printSeconds(secondsOf(history))}`,
      );
    }
    this.#draw(run);
    this.#status.print(`model: ${fileOf(folder.path, "model")}`);
    this.#status.print(`report: ${fileOf(folder.path, "report")}`);
    if (test.table !== undefined) for (const line of cellLines(test.table, run.data.classes)) this.#status.print(line);
    else if (test.accuracy !== undefined) this.#status.print(`test accuracy: ${printShare(test.accuracy)}`);
    else if (test.count > 0) this.#status.print(`test loss: ${printNumber(test.loss)}`);
  }

  /** Some test examples and what the net says of them; pictures of many levels need colours. */
  #draw({ data, test }: TrainedRun): void {
    const { shape, classes } = data;
    const colours = coloursOf(this.#context.out, this.#context.environment);
    const isPicture = shape.length === 3 && (shape[0] === 1 || (shape[0] === 3 && colours !== "none"));
    if (!isPicture || data.test === undefined || test.predicted === undefined) return;
    const width = this.#context.out.columns ?? 100;
    const across = Math.max(1, Math.floor((width + 2) / (Math.min(32, shape[2]) + 2)));
    const split = data.test;
    const entries = spread(split, test, classes, 2 * across).map(({ index, given, predicted, probability }) => ({
      picture: pictureOf(data, split, index),
      caption: predicted === given ? `${predicted}, ${printShare(probability, 0)}` : `${predicted}? given ${given}`,
    }));
    printLine(this.#context, "");
    printLine(this.#context, "examples that the net has never seen, and what it says they are:");
    for (const line of drawGallery(entries, width, colours)) printLine(this.#context, line);
  }

  close(): void {
    this.#status.clear();
  }
}
