import { size, type TensorType } from "../../base/types.ts";
import type { Chunks, Device, Layout, Routine } from "../contract.ts";
import { place, printLayout } from "../layout.ts";
import { printTypes } from "../line.ts";
import { type Conversion, copy } from "./copy.ts";
import { fillHalo } from "./halo.ts";
import { permute } from "./permute.ts";
import { regroup } from "./regroup.ts";
import { type LaneOrder, transpose } from "./transpose.ts";

export { permutes } from "./permute.ts";
export { groupLanes, paddedGroups } from "./transpose.ts";

/** A routine of the planner's own, with its chunks. */
export interface Step {
  readonly routine: Routine;
  readonly chunks: Chunks;
}

/** Predicted time of a conversion or a halo fill, ns of one thread, by the name that the cost table knows its method by. */
export interface MoveTime {
  readonly method: string;
  readonly ns: number;
}

/** Bytes that a thread moves in a ns: in the caches of a core, beyond them, and from memory. */
const bandwidth = (bytes: number): number => (bytes <= 2 ** 20 ? 16 : bytes <= 2 ** 23 ? 10 : 6);

/** Predicted time of `conversion`. */
export function conversionTime(type: TensorType, from: Layout, to: Layout): MoveTime {
  const [source, target] = [place(type, from), place(type, to)];
  const bytes = 4 * (source.words + target.words);
  const rows = (target.examples * target.blocks * size(target.extents)) / (target.extents.at(-1) ?? 1);
  const [method, factor] =
    from.block === to.block
      ? ["convert-copy", 1]
      : from.block === 1
        ? ["convert-to-blocks", 1.5]
        : to.block === 1
          ? ["convert-to-plain", 1.5]
          : ["convert-regroup", 1.2];
  return { method, ns: (factor * bytes) / bandwidth(bytes) + 4 * rows };
}

/** Predicted time of `haloFill`: each gap between interior cells is a run of stores. */
export function haloTime(type: TensorType, layout: Layout): MoveTime {
  const at = place(type, layout);
  const blocks = at.examples * at.blocks;
  const words = at.words - blocks * size(at.extents) * at.block;
  const inner = at.halo.findLastIndex(({ low, high }) => low + high > 0);
  const gaps = blocks * (1 + size(at.extents.slice(0, Math.max(0, inner))));
  return { method: "halo", ns: (4 * words) / bandwidth(4 * at.words) + 2 * gaps };
}

/**
 * Copies a value into another layout: interior cells, word for word whatever their type, and zero into spare lanes.
 * The halo of the target is left as it is. Operands: source (read), target (write).
 */
export function conversion(type: TensorType, from: Layout, to: Layout, device: Device): Step {
  const kind = from.block === to.block ? copy : from.block === 1 || to.block === 1 ? transpose : regroup;
  return step(`convert | ${printTypes([type])} | ${printLayout(from)} -> ${printLayout(to)} | ${device.tier}`, kind(type, from, to));
}

/**
 * Puts plain or channel-blocked cells into blocks whose lanes are groups, or plain ones into groups that are filled up to whole blocks; or back.
 * Operands: source (read), target (write).
 */
export function groupConversion(
  type: TensorType,
  order: Exclude<LaneOrder, { readonly kind: "channels" }>,
  [cells, lanes]: readonly [Layout, Layout],
  direction: "to lanes" | "from lanes",
  device: Device,
): Step {
  const only = order.kind === "groups" && order.only !== null ? ` channel ${order.only}` : "";
  const key = `convert ${direction} ${order.kind} of ${order.perGroup}${only} | ${printTypes([type])} | ${printLayout(cells)} ${printLayout(lanes)} | ${device.tier}`;
  const [from, to] = direction === "to lanes" ? [cells, lanes] : [lanes, cells];
  return step(
    key,
    cells.block === 1 ? transpose(type, from, to, order) : permute(type, cells, lanes, order.perGroup, direction === "to lanes"),
  );
}

/** Fills every halo cell of a value, spare lanes included, with the layout's fill. Operand: the value (update). */
export function haloFill(type: TensorType, layout: Layout): Step {
  return step(`halo | ${printTypes([type])} | ${printLayout(layout)}`, fillHalo(type, layout));
}

function step(key: string, { division, emit }: Conversion): Step {
  return { routine: { key, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], emit) }, chunks: division.chunks };
}
