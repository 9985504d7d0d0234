import assert from "node:assert/strict";
import { test } from "node:test";
import { findLongFiles, findLongFunctions } from "./check-size.ts";

const lines = (count: number): string => "x();\n".repeat(count);

test("files over 400 lines fail, over 600 even with a reason", () => {
  assert.deepEqual(findLongFiles(new Map([["src/a.ts", lines(400)]]), {}), []);
  assert.match(findLongFiles(new Map([["src/a.ts", lines(401)]]), {}).join(), /^src\/a.ts: 401 lines, expected <= 400/);
  assert.deepEqual(findLongFiles(new Map([["src/a.ts", lines(600)]]), { "src/a.ts": "one table" }), []);
  assert.match(findLongFiles(new Map([["src/a.ts", lines(601)]]), { "src/a.ts": "one table" }).join(), /expected <= 600/);
});

test("a reason that is needed no more is named", () => {
  assert.match(findLongFiles(new Map([["src/a.ts", lines(10)]]), { "src/a.ts": "one table" }).join(), /take it out/);
  assert.match(findLongFiles(new Map(), { "src/gone.ts": "one table" }).join(), /take it out/);
});

test("functions over 60 lines are named, wherever they stand", () => {
  const body = (count: number): string => `{\n${lines(count - 2)}}`;
  assert.deepEqual(findLongFunctions(new Map([["src/a.ts", `function f() ${body(60)}\n${lines(9)}`]])), []);
  assert.deepEqual(findLongFunctions(new Map([["src/a.ts", `\nfunction f() ${body(61)}`]])), [
    "src/a.ts:2: f has 61 lines, expected <= 60",
  ]);
  const inner = `const table = { g: () => ${body(61)} };\nclass C { h() ${body(62)} }`;
  assert.deepEqual(findLongFunctions(new Map([["src/a.ts", inner]])), [
    "src/a.ts:1: g has 61 lines, expected <= 60",
    "src/a.ts:62: h has 62 lines, expected <= 60",
  ]);
  assert.deepEqual(findLongFunctions(new Map([["src/a.test.ts", inner]])), []);
});
