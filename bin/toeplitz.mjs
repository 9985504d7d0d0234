#!/usr/bin/env node
// Starts the command line: from src where this Node runs TypeScript as it is (a clone), else from dist (the package).
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

const source = new URL("../src/cli/main.ts", import.meta.url);
const built = new URL("../dist/cli/main.js", import.meta.url);
const pinned = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));

/** Runs this same file with the Node that the clone pins, and passes its end on. */
function restartWith(node) {
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: "inherit" });
  // a terminal sends Ctrl-C to both: the child decides, and may take its time to write a checkpoint
  process.on("SIGINT", () => process.stdin.isTTY || child.kill("SIGINT"));
  for (const signal of ["SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
}

let isUnread = false;

/** Nobody reads on (`| head`): a training ends as by a signal, with a checkpoint, anything else at once. */
function stopUnread(error) {
  if (error.code !== "EPIPE") throw error;
  if (isUnread) return;
  isUnread = true;
  if (process.listenerCount("SIGTERM") > 0) process.kill(process.pid, "SIGTERM");
  else process.exit(128 + constants.signals.SIGPIPE);
}

async function start(entry) {
  const { main } = await import(entry.href);
  process.stdout.on("error", stopUnread);
  process.exitCode = await main(process.argv.slice(2));
}

if (existsSync(source) && process.features.typescript) await start(source);
else if (existsSync(source) && existsSync(pinned) && process.execPath !== pinned) restartWith(pinned);
else if (existsSync(built)) await start(built);
else {
  const fix = "Run `npm ci && npm run build` in the folder of the project, or install the published package.";
  console.error(`toeplitz(start): program: expected ${fileURLToPath(built)}; received nothing there (Node ${process.version}). ${fix}`);
  process.exitCode = 2;
}
