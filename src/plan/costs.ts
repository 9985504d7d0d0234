import type { Device } from "../ops/contract.ts";
import type { MoveTime } from "../ops/convert/index.ts";
import { costTable } from "./cost-table.ts";

/** Predicted time of an algorithm or a conversion, ns: what it says of itself, as measured on the tier. One that was not measured is taken at its word. */
export const predict = (id: string, estimate: number, { tier }: Device): number => predictBy(costTable[tier][id], estimate);

/** Scale, and fixed part in ns, of what an algorithm predicts. */
export type CostEntry = readonly [scale: number, fixed: number];

export function predictBy(entry: CostEntry | undefined, estimate: number): number {
  const [scale, fixed] = entry ?? [1, 0];
  // a negative fixed part takes back what a formula asks of large problems; it leaves small ones something
  return Math.max(fixed + scale * estimate, (scale * estimate) / 4);
}

/** What a step takes however little it does, ns, where it was not measured: a barrier and a call. */
const usualStep = 1000;

/** Predicted time of a conversion or a halo fill, with its step. */
export const predictMove = ({ method, ns }: MoveTime, device: Device): number =>
  predict("step", usualStep, device) + predict(method, ns, device);
