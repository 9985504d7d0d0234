import assert from "node:assert/strict";
import { test } from "node:test";
import { checkLayers } from "./check-layers.ts";
import { layers } from "./layers.ts";

function check(files: Record<string, string>): string[] {
  return checkLayers(new Map(Object.entries(files)));
}

test("every layer imports only layers that stand above it, the floor of operators aside", () => {
  for (const [row, layer] of layers.entries()) {
    for (const name of layer.imports) {
      const other = layers.findIndex((candidate) => candidate.name === name);
      const oneFloor = layer.files.startsWith("ops/") && layers[other]?.files.startsWith("ops/");
      assert.ok(other >= 0 && (other < row || oneFloor), `${layer.name} imports ${name}`);
    }
  }
});

test("downward imports pass, of values and of types", () => {
  const breaches = check({
    "base/errors.ts": "export const a = 1;",
    "grid/axis.ts": 'import { a } from "../base/errors.ts"; export const b = a;',
    "ops/index.ts": 'import { door } from "./move/index.ts"; export const operators = [door];',
    "ops/move/index.ts": 'import { plan } from "./plan.ts"; export const door = plan;',
    "ops/move/plan.ts": 'import type { b } from "../../grid/axis.ts"; export const plan: typeof b = 1;',
    "targets/wasm/list.ts": 'import { plan } from "../../ops/move/wasm-direct.ts"; export { plan };',
    "ops/move/wasm-direct.ts": 'import { plan } from "./plan.ts"; export { plan };',
    "node.ts": 'export * from "./targets/wasm/list.ts";',
  });
  assert.deepEqual(breaches, []);
});

test("upward imports fail, of values, types, re-exports, import() and worker addresses", () => {
  const graph = { "graph/value.ts": "export const v = 1;", "targets/wasm/worker.ts": "export const w = 1;" };
  const forms = [
    'import { v } from "../graph/value.ts";',
    'import type { v } from "../graph/value.ts";',
    'export * from "../graph/value.ts";',
  ];
  forms.push('const v = await import("../graph/value.ts");', 'type V = import("../graph/value.ts").V;');
  for (const form of forms) {
    assert.deepEqual(check({ ...graph, "grid/axis.ts": `\n${form}` }), [
      "src/grid/axis.ts:2: grid may not import graph (graph/value.ts); it may import base",
    ]);
  }
  const worker = check({ ...graph, "train/loop.ts": 'const w = new URL("../targets/wasm/worker.ts", import.meta.url);' });
  assert.match(worker.join(), /^src\/train\/loop.ts:1: train may not import wasm/);
});

test("a room may not import the algorithms of another room, nor a target another target", () => {
  const files = { "ops/move/wasm-copy.ts": "export const c = 1;", "targets/reference/run.ts": "export const r = 1;" };
  const room = check({ ...files, "ops/window/wasm-max.ts": 'import { c } from "../move/wasm-copy.ts";' });
  assert.match(room.join(), /^src\/ops\/window\/wasm-max.ts:1: algorithms may not import algorithms \(ops\/move\/wasm-copy.ts\)/);
  const target = check({ ...files, "targets/wasm/session.ts": 'import { r } from "../reference/run.ts";' });
  assert.match(target.join(), /^src\/targets\/wasm\/session.ts:1: wasm may not import reference/);
  const cli = check({ ...files, "cli/main.ts": 'import { r } from "../targets/reference/run.ts";' });
  assert.match(cli.join(), /^src\/cli\/main.ts:1: cli may not import reference/);
});

test("packages, values in the contract, tests and unknown files are named", () => {
  assert.match(check({ "plan/a.ts": 'import x from "echarts";' }).join(), /plan may not import packages \(echarts\)/);
  assert.match(check({ "ops/contract.ts": 'import { a } from "../base/a.ts";', "base/a.ts": "" }).join(), /holds types alone/);
  assert.match(check({ "plan/a.ts": 'import "./a.test.ts";' }).join(), /only tests may import tests/);
  assert.match(check({ "plan/a.ts": 'import "./b";' }).join(), /\.\/b is no source file of src/);
  assert.match(check({ "cellar/a.ts": "" }).join(), /stands in no layer/);
  assert.deepEqual(check({ "plan/a.test.ts": 'import x from "echarts";' }), []);
});

test("rings of imports are found, also of types", () => {
  const files = { "plan/a.ts": 'import "./b.ts";', "plan/b.ts": 'import type { C } from "./c.ts";', "plan/c.ts": 'import "./a.ts";' };
  assert.deepEqual(check({ ...files, "plan/d.ts": 'import "./a.ts";' }), ["ring of imports: src/plan/a.ts, src/plan/b.ts, src/plan/c.ts"]);
  assert.deepEqual(check({ ...files, "plan/c.ts": "" }), []);
});

test("what a page loads may not need Node, nor late what bundles for pages hold", () => {
  const files = { "index.ts": 'export * from "./nn/layers.ts";', "nn/layers.ts": 'import { readFile } from "node:fs";' };
  assert.deepEqual(check(files), ["src/nn/layers.ts:1: a page would load node:fs, by index.ts -> nn/layers.ts"]);
  const late = { "index.ts": 'const files = await import("./data/files.js");', "data/files.ts": 'const fs = await import("node:fs");' };
  assert.deepEqual(check(late), ["src/data/files.ts:1: a page would load node:fs, by index.ts -> data/files.ts"]);
  assert.deepEqual(checkLayers(new Map(Object.entries(late)), new Set(["data/files.ts"])), []);
  const now = { ...late, "index.ts": 'export * from "./data/files.ts";' };
  assert.equal(checkLayers(new Map(Object.entries(now)), new Set(["data/files.ts"])).length, 1);
});
