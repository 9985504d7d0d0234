import type { Host } from "../targets/wasm/host.ts";

/** Web pages and their workers: threads where the page is cross-origin isolated; engine flags cannot be set. */
export const browserHost: Host = {
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  ...(globalThis.crossOriginIsolated === true && typeof Worker !== "undefined"
    ? {
        startWorker: (source: string) => {
          const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const worker = new Worker(address);
          return {
            post: (message: unknown) => worker.postMessage(message),
            onMessage: (listener: (message: unknown) => void) => worker.addEventListener("message", (event) => listener(event.data)),
            onError: (listener: (error: Error) => void) => worker.addEventListener("error", (event) => listener(new Error(event.message))),
            terminate: () => {
              worker.terminate();
              URL.revokeObjectURL(address);
            },
          };
        },
      }
    : {}),
  enableWide: () => false,
  enableRelaxed: () => {},
  compile: (bytes) => WebAssembly.compile(bytes),
};
