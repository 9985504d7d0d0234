import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type BuildOptions, build, type Metafile, type Plugin, transform } from "esbuild";
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

/** What is loaded in threads that fill batches, which need no more than a few files: no part has these modules and what they import. */
const apart = ["data/batch-worker", "data/picture-loader", "data/node-threads"];

/**
 * What nearly every program needs, each part in one file: modules that all of these entries import at once and that no part before has.
 * A file costs Node a third of a millisecond beside its bytes.
 */
const parts: Readonly<Record<string, readonly string[]>> = { core: ["index"], run: ["browser", "node"], node: ["node"] };

const common = {
  absWorkingDir: root,
  write: false,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "es2022",
  packages: "external",
  logLevel: "warning",
} as const satisfies BuildOptions;

/** Writes the JavaScript of the package: a few files, since loading 200 takes Node longer than compiling a net. */
export async function bundlePackage(folder: string): Promise<void> {
  const { outputFiles } = await build({
    ...common,
    entryPoints: Object.fromEntries([
      ...Object.entries(builtFrom).map(([name, path]) => [name, fileOf(path)]),
      ...Object.keys(parts).map((name) => [`part-${name}`, `part:${name}`]),
    ]),
    outdir: folder,
    plugins: [partsPlugin(await ownersOf())],
  });
  for (const { path, text } of outputFiles) {
    mkdirSync(dirname(path), { recursive: true });
    const up = relative(dirname(path), folder);
    // importing does nothing here: imports for the order alone would make a user's bundler warn
    const kept = text.replaceAll(/^import "\.[^"]*";\n/gm, "");
    const placed = up === "" ? kept : kept.replaceAll(/(?<= from )"\.\/(?=part-)/g, `"${up}/`);
    // without indentation a tenth less is read; names stay, for stack traces
    writeFileSync(path, (await transform(placed, { minifyWhitespace: true, lineLimit: 160, target: common.target })).code);
  }
}

const fileOf = (path: string): string => join(root, "src", `${path}.ts`);

/** A module of a part: which part, its number in it, and the names that it exports. */
interface Owned {
  readonly part: string;
  readonly number: number;
  readonly exports: readonly string[];
}

async function ownersOf(): Promise<Map<string, Owned>> {
  const entries = [...new Set([...Object.values(parts).flat(), ...apart])];
  const { metafile } = await build({ ...common, metafile: true, entryPoints: entries.map(fileOf), outdir: root });
  const closures = new Map(entries.map((path) => [path, closureOf(metafile, `src/${path}.ts`)]));
  const taken = new Set(apart.flatMap((path) => [...(closures.get(path) ?? [])]));
  const files = new Map<string, string>();
  for (const [part, [first, ...others]] of Object.entries(parts)) {
    for (const file of closures.get(first) ?? []) {
      if (taken.has(file) || !others.every((path) => closures.get(path)?.has(file))) continue;
      taken.add(file);
      files.set(file, part);
    }
  }
  const alone = await build({ ...common, metafile: true, entryPoints: [...files.keys()], outdir: root, outbase: root });
  const exportsOf = new Map(Object.values(alone.metafile.outputs).map(({ entryPoint, exports }) => [entryPoint, exports]));
  return new Map([...files].map(([file, part], number) => [join(root, file), { part, number, exports: exportsOf.get(file) ?? [] }]));
}

/** A file and what it imports at once. */
function closureOf({ inputs }: Metafile, entry: string): Set<string> {
  const found = new Set([entry]);
  for (const path of found)
    for (const { path: next, kind, external } of inputs[path].imports)
      if (kind === "import-statement" && external !== true) found.add(next);
  return found;
}

const exportList = ({ number, exports }: Owned, print: (name: string, unique: string) => string): string =>
  exports.map((name) => print(name, `m${number}_${name}`)).join(",");

/** Sends imports of a part's modules from outside to the file of the part, which exports what they export under unique names. */
function partsPlugin(owners: ReadonlyMap<string, Owned>): Plugin {
  return {
    name: "parts",
    setup({ onResolve, onLoad, resolve }) {
      onResolve({ filter: /^part:/ }, ({ path }) => ({ path: path.slice("part:".length), namespace: "part", sideEffects: false }));
      onResolve({ filter: /^\.\/part-/ }, ({ path }) => ({ path, external: true, sideEffects: false }));
      onResolve({ filter: /^\.{1,2}\/|^\// }, async ({ path: asked, pluginData, ...from }) => {
        if (pluginData === "seen" || from.namespace === "part") return undefined;
        const found = await resolve(asked, { ...from, pluginData: "seen" });
        const owner = owners.get(found.path);
        if (owner === undefined || owner.part === owners.get(from.importer)?.part) return found;
        // one for each importer: what several share would become a file
        const path = from.kind === "import-statement" ? `${found.path}?${from.importer}` : found.path;
        return { path, namespace: "owned", sideEffects: false };
      });
      onLoad({ filter: /.*/, namespace: "part" }, ({ path: part }) => ({
        resolveDir: root,
        contents: [...owners]
          .filter(([, owner]) => owner.part === part)
          .map(([file, owner]) => `export{${exportList(owner, (name, unique) => `${name} as ${unique}`)}}from${JSON.stringify(file)};`)
          .join("\n"),
      }));
      onLoad({ filter: /.*/, namespace: "owned" }, ({ path }) => {
        const owner = owners.get(path.split("?")[0]) as Owned;
        return {
          resolveDir: root,
          contents: `export{${exportList(owner, (name, unique) => `${unique} as ${name}`)}}from"./part-${owner.part}.js"`,
        };
      });
    },
  };
}
