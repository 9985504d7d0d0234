import type { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import type { TensorType } from "../../base/types.ts";
import type { Extents, NodeValues, UnequalTools, Value } from "../contract.ts";

/** Applies another move: what gradients are made of. */
export type Apply = (options: { readonly kind: string }, inputs: readonly Value[]) => Value;

/** What a move makes of extents. */
export interface Moved {
  readonly extents: Extents;
  readonly fill?: number;
}

/** One kind of move. M is its options as plain data; axes and extents in them count after the example axis. */
export interface Kind<M extends { readonly kind: string }> {
  readonly kind: M["kind"];
  /** Number of inputs; 0 for any. */
  readonly inputs: number;
  /** Output type; notes what does not fit. */
  output(problems: Problems, move: M, inputs: readonly TensorType[]): TensorType;
  /** The options in a problem line, and back. */
  print(move: M): string;
  parse(text: string): M;
  reference(move: M, inputs: readonly Float64Array[], types: readonly TensorType[], output: TensorType): Float64Array;
  /** Extents of the output where examples are of unequal extents, and what cells beyond them must hold before (0 when left out); a sentence where it cannot. */
  unequal?(move: M, extents: readonly (Extents | null)[], types: readonly TensorType[], tools: UnequalTools): Moved | string;
  gradient(move: M, node: NodeValues, gradient: Value, apply: Apply): (Value | undefined)[];
  sample(random: Random): { move: M; inputs: TensorType[] };
}

/** Extents after the example axis. */
export const rest = (type: TensorType): readonly number[] => (type.batched ? type.shape.slice(1) : type.shape);

/** The type with other extents after the example axis. */
export const withRest = (type: TensorType, extents: readonly number[]): TensorType => ({
  ...type,
  shape: type.batched ? [type.shape[0], ...extents] : extents,
});

/** A random type with this many axes after the example axis. */
export function sampleType(random: Random, rank: number): TensorType {
  const batched = random.uniform() < 0.75;
  const extents = Array.from({ length: rank }, () => random.pick([1, 2, 3, 4, 5, 7, 8]));
  return { dtype: "f32", shape: batched ? [random.integer(1, 4), ...extents] : extents, batched };
}
