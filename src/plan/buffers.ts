import type { TensorType } from "../base/types.ts";
import type { Content } from "../graph/graph.ts";
import type { Access, Chunks, Layout, Routine } from "../ops/contract.ts";
import type { MoveTime } from "../ops/convert/index.ts";

/** What a buffer is for, which says how long it lives. */
export type BufferKind =
  /** Lives in the session. */
  | { readonly kind: "state"; readonly name: string }
  /** Written by the caller before a run. */
  | { readonly kind: "input"; readonly name: string }
  /** Number of examples of the run. */
  | { readonly kind: "examples" }
  /** Written once, when the program is made. */
  | { readonly kind: "constant"; readonly content: Content | Int32Array | Float32Array }
  /** Read by the caller after a run. */
  | { readonly kind: "output"; readonly name: string }
  /** Between steps of one run; shares memory with others that do not live at the same time. */
  | { readonly kind: "transient" };

export interface Buffer {
  readonly id: number;
  readonly words: number;
  readonly use: BufferKind;
  /** Value and layout that it holds; null for scratch and tables. */
  readonly value: { readonly type: TensorType; readonly layout: Layout } | null;
}

export interface PlannedOperand {
  readonly buffer: number;
  readonly access: Access;
}

/** One step of a run: a routine, the buffers it works on, its chunks. */
export interface PlannedStep {
  readonly routine: Routine;
  readonly operands: readonly PlannedOperand[];
  readonly chunks: Chunks;
  /** Node of the (fused) graph that it belongs to. */
  readonly node: number;
  /** What it is to a reader of `explain()`: the algorithm's id, `convert plain -> b16`, `halo`. */
  readonly label: string;
  /** What a conversion, a copy or a halo fill predicts; absent in steps of an algorithm. */
  readonly move?: MoveTime;
  /** Its result may lie where an operand of the same type and layout lies. */
  readonly inPlace?: boolean;
}
