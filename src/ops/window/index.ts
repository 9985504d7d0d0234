import { size } from "../../base/types.ts";
import { span } from "../../grid/axis.ts";
import type { Extents, NodeValues, Operator, UnequalTools, UnequalValue, Value } from "../contract.ts";
import { windowedExtent } from "../unequal.ts";
import {
  parseWindow,
  planWindow,
  printWindow,
  sampleWindow,
  type WindowOptions,
  type WindowPlan,
  windowOptions,
  windowTypes,
} from "./plan.ts";
import { referenceWindow } from "./reference.ts";

export { type WindowAxis, type WindowOptions, type WindowPlan, type WindowRole, windowOptions, windowTypes } from "./plan.ts";
export { windowIndices } from "./reference.ts";

/**
 * Largest cell of every window, on any axes after the example axis; channels are one of them. Padding never wins.
 * select: Z[o] = max over taps of V[o s + tap d - low], index[o] = the flat cell, inside the example's own block, that was it.
 * scatter (its gradient, as a gather): dV[v] = sum of G[o] over the windows o with index[o] = v.
 * take (the gradient of scatter): Z[o] = V[index[o]]. An index is one that select made for the same windows.
 * Source: Goodfellow et al. 2016, section 9.3 (over channels: maxout, Goodfellow et al. 2013).
 * Shapes: V [examples?, ...input], Z, G, index (i32) [examples?, ...output].
 * Ties go to the first cell in scan order, the last axis fastest; the first NaN wins over everything.
 * Throws: when a window does not fit or lies wholly in padding.
 */
export const windowOperator: Operator<WindowPlan, WindowOptions> = {
  name: "window",
  plan: planWindow,
  inputs: (plan) => {
    const { input, output, index } = windowTypes(plan);
    return plan.role === "select" ? [input] : [plan.role === "take" ? input : output, index];
  },
  outputs: (plan) => {
    const { input, output, index } = windowTypes(plan);
    return plan.role === "select" ? [output, index] : [plan.role === "take" ? output : input];
  },
  line: printWindow,
  parse: parseWindow,
  reference: referenceWindow,
  gradient: gradientWindow,
  unequal: unequalWindow,
  cost: (plan) => {
    const { input, output } = windowTypes(plan);
    const taps = plan.role === "select" ? plan.axes.reduce((product, axis) => product * axis.kernel, 1) : 1;
    return { multiplyAdds: taps * size(output.shape), bytes: 4 * (size(input.shape) + 2 * size(output.shape)), parameters: 0 };
  },
  sample: sampleWindow,
};

/** The least number of f32: graphs are kept as JSON, which has no infinity. */
export const lowest = -3.4028234663852886e38;

/** Cells beyond the extents never win. A window over a whole axis is one over every example's own extent. */
function unequalWindow(
  plan: WindowPlan,
  [{ value, extents }, index]: readonly UnequalValue[],
  { apply, masked, extent }: UnequalTools,
  options: WindowOptions,
): UnequalValue[] | string {
  if (plan.role === "scatter") return "Where cells are put back depends on the batch's extents.";
  if (plan.role === "take") {
    const [taken] = apply([value, index.value]);
    return [{ value: index.extents === null ? taken : masked(taken, index.extents), extents: index.extents }];
  }
  if (extents === null) return apply([value]).map((one) => ({ value: one, extents: null }));
  const left: Extents = plan.axes.map(({ input, kernel, dilation, stride, low, output }, axis) => {
    const own = extents[axis];
    if (own === null || (output === 1 && kernel === input)) return null;
    return extent(own, windowedExtent({ span: span(kernel, dilation), stride, low, high: options.high?.[axis] ?? 0, ceil: options.ceil }));
  });
  const [largest, where] = apply([masked(value, extents, lowest)]);
  return [
    { value: masked(largest, left), extents: left },
    { value: where, extents: left },
  ];
}

function gradientWindow(
  plan: WindowPlan,
  { inputs, outputs }: NodeValues,
  [gradient]: readonly (Value | undefined)[],
): (Value | undefined)[] {
  if (gradient === undefined) return [];
  const index = plan.role === "select" ? outputs[1] : inputs[1];
  const role = plan.role === "scatter" ? "take" : "scatter";
  return [gradient.graph.apply(windowOperator, windowOptions(plan, role), [gradient, index])[0]];
}

/** Largest cell of every window of V, and where it was. */
export function maxWindow(input: Value, options: Omit<WindowOptions, "role" | "input">): { value: Value; index: Value } {
  const [value, index] = input.graph.apply(windowOperator, { ...options, role: "select" as const }, [input]);
  return { value, index };
}
