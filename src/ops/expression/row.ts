import type { Expression } from "../contract.ts";

/**
 * One function of formulas. `value` is the oracle in float64. A row without `expansion` is a primitive, which every
 * printer (wasm, WGSL) knows; any other is built from simpler rows in a form that is sound in f32.
 */
export interface Row {
  readonly name: string;
  readonly arity: number;
  value(...inputs: readonly number[]): number;
  readonly expansion?: (inputs: readonly Expression[]) => Expression;
  /**
   * Partial derivatives by operand, from the operands and, wherever it serves, from the output alone: a value that only the
   * slope of its producer's output needs is not kept, and the row can be fused into that producer.
   */
  slope(inputs: readonly Expression[], output: Expression): readonly Expression[];
  readonly source: string;
  /** Largest error of an f32 routine on `domain`, in units in the last place of the result. */
  readonly ulps: number;
  /** Where tests draw the operands from: [low, high] each. */
  readonly domain: readonly (readonly [number, number])[];
}
