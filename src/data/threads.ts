import { ToeplitzError } from "../base/errors.ts";
import type { Answer, Failure, Request } from "./batch-worker.ts";
import type { ExampleData, FillingThreads, FillJob } from "./dataset.ts";

/** True where memory can be shared between threads. */
export const canShare =
  typeof SharedArrayBuffer === "function" && (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated !== false;

/** Bytes in shared memory where there is some. */
export function sharedBytes(length: number): ArrayBuffer {
  // typed arrays over either buffer are used alike; the types of the library keep them apart
  return canShare ? (new SharedArrayBuffer(length) as unknown as ArrayBuffer) : new ArrayBuffer(length);
}

/** The two kinds of threads (Node's and the browser's), seen alike. */
interface Thread {
  post(request: Request): void;
  /** A held thread keeps the process alive. */
  hold(isHeld: boolean): void;
  end(): Promise<void>;
}

interface Listener {
  answer(answer: Answer): void;
  broken(reason: string): void;
}

async function startThread(listener: Listener): Promise<Thread | undefined> {
  if (typeof process === "object" && process.release?.name === "node") {
    const { Worker, workerUrl } = await import("./node-threads.ts");
    const worker = new Worker(workerUrl);
    worker.unref();
    worker.on("message", (answer: Answer) => listener.answer(answer));
    worker.on("error", (error: Error) => listener.broken(error.message));
    worker.on("exit", (code) => listener.broken(`it ended with code ${code}`));
    return {
      post: (request) => worker.postMessage(request),
      hold: (isHeld) => (isHeld ? worker.ref() : worker.unref()),
      end: async () => void (await worker.terminate()),
    };
  }
  if (typeof Worker !== "function") return undefined;
  // in these words, by which bundlers know a worker; a page only ever has the JavaScript
  const worker = new Worker(new URL("./batch-worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<Answer>) => listener.answer(data);
  worker.onerror = (event) => listener.broken(event.message ?? "it could not be loaded");
  return { post: (request) => worker.postMessage(request), hold: () => {}, end: async () => worker.terminate() };
}

/** Rebuilds the error of another thread. */
export function errorOf({ message, error }: Failure): Error {
  return error === undefined ? new Error(message) : new ToeplitzError(error.room, error.where, error.problems);
}

interface Waiting {
  readonly kept: () => void;
  readonly broken: (error: Error) => void;
}

/** One thread and the requests that it has not answered yet. */
class Filling {
  readonly waiting = new Map<number, Waiting>();
  isBroken = false;
  #thread: Thread | undefined;
  #next = 0;

  async open(data: ExampleData): Promise<boolean> {
    this.#thread = await startThread({
      answer: ({ number, failure }) => {
        const waiting = this.waiting.get(number);
        this.waiting.delete(number);
        if (this.waiting.size === 0) this.#thread?.hold(false);
        if (failure === undefined) waiting?.kept();
        else waiting?.broken(errorOf(failure));
      },
      broken: (reason) => {
        this.isBroken = true;
        for (const { broken } of this.waiting.values()) broken(new Error(`a thread that fills batches stopped: ${reason}`));
        this.waiting.clear();
      },
    });
    if (this.#thread === undefined) return false;
    return this.request((number) => ({ kind: "open", number, data })).then(
      () => true,
      () => false,
    );
  }

  request(make: (number: number) => Request): Promise<void> {
    return new Promise((kept, broken) => {
      if (this.isBroken) return broken(new Error("a thread that fills batches has stopped"));
      const number = this.#next++;
      this.waiting.set(number, { kept, broken });
      this.#thread?.hold(true);
      this.#thread?.post(make(number));
    });
  }

  async end(): Promise<void> {
    await this.#thread?.end();
  }
}

/** Threads without work for this long are ended; the next batch starts others. */
const idleMs = 10_000;

/** Threads that read the same examples; made when first asked for. */
export class ThreadPool {
  readonly #data: ExampleData;
  #threads: Promise<readonly Filling[]> | undefined;
  #idle: ReturnType<typeof setTimeout> | undefined;

  constructor(data: ExampleData) {
    this.#data = data;
  }

  /** At least one and at most `count` threads; undefined where there are none. */
  async open(count: number): Promise<FillingThreads | undefined> {
    if (!canShare || (await this.#alive(count)).length === 0) return undefined;
    return {
      fill: async (job: FillJob) => {
        clearTimeout(this.#idle);
        // threads that were idle for long have ended: others take their place
        const threads = await this.#alive(count);
        if (threads.length === 0) throw new Error("no thread to fill batches could be started");
        const quietest = threads.reduce((least, thread) => (thread.waiting.size < least.waiting.size ? thread : least));
        try {
          await quietest.request((number) => ({ kind: "fill", number, job }));
        } finally {
          this.#watch();
        }
      },
    };
  }

  async #alive(count: number): Promise<readonly Filling[]> {
    this.#threads ??= this.#start(count);
    const threads = await this.#threads;
    return threads.filter((thread) => !thread.isBroken);
  }

  async #start(count: number): Promise<readonly Filling[]> {
    const threads = Array.from({ length: count }, () => new Filling());
    const opened = await Promise.all(threads.map((thread) => thread.open(this.#data)));
    return threads.filter((_, index) => opened[index]);
  }

  #watch(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => void this.close(), idleMs);
    (this.#idle as { unref?: () => void }).unref?.();
  }

  async close(): Promise<void> {
    clearTimeout(this.#idle);
    const threads = await this.#threads;
    this.#threads = undefined;
    await Promise.all((threads ?? []).map((thread) => thread.end()));
  }
}
