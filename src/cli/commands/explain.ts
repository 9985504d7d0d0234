import { Command } from "commander";
import { extents, oneOf, wholeNumber } from "../arguments.ts";
import { type Context, printLine } from "../context.ts";

interface Flags {
  readonly input?: number[];
  readonly classes: number;
  readonly batch: number;
  readonly training?: boolean;
  readonly profile?: boolean;
  readonly tune?: boolean;
  readonly threads?: number;
  readonly tier?: "wide" | "relaxed" | "plain";
  readonly runs: string;
}

/** `explain MODEL|NAME` */
export function explainCommand(context: Context): Command {
  return new Command("explain")
    .description("the plan of a net: for every node the algorithm, the layout, and why others refused")
    .argument("<model>", "name of a model, file that exports net, model file, or run")
    .option("--input <CxHxW>", "shape of one example, for nets that are not trained", extents)
    .option("--classes <n>", "number of classes, for nets that are not trained", wholeNumber(1), 10)
    .option("--batch <n>", "examples of one run", wholeNumber(1), 1)
    .option("--training", "the training step (forward, backward, SGD with momentum) instead of inference; not of model files")
    .option("--profile", "run it and add measured times of every step")
    .option("--tune", "measure algorithms on this machine in place of predicting their time")
    .option("--threads <n>", "threads that compute (all cores)", wholeNumber(1))
    .option("--tier <name>", "highest instruction set: wide, relaxed, plain", oneOf("wide", "relaxed", "plain"))
    .option("--runs <folder>", "folder of the run folders", "runs")
    .action(async (model: string, flags: Flags) => {
      const { explain } = await import("../../node.ts");
      printLine(context, await explain(model, flags));
    });
}
