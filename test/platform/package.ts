/** The built package as a user gets it: packed, installed in an empty folder, run by any Node. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NodeMajor, nodeProgram } from "../../tools/setup-tests.ts";
import { root } from "../../tools/source-files.ts";

/** Every Node that the package is tested on: its program by its major version. */
export const nodes: ReadonlyMap<number, string> = new Map([
  ...([20, 22] as const satisfies NodeMajor[]).map((major) => [major, nodeProgram(major)] as const),
  [24, process.execPath],
]);

/** The entries of package.json: `toeplitz`, `toeplitz/node`, ... and the file of each in the package. */
export const entries: ReadonlyMap<string, string> = new Map(
  Object.entries(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).exports as Record<string, string | { default: string }>)
    .filter((entry): entry is [string, { default: string }] => typeof entry[1] !== "string")
    .map(([name, { default: file }]) => [name.replace(".", "toeplitz"), file]),
);

export interface Installed {
  /** The user's folder, with the package in node_modules. */
  readonly folder: string;
  /** What the package holds, paths from its root. */
  readonly files: readonly string[];
  remove(): void;
}

/** Packs the project as `npm publish` would (dist must be built) and installs it in a new folder. */
export function installPackage(): Installed {
  const folder = mkdtempSync(join(tmpdir(), "toeplitz-package-"));
  const npm = (cwd: string, ...args: readonly string[]): string => execFileSync("npm", args, { cwd, encoding: "utf8" });
  // the build has run: packing must not run it again while other tests read dist
  const [packed] = JSON.parse(npm(root, "pack", "--json", "--ignore-scripts", "--pack-destination", folder));
  writeFileSync(join(folder, "package.json"), '{ "private": true, "type": "module" }\n');
  npm(folder, "install", "--no-audit", "--no-fund", "--prefer-offline", join(folder, packed.filename));
  const files = (packed.files as readonly { path: string }[]).map(({ path }) => path);
  return { folder, files, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

export interface RunOptions {
  readonly seconds?: number;
  /** Variables of the environment beside the inherited ones. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs a module in the user's folder and returns what it prints as JSON. Throws with everything it printed when it fails or takes longer
 * than `seconds`.
 *
 * Example: `runModule(nodes.get(20), installed, 'import { conv } from "toeplitz"; console.log(JSON.stringify(typeof conv));')`
 */
export function runModule(node: string, { folder }: Installed, source: string, { seconds = 60, env = {} }: RunOptions = {}): unknown {
  const file = join(folder, "main.mjs");
  writeFileSync(file, source);
  return JSON.parse(
    execFileSync(node, [file], { cwd: folder, encoding: "utf8", timeout: seconds * 1000, env: { ...process.env, ...env } }),
  );
}
