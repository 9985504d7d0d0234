import type { Random } from "../../base/random.ts";
import { size } from "../../base/types.ts";
import { type Axis, axisTermCount, type Border, outputExtent, span } from "../../grid/axis.ts";
import type { Extents, NodeValues, Operator, UnequalTools, UnequalValue, Value } from "../contract.ts";
import { spreadExtent, windowedExtent } from "../unequal.ts";
import { parseLine, printLine } from "./line.ts";
import { type GridLinearOptions, type GridLinearPlan, pairCount, parts, planGridLinear, type Role, typesOf } from "./plan.ts";
import { referenceGridLinear } from "./reference.ts";

export { connectedPairs, type GridLinearOptions, type GridLinearPlan, type Role, typesOf } from "./plan.ts";
export { forEachTerm } from "./reference.ts";

/**
 * Every linear operation of the chapter: T(K, V, G) = sum over terms of K[co, ci, copy, tap] V[ci, input] G[co, output],
 * input = output * stride + tap * dilation - low, copy = output mod period; the three roles are its derivatives.
 * Source: Goodfellow et al. 2016, eq. 9.7, 9.8 (stride), 9.9 (period = output), 9.10 (tiled), 9.11 (role kernel), 9.12 (role input).
 * Shapes: K [channelsOut, channelsIn / groups, ...period, ...kernel] (no period axes where all are 1; [pairs, ...] with a
 * connection table), V [examples, channelsIn, ...input], G and Z [examples, channelsOut, ...output].
 * Inputs: forward (K, V) -> Z, kernel (G, V) -> dK, input (K, G) -> dV.
 * Throws: when shapes, extents, channels or the table do not fit, with the arithmetic.
 */
export const gridLinear: Operator<GridLinearPlan, GridLinearOptions> = {
  name: "grid-linear",
  plan: planGridLinear,
  inputs: (plan) => parts[plan.role].operands.map((name) => typesOf(plan)[name]),
  outputs: (plan) => [typesOf(plan)[parts[plan.role].result]],
  line: printLine,
  parse: parseLine,
  reference: referenceGridLinear,
  gradient: gradientGridLinear,
  unequal: unequalGridLinear,
  cost: (plan) => {
    const types = typesOf(plan);
    const terms = plan.axes.reduce((product, axis) => product * axisTermCount(axis), 1);
    return {
      multiplyAdds: plan.examples * pairCount(plan) * terms,
      bytes: 4 * (size(types.kernel.shape) + size(types.input.shape) + size(types.output.shape)),
      parameters: size(types.kernel.shape),
    };
  },
  sample: sampleGridLinear,
};

/** T is trilinear: the derivative of any role with respect to one of its arguments is the role of that argument. */
function gradientGridLinear(
  plan: GridLinearPlan,
  { inputs: [first, second] }: NodeValues,
  [gradient]: readonly (Value | undefined)[],
): (Value | undefined)[] {
  if (gradient === undefined) return [];
  const apply = (role: Role, a: Value, b: Value): Value => a.graph.apply(gridLinear, optionsOf(plan, role), [a, b])[0];
  switch (plan.role) {
    case "forward":
      return [apply("kernel", gradient, second), apply("input", first, gradient)];
    case "kernel":
      return [apply("forward", gradient, second), apply("input", gradient, first)];
    case "input":
      return [apply("kernel", second, gradient), apply("forward", first, gradient)];
  }
}

/** Zeros beyond the extents are zero padding; what a window sees only there is cleared. */
function unequalGridLinear(
  plan: GridLinearPlan,
  [kernel, data]: readonly UnequalValue[],
  { apply, masked, extent }: UnequalTools,
  options: GridLinearOptions,
): UnequalValue[] | string {
  const { extents } = data;
  if (plan.role === "kernel" || kernel.extents !== null || extents === null || extents[0] !== null)
    return "Kernels and channels are the same for all examples.";
  const why = plan.axes.flatMap((axis, i) => (extents[i + 1] === null ? [] : (whyNotUnequal(axis, options, i) ?? [])));
  if (why.length > 0) return why[0];
  const left: Extents = plan.axes.map((axis, i) => {
    const own = extents[i + 1];
    if (own === null) return null;
    const { input, output, kernel: taps, dilation, stride, low, high } = axis;
    return extent(
      own,
      plan.role === "forward" ? windowedExtent({ span: span(taps, dilation), stride, low, high }) : spreadExtent(stride, input, output),
    );
  });
  const [value] = apply([kernel.value, data.value]);
  return [{ value: masked(value, [null, ...left]), extents: [null, ...left] }];
}

function whyNotUnequal({ border, low, high, period, output, stride }: Axis, { padding }: GridLinearOptions, i: number): string | null {
  if (border !== "zero" && (low > 0 || high > 0))
    return `Axis ${i} continues by ${border} at the batch's border: choose a border of zeros.`;
  if (period > 1 && period === output) return `Axis ${i} has a kernel copy for every location: choose a period.`;
  const word = Array.isArray(padding) ? padding[i] : padding;
  if (word === "same" && stride > 1) return `Padding "same" with stride ${stride} on axis ${i} depends on the extent: give cells.`;
  return null;
}

/** Options that plan the same problem in another role. */
export function optionsOf(plan: GridLinearPlan, role: Role): GridLinearOptions {
  const { axes } = plan;
  return {
    role,
    kernel: axes.map((axis) => axis.kernel),
    stride: axes.map((axis) => axis.stride),
    dilation: axes.map((axis) => axis.dilation),
    padding: axes.map(({ low, high }) => ({ low, high })),
    period: axes.map((axis) => axis.period),
    border: axes.map((axis) => axis.border),
    groups: plan.groups,
    ...(plan.connections === null ? {} : { connections: plan.connections }),
    flip: plan.flip,
    input: axes.map((axis) => axis.input),
    channelsIn: plan.channelsIn,
  };
}

/** Convolution and its kin: Z = c(K, V). The input extents come from V. */
export function forward(options: Omit<GridLinearOptions, "role">, kernel: Value, input: Value): Value {
  return input.graph.apply(gridLinear, { ...options, role: "forward" }, [kernel, input])[0];
}

/** Transposed convolution: V = h(K, G), for the input extents given in the options. */
export function transposed(options: Omit<GridLinearOptions, "role"> & { input: readonly number[] }, kernel: Value, output: Value): Value {
  return output.graph.apply(gridLinear, { ...options, role: "input" }, [kernel, output])[0];
}

function sampleGridLinear(random: Random): GridLinearPlan {
  const rank = random.integer(0, 3);
  const most = [0, 9, 7, 4][rank];
  const axes: Axis[] = [];
  for (let i = 0; i < rank; i++) {
    const input = random.integer(1, most);
    const kernel = random.integer(1, Math.min(4, most));
    const dilation = random.pick([1, 1, 2]);
    const stride = random.pick([1, 1, 2, 3]);
    let low = random.integer(0, 2);
    const high = random.integer(0, 2);
    low += Math.max(0, span(kernel, dilation) - (input + low + high));
    const output = outputExtent(input, kernel, stride, dilation, low, high);
    const border: Border = random.pick(["zero", "zero", "zero", "wrap", "reflect", "replicate"]);
    axes.push({ input, kernel, stride, dilation, low, high, period: random.pick([1, 1, 1, 2, output]), border, output });
  }
  const groups = random.pick([1, 1, 1, 2, 3]);
  const channelsIn = groups * random.pick([1, 2, 3, 5, 16, 17]);
  const channelsOut = groups * random.pick([1, 2, 3, 4, 10, 16]);
  const table = groups === 1 && channelsIn <= 5 && random.uniform() < 0.3;
  const connections = table
    ? Array.from({ length: channelsOut }, () =>
        Array.from({ length: channelsIn }, (_, i) => (i === 0 || random.uniform() < 0.5 ? "1" : "0")).join(""),
      )
    : null;
  return {
    role: random.pick<Role>(["forward", "kernel", "input"]),
    examples: random.integer(1, 3),
    batched: true,
    channelsIn,
    channelsOut,
    groups,
    connections,
    flip: random.uniform() < 0.3,
    axes,
  };
}
