import type { Screen } from "./progress.ts";

/** Where a command prints, and how it ends. */
export interface Context {
  readonly out: Screen;
  /** One line on stderr, for what is wrong beside what was done. */
  readonly error: (line: string) => void;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Exit code of a command that ends without an error; 0 unless it is set. */
  exitCode: number;
}

/** One JSON object per line. */
export const printJson = ({ out }: Context, value: object): void => void out.write(`${JSON.stringify(value)}\n`);

/** One line of text. */
export const printLine = ({ out }: Context, line: string): void => void out.write(`${line}\n`);
