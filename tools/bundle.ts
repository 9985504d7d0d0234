import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { build } from "esbuild";
import { root } from "./source-files.ts";

/**
 * The files of dist that are loaded by their address, and what of src they are built from: the entries of package.json, the command, workers, and what bundles for pages leave out (`browser` in
 * package.json). All but the command lie side by side in dist, for the addresses of workers are written as seen from any of them.
 */
export const builtFrom: Readonly<Record<string, string>> = {
  index: "index",
  ops: "ops",
  node: "node",
  browser: "browser",
  "browser-worker": "browser-worker",
  "cli/main": "cli/main",
  "batch-worker": "data/batch-worker",
  "node-threads": "data/node-threads",
  "picture-loader": "data/picture-loader",
  "write-file": "formats/write-file",
};

/** Writes the JavaScript of the package: a few files, since loading 200 takes Node longer than compiling a net. */
export async function bundlePackage(folder: string): Promise<void> {
  const { outputFiles } = await build({
    absWorkingDir: root,
    write: false,
    entryPoints: Object.fromEntries(Object.entries(builtFrom).map(([name, path]) => [name, join(root, "src", `${path}.ts`)])),
    outdir: folder,
    bundle: true,
    splitting: true,
    format: "esm",
    platform: "node",
    target: "es2022",
    packages: "external",
    logLevel: "warning",
  });
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    // importing does nothing here: imports for the order alone would make a user's bundler warn
    writeFileSync(path, text.replaceAll(/^import "\.[^"]*";\n/gm, ""));
  }
}
