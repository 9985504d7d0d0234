import type { Dataset } from "./data/dataset.ts";
import type { Session, SessionOptions, Target } from "./graph/session.ts";
import { browserHost, startModuleWorker } from "./hosts/browser-host.ts";
import type { Net } from "./nn/scope.ts";
import { openRemote } from "./targets/remote/session.ts";
import { families } from "./targets/wasm/list.ts";
import { wasmTarget } from "./targets/wasm/session.ts";
import { type FitResult, fit as fitOn } from "./train/fit.ts";
import { decodeModel, type Model } from "./train/model.ts";
import type { FitOptions } from "./train/settings.ts";

export { augmentations, parseAugmentation } from "./data/augmentations.ts";
export { type BatchOptions, batches } from "./data/batches.ts";
export type { Augmentation, Batch, Dataset, Split } from "./data/dataset.ts";
export { type DigitsOptions, digits } from "./data/digits.ts";
export { type ArrayExample, type ArrayParts, type ArraysOptions, arrays } from "./data/memory.ts";
export { readSafetensors, writeSafetensors } from "./formats/safetensors.ts";
export * from "./index.ts";
export { type LayerSummary, type NetSummary, summarise } from "./inspect/summary.ts";
export type { Ending, FitResult } from "./train/fit.ts";
export type { Best, EpochMetrics } from "./train/history.ts";
export type { Model, ModelDescription, Prediction } from "./train/model.ts";
export type { FitOptions, StepMetrics } from "./train/settings.ts";

const direct = wasmTarget(browserHost, families);

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
  const session = worker instanceof Error ? worker : await openRemote(worker, options);
  if (!(session instanceof Error)) return session;
  // biome-ignore lint/suspicious/noConsole: a page that stands still while it trains should be told why
  console.warn(`toeplitz: the session's worker could not start (${session.message}): the page itself computes, on one thread.`);
  // a page may not wait for threads
  return direct.open({ ...options, threads: 1 });
}

/** The wasm target of a page or a worker. */
export const target: Target = { open };

/**
 * Trains a net on a set; settings that are left out are chosen from the data.
 * Throws: ToeplitzError when options are out of range, the net does not fit the set, or the loss is not finite.
 * Example: `const { model, test } = await fit(net, digits({ train: 2000 }), { epochs: 3 })`
 */
export const fit = (net: Net, data: Dataset, options: FitOptions = {}): Promise<FitResult> => fitOn(net, data, options, target);

/**
 * Reads a trained net from the bytes of its model file.
 * Throws: ToeplitzError when it is no whole model file.
 * Example: `const model = loadModel(new Uint8Array(await (await fetch("flowers.safetensors")).arrayBuffer()))`
 */
export const loadModel = (bytes: Uint8Array, options?: SessionOptions): Model => decodeModel(bytes, "model file", target, options);
