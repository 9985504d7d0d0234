import { size } from "../../../base/types.ts";
import type { GridLinearPlan } from "../plan.ts";

/** Fewest taps for which transforms are worth a thought. */
export const fewestTaps = 25;

/** Fewest multiply-adds of a plan for which reading this folder is worth its time. */
const fewestProducts = 2 ** 20;

/** Why this folder need not be read for a plan; null when it may be of use. */
export function refusesReading({ examples, channelsIn, channelsOut, groups, axes }: GridLinearPlan): string | null {
  const taps = size(axes.map(({ kernel }) => kernel));
  if (taps < fewestTaps) return `${taps} taps are too few for transforms (below ${fewestTaps}).`;
  const products = ((examples * channelsIn * channelsOut) / groups) * taps * size(axes.map(({ output }) => output));
  return products < fewestProducts ? `${products} multiply-adds are too few for transforms (below ${fewestProducts}).` : null;
}
