import type { Algorithm } from "../../contract.ts";
import type { GridLinearPlan, Role } from "../plan.ts";
import { emitFft } from "./emit.ts";
import { emitFftGradient } from "./gradient.ts";
import { fftLayouts, fftProblem, fftTime, refusesFft } from "./problem.ts";

/**
 * Rounding against that of a plain sum, with M that of the largest cell, as all cells of a tile share their error: at most 0.6 at 25 to 512
 * taps, one to three axes, on normal, same-sign, rectified and spiked data. Declared as 2, as of Winograd's F(2, 3): next to a loud
 * cell a quiet one has more than a plain sum's, so a limit of 1 must leave it out.
 */
export const fftErrorFactor = 2;

/**
 * The kernel gradient's: at most 0.2, with M that of the largest tap, on normal, same-sign and rectified data of 64 terms and more. Where one
 * cell in a hundred is a thousand times as loud, in inputs and output gradients that meet in a tile but at no tap, 7.1 was measured.
 */
export const fftGradientErrorFactor = 8;

/**
 * Convolution as a product of Fourier transforms, tile by tile (overlap-save): Z = F^-1 [sum over channels of F K' F V], K' the kernel
 * turned around; a tile of N cells of an axis gives N - k + 1 of the result. The kernel gradient is dK = F^-1 [sum over tiles and examples of
 * conj(F G) F V], one inverse transform for each pair of channels. With a dilation every family of cells is convolved by itself; with a
 * stride the input is convolved at all cells, or the output gradient spread.
 * Source: Goodfellow et al. 2016, section 9.8; Mathieu, Henaff and LeCun, Fast Training of Convolutional Networks through FFTs, 2014.
 */
function fft(role: Role): Algorithm<GridLinearPlan> {
  const unfit = (plan: GridLinearPlan): string | null => (plan.role === role ? refusesFft(plan) : `computes role ${role} only.`);
  return {
    id: `wasm-grid-linear-${role}-fft`,
    operator: "grid-linear",
    rounding: role === "kernel" ? fftGradientErrorFactor : fftErrorFactor,
    spread: Number.MAX_SAFE_INTEGER,
    layouts: (plan, fusion, device) => (unfit(plan) === null ? fftLayouts(fftProblem(plan), fusion, device) : []),
    refuses: (plan, _, fusion) => (role === "kernel" && fusion !== null ? "nothing fuses into a kernel gradient." : unfit(plan)),
    estimate: (plan, _, __, device, programs = "training") => fftTime(fftProblem(plan), device, programs === "training"),
    emit: (plan, buffers, fusion, device) =>
      role === "kernel" ? emitFftGradient(fftProblem(plan), buffers, device) : emitFft(fftProblem(plan), buffers, fusion, device),
  };
}

export const fftAlgorithms: readonly Algorithm<GridLinearPlan>[] = [fft("forward"), fft("input"), fft("kernel")];
