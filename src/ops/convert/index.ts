import type { TensorType } from "../../base/types.ts";
import type { Chunks, Device, Layout, Routine } from "../contract.ts";
import { printLayout } from "../layout.ts";
import { printTypes } from "../line.ts";
import { type Conversion, copy } from "./copy.ts";
import { fillHalo } from "./halo.ts";
import { regroup } from "./regroup.ts";
import { transpose } from "./transpose.ts";

/** A routine of the planner's own, with its chunks. */
export interface Step {
  readonly routine: Routine;
  readonly chunks: Chunks;
}

/**
 * Copies a value into another layout: interior cells, word for word whatever their type, and zero into spare lanes.
 * The halo of the target is left as it is. Operands: source (read), target (write).
 */
export function conversion(type: TensorType, from: Layout, to: Layout, device: Device): Step {
  const kind = from.block === to.block ? copy : from.block === 1 || to.block === 1 ? transpose : regroup;
  return step(`convert | ${printTypes([type])} | ${printLayout(from)} -> ${printLayout(to)} | ${device.tier}`, kind(type, from, to));
}

/** Fills every halo cell of a value, spare lanes included, with the layout's fill. Operand: the value (update). */
export function haloFill(type: TensorType, layout: Layout): Step {
  return step(`halo | ${printTypes([type])} | ${printLayout(layout)}`, fillHalo(type, layout));
}

function step(key: string, { division, emit }: Conversion): Step {
  return { routine: { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], emit) }, chunks: division.chunks };
}
