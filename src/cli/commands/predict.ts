import { Command } from "commander";
import type { ToeplitzError } from "../../base/errors.ts";
import { oneOf, wholeNumber } from "../arguments.ts";
import { type Context, printJson, printLine } from "../context.ts";
import { printShare } from "../print.ts";

interface Flags {
  readonly threads?: number;
  readonly tier?: "wide" | "relaxed" | "plain";
  readonly runs: string;
  readonly top: number;
  readonly output: string;
  readonly json?: boolean;
}

/** `predict RUN|MODEL FILE...` */
export function predictCommand(context: Context): Command {
  return new Command("predict")
    .description("classify pictures, or label every cell of them where the net does")
    .argument("<model>", "model file, run folder, or name of a run")
    .argument("<files...>", "PNG, JPEG, WebP or GIF")
    .option("--top <n>", "classes named for each file", wholeNumber(1), 3)
    .option("--output <folder>", "where label pictures are written, <name>-labels.png each", "labels")
    .option("--threads <n>", "threads that compute (all cores)", wholeNumber(1))
    .option("--tier <name>", "highest instruction set: wide, relaxed, plain", oneOf("wide", "relaxed", "plain"))
    .option("--runs <folder>", "folder of the run folders", "runs")
    .option("--json", "print one JSON object for each file: file, class, probabilities")
    .action((model: string, files: string[], flags: Flags) => predict(context, model, files, flags));
}

async function predict(context: Context, path: string, files: readonly string[], { json, top, output, ...options }: Flags): Promise<void> {
  const { labelFiles, loadModel, predictFiles } = await import("../../node.ts");
  const model = await loadModel(path, options);
  const problems: ToeplitzError[] = [];
  const named = (shares: readonly (readonly [string, number])[]): string =>
    [...shares]
      .sort(([, a], [, b]) => b - a)
      .slice(0, top)
      .map(([name, share]) => `${name} ${printShare(share, 1)}`)
      .join(", ");
  try {
    const ofCells = model.description.labels === "cells";
    for await (const result of ofCells ? labelFiles(model, files, output) : []) {
      if ("error" in result) {
        problems.push(result.error);
        continue;
      }
      const { file, labels, extents, shares: list } = result;
      const shares = model.classes.map((name, index) => [name, list[index]] as const);
      if (json === true) printJson(context, { file, labels, extents, shares: Object.fromEntries(shares) });
      else printLine(context, `${file}: ${labels}, ${extents.join(" x ")} cells: ${named(shares)}`);
    }
    for await (const result of ofCells ? [] : predictFiles(model, files)) {
      if ("error" in result) {
        problems.push(result.error);
        continue;
      }
      const { file, prediction } = result;
      const shares = model.classes.map((name, index) => [name, prediction.probabilities[index]] as const);
      if (json === true) printJson(context, { file, class: prediction.class, probabilities: Object.fromEntries(shares) });
      else printLine(context, `${file}: ${named(shares)}`);
    }
  } finally {
    await model.close();
  }
  // the good ones are answered; what is wrong with the others is said at the end, all at once
  if (problems.length > 0) {
    const [first] = problems;
    if (problems.length === 1) throw first;
    context.exitCode = 2;
    for (const { message } of problems) context.error(message);
  }
}
