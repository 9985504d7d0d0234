import { Command, CommanderError } from "commander";
import { ToeplitzError } from "../base/errors.ts";
import { expandAssignments } from "./arguments.ts";
import { checkCommand } from "./commands/check.ts";
import { evaluateCommand } from "./commands/evaluate.ts";
import { explainCommand } from "./commands/explain.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { matrixCommand } from "./commands/matrix.ts";
import { predictCommand } from "./commands/predict.ts";
import { trainCommand } from "./commands/train.ts";
import type { Context } from "./context.ts";
import type { Screen } from "./progress.ts";

/** What the command line needs of its process. */
export interface Streams {
  readonly stdout: Screen;
  readonly stderr: Screen;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const description = `Trains and runs convolutional networks on any grid, with no native code.
Options are written --epochs 3 or epochs=3.`;

/** Exit codes: 0 done, 1 a bug of ours, 2 bad input, 128 + number of the signal that ended a run. */
const badInput = 2;
const internal = 1;

/**
 * Runs one command line (without node and script) and gives back its exit code. Errors are one line each on stderr.
 * Example: `process.exitCode = await main(process.argv.slice(2))`
 */
export async function main(argv: readonly string[], streams: Streams = process): Promise<number> {
  const error = (line: string): void => void streams.stderr.write(`${line}\n`);
  const context: Context = { out: streams.stdout, error, environment: streams.env, exitCode: 0 };
  const program = new Command("toeplitz").description(description).helpCommand(false);
  program.action(() => program.outputHelp());
  for (const make of [trainCommand, evaluateCommand, predictCommand, inspectCommand, explainCommand, matrixCommand, checkCommand])
    program.addCommand(make(context, argv));
  program.option("--version", "print the version of the package");
  for (const command of [program, ...program.commands]) {
    command.exitOverride().showSuggestionAfterError();
    command.configureOutput({
      writeOut: (text) => void streams.stdout.write(text),
      writeErr: () => {},
      getOutHelpWidth: () => streams.stdout.columns ?? 100,
    });
  }
  try {
    if (argv.length === 1 && argv[0] === "--version") {
      const { packageVersion } = await import("../train/environment.ts");
      streams.stdout.write(`${await packageVersion()}\n`);
      return 0;
    }
    await program.parseAsync(expandAssignments(argv, program.commands), { from: "user" });
    return context.exitCode;
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0;
    streams.stderr.write(`${messageOf(error, argv, streams.env)}\n`);
    return error instanceof ToeplitzError || error instanceof CommanderError ? badInput : internal;
  }
}

/** What a person reads: one line for each problem, and no stack but where it is asked for. */
function messageOf(error: unknown, [command = ""]: readonly string[], environment: Streams["env"]): string {
  if (error instanceof ToeplitzError) return error.message;
  if (error instanceof CommanderError) {
    const text = error.message.replace(/^error: /, "").replaceAll(/\s*\n\s*/g, " ");
    return `toeplitz${/^[a-z]+$/.test(command) ? `(${command})` : ""}: ${text}${/[.)]$/.test(text) ? "" : "."} See --help.`;
  }
  if (!(error instanceof Error)) return String(error);
  if (environment.TOEPLITZ_DEBUG !== undefined) return error.stack ?? error.message;
  return `${error.message.startsWith("internal: ") ? "" : "internal: "}${error.message.split("\n")[0]} (TOEPLITZ_DEBUG=1 shows where)`;
}
