import type { Role } from "../plan.ts";
import type { Cut } from "./problem.ts";
import type { TileCode } from "./tiles.ts";

/** Where planes of V, G, Z or Q lie: bytes from one to the next, and from example to example. */
export interface Planes {
  readonly example: number;
  readonly plane: number;
  /** Entries of its table for each copy. */
  readonly entries: number;
}

/** All numbers of the routine: equal ones mean equal code. */
export interface LocalCode {
  readonly role: Role;
  readonly cut: Cut;
  readonly turns: number;
  readonly groups: number;
  readonly tile: TileCode;
  /** From group to group of K. */
  readonly kernelGroup: number;
  /** Floats that an entry of the table of V stands for. */
  readonly run: number;
  /** V; G for the input gradient. */
  readonly source: Planes;
  /** Z, Q, or G for the kernel gradient. */
  readonly other: Planes;
}
