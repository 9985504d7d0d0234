import { Command } from "commander";
import { classScores, confusionMatrix } from "../../train/report/scores.ts";
import type { PartChoice } from "../../train/use-model.ts";
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
    const { data, split, part: scored, scores } = await evaluateModel(model, dataPath, { part, ...(json !== true && { progress }) });
    status.clear();
    const { accuracy = 0, loss, count, predicted = split.labels, table } = scores;
    const { classes } = model;
    const confusion = table ?? confusionMatrix(split.labels, predicted, classes.length);
    const rows = classScores(confusion).map(({ overlap, ...score }, index) => ({
      name: classes[index],
      ...score,
      ...(table && { overlap }),
    }));
    if (json === true) {
      const finite = (value: number): number | null => (Number.isFinite(value) ? value : null);
      const list = rows.map(({ name, support, ...shares }) => ({
        name,
        support,
        ...Object.fromEntries(Object.entries(shares).map(([key, value]) => [key, finite(value)])),
      }));
      printJson(context, {
        event: "evaluate",
        model: path,
        data: dataPath,
        part: scored,
        count,
        accuracy,
        loss,
        classes: list,
        confusion,
        notes: data.notes,
      });
    } else {
      for (const note of data.notes) printLine(context, `note: ${note}`);
      const share = (value: number): string => (Number.isNaN(value) ? "–" : printShare(value, 1));
      if (table !== undefined) {
        for (const line of cellLines(table, classes)) printLine(context, line);
        printLine(context, `part: ${scored}, ${printCount(count)} pictures at full size, cross-entropy ${printNumber(loss)}`);
        return;
      }
      const cells = rows.map(({ name, precision, recall, f1, support }) => [
        name,
        share(precision),
        share(recall),
        share(f1),
        printCount(support),
      ]);
      for (const line of printTable(["class", "precision", "recall", "F1", "examples"], cells, [false, true, true, true, true]))
        printLine(context, line);
      printLine(context, `part: ${scored}, ${printCount(count)} examples, cross-entropy ${printNumber(loss)}`);
      printLine(context, `accuracy: ${printShare(accuracy)}`);
    }
    await data.close?.();
  } finally {
    status.clear();
    await model.close();
  }
}
