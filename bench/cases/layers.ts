import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { size, type TensorType } from "../../src/base/types.ts";
import { gridLinear } from "../../src/ops/grid-linear/index.ts";
import { type GridLinearPlan, typesOf } from "../../src/ops/grid-linear/plan.ts";
import { type Net, NetWriter, type Window } from "../net.ts";
import type { Traffic } from "../report.ts";
import type { Case } from "./case.ts";

const folder = fileURLToPath(new URL("../problems/", import.meta.url));

/** The net that holds the one operation of a problem line. */
export function netOfLine(line: string): Net {
  const plan = gridLinear.parse(line);
  const { axes, groups } = plan;
  if (plan.flip || plan.connections !== null || axes.some(({ border }) => border !== "zero"))
    throw new Error(`bench: \`${line}\`: no peer has flip, connection tables or borders other than zero`);
  const types = typesOf(plan);
  const net = new NetWriter();
  const periods = axes.map((axis) => axis.period);
  const tiled = periods.some((period) => period > 1) ? { period: periods } : {};
  const window: Window = {
    kernel: axes.map((axis) => axis.kernel),
    stride: axes.map((axis) => axis.stride),
    dilation: axes.map((axis) => axis.dilation),
    low: axes.map((axis) => axis.low),
    high: axes.map((axis) => axis.high),
  };
  if (plan.role === "kernel") {
    const [input, gradient] = [net.input(types.input.shape), net.input(types.output.shape)];
    return net.finish(net.push({ op: "convKernelGradient", groups, ...window, ...tiled }, [input, gradient], types.kernel.shape));
  }
  const weight = net.parameter("kernel", types.kernel.shape, { deviation: Math.sqrt(1 / fanIn(plan)) });
  if (plan.role === "input") {
    const extents = axes.map((axis) => axis.input);
    return net.finish(
      net.push(
        { op: "convInputGradient", weight, groups, extents, ...window, ...tiled },
        [net.input(types.output.shape)],
        types.input.shape,
      ),
    );
  }
  const input = net.input(types.input.shape);
  if (axes.length === 0) return net.finish(net.push({ op: "dense", weight, bias: null }, [input], types.output.shape));
  return net.finish(net.push({ op: "conv", weight, bias: null, groups, ...window, ...tiled }, [input], types.output.shape));
}

/** Terms of one output, so that outputs have deviation 1. */
function fanIn({ role, channelsIn, channelsOut, groups, axes }: GridLinearPlan): number {
  const taps = size(axes.map((axis) => axis.kernel));
  return role === "input" ? (channelsOut / groups) * (taps / size(axes.map((axis) => axis.stride))) : (channelsIn / groups) * taps;
}

/** Bytes that a problem moves at least: kernel, input and output once. */
export function leastTraffic(line: string): Traffic {
  const plan = gridLinear.parse(line);
  const bytes = (types: readonly TensorType[]): number => types.reduce((sum, { shape }) => sum + 4 * size(shape), 0);
  return { read: bytes(gridLinear.inputs(plan)), written: bytes(gridLinear.outputs(plan)) };
}

/** All problem lines of `bench/problems/*.txt`: `name: line`, # begins a comment. */
export function layerCases(): Case[] {
  const cases: Case[] = [];
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith(".txt")) continue;
    for (const text of readFileSync(join(folder, file), "utf8").split("\n")) {
      const row = text.trim();
      if (row === "" || row.startsWith("#")) continue;
      const split = row.indexOf(": ");
      const [name, line] = [row.slice(0, split), row.slice(split + 2)];
      cases.push({ name, kind: "forward", net: netOfLine(line), line, bound: 1e-4 });
    }
  }
  return cases;
}
