import type { Algorithm } from "../../../ops/contract.ts";
import { flatForward, flatInput } from "../../../ops/grid-linear/blocked/wasm-flat.ts";
import { forwardBlocked } from "../../../ops/grid-linear/blocked/wasm-forward.ts";
import { inputBlocked } from "../../../ops/grid-linear/blocked/wasm-input.ts";
import { denseForward, denseInput, denseKernel } from "../../../ops/grid-linear/dense/wasm-dense.ts";
import { generalGridLinear } from "../../../ops/grid-linear/general/wasm-general.ts";
import { narrowForward } from "../../../ops/grid-linear/narrow/wasm-narrow.ts";
import { channelMove } from "../../../ops/move/wasm-channels.ts";
import { plainMove } from "../../../ops/move/wasm-move.ts";
import { wasmFormulas, wasmPointwise } from "../../../ops/pointwise/wasm-pointwise.ts";
import { wasmTable } from "../../../ops/pointwise/wasm-table.ts";
import { wasmMoments } from "../../../ops/reduce/wasm-moments.ts";
import { wasmReduce } from "../../../ops/reduce/wasm-reduce.ts";
import { wasmSums } from "../../../ops/reduce/wasm-sums.ts";
import { unrolledWindow } from "../../../ops/window/wasm-unrolled.ts";
import { blockedWindow, plainWindow } from "../../../ops/window/wasm-window.ts";

/** What nearly every net runs on, and what takes every plan of its operator. */
export const usual = [
  denseForward,
  denseInput,
  denseKernel,
  forwardBlocked,
  inputBlocked,
  flatForward,
  flatInput,
  narrowForward,
  generalGridLinear,
  unrolledWindow,
  blockedWindow,
  plainWindow,
  wasmPointwise,
  wasmFormulas,
  wasmTable,
  wasmReduce,
  wasmSums,
  wasmMoments,
  channelMove,
  plainMove,
] as readonly Algorithm[];
