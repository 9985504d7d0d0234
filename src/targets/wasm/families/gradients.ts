import type { Algorithm } from "../../../ops/contract.ts";
import { kernelBlocked } from "../../../ops/grid-linear/kernel/wasm-blocked.ts";
import { flatKernel } from "../../../ops/grid-linear/kernel/wasm-flat.ts";
import { narrowKernel } from "../../../ops/grid-linear/kernel/wasm-narrow.ts";
import { winogradKernelAlgorithms } from "../../../ops/grid-linear/winograd/wasm-kernel-gradient.ts";

/** Kernel gradients of one group and one kernel. */
export const gradients = [...winogradKernelAlgorithms, kernelBlocked, flatKernel, narrowKernel] as readonly Algorithm[];
