/**
 * Runs test files by Node's own runner, each in a process of its own: one line per file, every failure in full, every skipped test by name,
 * then the runner's counts. `node tools/run-tests.ts PATTERN...`
 */
import { globSync } from "node:fs";
import { availableParallelism } from "node:os";
import { relative } from "node:path";
import { run } from "node:test";
import type { TestEvent } from "node:test/reporters";
import { inspect } from "node:util";
import { root } from "./source-files.ts";

export interface Counts {
  readonly tests: number;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

type Data<Type extends TestEvent["type"]> = Extract<TestEvent, { type: Type }>["data"];

const where = (file: string | undefined): string => (file === undefined ? "" : relative(root, file));

function printFailure({ name, file, line, details }: Data<"test:fail">): void {
  // a suite or file fails because something in it failed, which has been printed
  if (details.type === "suite" || /subtests? failed/.test(details.error.message)) return;
  console.log(`FAILED ${name} (${where(file)}:${line ?? 0})`);
  console.log(inspect(details.error.cause ?? details.error).replaceAll(/^/gm, "    "));
}

function printFile(file: string, { counts, duration_ms: ms, success }: Data<"test:summary">): void {
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(
    `${success ? "ok    " : "FAILED"} ${where(file)}: ${counts.passed} of ${counts.tests}${skipped}, ${(ms / 1000).toFixed(1)} s`,
  );
}

function printEvent({ type, data }: TestEvent): void {
  if (type === "test:fail") printFailure(data);
  else if (type === "test:pass" && data.skip !== undefined && data.skip !== false) {
    console.log(`skip   ${data.name} (${where(data.file)})${typeof data.skip === "string" ? `: ${data.skip}` : ""}`);
  } else if (type === "test:stderr" || type === "test:stdout") process.stdout.write(data.message);
  else if (type === "test:summary" && data.file !== undefined) printFile(data.file, data);
}

/** Runs the files that match; a pattern that matches nothing is an error, so that a suite cannot vanish unseen. */
export async function runTests(patterns: readonly string[]): Promise<Counts> {
  const files = new Set<string>();
  for (const pattern of patterns) {
    const found = globSync(pattern, { cwd: root, exclude: ["**/node_modules"] });
    if (found.length === 0) throw new Error(`tests(${pattern}): files: expected at least 1; received 0.`);
    for (const file of found) files.add(file);
  }
  let counts: Counts | undefined;
  for await (const event of run({ files: [...files].sort(), cwd: root, concurrency: availableParallelism() })) {
    const one = event as TestEvent;
    printEvent(one);
    if (one.type === "test:summary" && one.data.file === undefined) {
      const { tests, passed, skipped } = one.data.counts;
      counts = { tests, passed, failed: tests - passed - skipped, skipped };
    }
  }
  if (counts === undefined) throw new Error("tests: summary: expected one from Node's runner; received none.");
  console.log(printCounts(counts));
  return counts;
}

/** `tests 120: 118 passed, 0 failed, 2 skipped`; tests that were cancelled or are only planned count as failed. */
export function printCounts({ tests, passed, failed, skipped }: Counts): string {
  return `tests ${tests}: ${passed} passed, ${failed} failed, ${skipped} skipped`;
}

if (import.meta.main) {
  const { failed, tests } = await runTests(process.argv.slice(2));
  process.exitCode = failed === 0 && tests > 0 ? 0 : 1;
}
