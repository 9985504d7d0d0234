/** Everything a fresh clone can test: the check, the build, the chapter, the laws, the built package, other Nodes and a browser. `npm test` */
import { check } from "./check.ts";
import { runNode } from "./run-node.ts";
import { printCounts, runTests } from "./run-tests.ts";
import { setUp } from "./setup-tests.ts";

const start = performance.now();
setUp();
const checked = await check();
const built = await runNode("tools/build.ts");
if (built.code !== 0) console.log(`FAILED build\n${built.output}`);
const chapter = await runNode("--conditions=toeplitz-source", "chapter/main.ts");
console.log(chapter.code === 0 ? (chapter.output.trimEnd().split("\n").at(-1) ?? "") : `FAILED chapter\n${chapter.output}`);
const counts = await runTests(["test/**/*.test.ts", "chapter/*.test.ts"]);

const failed = [
  ...checked.failed,
  ...(built.code === 0 ? [] : ["build"]),
  ...(chapter.code === 0 ? [] : ["chapter"]),
  ...(counts.failed === 0 ? [] : ["tests"]),
];
const all = {
  tests: checked.counts.tests + counts.tests,
  passed: checked.counts.passed + counts.passed,
  failed: checked.counts.failed + counts.failed,
  skipped: checked.counts.skipped + counts.skipped,
};
console.log(`\n${printCounts(all)}, ${((performance.now() - start) / 1000).toFixed(0)} s`);
console.log(failed.length === 0 ? "everything holds" : `FAILED: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
