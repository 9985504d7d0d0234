import { type OnnxRuntime, onnxLoad } from "./onnxruntime.ts";
import { serve } from "./serve.ts";
import { packageVersion } from "./versions.ts";

await serve(
  () => packageVersion("onnxruntime-node"),
  onnxLoad(
    async () => (await import("onnxruntime-node")) as unknown as OnnxRuntime,
    (threads) => ({ intraOpNumThreads: threads, interOpNumThreads: 1, executionProviders: ["cpu"], graphOptimizationLevel: "all" }),
  ),
);
