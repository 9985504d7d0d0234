import type { Algorithm } from "../../ops/contract.ts";
import { kernelDepthwise } from "../../ops/grid-linear/depthwise-gradient.ts";
import { denseForward, denseInput, denseKernel } from "../../ops/grid-linear/wasm-dense.ts";
import { forwardDepthwise, inputDepthwise } from "../../ops/grid-linear/wasm-depthwise.ts";
import { flatForward, flatInput } from "../../ops/grid-linear/wasm-flat-forward.ts";
import { flatKernel } from "../../ops/grid-linear/wasm-flat-kernel.ts";
import { forwardBlocked } from "../../ops/grid-linear/wasm-forward-blocked.ts";
import { generalGridLinear } from "../../ops/grid-linear/wasm-general.ts";
import { inputBlocked } from "../../ops/grid-linear/wasm-input-blocked.ts";
import { kernelBlocked } from "../../ops/grid-linear/wasm-kernel-blocked.ts";
import { narrowForward } from "../../ops/grid-linear/wasm-narrow-forward.ts";
import { narrowKernel } from "../../ops/grid-linear/wasm-narrow-kernel.ts";
import { winogradAlgorithms } from "../../ops/grid-linear/wasm-winograd.ts";
import { plainMatmul } from "../../ops/matmul/wasm-matmul.ts";
import { plainMove } from "../../ops/move/wasm-move.ts";
import { wasmPointwise } from "../../ops/pointwise/wasm-pointwise.ts";
import { wasmRandom } from "../../ops/random/wasm-random.ts";
import { wasmMoments } from "../../ops/reduce/wasm-moments.ts";
import { wasmReduce } from "../../ops/reduce/wasm-reduce.ts";
import { blockedWindow, plainWindow } from "../../ops/window/wasm-window.ts";

/** The algorithms of the wasm target, in the order in which ties are broken. */
export const algorithms: readonly Algorithm[] = [
  denseForward,
  denseInput,
  denseKernel,
  ...winogradAlgorithms,
  forwardBlocked,
  inputBlocked,
  kernelBlocked,
  flatForward,
  flatInput,
  flatKernel,
  narrowForward,
  narrowKernel,
  forwardDepthwise,
  inputDepthwise,
  kernelDepthwise,
  generalGridLinear,
  blockedWindow,
  plainWindow,
  wasmPointwise,
  wasmReduce,
  wasmMoments,
  wasmRandom,
  plainMatmul,
  plainMove,
] as readonly Algorithm[];
