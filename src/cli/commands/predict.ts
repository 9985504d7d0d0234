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
  readonly json?: boolean;
}

/** `predict RUN|MODEL FILE...` */
export function predictCommand(context: Context): Command {
  return new Command("predict")
    .description("classify pictures")
    .argument("<model>", "model file, run folder, or name of a run")
    .argument("<files...>", "PNG, JPEG, WebP or GIF")
    .option("--top <n>", "classes named for each file", wholeNumber(1), 3)
    .option("--threads <n>", "threads that compute (all cores)", wholeNumber(1))
    .option("--tier <name>", "highest instruction set: wide, relaxed, plain", oneOf("wide", "relaxed", "plain"))
    .option("--runs <folder>", "folder of the run folders", "runs")
    .option("--json", "print one JSON object for each file: file, class, probabilities")
    .action((model: string, files: string[], flags: Flags) => predict(context, model, files, flags));
}

async function predict(context: Context, path: string, files: readonly string[], { json, top, ...options }: Flags): Promise<void> {
  const { loadModel, predictFiles } = await import("../../node.ts");
  const model = await loadModel(path, options);
  const problems: ToeplitzError[] = [];
  try {
    for await (const result of predictFiles(model, files)) {
      if ("error" in result) {
        problems.push(result.error);
        continue;
      }
      const { file, prediction } = result;
      const shares = model.classes.map((name, index) => [name, prediction.probabilities[index]] as const);
      if (json === true) printJson(context, { file, class: prediction.class, probabilities: Object.fromEntries(shares) });
      else {
        const best = [...shares].sort(([, a], [, b]) => b - a).slice(0, top);
        printLine(context, `${file}: ${best.map(([name, share]) => `${name} ${printShare(share, 1)}`).join(", ")}`);
      }
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
