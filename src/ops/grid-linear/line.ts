import { fail } from "../../base/errors.ts";
import { type Axis, type Border, outputExtent } from "../../grid/axis.ts";
import type { GridLinearPlan, Role } from "./plan.ts";

const joined = (values: readonly (string | number)[]): string =>
  values.every((value) => value === values[0]) ? String(values[0]) : values.join("x");

/**
 * The problem line: `grid-linear forward n2 ci6 co8 g2 | i7x6 k3x3 s2 d1 p1:1 t1 zero`. Axis values are joined by x, a
 * single value stands for all axes; `u` instead of `n` when the examples are not a batch; `flip` and `table 101/011` follow when set.
 */
export function printLine(plan: GridLinearPlan): string {
  const { axes } = plan;
  const head = `grid-linear ${plan.role} ${plan.batched ? "n" : "u"}${plan.examples} ci${plan.channelsIn} co${plan.channelsOut} g${plan.groups}`;
  const geometry =
    axes.length === 0
      ? "-"
      : [
          `i${axes.map((axis) => axis.input).join("x")}`,
          `k${axes.map((axis) => axis.kernel).join("x")}`,
          `s${joined(axes.map((axis) => axis.stride))}`,
          `d${joined(axes.map((axis) => axis.dilation))}`,
          `p${joined(axes.map((axis) => `${axis.low}:${axis.high}`))}`,
          `t${joined(axes.map((axis) => axis.period))}`,
          joined(axes.map((axis) => axis.border)),
        ].join(" ");
  const table = plan.connections === null ? "" : ` table ${plan.connections.join("/")}`;
  return `${head} | ${geometry}${plan.flip ? " flip" : ""}${table}`;
}

/** Reads a problem line back. Throws: when a part is missing or not of the form that `printLine` writes. */
export function parseLine(line: string): GridLinearPlan {
  const match =
    /^grid-linear (forward|kernel|input) ([nu])(\d+) ci(\d+) co(\d+) g(\d+) \| (-|i\S+ k\S+ s\S+ d\S+ p\S+ t\S+ \S+)( flip)?(?: table ([01/]+))?$/.exec(
      line.trim(),
    );
  if (match === null)
    fail("grid-linear", "line", "problem line", "`grid-linear forward n2 ci6 co8 g2 | i7x6 k3x3 s2 d1 p1:1 t1 zero`", `\`${line}\``);
  const [, role, batch, examples, channelsIn, channelsOut, groups, geometry, flip, table] = match;
  return {
    role: role as Role,
    examples: Number(examples),
    batched: batch === "n",
    channelsIn: Number(channelsIn),
    channelsOut: Number(channelsOut),
    groups: Number(groups),
    connections: table === undefined ? null : table.split("/"),
    flip: flip !== undefined,
    axes: geometry === "-" ? [] : parseAxes(geometry),
  };
}

function parseAxes(geometry: string): Axis[] {
  const words = geometry.split(" ");
  const count = words[0].split("x").length;
  const values = (word: string, skip = 1): string[] => {
    const list = word.slice(skip).split("x");
    if (list.length !== 1 && list.length !== count) fail("grid-linear", "line", "axis values", `1 or ${count} joined by x`, word);
    return Array.from({ length: count }, (_, i) => list[i] ?? list[0]);
  };
  const [input, kernel, stride, dilation, period] = [0, 1, 2, 3, 5].map((index) => values(words[index]).map(Number));
  const padding = values(words[4]).map((cells) => cells.split(":").map(Number));
  const border = splitBorders(words[6], count);
  return input.map((extent, i) => {
    const [low, high] = padding[i];
    return {
      input: extent,
      kernel: kernel[i],
      stride: stride[i],
      dilation: dilation[i],
      low,
      high,
      period: period[i],
      border: border[i],
      output: outputExtent(extent, kernel[i], stride[i], dilation[i], low, high),
    };
  });
}

const borders: readonly Border[] = ["zero", "wrap", "reflect", "replicate"];

function splitBorders(word: string, count: number): Border[] {
  const list = word.split("x");
  const all = Array.from({ length: count }, (_, i) => (list[i] ?? list[0]) as Border);
  for (const border of all) if (!borders.includes(border)) fail("grid-linear", "line", "border", borders.join(", "), border);
  return all;
}
