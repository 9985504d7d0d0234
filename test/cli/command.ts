import { type ChildProcess, spawn, spawnSync } from "node:child_process";

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { encode } from "fast-png";
import { random } from "../../src/base/random.ts";
import { main } from "../../src/cli/main.ts";
import { root } from "../../tools/source-files.ts";

const bin = join(root, "bin/toeplitz.mjs");

/** How a command ended, and what it said. */
export interface Called {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly lines: readonly string[];
}

/** A folder of its own to run commands in, removed at the end. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), "toeplitz-cli-"));

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  write(name: string, content: Uint8Array | string): string {
    const path = this.path(name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, content);
    return path;
  }

  /** Runs a command in this process, in the folder. */
  async call(...argv: string[]): Promise<Called> {
    const before = process.cwd();
    const texts = { stdout: "", stderr: "" };
    const stream = (name: keyof typeof texts) => ({
      write(text: string): void {
        texts[name] += text;
      },
    });
    process.chdir(this.folder);
    try {
      const code = await main(argv, { stdout: stream("stdout"), stderr: stream("stderr"), env: {} });
      return { code, ...texts, lines: texts.stdout.trimEnd().split("\n") };
    } finally {
      process.chdir(before);
    }
  }

  /** Runs a command in a process of its own, to its end. */
  run(...argv: string[]): Called {
    const { status, stdout, stderr } = spawnSync(process.execPath, [bin, ...argv], {
      cwd: this.folder,
      encoding: "utf8",
      timeout: 120_000,
    });
    return { code: status, stdout, stderr, lines: stdout.trimEnd().split("\n") };
  }

  /** The JSON events of a command that ends well. */
  async events(...argv: string[]): Promise<Record<string, unknown>[]> {
    const { code, stderr, lines } = await this.call(...argv, "--json");
    if (code !== 0) throw new Error(`${argv.join(" ")} ended with ${code}: ${stderr}`);
    return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  start(...argv: string[]): Started {
    return new Started(spawn(process.execPath, [bin, ...argv], { cwd: this.folder, stdio: ["ignore", "pipe", "pipe"] }));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A command that runs beside the test. */
export class Started {
  readonly child: ChildProcess;
  stdout = "";
  stderr = "";
  readonly ended: Promise<number | null>;
  #hasEnded = false;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = new Promise((resolve) => {
      child.on("close", (code) => {
        this.#hasEnded = true;
        resolve(code);
      });
    });
  }

  /** Waits until the output says something. */
  async says(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.stdout)) {
      if (this.#hasEnded) throw new Error(`it ended without ${pattern}: ${this.stdout}${this.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** A grey picture of 16 x 16: stripes across (class 0) or along (class 1), with noise. */
export function stripes(label: number, seed: number): Uint8Array {
  const draw = random(seed, label);
  const phase = draw.integer(0, 3);
  const data = Uint8Array.from({ length: 256 }, (_, cell) => {
    const line = label === 0 ? Math.floor(cell / 16) : cell % 16;
    return Math.min(255, ((line + phase) % 4 < 2 ? 40 : 190) + draw.integer(0, 40));
  });
  return encode({ width: 16, height: 16, data, channels: 1, depth: 8 });
}

/** Writes `count` pictures of both classes into class folders. */
export function writeStripes(place: Workplace, folder: string, count: number): void {
  for (let index = 0; index < count; index++) {
    place.write(`${folder}/across/${index}.png`, stripes(0, index));
    place.write(`${folder}/along/${index}.png`, stripes(1, index));
  }
}
