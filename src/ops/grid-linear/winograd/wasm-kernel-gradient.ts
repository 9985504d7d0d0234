import type { Algorithm } from "../../contract.ts";
import type { GridLinearPlan } from "../plan.ts";
import { emitGradient, gradientLayouts, gradientTime, refusesGradient } from "./kernel-gradient-emit.ts";
import { type Form, formOfFour, formOfTwo } from "./lines.ts";
import { winogradErrorFactor } from "./wasm-winograd.ts";

/**
 * Kernel gradient of 3 taps on an axis by the adjoint of Winograd's F(m, 3): dK = G^T [sum over tiles of (B^T V B) * (A G A^T)] G, with a
 * product of the matrices [input channels x tiles] and [tiles x output channels] for every value of a tile; a first of three axes is
 * summed directly.
 * Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016, transposed.
 */
function winogradKernel(form: Form, rounding: number): Algorithm<GridLinearPlan> {
  return {
    id: `wasm-grid-linear-kernel-winograd-${2 * form.points.length}`,
    operator: "grid-linear",
    rounding,
    spread: 2,
    layouts: (plan, fusion, device) => (fusion === null && refusesGradient(plan) === null ? gradientLayouts(plan, form, device) : []),
    refuses: (plan, _, fusion) => (fusion !== null ? "nothing fuses into a kernel gradient." : refusesGradient(plan)),
    estimate: (plan, choice, _, device) => gradientTime(plan, form, choice, device),
    emit: (plan, buffers, _, device) => emitGradient(plan, form, buffers, device),
  };
}

/**
 * Rounding as in `winogradErrorFactor`, with M that of the largest tap, as all taps share the error of a tile: at most 2.4 for F(4, 3) and
 * 0.8 for F(2, 3) at 64 terms and more, one to three axes, on normal, same-sign and rectified inputs with signed, masked and rectified
 * output gradients; 0.1 at 7,000 terms. Fewer terms do not even it out (14 at 16 terms), so such plans are refused.
 */
export const winogradKernelAlgorithms: readonly Algorithm<GridLinearPlan>[] = [
  winogradKernel(formOfFour, winogradErrorFactor.four),
  winogradKernel(formOfTwo, winogradErrorFactor.two),
];
