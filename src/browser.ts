import type { Session, SessionOptions, Target } from "./graph/session.ts";
import { browserHost, startModuleWorker } from "./hosts/browser-host.ts";
import { openRemote } from "./targets/remote/session.ts";
import { algorithms } from "./targets/wasm/list.ts";
import { wasmTarget } from "./targets/wasm/session.ts";

const direct = wasmTarget(browserHost, algorithms);

/**
 * Opens a session of the wasm target. In a page it lives in a worker, so that the page never waits, and has more than one thread where the
 * page is cross-origin isolated; in a worker it runs there. Where no worker can start, it runs in the page itself, on one thread.
 * Throws: when the options are wrong, or there is no memory.
 *
 * Example: `const session = await open({ threads: 4 });`
 */
export async function open(options: SessionOptions = {}): Promise<Session> {
  if (typeof document === "undefined") return direct.open(options);
  const worker = startModuleWorker(() => new Worker(new URL("./browser-worker.js", import.meta.url), { type: "module" }));
  const session = worker === null ? null : await openRemote(worker, options);
  // a page may not wait for threads
  return session ?? direct.open({ ...options, threads: 1 });
}

/** The wasm target of a page or a worker. */
export const target: Target = { open };
