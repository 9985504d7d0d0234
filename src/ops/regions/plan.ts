import { fail, Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { printType, size, type TensorType } from "../../base/types.ts";
import { parseNumbers, printNumbers, splitLine } from "../line.ts";

/**
 * select: (V, table) -> (Z, index). sum: (V, table) -> Z. draw: (V, U, table) -> (Z, index).
 * scatter: (G, index, table) -> dV. spread: (G, table) -> dV. take: (V, index, table) -> Z.
 */
export type RegionsRole = "select" | "sum" | "draw" | "scatter" | "spread" | "take";

const roles: readonly RegionsRole[] = ["select", "sum", "draw", "scatter", "spread", "take"];

export interface RegionsOptions {
  readonly role: RegionsRole;
  /** Extents of V and of Z, one for each axis after the channels. */
  readonly input: readonly number[];
  readonly output: readonly number[];
}

export interface RegionsPlan extends RegionsOptions {
  readonly examples: number;
  readonly channels: number;
  /** The table has regions of its own for each example. */
  readonly own: boolean;
}

/** Whether a role makes Z of V, or V's gradient of Z's. */
export const isBackward = (role: RegionsRole): boolean => role === "scatter" || role === "spread";

/** Numbers of the table for one example: the starts, then the ends, of every axis in turn. */
export const tableCells = ({ output }: Pick<RegionsPlan, "output">): number => 2 * output.reduce((sum, extent) => sum + extent, 0);

/** Types of V, Z, the index beside Z, and the table. */
export function regionsTypes(plan: RegionsPlan): Record<"input" | "output" | "index" | "table", TensorType> {
  const { examples, channels, input, output, own } = plan;
  const made: TensorType = { dtype: "f32", shape: [examples, channels, ...output], batched: true };
  return {
    input: { dtype: "f32", shape: [examples, channels, ...input], batched: true },
    output: made,
    index: { ...made, dtype: "i32" },
    table: { dtype: "i32", shape: own ? [examples, tableCells(plan)] : [tableCells(plan)], batched: own },
  };
}

export function inputTypes(plan: RegionsPlan): TensorType[] {
  const { input, output, index, table } = regionsTypes(plan);
  const lead = { select: [input], sum: [input], draw: [input, output], scatter: [output, index], spread: [output], take: [input, index] };
  return [...lead[plan.role], table];
}

export function planRegions({ role, input, output }: RegionsOptions, inputs: readonly TensorType[]): RegionsPlan {
  const problems = new Problems("regions", role);
  problems.check(roles.includes(role), "role", roles.join(", "), role);
  for (const [what, extents] of [["input", input] as const, ["output", output] as const]) {
    const whole =
      extents.length >= 1 && extents.length === input.length && extents.every((extent) => Number.isInteger(extent) && extent >= 1);
    problems.check(whole, `${what} extents`, `whole numbers >= 1, one for each of ${input.length} axes`, `[${extents.join(",")}]`);
  }
  const [first] = inputs;
  const lead = first?.batched === true && first.shape.length === input.length + 2;
  problems.check(lead, "first input", `[examples, channels, ...${input.length} extents]`, first === undefined ? "none" : printType(first));
  problems.throwIfAny();
  const own = inputs[inputs.length - 1].batched && inputs.length > 1;
  const plan: RegionsPlan = { role, input, output, examples: first.shape[0], channels: first.shape[1], own };
  const wanted = inputTypes(plan);
  problems.check(
    wanted.length === inputs.length && wanted.every((type, i) => printType(type) === printType(inputs[i])),
    "inputs",
    wanted.map(printType).join(" "),
    inputs.map(printType).join(" "),
  );
  problems.throwIfAny();
  return plan;
}

/** `regions select n2 | c16 i8x7 o3x4 own`: a table for each example, `shared` one for all. */
export const printRegions = ({ role, examples, channels, input, output, own }: RegionsPlan): string =>
  `regions ${role} n${examples} | c${channels} i${printNumbers(input)} o${printNumbers(output)} ${own ? "own" : "shared"}`;

export function parseRegions(line: string): RegionsPlan {
  const example = "regions select n2 | c16 i8x7 o3x4 own";
  const { words, examples, rest } = splitLine(line, "regions", 1, example);
  const match = /^c(\d+) i(\S+) o(\S+) (own|shared)$/.exec(rest[0]);
  if (match === null) fail("regions", "line", "problem line", `\`${example}\``, `\`${line}\``);
  const [input, output] = [match[2], match[3]].map((text) => parseNumbers("regions", text));
  const options = { role: words[0] as RegionsRole, input, output };
  return planRegions(options, inputTypes({ ...options, examples, channels: Number(match[1]), own: match[4] === "own" }));
}

export function sampleRegions(random: Random): RegionsPlan {
  const input = Array.from({ length: random.integer(1, 3) }, () => random.integer(1, 8));
  return {
    role: random.pick<RegionsRole>(["select", "select", "sum", "draw", "scatter", "spread", "take"]),
    input,
    output: input.map(() => random.integer(1, 5)),
    examples: random.integer(1, 4),
    channels: random.pick([1, 2, 3, 5, 8, 13, 16, 17, 24]),
    own: random.uniform() < 0.6,
  };
}

/** Cells of the regions of one example: [start, end) of every region on every axis, cut to the input. */
export function rangesOf({ input, output, own }: RegionsPlan, table: ArrayLike<number>, example: number): [number, number][][] {
  let at = own ? example * tableCells({ output }) : 0;
  return output.map((regions, axis) => {
    const ranges = Array.from({ length: regions }, (_, region): [number, number] => [
      Math.max(0, table[at + region]),
      Math.min(input[axis], table[at + regions + region]),
    ]);
    at += 2 * regions;
    return ranges;
  });
}

/** A table of regions that hold at least one cell each, with overlaps and gaps; for tests. */
export function randomTable(plan: RegionsPlan, pick: (least: number, most: number) => number): Float64Array {
  const one = (): number[] =>
    plan.output.flatMap((regions, axis) => {
      const starts = Array.from({ length: regions }, () => pick(0, plan.input[axis] - 1)).sort((a, b) => a - b);
      return [...starts, ...starts.map((start) => start + pick(1, 4))];
    });
  return Float64Array.from(Array.from({ length: plan.own ? plan.examples : 1 }, one).flat());
}

/** Cells that a pass over all regions visits, where they tile the input evenly. */
export function visitsOf(plan: RegionsPlan): number {
  const visited = plan.output.map((regions, axis) => Math.max(regions, plan.input[axis]));
  return plan.examples * plan.channels * size(visited);
}
