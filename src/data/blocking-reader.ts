import { Worker } from "node:worker_threads";
import { fail } from "../base/errors.ts";
import type { Failure, Request } from "./batch-worker.ts";
import type { ExampleData } from "./dataset.ts";
import { workerUrl } from "./node-threads.ts";
import { errorOf } from "./threads.ts";

/** Reads examples at once, though their decoder answers later: the calling thread sleeps until another one is done. */
export interface BlockingReader {
  /** Writes the stored numbers of an example. Throws ToeplitzError when its file cannot be read. */
  read(row: number, into: Uint8Array): void;
  close(): Promise<void>;
}

/** Longest sleep: a picture takes milliseconds, so that something is wrong by then. */
const patienceMs = 60_000;

/** Least room for an answer: a failure comes as text. */
const leastRoom = 65_536;

/** Prepares reading; the thread starts with the first read and does not keep the process alive. */
export function blockingReader(data: ExampleData): BlockingReader {
  let worker: Worker | undefined;
  let room = new Uint8Array(new SharedArrayBuffer(leastRoom));
  let signal = new Int32Array(new SharedArrayBuffer(8));
  const start = (): Worker => {
    const started = new Worker(workerUrl);
    started.unref();
    // what goes wrong there is found here by the answer that does not come
    started.on("error", () => {});
    started.postMessage({ kind: "open", number: 0, data } satisfies Request);
    return started;
  };
  return {
    read(row, into) {
      worker ??= start();
      if (room.length < into.length) room = new Uint8Array(new SharedArrayBuffer(into.length));
      signal.fill(0);
      worker.postMessage({ kind: "read", row, into: room, signal } satisfies Request);
      if (Atomics.wait(signal, 0, 0, patienceMs) === "timed-out") {
        // a late answer must not be taken for that of the next read
        void worker.terminate();
        worker = undefined;
        room = new Uint8Array(new SharedArrayBuffer(room.length));
        signal = new Int32Array(new SharedArrayBuffer(8));
        fail("data", "reader", "picture", `within ${patienceMs} ms`, "nothing");
      }
      const bytes = room.slice(0, signal[1]);
      if (Atomics.load(signal, 0) === 2) throw errorOf(JSON.parse(new TextDecoder().decode(bytes)) as Failure);
      into.set(bytes);
    },
    close: async () => {
      await worker?.terminate();
      worker = undefined;
    },
  };
}
