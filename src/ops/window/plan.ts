import { fail, Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { printType, sameShape, type TensorType } from "../../base/types.ts";
import { outputExtent, span } from "../../grid/axis.ts";
import { splitLine } from "../line.ts";

/** select: V -> (Z, index). scatter: (G, index) -> dV. take: (V, index) -> Z. */
export type WindowRole = "select" | "scatter" | "take";

/** Values by axis after the example axis (channels are one of them); what is left out is 1, and 0 for padding. */
export interface WindowOptions {
  readonly role: WindowRole;
  readonly kernel: readonly number[];
  readonly stride?: readonly number[];
  readonly dilation?: readonly number[];
  readonly low?: readonly number[];
  readonly high?: readonly number[];
  /** A last window that begins inside the input or its low padding counts although it ends beyond the high padding. */
  readonly ceil?: boolean;
  /** Input extents, for scatter: several of them give one output extent. */
  readonly input?: readonly number[];
}

/** Term (tap, input cell, output cell): input = output * stride + tap * dilation - low. */
export interface WindowAxis {
  readonly input: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly low: number;
  readonly high: number;
  readonly output: number;
}

export interface WindowPlan {
  readonly role: WindowRole;
  readonly batched: boolean;
  readonly examples: number;
  readonly axes: readonly WindowAxis[];
}

/** Types of V, of Z (and G), and of the index. */
export function windowTypes({ batched, examples, axes }: WindowPlan): { input: TensorType; output: TensorType; index: TensorType } {
  const lead = batched ? [examples] : [];
  const input: TensorType = { dtype: "f32", shape: [...lead, ...axes.map((axis) => axis.input)], batched };
  const output: TensorType = { dtype: "f32", shape: [...lead, ...axes.map((axis) => axis.output)], batched };
  return { input, output, index: { ...output, dtype: "i32" } };
}

export function planWindow(options: WindowOptions, inputs: readonly TensorType[]): WindowPlan {
  const problems = new Problems("window", options.role);
  const count = options.role === "select" ? 1 : 2;
  problems.check(inputs.length === count, "inputs", String(count), inputs.length);
  problems.throwIfAny();
  const [first] = inputs;
  const rest = first.batched ? first.shape.slice(1) : first.shape;
  problems.check(
    options.role !== "scatter" || options.input !== undefined,
    "input extents",
    "given, as several give one output extent",
    "none",
  );
  const extents = options.role === "scatter" ? (options.input ?? []) : rest;
  for (const name of ["kernel", "stride", "dilation", "low", "high", "input"] as const) {
    const values = options[name];
    const least = name === "low" || name === "high" ? 0 : 1;
    if (values === undefined) continue;
    const whole = values.length === extents.length && values.every((value) => Number.isInteger(value) && value >= least);
    problems.check(
      whole,
      name,
      `${extents.length} whole numbers >= ${least}, one for each axis after the example axis`,
      `[${values.join(",")}]`,
    );
  }
  problems.check(first.dtype === "f32", "input", "f32", printType(first));
  problems.throwIfAny();
  const axes = extents.map((input, axis) => planAxis(problems, options, axis, input));
  const plan: WindowPlan = { role: options.role, batched: first.batched, examples: first.batched ? first.shape[0] : 1, axes };
  const { output, index } = windowTypes(plan);
  if (options.role === "scatter")
    problems.check(sameShape(first.shape, output.shape), "output gradient", printType(output), printType(first));
  if (options.role !== "select") problems.check(printType(inputs[1]) === printType(index), "index", printType(index), printType(inputs[1]));
  problems.throwIfAny();
  return plan;
}

function planAxis(problems: Problems, options: WindowOptions, axis: number, input: number): WindowAxis {
  const at = (values: readonly number[] | undefined, otherwise: number): number => values?.[axis] ?? otherwise;
  const [kernel, stride, dilation, low] = [options.kernel[axis], at(options.stride, 1), at(options.dilation, 1), at(options.low, 0)];
  let high = at(options.high, 0);
  if (options.ceil === true) {
    const over = (input + low + high - span(kernel, dilation)) % stride;
    const last = input + low + high - span(kernel, dilation) - over + stride;
    if (over > 0 && last < input + low) high += stride - over;
  }
  const output = outputExtent(input, kernel, stride, dilation, low, high);
  const parts = `${span(kernel, dilation)} (kernel ${kernel}, dilation ${dilation})`;
  const fits = problems.check(
    output >= 1,
    `window span on axis ${axis}`,
    `<= padded input ${low + input + high}`,
    parts,
    "Add padding, or lower kernel or dilation.",
  );
  const made = { input, kernel, stride, dilation, low, high, output };
  const empty = fits ? emptyWindow(made) : -1;
  problems.check(
    empty < 0,
    `padding on axis ${axis}`,
    `every window to hold a cell of the ${input} of the input`,
    `window ${empty} wholly in padding (low ${low}, high ${high})`,
    "Lower the padding.",
  );
  return made;
}

/** The first output cell whose window holds no input cell; -1 when there is none. */
function emptyWindow({ input, kernel, stride, dilation, low, output }: WindowAxis): number {
  for (let cell = 0; cell < output; cell++) {
    let inside = false;
    for (let tap = 0; tap < kernel && !inside; tap++) {
      const from = cell * stride + tap * dilation - low;
      inside = from >= 0 && from < input;
    }
    if (!inside) return cell;
  }
  return -1;
}

/** Options that plan the same windows in another role. */
export function windowOptions({ axes }: WindowPlan, role: WindowRole): WindowOptions {
  const all = (name: keyof WindowAxis): number[] => axes.map((axis) => axis[name]);
  const options = { role, kernel: all("kernel"), stride: all("stride"), dilation: all("dilation"), low: all("low"), high: all("high") };
  return role === "scatter" ? { ...options, input: all("input") } : options;
}

const joined = (values: readonly (string | number)[]): string =>
  values.every((value) => value === values[0]) ? String(values[0]) : values.join("x");

/** `window select n2 | i4x7x6 k1x3x3 s1x2x2 d1 p0:0x1:1x1:1`: a single value stands for all axes. */
export function printWindow({ role, batched, examples, axes }: WindowPlan): string {
  const all = (name: keyof WindowAxis): number[] => axes.map((axis) => axis[name]);
  const padding = joined(axes.map(({ low, high }) => `${low}:${high}`));
  const geometry = `i${all("input").join("x")} k${all("kernel").join("x")} s${joined(all("stride"))} d${joined(all("dilation"))} p${padding}`;
  return `window ${role}${batched ? ` n${examples}` : ""} | ${axes.length === 0 ? "-" : geometry}`;
}

export function parseWindow(line: string): WindowPlan {
  const example = "window select n2 | i4x7x6 k1x3x3 s1x2x2 d1 p0:0x1:1x1:1";
  const { words, examples, rest } = splitLine(line, "window", 1, example);
  const match = /^(?:-|i(\S+) k(\S+) s(\S+) d(\S+) p(\S+))$/.exec(rest[0]);
  const role = words[0] as WindowRole;
  if (match === null || !["select", "scatter", "take"].includes(role))
    fail("window", "line", "problem line", `\`${example}\``, `\`${line}\``);
  const batched = / n\d+ \|/.test(line);
  if (match[1] === undefined) return { role, batched, examples, axes: [] };
  const input = match[1].split("x").map(Number);
  const values = (text: string): string[] => {
    const list = text.split("x");
    return input.map((_, axis) => list[axis] ?? list[0]);
  };
  const [kernel, stride, dilation] = [match[2], match[3], match[4]].map((text) => values(text).map(Number));
  const padding = values(match[5]).map((cells) => cells.split(":").map(Number));
  const [low, high] = [padding.map((cells) => cells[0]), padding.map((cells) => cells[1])];
  const axes = input.map((extent, axis) => planAxis(new Problems("window"), { role, kernel, stride, dilation, low, high }, axis, extent));
  const { input: given, output, index } = windowTypes({ role, batched, examples, axes });
  const inputs = role === "select" ? [given] : role === "take" ? [given, index] : [output, index];
  return planWindow({ role, kernel, stride, dilation, low, high, ...(role === "scatter" ? { input } : {}) }, inputs);
}

export function sampleWindow(random: Random): WindowPlan {
  const batched = random.uniform() < 0.8;
  const axes = Array.from({ length: random.integer(1, 4) }, (_, axis, most = axis === 0 ? 5 : 9): WindowAxis => {
    const kernel = random.integer(1, 4);
    const dilation = random.pick([1, 1, 2]);
    const input = random.integer(Math.min(most, span(kernel, dilation)), most);
    const stride = random.pick([1, 1, 2, 3, kernel]);
    // no more padding than keeps a cell in every window
    const most1 = Math.max(0, Math.min(2, kernel - 1));
    const low = random.integer(0, most1);
    let high = random.integer(0, most1);
    high += Math.max(0, span(kernel, dilation) - (input + low + high));
    const made = { input, kernel, stride, dilation, low, high, output: outputExtent(input, kernel, stride, dilation, low, high) };
    return emptyWindow(made) < 0 ? made : { ...made, kernel: 1, low: 0, high: 0, output: outputExtent(input, 1, stride, dilation, 0, 0) };
  });
  return {
    role: random.pick<WindowRole>(["select", "select", "scatter", "take"]),
    batched,
    examples: batched ? random.integer(1, 4) : 1,
    axes,
  };
}

/** Input cells of every output cell of an axis, or the outputs of every input cell. */
export function linksOf(axis: WindowAxis, byInput: boolean): number[][] {
  const links: number[][] = Array.from({ length: byInput ? axis.input : axis.output }, () => []);
  for (let output = 0; output < axis.output; output++) {
    for (let tap = 0; tap < axis.kernel; tap++) {
      const input = output * axis.stride + tap * axis.dilation - axis.low;
      if (input >= 0 && input < axis.input) links[byInput ? input : output].push(byInput ? output : input);
    }
  }
  return links;
}
