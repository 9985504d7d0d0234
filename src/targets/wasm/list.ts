import type { Algorithm } from "../../ops/contract.ts";
import { flatForward, flatInput } from "../../ops/grid-linear/blocked/wasm-flat.ts";
import { forwardBlocked } from "../../ops/grid-linear/blocked/wasm-forward.ts";
import { inputBlocked } from "../../ops/grid-linear/blocked/wasm-input.ts";
import { denseForward, denseInput, denseKernel } from "../../ops/grid-linear/dense/wasm-dense.ts";
import { forwardDepthwise, inputDepthwise } from "../../ops/grid-linear/depthwise/wasm-depthwise.ts";
import { kernelDepthwise } from "../../ops/grid-linear/depthwise/wasm-kernel.ts";
import { fftAlgorithms } from "../../ops/grid-linear/fft/wasm-fft.ts";
import { generalGridLinear } from "../../ops/grid-linear/general/wasm-general.ts";
import { forwardGrouped, inputGrouped } from "../../ops/grid-linear/grouped/wasm-grouped.ts";
import { kernelGrouped } from "../../ops/grid-linear/grouped/wasm-kernel.ts";
import { paddedAlgorithms } from "../../ops/grid-linear/grouped/wasm-padded.ts";
import { kernelBlocked } from "../../ops/grid-linear/kernel/wasm-blocked.ts";
import { flatKernel } from "../../ops/grid-linear/kernel/wasm-flat.ts";
import { narrowKernel } from "../../ops/grid-linear/kernel/wasm-narrow.ts";
import { forwardLocalBatch, inputLocalBatch } from "../../ops/grid-linear/local/wasm-lanes.ts";
import { forwardLocal, inputLocal, kernelLocal } from "../../ops/grid-linear/local/wasm-local.ts";
import { narrowForward } from "../../ops/grid-linear/narrow/wasm-narrow.ts";
import { winogradKernelAlgorithms } from "../../ops/grid-linear/winograd/wasm-kernel-gradient.ts";
import { winogradAlgorithms } from "../../ops/grid-linear/winograd/wasm-winograd.ts";
import { plainMatmul } from "../../ops/matmul/wasm-matmul.ts";
import { channelMove } from "../../ops/move/wasm-channels.ts";
import { plainMove } from "../../ops/move/wasm-move.ts";
import { wasmPointwise } from "../../ops/pointwise/wasm-pointwise.ts";
import { wasmRandom } from "../../ops/random/wasm-random.ts";
import { wasmMoments } from "../../ops/reduce/wasm-moments.ts";
import { wasmReduce } from "../../ops/reduce/wasm-reduce.ts";
import { wasmSums } from "../../ops/reduce/wasm-sums.ts";
import { blockedRegions, plainRegions } from "../../ops/regions/wasm-regions.ts";
import { plainWhole } from "../../ops/regions/wasm-whole.ts";
import { wasmRows } from "../../ops/rows/wasm-rows.ts";
import { unrolledWindow } from "../../ops/window/wasm-unrolled.ts";
import { blockedWindow, plainWindow } from "../../ops/window/wasm-window.ts";

/** The algorithms of the wasm target, in the order in which ties are broken. */
export const algorithms: readonly Algorithm[] = [
  denseForward,
  denseInput,
  denseKernel,
  ...winogradAlgorithms,
  ...winogradKernelAlgorithms,
  ...fftAlgorithms,
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
  forwardLocal,
  inputLocal,
  kernelLocal,
  forwardLocalBatch,
  inputLocalBatch,
  forwardGrouped,
  inputGrouped,
  kernelGrouped,
  ...paddedAlgorithms,
  generalGridLinear,
  unrolledWindow,
  blockedWindow,
  plainWindow,
  blockedRegions,
  plainRegions,
  plainWhole,
  wasmPointwise,
  wasmReduce,
  wasmSums,
  wasmMoments,
  wasmRows,
  wasmRandom,
  plainMatmul,
  channelMove,
  plainMove,
] as readonly Algorithm[];
