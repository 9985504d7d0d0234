import type { Value } from "../ops/contract.ts";

/** Loss of each example [N] from the net's outputs and the targets, by name. */
export type Loss = (outputs: Readonly<Record<string, Value>>, targets: Readonly<Record<string, Value>>) => Value;
