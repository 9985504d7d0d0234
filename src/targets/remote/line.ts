import { fail } from "../../base/errors.ts";
import type { CallName, Calls, RemoteWorker, Reply, Request } from "./calls.ts";
import { unpackError } from "./errors.ts";

interface Waiting {
  readonly resolve: (answer: unknown) => void;
  readonly reject: (error: Error) => void;
}

/** A line to a worker: calls go out under a number and wait for the answer of that number. */
export class Line {
  readonly #worker: RemoteWorker;
  readonly #waiting = new Map<number, Waiting>();
  readonly #ready: Promise<void>;
  #calls = 0;
  #failure: Error | null = null;
  #ended = false;

  constructor(worker: RemoteWorker) {
    this.#worker = worker;
    this.#ready = new Promise((resolve, reject) => {
      worker.onMessage((message) => {
        const reply = message as Reply;
        if (reply.id === "ready") resolve();
        else this.#settle(reply);
      });
      worker.onError((error) => {
        this.#break(error);
        reject(error);
      });
    });
    // whoever opens a session looks at it; until then a failure is no stray rejection
    this.#ready.catch(() => {});
  }

  /** Waits until the worker has started. Throws: when it cannot. */
  ready(): Promise<void> {
    return this.#ready;
  }

  get ended(): boolean {
    return this.#ended;
  }

  call<Name extends CallName>(
    name: Name,
    sent: Calls[Name]["sent"],
    transfer: readonly ArrayBuffer[] = [],
  ): Promise<Calls[Name]["answer"]> {
    return new Promise((resolve, reject) => {
      if (this.#ended) fail("session", "", "session", "open", "closed");
      if (this.#failure !== null) throw this.#failure;
      const id = ++this.#calls;
      this.#waiting.set(id, { resolve: resolve as Waiting["resolve"], reject });
      try {
        this.#worker.post({ id, name, sent } satisfies Request<Name>, transfer);
      } catch (error) {
        this.#waiting.delete(id);
        throw error;
      }
    });
  }

  #settle(reply: Exclude<Reply, { id: "ready" }>): void {
    const waiting = this.#waiting.get(reply.id);
    this.#waiting.delete(reply.id);
    if ("error" in reply) waiting?.reject(unpackError(reply.error));
    else waiting?.resolve(reply.answer);
  }

  #break(error: Error): void {
    this.#failure = error;
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /** Ends the worker at once; calls that still wait fail. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#worker.terminate();
    try {
      fail("session", "", "session", "open", "closed");
    } catch (error) {
      this.#break(error as Error);
    }
  }
}
