import { Command } from "commander";
import { classScores, confusionMatrix } from "../../train/report/scores.ts";
import type { Evaluation, PartChoice } from "../../train/use-model.ts";
import { oneOf, wholeNumber } from "../arguments.ts";
import { type Context, printJson, printLine } from "../context.ts";
import { cellLines, printCount, printNumber, printShare, printTable } from "../print.ts";
import { StatusLine } from "../progress.ts";

interface Flags {
  readonly part: PartChoice;
  readonly threads?: number;
  readonly tier?: "wide" | "relaxed" | "plain";
  readonly runs: string;
  readonly json?: boolean;
}

/** `evaluate RUN|MODEL DATA` */
export function evaluateCommand(context: Context): Command {
  return new Command("evaluate")
    .description("measure a trained net on data")
    .argument("<model>", "model file, run folder, or name of a run")
    .argument("<data>", "folder, or demo:digits")
    .option(
      "--part <name>",
      "auto (test where there is one, else all), train, validation, test, all",
      oneOf("auto", "train", "validation", "test", "all"),
      "auto",
    )
    .option("--threads <n>", "threads that compute (all cores)", wholeNumber(1))
    .option("--tier <name>", "highest instruction set: wide, relaxed, plain", oneOf("wide", "relaxed", "plain"))
    .option("--runs <folder>", "folder of the run folders", "runs")
    .option("--json", "print one JSON object")
    .action((model: string, data: string, flags: Flags) => evaluate(context, model, data, flags));
}

async function evaluate(context: Context, path: string, dataPath: string, { part, json, ...options }: Flags): Promise<void> {
  const { evaluateModel, loadModel } = await import("../../node.ts");
  const model = await loadModel(path, options);
  const status = new StatusLine(context.out);
  const progress = (done: number, total: number): void => status.show(`reading pictures  ${done}/${total}`);
  try {
    const evaluation = await evaluateModel(model, dataPath, { part, ...(json !== true && { progress }) });
    status.clear();
    const { split, scores } = evaluation;
    const confusion = scores.table ?? confusionMatrix(split.labels, scores.predicted ?? split.labels, model.classes.length);
    if (json === true) printJson(context, eventOf(path, dataPath, evaluation, confusion, model.classes));
    else for (const line of linesOf(evaluation, confusion, model.classes)) printLine(context, line);
    await evaluation.data.close?.();
  } finally {
    status.clear();
    await model.close();
  }
}

type Confusion = readonly (readonly number[])[];

/** The scores as one event; what cannot be told is null. */
function eventOf(
  path: string,
  dataPath: string,
  { data, part, scores }: Evaluation,
  confusion: Confusion,
  classes: readonly string[],
): object {
  const { accuracy = 0, loss, count, table } = scores;
  const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
  const list = classScores(confusion).map(({ overlap, support, ...score }, index) => ({
    name: classes[index],
    support,
    ...Object.fromEntries(Object.entries({ ...score, ...(table && { overlap }) }).map(([key, value]) => [key, finite(value)])),
  }));
  return { event: "evaluate", model: path, data: dataPath, part, count, accuracy, loss, classes: list, confusion, notes: data.notes };
}

/** The scores for a reader: classes, then what was scored; the accuracy last where whole examples have classes. */
function linesOf({ data, part, scores }: Evaluation, confusion: Confusion, classes: readonly string[]): string[] {
  const { accuracy = 0, loss, count, table } = scores;
  const notes = data.notes.map((note) => `note: ${note}`);
  const what = (kind: string): string => `part: ${part}, ${printCount(count)} ${kind}, cross-entropy ${printNumber(loss)}`;
  if (table !== undefined) return [...notes, ...cellLines(table, classes), what("pictures at full size")];
  const share = (value: number): string => (Number.isNaN(value) ? "–" : printShare(value, 1));
  const cells = classScores(confusion).map(({ precision, recall, f1, support }, index) => [
    classes[index],
    share(precision),
    share(recall),
    share(f1),
    printCount(support),
  ]);
  const lines = printTable(["class", "precision", "recall", "F1", "examples"], cells, [false, true, true, true, true]);
  return [...notes, ...lines, what("examples"), `accuracy: ${printShare(accuracy)}`];
}
