import { globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository's root folder. */
export const root: string = join(dirname(fileURLToPath(import.meta.url)), "..");

/** Reads the files that match the patterns, as path (from the root, with /) and text, in order of path. */
export function readSources(...patterns: readonly string[]): Map<string, string> {
  const found = globSync([...patterns], { cwd: root, exclude: ["**/node_modules"] });
  const paths = found.map((path) => path.replaceAll("\\", "/")).sort();
  return new Map(paths.map((path) => [path, readFileSync(join(root, path), "utf8")]));
}
