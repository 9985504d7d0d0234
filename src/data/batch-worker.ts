import { type Problem, ToeplitzError } from "../base/errors.ts";
import type { ExampleData, FillJob } from "./dataset.ts";
import { type Filler, openFiller } from "./fill.ts";

/** What a thread is asked to do. */
export type Request =
  | { readonly kind: "open"; readonly number: number; readonly data: ExampleData }
  | { readonly kind: "fill"; readonly number: number; readonly job: FillJob }
  | { readonly kind: "read"; readonly row: number; readonly into: Uint8Array; readonly signal: Int32Array };

/** What a thread answers to `open` and `fill`. */
export interface Answer {
  readonly number: number;
  readonly failure?: Failure;
}

/** An error as plain data. */
export interface Failure {
  readonly message: string;
  readonly error?: { readonly room: string; readonly where: string; readonly problems: readonly Problem[] };
}

function failureOf(thrown: unknown): Failure {
  if (thrown instanceof ToeplitzError)
    return { message: thrown.message, error: { room: thrown.room, where: thrown.where, problems: thrown.problems } };
  return { message: thrown instanceof Error ? thrown.message : String(thrown) };
}

let filler: Filler | undefined;

async function answer(request: Request): Promise<Answer | undefined> {
  if (request.kind === "open") {
    filler = openFiller(request.data);
    return { number: request.number };
  }
  if (filler === undefined) throw new Error("examples were not opened");
  if (request.kind === "fill") {
    await filler.fill(request.job);
    return { number: request.number };
  }
  // the asking thread sleeps on `signal`: 1 = done, 2 = failed, the failure as text in `into`
  const { row, into, signal } = request;
  try {
    const numbers = await filler.load(row);
    into.set(numbers);
    signal[1] = numbers.length;
    Atomics.store(signal, 0, 1);
  } catch (thrown) {
    const text = new TextEncoder().encode(JSON.stringify(failureOf(thrown))).subarray(0, into.length);
    into.set(text);
    signal[1] = text.length;
    Atomics.store(signal, 0, 2);
  }
  Atomics.notify(signal, 0);
  return undefined;
}

async function serve(request: Request, post: (reply: Answer) => void): Promise<void> {
  try {
    const reply = await answer(request);
    if (reply !== undefined) post(reply);
  } catch (thrown) {
    if (request.kind !== "read") post({ number: request.number, failure: failureOf(thrown) });
  }
}

if (typeof process === "object" && process.release?.name === "node") {
  // no await: bundlers may write a worker in a form that has none outside of functions
  void import("./node-threads.ts").then(({ parentPort }) => {
    parentPort?.on("message", (request: Request) => serve(request, (reply) => parentPort.postMessage(reply)));
  });
} else {
  const scope = globalThis as unknown as { onmessage: (event: MessageEvent<Request>) => void; postMessage(message: Answer): void };
  scope.onmessage = ({ data }) => serve(data, (reply) => scope.postMessage(reply));
}
