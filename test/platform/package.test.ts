import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, test } from "node:test";
import { root } from "../../tools/source-files.ts";
import { assertTrained, bitsOf, hasWideUnits, oracle, steps } from "./expected.ts";
import { entries, installPackage, nodes, runModule } from "./package.ts";
import { type SmallResult, trainingBody } from "./small-training.ts";

const installed = installPackage();
after(() => installed.remove());

test("the package holds what its entries name, and no source, test or tool", () => {
  for (const file of entries.values()) assert.ok(installed.files.includes(file.replace("./", "")), `${file} is missing`);
  for (const file of ["README.md", "LICENSE", "CHANGELOG.md", "bin/toeplitz.mjs", "dist/cli/main.js"]) {
    assert.ok(installed.files.includes(file), `${file} is missing`);
  }
  assert.deepEqual(
    installed.files.filter((file) => !/^(dist|bin)\/|^(README\.md|LICENSE|CHANGELOG\.md|package\.json)$/.test(file)),
    [],
  );
  assert.deepEqual(
    installed.files.filter((file) => /\.test\.|(?<!\.d)\.ts$/.test(file)),
    [],
  );
});

test("no built file names a TypeScript file at run time", () => {
  const named = installed.files
    .filter((file) => file.endsWith(".js"))
    .filter((file) => /(from|import\(|URL\()\s*["'`][^"'`\n]*\.ts["'`]/.test(readFileSync(join(root, file), "utf8")));
  assert.deepEqual(named, []);
});

for (const [major, node] of nodes) {
  test(`Node ${major} loads every entry and says its version`, () => {
    const names = [...entries.keys()];
    const source = `
      const found = {};
      for (const name of ${JSON.stringify(names)}) found[name] = Object.keys(await import(name)).length;
      console.log(JSON.stringify({ version: process.version, found }));`;
    const { version, found } = runModule(node, installed, source) as { version: string; found: Record<string, number> };
    assert.ok(version.startsWith(`v${major}.`), version);
    for (const name of names) assert.ok(found[name] > 0, `${name} exports nothing`);
  });

  test(`Node ${major} runs the installed command`, () => {
    const bin = join(installed.folder, "node_modules/toeplitz/bin/toeplitz.mjs");
    const { status, stdout, stderr } = spawnSync(node, [bin, "--help"], { cwd: installed.folder, encoding: "utf8", timeout: 30_000 });
    assert.equal(status, 0, stderr);
    assert.match(stdout, /train/);
  });
}

/** The best tier of each Node: relaxed SIMD is behind a flag on 20, 256-bit code comes with the flag of 24. */
const bestTier = (major: number): "wide" | "relaxed" => (major >= 24 && hasWideUnits() ? "wide" : "relaxed");
const expected = oracle();

for (const [major, node] of nodes) {
  test(`Node ${major} trains on its best tier and on the plain one, with the same bits for 1 and 2 threads`, async () => {
    const asked = [
      ...[1, 2].map((threads) => ({ steps, threads })),
      ...[1, 2].map((threads) => ({ steps, threads, tier: "plain" as const })),
    ];
    const body = `${trainingBody("toeplitz", "toeplitz/node", asked)}\nconsole.log(JSON.stringify(results));`;
    const found = runModule(node, installed, body) as SmallResult[];
    const best = bestTier(major);
    assert.deepEqual(
      found.map(({ description }) => description),
      [`wasm ${best}, 1 thread`, `wasm ${best}, 2 threads`, "wasm plain, 1 thread", "wasm plain, 2 threads"],
    );
    for (const one of found) assertTrained(one, await expected);
    assert.deepEqual(bitsOf(found[1]), bitsOf(found[0]));
    assert.deepEqual(bitsOf(found[3]), bitsOf(found[2]));
  });
}

for (const [major, node] of nodes) {
  test(`Node ${major} trains, evaluates and reports by the installed command`, () => {
    const toeplitz = (...parameters: string[]): string => {
      const bin = join(installed.folder, "node_modules/toeplitz/bin/toeplitz.mjs");
      const { status, stdout, stderr } = spawnSync(node, [bin, ...parameters], {
        cwd: installed.folder,
        encoding: "utf8",
        timeout: 60_000,
      });
      assert.equal(status, 0, stderr);
      return stdout.trim().split("\n").at(-1) ?? "";
    };
    const name = `node${major}`;
    const train = ["train", "demo:digits:1000", "--epochs", "1", "--seed", "1", "--threads", "2", "--name", name, "--json"];
    const { event, test } = JSON.parse(toeplitz(...train)) as { event: string; test: { accuracy: number } };
    assert.equal(event, "end");
    assert.ok(test.accuracy > 0.6, `accuracy ${test.accuracy}`);
    const files = readdirSync(join(installed.folder, "runs", name)).sort();
    assert.deepEqual(files, ["config.json", "last.safetensors", "metrics.csv", "model.safetensors", "report.html"]);
    assert.match(toeplitz("evaluate", name, "demo:digits:100", "--json"), /"accuracy":/);
  });
}

test("Node 20 has no relaxed SIMD and Node 24 no 256-bit code where the flags are left alone", () => {
  const body = `${trainingBody("toeplitz", "toeplitz/node", [{ steps, threads: 1 }])}\nconsole.log(JSON.stringify(results));`;
  for (const [major, tier] of [
    [20, "plain"],
    [22, "relaxed"],
    [24, "relaxed"],
  ] as const) {
    const [{ description }] = runModule(nodes.get(major) ?? "", installed, body, { env: { TOEPLITZ_V8_FLAGS: "0" } }) as SmallResult[];
    assert.equal(description, `wasm ${tier}, 1 thread`, `Node ${major}`);
  }
});

test("the types hold in a user's strict project, without Node's types for the entries of a page", () => {
  const compile = (types: readonly string[], names: readonly string[]): void => {
    const compilerOptions = {
      noEmit: true,
      strict: true,
      skipLibCheck: false,
      target: "es2022",
      lib: ["es2023", "dom"],
      module: "nodenext",
      types,
      typeRoots: [join(root, "node_modules/@types")],
    };
    const imports = names.map((name, place) => `export * as entry${place} from "${name}";\n`);
    writeFileSync(join(installed.folder, "use.ts"), imports.join(""));
    writeFileSync(join(installed.folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
    const tsc = join(root, "node_modules/typescript/bin/tsc");
    const { status, stdout } = spawnSync(process.execPath, [tsc, "-p", "."], { cwd: installed.folder, encoding: "utf8" });
    assert.equal(status, 0, stdout);
  };
  const forPages = [...entries.keys()].filter((name) => name !== "toeplitz/node");
  compile([], forPages);
  compile(["node"], [...entries.keys()]);
});
