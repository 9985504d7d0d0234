import type { Device } from "../ops/contract.ts";
import type { MoveTime } from "../ops/convert/index.ts";
import { costTable } from "./cost-table.ts";

/** A step costs this much however little it does: a barrier and a call, ns. */
export const stepCost = 1000;

/** Predicted time of an algorithm or a conversion, ns: what it says of itself, as measured on the tier. One that was not measured is taken at its word. */
export function predict(id: string, estimate: number, { tier }: Device): number {
  const [scale, fixed] = costTable[tier][id] ?? [1, 0];
  return fixed + scale * estimate;
}

/** Predicted time of a conversion or a halo fill, with its step. */
export const predictMove = ({ method, ns }: MoveTime, device: Device): number => stepCost + predict(method, ns, device);
