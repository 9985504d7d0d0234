import { browserHost } from "./hosts/browser-host.ts";
import { serve } from "./targets/remote/serve.ts";
import { families } from "./targets/wasm/list.ts";
import { wasmTarget } from "./targets/wasm/session.ts";

const scope = globalThis as unknown as {
  postMessage?: (message: unknown, transfer: readonly ArrayBuffer[]) => void;
  addEventListener?: (type: "message", listener: (event: { readonly data: unknown }) => void) => void;
};

/** The coordinator of a page: a worker that owns a session, so that the page never waits. `open` of `toeplitz/browser` starts it. */
serve(
  {
    post: (message, transfer) => scope.postMessage?.(message, transfer),
    onMessage: (listener) => scope.addEventListener?.("message", (event) => listener(event.data)),
  },
  wasmTarget(browserHost, families),
);
