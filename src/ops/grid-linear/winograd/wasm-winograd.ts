import type { Algorithm } from "../../contract.ts";
import type { GridLinearPlan } from "../plan.ts";
import { blocksOf, winogradTime } from "./cut.ts";
import { emitWinograd } from "./emit.ts";
import { type Form, formOfFour, formOfTwo, tileOf } from "./lines.ts";
import { refusesWinograd, winogradLayouts, winogradProblem } from "./problem.ts";

/**
 * Correlation with 3 taps on each axis by Winograd's F(m, 3): tiles of m cells on an axis from m + 2 products instead of 3 m.
 * Z = A^T [sum over channels of (G K G^T) * (B^T V B)] A, with small matrix products [tiles x channels] [channels x channels] in between.
 * Source: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2016.
 */
function winograd(role: "forward" | "input", form: Form, rounding: number): Algorithm<GridLinearPlan> {
  const unfit = (plan: GridLinearPlan): string | null => (plan.role === role ? refusesWinograd(plan) : `computes role ${role} only.`);
  return {
    id: `wasm-grid-linear-${role}-winograd-${2 * form.points.length}`,
    operator: "grid-linear",
    pools: true,
    rounding,
    spread: tileOf(form) - 1,
    layouts: (plan, fusion, device) => (unfit(plan) === null ? winogradLayouts(winogradProblem(plan, form, fusion), fusion, device) : []),
    refuses: unfit,
    estimate: (plan, choice, fusion, device, programs = "training") => {
      const problem = winogradProblem(plan, form, fusion);
      return winogradTime(problem, blocksOf(problem, choice.inputs[1].block, choice.outputs[0]), device, programs === "training");
    },
    emit: (plan, buffers, fusion, device) => emitWinograd(winogradProblem(plan, form, fusion), buffers, fusion, device),
  };
}

/**
 * Rounding against that of a plain sum: largest |error| / (eps (4 + sqrt n) M), M the oracle on absolute values, rounded up; measured at 8
 * to 512 channels, on normal, same-sign and rectified inputs. The cells of a tile share their error: where all that a cell gathers is
 * nearly 0 (a corner of full padding, rectified inputs) its own M bounds nothing, so M is that of the largest cell as near as a tile.
 */
export const winogradErrorFactor = { four: 4, two: 2 } as const;

export const winogradAlgorithms: readonly Algorithm<GridLinearPlan>[] = [
  winograd("forward", formOfFour, winogradErrorFactor.four),
  winograd("input", formOfFour, winogradErrorFactor.four),
  winograd("forward", formOfTwo, winogradErrorFactor.two),
  winograd("input", formOfTwo, winogradErrorFactor.two),
];
