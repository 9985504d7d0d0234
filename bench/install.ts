import { execFileSync, spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { bundlePackage } from "../tools/bundle.ts";

const folder = fileURLToPath(new URL(".", import.meta.url));

const versionIn = (path: string): string | undefined => {
  try {
    return (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version;
  } catch {
    return undefined;
  }
};

/** Installs the bench's own packages where one is absent or of another version, and says so. */
export function installPeers(say: (text: string) => void): void {
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { dependencies: Record<string, string> };
  const wrong = Object.entries(dependencies).filter(
    ([name, version]) => versionIn(join(folder, "node_modules", name, "package.json")) !== version,
  );
  if (wrong.length === 0) return;
  say(`bench: installing the peers into bench/node_modules (once, about 750 MB): ${wrong.map(([name]) => name).join(", ")}`);
  // onnxruntime-node's script would fetch GPU libraries, which are not used
  const words = ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"];
  const npm = process.env.npm_execpath;
  const [program, ...first] = npm?.endsWith(".js") === true ? [process.execPath, npm] : ["npm"];
  const { status } = spawnSync(program, [...first, ...words], { cwd: folder, stdio: ["ignore", 2, 2] });
  if (status !== 0) throw new Error(`bench: \`npm ${words.join(" ")}\` failed`);
}

/** Builds the package, as it would be published, into a folder that git ignores; returns the folder. */
export async function buildPackage(): Promise<string> {
  const target = join(folder, "..", ".cache", "bench-build");
  rmSync(target, { recursive: true, force: true });
  await bundlePackage(target);
  return target;
}

/** What to type where PyTorch is absent, or multiplies matrices with the slow reference BLAS. */
export const pytorchCommand = "apt-get update && apt-get install -y --no-install-recommends python3-torch libopenblas0-pthread";

/** The first Python that can import torch: $TOEPLITZ_PYTHON, python3, /usr/bin/python3. */
export function findPytorch(): string | undefined {
  const candidates = [process.env.TOEPLITZ_PYTHON, "python3", "/usr/bin/python3"];
  return candidates
    .filter((python) => python !== undefined)
    .find((python) => {
      try {
        execFileSync(python, ["-c", "import torch"], { stdio: "ignore", timeout: 60_000 });
        return true;
      } catch {
        return false;
      }
    });
}
