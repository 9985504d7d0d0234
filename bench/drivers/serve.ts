import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { size } from "../../src/base/types.ts";
import type { CaseFile, Placed } from "../cases/case.ts";
import type { RoutineSamples } from "./routine.ts";

/** A loaded case, ready to run. */
export interface Loaded {
  /** One forward pass from host arrays to a host array (channels first), or one training step; returns outputs or the loss before the step. */
  call(): Promise<Float32Array> | Float32Array;
  /** Times of the main routine alone over so many ms, after a call; absent where the contender cannot tell. */
  routine?: ((ms: number) => RoutineSamples) | undefined;
  close?(): Promise<void> | void;
}

/** A contender: loads a case for a number of threads, or throws `Refused` with the sentence to show. */
export type Load = (source: LoadedCase, threads: number) => Promise<Loaded>;

/** The contender cannot run the case; the message says why. */
export class Refused extends Error {}

/** A case with its numbers. */
export interface LoadedCase extends CaseFile {
  numbersOf(entry: Placed): Float32Array;
}

export function readCase(path: string): LoadedCase {
  const file = JSON.parse(readFileSync(path, "utf8")) as CaseFile;
  const bytes = readFileSync(file.numbers);
  const cells = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
  return { ...file, numbersOf: ({ offset, shape }) => cells.subarray(offset, offset + size(shape)) };
}

/** What main asks; one JSON object per line. */
export type Request =
  | { readonly do: "load"; readonly case: string; readonly threads: number }
  | { readonly do: "outputs"; readonly file: string }
  | { readonly do: "run"; readonly ms: number }
  | { readonly do: "routine"; readonly ms: number };

/** What a driver answers. `first` reports the time of the first call before the outputs are complete. */
export type Reply =
  | { readonly ready: string }
  | { readonly refused: string }
  | { readonly first: number }
  | { readonly outputs: number }
  | { readonly routine: RoutineSamples | null }
  | { readonly calls: number; readonly ms: number };

const reply = (value: Reply): void => {
  process.stdout.write(`${JSON.stringify(value)}\n`);
};

/**
 * Serves a contender on standard input and output. With the arguments `--first CASE THREADS` it loads the case, makes one call, says so and ends.
 * `version` names the library in the tables.
 */
export async function serve(version: () => string, load: Load): Promise<void> {
  // libraries greet on standard output, which carries the replies
  for (const name of ["log", "info", "warn", "debug"] as const) console[name] = (...words: unknown[]) => console.error(...words);
  const [flag, path, count] = process.argv.slice(2);
  if (flag === "--first") {
    const started = performance.now();
    const loaded = await load(readCase(path), Number(count));
    await loaded.call();
    reply({ first: performance.now() - started });
    process.exit(0);
  }
  let source: LoadedCase | undefined;
  let loaded: Loaded | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const request = JSON.parse(line) as Request;
    try {
      if (request.do === "load") {
        await loaded?.close?.();
        source = readCase(request.case);
        loaded = await load(source, request.threads);
        reply({ ready: version() });
        continue;
      }
      if (loaded === undefined || source === undefined) throw new Refused("no case is loaded");
      if (request.do === "outputs") await outputs(source, loaded, request.file);
      else if (request.do === "routine") reply({ routine: loaded.routine?.(request.ms) ?? null });
      else await run(loaded, request.ms);
    } catch (error) {
      if (!(error instanceof Refused)) console.error(error);
      loaded = undefined;
      reply({ refused: error instanceof Error ? error.message.split("\n")[0] : String(error) });
    }
  }
  process.exit(0);
}

async function outputs(source: LoadedCase, loaded: Loaded, file: string): Promise<void> {
  const parts: Float32Array[] = [];
  for (let step = 0; step < source.steps; step++) {
    const started = performance.now();
    const result = await loaded.call();
    parts.push(result.slice());
    if (step === 0) reply({ first: performance.now() - started });
  }
  const cells = parts.reduce((total, part) => total + part.length, 0);
  const all = new Float32Array(cells);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  writeFileSync(file, new Uint8Array(all.buffer));
  reply({ outputs: cells });
}

async function run(loaded: Loaded, least: number): Promise<void> {
  let calls = 0;
  let ms = 0;
  const started = performance.now();
  while (ms < least) {
    const result = loaded.call();
    if (result instanceof Promise) await result;
    calls++;
    ms = performance.now() - started;
  }
  reply({ calls, ms });
}
