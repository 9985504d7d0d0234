import assert from "node:assert/strict";
import { test } from "node:test";
import { exampleNames, isShown, missingProofs, type Run, weave } from "./page.ts";

const run = (printed: string): Run => ({
  source: "code();",
  printed,
  drawings: [{ file: "a.svg", title: "A" }],
  differences: () => [],
  keepDrawings: () => {},
});
const page = "text\n<!-- example one -->\n<!-- end -->\nmore\n<!-- example two -->\nold\n<!-- end -->\n";

test("weaving puts source, print and drawings where the example is named, and nowhere else", () => {
  assert.deepEqual(exampleNames(page), ["one", "two"]);
  const woven = weave(page, new Map([["one", run("1\n")]]));
  assert.match(woven, /<!-- example one -->\n```ts\ncode\(\);\n```\n\n```text\n1\n```\n\n!\[A\]\(chapter-9\/a.svg\)\n<!-- end -->/);
  assert.match(woven, /<!-- example two -->\nold\n<!-- end -->/);
  assert.equal(weave(woven, new Map([["one", run("1\n")]])), woven);
});

test("another print is seen; lines that begin with `measured` may differ", () => {
  const woven = weave(page, new Map([["one", run("1\nmeasured: 2 ms\n")]]));
  assert.equal(isShown(woven, "one", run("1\nmeasured: 3 ms\n")), true);
  assert.equal(isShown(woven, "one", run("2\nmeasured: 2 ms\n")), false);
  assert.equal(isShown(woven, "two", run("1\n")), false);
});

test("the table names examples of the page or files that are there", () => {
  const table = (row: string): string => `${page}\n## Table\n\n| section | statement | shown by |\n| --- | --- | --- |\n${row}\n`;
  assert.deepEqual(
    missingProofs(table("| 9.1 | a | `one`, `src/a.test.ts` |"), (file) => file === "src/a.test.ts"),
    [],
  );
  assert.deepEqual(
    missingProofs(table("| 9.1 | a | `three` |"), () => false),
    ["no example and no file: three"],
  );
  assert.equal(missingProofs(table("| 9.1 | a | nothing |"), () => false).length, 1);
  assert.equal(missingProofs(page, () => false).length, 1);
});
