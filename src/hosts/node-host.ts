import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import v8 from "node:v8";
import { Worker } from "node:worker_threads";
import type { Host } from "../targets/wasm/host.ts";

const major = Number(process.versions.node.split(".")[0]);

/** Whether this processor has 256-bit multiply-add; where the system does not tell, x64 is taken to have it. */
function hasWideUnits(): boolean {
  if (process.arch !== "x64") return false;
  try {
    const flags = readFileSync("/proc/cpuinfo", "utf8");
    return /\bavx2\b/.test(flags) && /\bfma\b/.test(flags);
  } catch {
    return true;
  }
}

let wide: boolean | null = null;

/** Node: worker threads, and V8 flags that are set when the first session is opened (`TOEPLITZ_V8_FLAGS=0` leaves them alone). */
export const nodeHost: Host = {
  cores: availableParallelism(),
  startWorker: (source) => {
    const worker = new Worker(source, { eval: true });
    worker.unref();
    return {
      post: (message) => worker.postMessage(message),
      onMessage: (listener) => worker.on("message", listener),
      onError: (listener) => worker.on("error", listener),
      terminate: async () => {
        await worker.terminate();
      },
    };
  },
  enableWide: () => {
    if (wide === null) {
      wide = mayFlag() && major >= 24 && hasWideUnits();
      if (wide) v8.setFlagsFromString("--experimental-wasm-revectorize");
    }
    return wide;
  },
  enableRelaxed: () => {
    if (mayFlag() && major < 22) v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  },
  compile: async (bytes) => {
    if (!mayFlag()) return new WebAssembly.Module(bytes);
    // all functions at once, on all cores, with the optimising compiler; the asynchronous call reads the flags too late
    v8.setFlagsFromString("--no-wasm-lazy-compilation");
    v8.setFlagsFromString("--no-liftoff");
    try {
      return new WebAssembly.Module(bytes);
    } finally {
      v8.setFlagsFromString("--wasm-lazy-compilation");
      v8.setFlagsFromString("--liftoff");
    }
  },
};

const mayFlag = (): boolean => process.env.TOEPLITZ_V8_FLAGS !== "0";
