import { readFile } from "node:fs/promises";
import { arch, availableParallelism, cpus, platform, release } from "node:os";

/** Version of this package. */
export async function packageVersion(): Promise<string> {
  // the build joins this file with others, right below dist
  const up = import.meta.url.endsWith(".ts") ? "../.." : "..";
  const text = await readFile(new URL(`${up}/package.json`, import.meta.url), "utf8");
  return String((JSON.parse(text) as { version?: string }).version);
}

/** What a run was made with, for config files and reports. */
export async function describeEnvironment(session: string): Promise<Record<string, string | number>> {
  const processor = cpus()[0]?.model.trim() ?? "unknown";
  return {
    toeplitz: await packageVersion(),
    node: process.version,
    processor: `${processor}, ${availableParallelism()} cores`,
    system: `${platform()} ${arch()} ${release()}`,
    target: session,
  };
}
