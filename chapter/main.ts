/**
 * Runs every example of docs/chapter-9.md, and compares what it prints and draws with what the page shows. `npm run chapter`
 * `npm run chapter -- --write` puts what they print and draw now into the page; `-- NAME...` runs some of them.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { exampleNames, missingProofs, type Run, weave } from "./page.ts";
import { runExample } from "./run.ts";

const page = fileURLToPath(new URL("../docs/chapter-9.md", import.meta.url));
const { values, positionals } = parseArgs({ options: { write: { type: "boolean", default: false } }, allowPositionals: true });

const before = readFileSync(page, "utf8");
const names = exampleNames(before);
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  console.error(`chapter: examples: expected some of ${names.join(", ")}; received ${unknown.join(", ")}.`);
  process.exit(2);
}
const wrong = missingProofs(before, (file) => existsSync(join(fileURLToPath(new URL("..", import.meta.url)), file))).map(
  (text) => `table: ${text}`,
);
const chosen = positionals.length > 0 ? names.filter((name) => positionals.includes(name)) : names;
const folder = mkdtempSync(join(tmpdir(), "chapter-"));
const runs = new Map<string, Run>();
const runOne = async (name: string): Promise<void> => {
  const start = performance.now();
  const run = await runExample(name, folder);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  if ("error" in run) {
    wrong.push(`${name}: ended with an error\n${run.error}`);
    console.log(`FAILED ${name}, ${seconds} s`);
    return;
  }
  runs.set(name, run);
  const differences = values.write ? [] : run.differences(before);
  wrong.push(...differences.map((text) => `${name}: ${text}`));
  console.log(`${differences.length === 0 ? "ok    " : "FAILED"} ${name}, ${seconds} s`);
  if (values.write) run.keepDrawings();
};
try {
  // two at a time: each uses one thread
  const waiting = [...chosen];
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) await runOne(name);
  };
  await Promise.all([work(), work()]);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
if (values.write) writeFileSync(page, weave(before, runs));
for (const text of wrong) console.error(text);
const failed = new Set(wrong.map((text) => text.split(":")[0]));
console.log(
  `chapter: ${chosen.length} examples, ${chosen.filter((name) => !failed.has(name)).length} as the page says${failed.has("table") ? "; the table FAILED" : ""}`,
);
process.exitCode = wrong.length === 0 ? 0 : 1;
