import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import v8 from "node:v8";
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
    // with its streams it takes Node 8 ms, which one thread need not wait for
    const { Worker } = createRequire(import.meta.url)("node:worker_threads") as typeof import("node:worker_threads");
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
  compile: async (bytes, quickly) => {
    if (!mayFlag()) return new WebAssembly.Module(bytes);
    // quickly: a first call queues its function for the optimising compiler's threads. Fully: all functions at once, on all cores,
    // with that compiler; the asynchronous call reads the flags too late
    const [set, reset] = quickly ? tieringFlags : fullFlags;
    for (const flag of set) v8.setFlagsFromString(flag);
    try {
      return new WebAssembly.Module(bytes);
    } finally {
      for (const flag of reset) v8.setFlagsFromString(flag);
    }
  },
};

const fullFlags = [
  ["--no-wasm-lazy-compilation", "--no-liftoff"],
  ["--wasm-lazy-compilation", "--liftoff"],
] as const;

/** Work of a function before it is compiled again; V8's own number comes back. */
const tieringFlags = [["--wasm-tiering-budget=1"], [`--wasm-tiering-budget=${major < 22 ? 1_800_000 : 13_000_000}`]] as const;

const mayFlag = (): boolean => process.env.TOEPLITZ_V8_FLAGS !== "0";
