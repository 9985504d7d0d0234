import type { Algorithm } from "../../../ops/contract.ts";
import { forwardDepthwise, inputDepthwise } from "../../../ops/grid-linear/depthwise/wasm-depthwise.ts";
import { kernelDepthwise } from "../../../ops/grid-linear/depthwise/wasm-kernel.ts";
import { forwardGrouped, inputGrouped } from "../../../ops/grid-linear/grouped/wasm-grouped.ts";
import { kernelGrouped } from "../../../ops/grid-linear/grouped/wasm-kernel.ts";
import { paddedAlgorithms } from "../../../ops/grid-linear/grouped/wasm-padded.ts";

/** Groups, and channels that each have a kernel. */
export const groups = [
  forwardDepthwise,
  inputDepthwise,
  kernelDepthwise,
  forwardGrouped,
  inputGrouped,
  kernelGrouped,
  ...paddedAlgorithms,
] as readonly Algorithm[];
