import type { Algorithm } from "../../contract.ts";
import type { GridLinearPlan } from "../plan.ts";
import { blocksOf, winogradTime } from "./cut.ts";
import { emitWinograd } from "./emit.ts";
import { type Form, formOfFour, formOfTwo } from "./lines.ts";
import { refusesWinograd, winogradLayouts, winogradProblem } from "./problem.ts";

/**
 * Correlation with 3 taps on each axis by Winograd's F(m, 3): tiles of m cells on an axis from m + 2 products instead of 3 m.
 * Z = A^T [sum over channels of (G K G^T) * (B^T V B)] A, with small matrix products [tiles x channels] [channels x channels] in between.
 * Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
 */
function winograd(role: "forward" | "input", form: Form, rounding: number, programs: "inference" | "training"): Algorithm<GridLinearPlan> {
  const unfit = (plan: GridLinearPlan): string | null => (plan.role === role ? refusesWinograd(plan) : `computes role ${role} only.`);
  return {
    id: `wasm-grid-linear-${role}-winograd-${2 * form.points.length}`,
    operator: "grid-linear",
    rounding,
    programs,
    layouts: (plan, fusion, device) => (unfit(plan) === null ? winogradLayouts(winogradProblem(plan, form), fusion, device) : []),
    refuses: unfit,
    estimate: (plan, choice, _, device) => {
      const problem = winogradProblem(plan, form);
      return winogradTime(problem, blocksOf(problem, choice.inputs[1].block, choice.outputs[0]), device, programs === "training");
    },
    emit: (plan, buffers, fusion, device) => emitWinograd(winogradProblem(plan, form), buffers, fusion, device),
  };
}

/**
 * Rounding against that of a plain sum: largest |error| / (eps (4 + sqrt n) M), M the oracle on absolute values, rounded up.
 * Measured at 16 to 512 channels, one and two axes, both roles, normal, same-sign and rectified inputs. With padding 1 both forms stay
 * below 1 (direct sums: up to 1.2, for same-sign data). Where a window meets a single cell of the input, at a corner of full padding,
 * M shrinks but the error of the tile does not: 3.3 for F(4, 3) and 1.1 for F(2, 3), and 6.8 and 1.4 for rectified inputs, although
 * no error is above 0.8 of the same bound with the largest M of the result.
 */
export const winogradErrorFactor = { four: 4, two: 2 } as const;

/** For inference, where the kernel is transformed when it is written: its transform is not in the estimates. */
export const winogradAlgorithms: readonly Algorithm<GridLinearPlan>[] = [
  winograd("forward", formOfFour, winogradErrorFactor.four, "inference"),
  winograd("input", formOfFour, winogradErrorFactor.four, "inference"),
  winograd("forward", formOfTwo, winogradErrorFactor.two, "inference"),
  winograd("input", formOfTwo, winogradErrorFactor.two, "inference"),
];

/** For training steps: F(2, 3) alone, with the transform of the kernel in the estimates. */
export const winogradTrainingAlgorithms: readonly Algorithm<GridLinearPlan>[] = [
  winograd("forward", formOfTwo, winogradErrorFactor.two, "training"),
  winograd("input", formOfTwo, winogradErrorFactor.two, "training"),
];
