import { spawn } from "node:child_process";
import { root } from "./source-files.ts";

export interface Outcome {
  readonly code: number;
  readonly output: string;
  readonly seconds: number;
}

/** Runs one of the project's Node programs to its end; keeps what it prints. */
export function runNode(...args: readonly string[]): Promise<Outcome> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [...args], { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
    const parts: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (part: Buffer) => parts.push(part));
    child.on("error", reject);
    child.on("close", (code) => {
      resolve({ code: code ?? 1, output: Buffer.concat(parts).toString(), seconds: (performance.now() - start) / 1000 });
    });
  });
}
