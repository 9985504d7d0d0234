import { fail } from "../base/errors.ts";
import { printType } from "../base/types.ts";
import type { Value } from "./contract.ts";

/** An axis counted from the end when negative, checked. Axis 0 of a batched value is the example axis. */
export function axisOf(room: string, value: Value, axis: number): number {
  const rank = value.type.shape.length;
  const counted = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(counted) || counted < 0 || counted >= rank)
    fail(room, printType(value.type), "axis", `0 to ${rank - 1}, or -${rank} to -1 from the end`, axis);
  return counted;
}

/** The same, counted after the example axis, which itself is refused. */
export function restAxis(room: string, value: Value, axis: number): number {
  const counted = axisOf(room, value, axis);
  if (!value.type.batched) return counted;
  if (counted === 0)
    fail(room, printType(value.type), "axis", "one after the example axis", axis, "The examples of a batch are not mixed.");
  return counted - 1;
}
