import { Command } from "commander";
import { fail } from "../../base/errors.ts";
import type { Continuation, PlainOptions, TrainOptions } from "../../train/train-run.ts";
import { mebibytes, number, oneOf, pictureSize, quote, wholeNumber } from "../arguments.ts";
import type { Context } from "../context.ts";
import { EventLog, type RunLog, ScreenLog } from "../run-log.ts";

/** Options as commander gives them. */
interface Flags extends PlainOptions {
  readonly model?: string;
  readonly rate?: number;
  readonly smoothing?: number;
  readonly size?: number | [number, number];
  readonly proportions?: "squeezed" | "kept";
  readonly channels?: 1 | 3;
  readonly holdout?: number;
  readonly augment?: string;
  readonly clip?: number;
  readonly from?: string;
  readonly freeze?: string;
  readonly threads?: number;
  readonly tier?: "wide" | "relaxed" | "plain";
  readonly tune?: boolean;
  readonly name?: string;
  readonly runs: string;
  readonly resume?: boolean;
  readonly json?: boolean;
}

const details = `
DATA is a folder of class folders with pictures (also below train, val, test), a folder of images/ and labels/ with a PNG of classes of cells for each
image, a folder of IDX files, or demo:digits (demo:digits:N for N examples).
What is not given is chosen from the data. Everything that is chosen is chosen on a part split from the training examples; the test part is scored
once, at the end. A run folder holds config.json, metrics.csv, model.safetensors (the best epoch), last.safetensors and report.html.
Ctrl-C writes a checkpoint; --resume goes on from the last one to the same bits.`;

export function trainCommand(context: Context, argv: readonly string[]): Command {
  return new Command("train")
    .description("train a net on data, in a new run folder")
    .argument("[data]", "folder, or demo:digits")
    .option("--model <name>", "default, lenet5, resnet20, resnet18, mobilenetv2, unet, recurrent, or a file that exports net")
    .option(
      "--from <model>",
      "begin with a trained net: model file, run folder, or name of a run; a last layer for other classes begins anew",
    )
    .option("--freeze <patterns>", "parameters that do not change: paths with *, commas between, as inspect names layers: stage1,stage2/*")
    .option("--epochs <n>", "times that every example is seen", wholeNumber(1))
    .option("--batch <n>", "examples of one step", wholeNumber(1))
    .option("--rate <x>", "highest learning rate", number({ above: 0 }))
    .option("--optimiser <name>", "sgd, adam, adamW, nadam, rmsprop, adagrad, adadelta, adamax")
    .option("--schedule <name>", "constant, step, cosine, oneCycle")
    .option("--warmup <share>", "rising part of the cosine schedule", number({ from: 0, below: 1 }))
    .option("--weight-decay <x>", "of the optimiser", number({ from: 0 }))
    .option("--smoothing <x>", "label smoothing", number({ from: 0, below: 1 }))
    .option("--augment <spec>", "random changes: none, digits, photographs, or flip,shift=0.1,rotate=15 ...")
    .option("--rounding <factor>", "most that sums may round: 1 for plain sums alone, without Winograd", number({ from: 1 }))
    .option("--recompute [MiB]", "keep less for the backward pass and compute it again: as little as possible, or so much", mebibytes)
    .option("--average <decay>", "moving average of the weights; 0 for none", number({ from: 0, below: 1 }))
    .option("--accumulate <n>", "batches of one update", wholeNumber(1))
    .option("--clip <norm>", "largest norm of all gradients", number({ above: 0 }))
    .option("--patience <n>", "end after so many epochs without a lower validation loss", wholeNumber(1))
    .option("--holdout <x>", "validation part: share, or number of examples", number({ from: 0 }))
    .option("--size <n>", "side of pictures, or of the parts cut from labelled ones, or HEIGHTxWIDTH", pictureSize)
    .option(
      "--proportions <name>",
      "of pictures: squeezed into one size, or kept, with --size as the longer side",
      oneOf("squeezed", "kept"),
    )
    .option("--round-to <n>", "extents of batches are rounded up to multiples of it, where examples have their own", wholeNumber(1))
    .option("--channels <n>", "1 for grey, 3 for colour", (text) => (oneOf("1", "3")(text) === "1" ? 1 : 3))
    .option("--seed <n>", "of everything that is random (0)", wholeNumber(0))
    .option("--threads <n>", "threads that compute (all cores)", wholeNumber(1))
    .option("--tier <name>", "highest instruction set: wide, relaxed, plain", oneOf("wide", "relaxed", "plain"))
    .option("--tune", "measure algorithms on this machine first; a resumed run keeps its choices")
    .option("--name <run>", "name of the run folder")
    .option("--runs <folder>", "folder of the run folders", "runs")
    .option("--resume", "go on with the run of --name, or the newest one")
    .option("--json", "print one JSON object per event")
    .addHelpText("after", details)
    .action(async (data: string | undefined, flags: Flags) => {
      const log = flags.json === true ? new EventLog(context) : new ScreenLog(context);
      context.exitCode = await runTraining(data, flags, argv, log);
    });
}

const plainNames = [
  "epochs",
  "batch",
  "roundTo",
  "accumulate",
  "optimiser",
  "schedule",
  "warmup",
  "weightDecay",
  "seed",
  "patience",
  "average",
  "rounding",
  "recompute",
] as const;

/** What was given, as a request without defaults. */
function givenOf(data: string | undefined, flags: Flags): Continuation & { options: PlainOptions } {
  const options: Record<string, unknown> = {};
  for (const name of plainNames) if (flags[name] !== undefined) options[name] = flags[name];
  if (flags.rate !== undefined) options.learningRate = flags.rate;
  if (flags.smoothing !== undefined) options.labelSmoothing = flags.smoothing;
  if (flags.freeze !== undefined) options.frozen = flags.freeze;
  const { model, size, proportions, channels, holdout, augment, clip, from } = flags;
  return {
    ...(data !== undefined && { data }),
    ...(model !== undefined && { model }),
    ...(size !== undefined && { size }),
    ...(proportions !== undefined && { proportions }),
    ...(channels !== undefined && { channels }),
    ...(holdout !== undefined && { holdout }),
    ...(augment !== undefined && { augment }),
    ...(clip !== undefined && { clipNorm: clip }),
    ...(from !== undefined && { from }),
    options,
  };
}

/** The line that repeats a run: as it was given, with the seed, without what only says how it is shown. */
function commandOf(argv: readonly string[], flags: Flags): string {
  const words = argv.filter((word) => !/^(--)?json(=true)?$/.test(word) && !/^(--)?resume(=true)?$/.test(word));
  return `npx toeplitz ${[...words, ...(flags.seed === undefined ? ["--seed", "0"] : [])].map(quote).join(" ")}`;
}

async function runTraining(data: string | undefined, flags: Flags, argv: readonly string[], log: RunLog): Promise<number> {
  if (data === undefined && flags.resume !== true)
    fail("toeplitz", "train", "DATA", "a folder, or demo:digits", "none", "See toeplitz train --help.");
  const { resumeRun, train } = await import("../../node.ts");
  const stop = new AbortController();
  let code = 0;
  const onSignal = (signal: "SIGINT" | "SIGTERM"): void => {
    const own = signal === "SIGINT" ? 130 : 143;
    // the second one does not wait for the checkpoint
    if (code !== 0) process.exit(own);
    code = own;
    log.stopping();
    stop.abort();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const { threads, tier, tune, runs, name } = flags;
  const options: TrainOptions = {
    ...{ threads, tier, tune, runs, name },
    command: commandOf(argv, flags),
    signal: stop.signal,
    ...log.hooks(),
  };
  try {
    const given = givenOf(data, flags);
    const run = flags.resume === true ? await resumeRun(given, options) : await train({ data: "", model: "default", ...given }, options);
    await log.end(run);
    await run.data.close?.();
    return run.ending === "signal" ? code : 0;
  } finally {
    log.close();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
}
