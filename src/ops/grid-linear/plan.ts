import { Problems } from "../../base/errors.ts";
import { size, type TensorType } from "../../base/types.ts";
import { type Axis, type Border, outputExtent, type Padding, paddingCells, span } from "../../grid/axis.ts";

/** Which derivative of T(K, V, G): forward = dT/dG (convolution), kernel = dT/dK, input = dT/dV (transposed convolution). */
export type Role = "forward" | "kernel" | "input";

/** Per-axis options may be one value for all axes. */
type PerAxis<T> = T | readonly T[];

export interface GridLinearOptions {
  readonly role: Role;
  /** Kernel extents; their number is the number of axes. */
  readonly kernel: readonly number[];
  readonly stride?: PerAxis<number>;
  readonly dilation?: PerAxis<number>;
  readonly padding?: PerAxis<Padding>;
  /** Kernel copies repeat every so many outputs: 1 = convolution, "output" = locally connected. */
  readonly period?: PerAxis<number | "output">;
  readonly border?: PerAxis<Border>;
  /** Channel groups. */
  readonly groups?: number;
  /** Connection table: one string of 0s and 1s per output channel, one digit per input channel. Excludes groups. */
  readonly connections?: readonly string[];
  /** True convolution (the kernel is flipped) instead of cross-correlation. */
  readonly flip?: boolean;
  /** Input extents: needed by the roles `input` and `kernel`, since several of them give one output extent. */
  readonly input?: readonly number[];
  /** Output channels: needed by role `forward` and `input` only to check; taken from the kernel otherwise. */
  readonly channelsIn?: number;
}

/** A checked grid-linear problem. Everything an algorithm needs, and nothing else. */
export interface GridLinearPlan {
  readonly role: Role;
  readonly examples: number;
  readonly batched: boolean;
  readonly channelsIn: number;
  readonly channelsOut: number;
  readonly groups: number;
  readonly connections: readonly string[] | null;
  readonly flip: boolean;
  readonly axes: readonly Axis[];
}

const each = <T>(value: PerAxis<T> | undefined, otherwise: T, axes: number): T[] =>
  Array.from({ length: axes }, (_, i) => (Array.isArray(value) ? (value as readonly T[])[i] : ((value as T | undefined) ?? otherwise)));

/** Types of K, V and G (or Z) of a plan. K is [channelsOut, channelsIn / groups, ...period, ...kernel] (periods left out where all are 1), or [pairs, ...] with a connection table. */
export function typesOf(plan: GridLinearPlan): Record<"kernel" | "input" | "output", TensorType> {
  const { axes } = plan;
  const periods = axes.some((axis) => axis.period > 1) ? axes.map((axis) => axis.period) : [];
  const pairs = plan.connections === null ? [plan.channelsOut, plan.channelsIn / plan.groups] : [pairCount(plan)];
  const grid = (channels: number, extents: number[]): TensorType => ({
    dtype: "f32",
    shape: [plan.examples, channels, ...extents],
    batched: plan.batched,
  });
  return {
    kernel: { dtype: "f32", shape: [...pairs, ...periods, ...axes.map((axis) => axis.kernel)], batched: false },
    input: grid(
      plan.channelsIn,
      axes.map((axis) => axis.input),
    ),
    output: grid(
      plan.channelsOut,
      axes.map((axis) => axis.output),
    ),
  };
}

/** Channel pairs (output, input) in the order in which K stores them. */
export function connectedPairs(
  plan: Pick<GridLinearPlan, "channelsIn" | "channelsOut" | "groups" | "connections">,
): { output: number; input: number }[] {
  const pairs = [];
  const inPerGroup = plan.channelsIn / plan.groups;
  const outPerGroup = plan.channelsOut / plan.groups;
  for (let output = 0; output < plan.channelsOut; output++) {
    const first = Math.floor(output / outPerGroup) * inPerGroup;
    for (let input = 0; input < plan.channelsIn; input++) {
      const connected = plan.connections === null ? input >= first && input < first + inPerGroup : plan.connections[output][input] === "1";
      if (connected) pairs.push({ output, input });
    }
  }
  return pairs;
}

/** Number of connected channel pairs. */
export const pairCount = ({
  channelsIn,
  channelsOut,
  groups,
  connections,
}: Pick<GridLinearPlan, "channelsIn" | "channelsOut" | "groups" | "connections">): number =>
  connections === null ? (channelsOut * channelsIn) / groups : connections.reduce((sum, row) => sum + row.split("1").length - 1, 0);

/** The roles of the two operands and of the result. */
export const parts = {
  forward: { operands: ["kernel", "input"], result: "output" },
  kernel: { operands: ["output", "input"], result: "kernel" },
  input: { operands: ["kernel", "output"], result: "input" },
} as const;

/** Checks options against the two operands and works out every number. Throws once, with every problem. */
export function planGridLinear(options: GridLinearOptions, inputs: readonly TensorType[]): GridLinearPlan {
  const problems = new Problems("grid-linear", options.role);
  const count = options.kernel.length;
  const grids = parts[options.role].operands.map((name, i) => ({ name, type: inputs[i] }));
  const grid = (name: string): TensorType | undefined => grids.find((part) => part.name === name)?.type;
  const [data, kernel] = [grid("input") ?? grid("output"), grid("kernel")];
  problems.check(count <= 3, "axes", "0 to 3", count, "Kernel extents give one number for each axis.");
  for (const { name, type } of grids) {
    if (name === "kernel") continue;
    problems.check(
      type.shape.length === count + 2,
      `shape of the ${name}`,
      `[examples, channels, ${count} extents]`,
      `[${type.shape.join(",")}]`,
      "The kernel has one extent for each axis of the grid.",
    );
  }
  problems.throwIfAny();
  const extents = options.input ?? (grid("input")?.shape.slice(2) as readonly number[] | undefined);
  if (
    !problems.check(
      extents !== undefined && extents.length === count,
      "input extents",
      `${count} numbers`,
      extents?.join("x") ?? "none",
      "Role `input` cannot know them: several input extents give one output extent.",
    )
  )
    problems.throwIfAny();
  const axes = planAxes(options, extents as readonly number[], problems);
  problems.throwIfAny();
  const groups = options.groups ?? 1;
  const { channelsIn, channelsOut } = channels(options, grid("input"), grid("output"), kernel, groups);
  const plan: GridLinearPlan = {
    role: options.role,
    examples: data?.shape[0] ?? 1,
    batched: data?.batched ?? false,
    channelsIn,
    channelsOut,
    groups,
    connections: options.connections ?? null,
    flip: options.flip ?? false,
    axes,
  };
  checkChannels(plan, problems);
  problems.throwIfAny();
  checkShapes(plan, grids, problems);
  problems.throwIfAny();
  return plan;
}

/** Checks the operands against the shapes that the plan gives them. */
function checkShapes(
  plan: GridLinearPlan,
  grids: readonly { readonly name: keyof ReturnType<typeof typesOf>; readonly type: TensorType }[],
  problems: Problems,
): void {
  const types = typesOf(plan);
  for (const { name, type } of grids) {
    const expected = types[name].shape;
    problems.check(
      type.shape.length === expected.length && type.shape.every((extent, i) => extent === expected[i]),
      `shape of the ${name}`,
      `[${expected.join(",")}]`,
      `[${type.shape.join(",")}]`,
    );
  }
  problems.check(
    size(types.kernel.shape) < 2 ** 29,
    "parameters of the kernel",
    "< 536870912",
    size(types.kernel.shape),
    "Choose a smaller period: each kernel copy is stored.",
  );
}

function channels(
  options: GridLinearOptions,
  input: TensorType | undefined,
  output: TensorType | undefined,
  kernel: TensorType | undefined,
  groups: number,
): { channelsIn: number; channelsOut: number } {
  const table = options.connections;
  const fromKernel = table === undefined ? kernel?.shape[0] : table.length;
  const inputOfKernel = table === undefined ? (kernel?.shape[1] ?? 0) * groups : (table[0]?.length ?? 0);
  return { channelsIn: input?.shape[1] ?? options.channelsIn ?? inputOfKernel, channelsOut: output?.shape[1] ?? fromKernel ?? 0 };
}

function planAxes(options: GridLinearOptions, extents: readonly number[], problems: Problems): Axis[] {
  const count = options.kernel.length;
  const stride = each(options.stride, 1, count);
  const dilation = each(options.dilation, 1, count);
  const padding = each<Padding>(options.padding, 0, count);
  const period = each<number | "output">(options.period, 1, count);
  const border = each<Border>(options.border, "zero", count);
  return options.kernel.map((kernel, i) => {
    const on = `on axis ${i}`;
    problems.check(Number.isInteger(kernel) && kernel >= 1, `kernel ${on}`, "an integer >= 1", kernel);
    problems.check(Number.isInteger(stride[i]) && stride[i] >= 1, `stride ${on}`, "an integer >= 1", stride[i]);
    problems.check(Number.isInteger(dilation[i]) && dilation[i] >= 1, `dilation ${on}`, "an integer >= 1", dilation[i]);
    const { low, high } = paddingCells(padding[i], extents[i], kernel, stride[i], dilation[i]);
    problems.check(
      Number.isInteger(low) && Number.isInteger(high) && low >= 0 && high >= 0,
      `padding ${on}`,
      "integers >= 0, or valid, same, full, causal",
      `${low}:${high}`,
    );
    const output = outputExtent(extents[i], kernel, stride[i], dilation[i], low, high);
    const padded = extents[i] + low + high;
    const reach = span(kernel, dilation[i]);
    problems.check(
      reach <= padded,
      `kernel span ${on}`,
      `<= padded input ${padded} (${extents[i]} + ${low} + ${high})`,
      `${reach} (kernel ${kernel}, dilation ${dilation[i]})`,
      `Add at least ${reach - padded} cells of padding, or choose a smaller kernel or dilation.`,
    );
    // where no kernel fits, that has been said
    const copies = period[i] === "output" ? Math.max(1, output) : (period[i] as number);
    problems.check(
      Number.isInteger(copies) && copies >= 1,
      `period ${on}`,
      'an integer >= 1, or "output"',
      copies,
      '1 is a convolution, "output" a locally connected layer.',
    );
    return { input: extents[i], kernel, stride: stride[i], dilation: dilation[i], low, high, period: copies, border: border[i], output };
  });
}

function checkChannels(plan: GridLinearPlan, problems: Problems): void {
  const { channelsIn, channelsOut, groups, connections } = plan;
  if (connections === null) {
    problems.check(
      Number.isInteger(groups) && groups >= 1 && channelsIn % groups === 0 && channelsOut % groups === 0,
      "groups",
      `a divisor of ${channelsIn} input and ${channelsOut} output channels`,
      groups,
    );
    return;
  }
  problems.check(groups === 1, "groups", "1 with a connection table", groups);
  problems.check(
    connections.length === channelsOut,
    "rows of the connection table",
    `${channelsOut}, one for each output channel`,
    connections.length,
  );
  connections.forEach((row, output) => {
    problems.check(
      row.length === channelsIn && /^[01]+$/.test(row),
      `row ${output} of the connection table`,
      `${channelsIn} digits 0 or 1`,
      row,
    );
    problems.check(
      row.includes("1"),
      `row ${output} of the connection table`,
      "at least one connection",
      row,
      "An unconnected output channel would be constant.",
    );
  });
}
