import type { RemoteWorker } from "../targets/remote/calls.ts";
import type { CrewWorker, Host } from "../targets/wasm/host.ts";

/** Listens for whatever stops a worker: it cannot be loaded, it may not be started, it throws. */
function onError(worker: Worker, listener: (error: Error) => void): void {
  worker.addEventListener("error", (event) => {
    event.preventDefault();
    listener(new Error(event.message || "its file could not be loaded, or the page's rules forbid it"));
  });
  worker.addEventListener("messageerror", () => listener(new Error("a message could not be read")));
}

/** Starts a worker from text, by an address that lives as long as the worker. */
function startFromText(source: string): CrewWorker {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address);
  return {
    post: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.addEventListener("message", (event) => listener(event.data)),
    onError: (listener) => onError(worker, listener),
    terminate: async () => {
      worker.terminate();
      URL.revokeObjectURL(address);
    },
  };
}

/** The worker that `make` starts; the error where workers do not exist or may not be made. */
export function startModuleWorker(make: () => Worker): RemoteWorker | Error {
  if (typeof Worker === "undefined") return new Error("workers do not exist here");
  try {
    const worker = make();
    return {
      post: (message, transfer) => worker.postMessage(message, [...transfer]),
      onMessage: (listener) => worker.addEventListener("message", (event) => listener(event.data)),
      onError: (listener) => onError(worker, listener),
      terminate: () => worker.terminate(),
    };
  } catch (error) {
    return error as Error;
  }
}

/** Web pages and their workers: threads where the page is cross-origin isolated; engine flags cannot be set. */
export const browserHost: Host = {
  cores: globalThis.navigator?.hardwareConcurrency ?? 1,
  ...(globalThis.crossOriginIsolated === true && typeof Worker !== "undefined" ? { startWorker: startFromText } : {}),
  enableWide: () => false,
  enableRelaxed: () => {},
  compile: (bytes) => WebAssembly.compile(bytes),
};
