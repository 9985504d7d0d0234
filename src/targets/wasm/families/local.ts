import type { Algorithm } from "../../../ops/contract.ts";
import { forwardLocalBatch, inputLocalBatch } from "../../../ops/grid-linear/local/wasm-lanes.ts";
import { forwardLocal, inputLocal, kernelLocal } from "../../../ops/grid-linear/local/wasm-local.ts";

/** Kernels that differ from cell to cell. */
export const local = [forwardLocal, inputLocal, kernelLocal, forwardLocalBatch, inputLocalBatch] as readonly Algorithm[];
