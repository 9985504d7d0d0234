import { readFileSync } from "node:fs";
import { type Load, type LoadedCase, Refused } from "./serve.ts";

/** The part that onnxruntime-node and onnxruntime-web have in common. */
export interface OnnxRuntime {
  readonly Tensor: new (type: "float32", data: Float32Array, dims: readonly number[]) => OnnxTensor;
  readonly InferenceSession: { create(model: Uint8Array, options: Record<string, unknown>): Promise<OnnxSession> };
}
interface OnnxTensor {
  readonly data: unknown;
}
interface OnnxSession {
  run(feeds: Record<string, OnnxTensor>): Promise<Record<string, OnnxTensor>>;
  release(): Promise<void>;
}

/** Loads the ONNX file of a case into a session; `options` depend on the form of the library and the threads. */
export function onnxLoad(library: () => Promise<OnnxRuntime>, options: (threads: number) => Record<string, unknown>): Load {
  return async (source: LoadedCase, threads) => {
    if (source.kind === "training") throw new Refused("cannot train");
    if (source.onnx === null) throw new Refused("ONNX has no such operator");
    const { Tensor, InferenceSession } = await library();
    const session = await InferenceSession.create(readFileSync(source.onnx), options(threads));
    const { output } = source.net;
    const call = async (): Promise<Float32Array> => {
      const feeds = Object.fromEntries(
        source.inputs.map((input) => [input.name, new Tensor("float32", source.numbersOf(input), input.shape)]),
      );
      const results = await session.run(feeds);
      return results[output].data as Float32Array;
    };
    return { call, close: () => session.release() };
  };
}
