import { Command } from "commander";
import { oneOf, wholeNumber } from "../arguments.ts";
import { type Context, printJson, printLine } from "../context.ts";

interface Flags {
  readonly seed: number;
  readonly tier?: "wide" | "relaxed" | "plain";
  readonly json?: boolean;
}

/** `check "PROBLEM LINE"` */
export function checkCommand(context: Context): Command {
  return new Command("check")
    .description("run one problem line on the reference and on every algorithm that takes it, and compare")
    .argument("<line...>", 'problem line, e.g. "grid-linear forward n2 ci6 co8 g2 | i7x6 k3x3 s2 p1 t1 zero"')
    .option("--seed <n>", "of the numbers it is run on", wholeNumber(0), 1)
    .option("--tier <name>", "instruction set: wide, relaxed, plain", oneOf("wide", "relaxed", "plain"))
    .option("--json", "print one JSON object for each algorithm")
    .action(async (words: string[], { seed, tier, json }: Flags) => {
      const { checkLine } = await import("../../node.ts");
      const { line, results } = await checkLine(words.join(" "), { seed, tier });
      if (json !== true) printLine(context, line);
      for (const result of results) {
        if (json === true) printJson(context, { line, ...result });
        else
          printLine(
            context,
            `${result.holds ? "ok     " : result.refusal !== undefined ? "refused" : "FAILED "} ${result.algorithm}: ${result.message}`,
          );
      }
      if (results.some(({ holds, refusal }) => !holds && refusal === undefined)) context.exitCode = 1;
    });
}
