import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { type BuildOptions, build } from "esbuild";
import { root } from "../../tools/source-files.ts";
import { openBrowser, type TestBrowser } from "./browser.ts";
import { assertTrained, bitsOf, oracle, steps } from "./expected.ts";
import { type SmallResult, trainingBody } from "./small-training.ts";

/** Minified, and with the names of functions kept by a helper, as some frameworks do: the text of the threads must survive both. */
const manners = [
  { name: "minified", minify: true, keepNames: false },
  { name: "minified with names kept", minify: true, keepNames: true },
] as const;

// inside the clone, where a bundle for Node finds the packages that it names
const cache = join(root, ".cache");
mkdirSync(cache, { recursive: true });
const folder = mkdtempSync(join(cache, "bundle-"));
let browser: TestBrowser;
let expected: SmallResult;
before(async () => {
  [browser, expected] = await Promise.all([openBrowser({ "/bundle/": folder }), oracle()]);
});
after(async () => {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
});

const asked = [1, 2].map((threads) => ({ steps, threads }));

/** Bundles a module of a user's (its text in a file of the folder) as esbuild does for an application. */
async function bundle(name: string, source: string, options: BuildOptions): Promise<string> {
  const out = mkdtempSync(join(folder, `${name}-`));
  const main = join(out, "source.mjs");
  writeFileSync(main, source);
  const { warnings } = await build({
    ...options,
    absWorkingDir: root,
    bundle: true,
    format: "esm",
    outdir: out,
    outExtension: { ".js": ".js" },
    // a package of this name is not installed in the clone
    alias: {
      toeplitz: join(root, "dist/index.js"),
      "toeplitz/node": join(root, "dist/node.js"),
      "toeplitz/browser": join(root, "dist/browser.js"),
    },
    entryPoints: [{ in: main, out: "main" }, ...((options.entryPoints ?? []) as { in: string; out: string }[])],
    logLevel: "silent",
  });
  assert.deepEqual(
    warnings.map(({ text }) => text),
    [],
  );
  return out;
}

function assertSame(found: readonly SmallResult[], tier: string): void {
  assert.deepEqual(
    found.map(({ description }) => description),
    [`wasm ${tier}, 1 thread`, `wasm ${tier}, 2 threads`],
  );
  for (const one of found) assertTrained(one, expected);
  assert.deepEqual(bitsOf(found[1]), bitsOf(found[0]));
}

for (const { name, ...manner } of manners) {
  test(`a page's bundle that is ${name} trains on threads`, async () => {
    const source = `export async function results() { ${trainingBody("toeplitz", "toeplitz/browser", asked)} return results; }`;
    const worker = { in: join(root, "dist/browser-worker.js"), out: "browser-worker" };
    const out = await bundle("page", source, { ...manner, platform: "browser", splitting: true, entryPoints: [worker] });
    assert.ok(readdirSync(out).includes("browser-worker.js"));
    const address = `/bundle/${out.slice(folder.length + 1)}/main.js`;
    const body = `const { results } = await import("${address}"); return results();`;
    assertSame((await browser.run(body, { isolated: true })) as SmallResult[], "relaxed");
  });

  test(`a program's bundle that is ${name} trains on threads`, async () => {
    const source = `${trainingBody(
      "toeplitz",
      "toeplitz/node",
      asked.map((one) => ({ ...one, tier: "relaxed" })),
    )} console.log(JSON.stringify(results));`;
    const out = await bundle("node", source, { ...manner, platform: "node", packages: "external" });
    writeFileSync(join(out, "package.json"), '{ "type": "module" }');
    assertSame(
      JSON.parse(execFileSync(process.execPath, [join(out, "main.js")], { cwd: out, encoding: "utf8", timeout: 60_000 })),
      "relaxed",
    );
  });
}
