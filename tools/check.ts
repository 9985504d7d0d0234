/** What must hold before a commit, in under a minute: types, lint, layers, sizes, unit laws. `npm run check` */
import { mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { runNode } from "./run-node.ts";
import { type Counts, runTests } from "./run-tests.ts";
import { root } from "./source-files.ts";

const steps: readonly (readonly [name: string, ...command: string[]])[] = [
  ["types", "node_modules/typescript/bin/tsc", "-p", ".", "--incremental", "--tsBuildInfoFile", ".cache/check.tsbuildinfo"],
  ["lint", "node_modules/@biomejs/biome/bin/biome", "ci", "--colors=off", "--diagnostic-level=warn", "--reporter=github", "."],
  ["layers", "tools/check-layers.ts"],
  ["sizes", "tools/check-size.ts"],
];

/** What a step has to say; of the linter one short line per finding. */
function shorten(name: string, output: string): string {
  if (name !== "lint") return output.trimEnd();
  const found = output.matchAll(/^::\w+ title=([^,]*),file=([^,]*),line=(\d+).*?::(.*)$/gm);
  return [...found].map(([, rule, file, line, text]) => `${relative(root, file)}:${line}: ${rule}: ${text}`).join("\n");
}

/** Runs every step, also after one has failed, and prints what each has to say. Returns the names of the failed ones and the tests' counts. */
export async function check(): Promise<{ failed: string[]; counts: Counts }> {
  mkdirSync(join(root, ".cache"), { recursive: true });
  const failed: string[] = [];
  const step = async ([name, ...command]: readonly [string, ...string[]]): Promise<void> => {
    const { code, output, seconds } = await runNode(...command);
    const text = shorten(name, output);
    console.log(
      `${code === 0 ? "ok    " : "FAILED"} ${name}, ${seconds.toFixed(1)} s${text === "" ? "" : `\n${text.replaceAll(/^/gm, "    ")}`}`,
    );
    if (code !== 0) failed.push(name);
  };
  const [types, ...rest] = steps;
  // the compiler takes longest: the others run one after another beside it
  await Promise.all([
    step(types),
    (async () => {
      for (const one of rest) await step(one);
    })(),
  ]);
  const counts = await runTests(["src/**/*.test.ts", "tools/**/*.test.ts"]);
  if (counts.failed > 0) failed.push("unit tests");
  return { failed, counts };
}

if (import.meta.main) {
  const start = performance.now();
  const { failed } = await check();
  console.log(
    `check: ${failed.length === 0 ? "ok" : `FAILED (${failed.join(", ")})`}, ${((performance.now() - start) / 1000).toFixed(0)} s`,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
}
