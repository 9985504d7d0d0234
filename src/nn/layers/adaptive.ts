import { fail } from "../../base/errors.ts";
import type { Value } from "../../ops/contract.ts";
import { gather, maxWindow } from "../../ops.ts";
import type { Layer } from "../scope.ts";
import { layer, partsOf, perAxis } from "./layer.ts";
import { resize } from "./resize.ts";

/**
 * As many windows as asked for, which cover the grid: window i of m on an axis of n cells is floor(i n / m) to ceil((i + 1) n / m).
 * Source: He et al. 2015 (spatial pyramid pooling), section 2.2.
 * Shapes: [N, C, ...n] -> [N, C, ...m]; one number stands for all axes.
 * Throws: when an extent is no whole number >= 1.
 * Example: `adaptivePool([6, 6], "max")`
 */
export function adaptivePool(extents: number | readonly number[], kind: "average" | "max" = "average"): Layer {
  return layer("adaptivePool", { extents, kind }, (input, scope) => {
    const from = partsOf(input, "adaptivePool").extents;
    const to = perAxis(extents, from.length, "adaptivePool", "extents");
    const whole = to.every((extent) => Number.isInteger(extent) && extent >= 1);
    if (!whole) fail("adaptivePool", "", "extents", "whole numbers >= 1", `[${to.join(", ")}]`);
    if (kind === "average") return resize({ size: to, method: "area" }).apply(input, scope);
    // the last axis first, so that the first of equal cells in scan order is found
    return to.reduceRight((value, extent, axis) => largest(value, 2 + axis, extent), input);
  });
}

/** Largest cell of every window on one axis: windows of one width side by side, short ones filled up with their last cell. */
function largest(input: Value, axis: number, to: number): Value {
  const from = input.type.shape[axis];
  const window = (cell: number): [number, number] => [Math.floor((cell * from) / to), Math.ceil(((cell + 1) * from) / to)];
  const cells = Array.from({ length: to }, (_, cell) => window(cell));
  const width = Math.max(...cells.map(([first, beyond]) => beyond - first));
  const index = cells.flatMap(([first, beyond]) => Array.from({ length: width }, (_, tap) => Math.min(first + tap, beyond - 1)));
  const table = input.graph.constant({ dtype: "i32", shape: [index.length], data: Int32Array.from(index) });
  const kernel = input.type.shape.slice(1).map((_, other) => (other === axis - 1 ? width : 1));
  return maxWindow(gather(input, table, axis), { kernel, stride: kernel }).value;
}
