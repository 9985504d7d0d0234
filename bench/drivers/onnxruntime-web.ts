import { type OnnxRuntime, onnxLoad } from "./onnxruntime.ts";
import { serve } from "./serve.ts";
import { packageVersion } from "./versions.ts";

/** Threads are a property of the module, so the first case of a process fixes them. */
let library: (OnnxRuntime & { env: { wasm: { numThreads: number } } }) | undefined;

await serve(
  () => packageVersion("onnxruntime-web"),
  async (source, threads) => {
    library ??= (await import("onnxruntime-web")) as unknown as NonNullable<typeof library>;
    library.env.wasm.numThreads = threads;
    const { InferenceSession, Tensor } = library;
    const load = onnxLoad(
      async () => ({ InferenceSession, Tensor }),
      () => ({ executionProviders: ["wasm"], graphOptimizationLevel: "all" }),
    );
    return load(source, threads);
  },
);
