import type { Random } from "../base/random.ts";
import type { Tensor, TensorType } from "../base/types.ts";
import type { ModuleBuilder } from "../emit/wasm/module.ts";

/**
 * A value of a graph while it is traced: what layers and losses compute with.
 * `graph` is where new nodes go, so operators are free functions and there is no ambient graph.
 */
export interface Value {
  readonly id: number;
  readonly type: TensorType;
  readonly graph: Tracer;
}

/** Takes down the calls of operators as nodes of a graph. */
export interface Tracer {
  apply<P, O>(operator: Operator<P, O>, options: O, inputs: readonly Value[]): readonly Value[];
  /** A value known while tracing: every cell `fill`, or a tensor. Equal constants become one value. */
  constant(content: { readonly shape: readonly number[]; readonly fill: number } | Tensor): Value;
  /** Number of examples of the run as an f32 scalar (shape []). */
  examples(): Value;
  /** Extents of a value whose examples are of unequal extents; null where all cells are valid. */
  extents(value: Value): Extents | null;
  /**
   * What `body` makes with no regard to extents, as a value whose examples are of these: its cells beyond them are cleared. For a part that minds
   * the extents of what it reads. With null it is what `body` makes.
   */
  unequal(extents: Extents | null, body: () => Value): Value;
  /** Notes that every example needs so many cells along an axis. */
  needs(extent: AxisExtent, least: number): void;
}

/** How many cells along an axis each example has: counts as f32 [examples], and as a function of the extents that were fed. */
export interface AxisExtent {
  readonly counts: Value;
  /** The input whose extents are fed. */
  readonly input: string;
  readonly of: (fed: readonly number[]) => number;
}

/** One entry for each axis after the example axis; null where every example has the whole axis. Cells beyond hold zero. */
export type Extents = readonly (AxisExtent | null)[];

/** What an operator builds with where its examples are of unequal extents. */
export interface UnequalTools {
  /** The operator itself, on these inputs, with no regard to extents. */
  readonly apply: (inputs: readonly Value[]) => readonly Value[];
  /** The value with `fill` in the cells beyond the extents. */
  readonly masked: (value: Value, extents: Extents, fill?: number) => Value;
  /** Extents worked out of others: operand 0 of the formula. */
  readonly extent: (from: AxisExtent, formula: Expression) => AxisExtent;
}

/** A value with the extents of its examples. */
export interface UnequalValue {
  readonly value: Value;
  readonly extents: Extents | null;
}

/** What one run of a plan costs. */
export interface Cost {
  readonly multiplyAdds: number;
  readonly bytes: number;
  readonly parameters: number;
}

/**
 * An operator: one room. P is its plan (validated plain data), O the options a caller gives (plain JSON data, never
 * the number of examples, so that a node can be planned again for another batch).
 */
export interface Operator<P = unknown, O = unknown> {
  readonly name: string;
  /** The only place that validates; throws once, with every problem. */
  plan(options: O, inputs: readonly TensorType[]): P;
  inputs(plan: P): readonly TensorType[];
  outputs(plan: P): readonly TensorType[];
  /** The problem line; `parse(line(plan))` equals plan. */
  line(plan: P): string;
  parse(line: string): P;
  /** The oracle: plain loops in float64. */
  reference(plan: P, inputs: readonly Float64Array[]): Float64Array[];
  /** Gradients with respect to the inputs, as new nodes (so they can be differentiated again). Absent = zero. */
  gradient(plan: P, node: NodeValues, outputGradients: readonly (Value | undefined)[]): readonly (Value | undefined)[];
  cost(plan: P): Cost;
  /**
   * The outputs for examples of unequal extents: for each example what it gives alone, and zero in the cells beyond. Inputs hold zero there.
   * A sentence where it cannot; absent: it never can.
   */
  unequal?(plan: P, inputs: readonly UnequalValue[], tools: UnequalTools, options: O): readonly UnequalValue[] | string;
  /** True when the output is the input's cells in the same plain order, so that it needs no work at all. */
  alias?(plan: P): boolean;
  /** A random plan for the laws. */
  sample(random: Random): P;
}

export interface NodeValues {
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
}

/** A pointwise formula. Operand 0 of an epilogue is the result of the routine it is fused into. */
export type Expression =
  | { readonly kind: "operand"; readonly index: number }
  | { readonly kind: "constant"; readonly value: number }
  | { readonly kind: "call"; readonly name: string; readonly inputs: readonly Expression[] };

/** What is fused into the producing routine: a formula over the result and further operands, broadcast as in `pointwise`. */
export interface Fusion {
  readonly epilogue: Expression;
  /** Types of the further operands: operands 1, 2, ... of the formula. */
  readonly operands: readonly TensorType[];
  /** Of the cells that the formula gives, the largest of every window is all that is kept. */
  readonly pool?: PoolWindow;
}

/**
 * Windows that lie side by side on the spatial axes: Z[c, o] = max over 0 <= t < extents of Y[c, o extents + t]. Cells behind the last whole
 * window are left out; NaN wins over everything, and of equals the first in scan order is taken.
 */
export interface PoolWindow {
  readonly extents: readonly number[];
}

/** Cells around the interior of one spatial axis. */
export interface Margin {
  readonly low: number;
  readonly high: number;
}

/**
 * Where the cells of a value lie. `block` = 1: plain row-major; otherwise the channel axis (axis 1 when batched, else
 * axis 0) is split into blocks of that many channels, innermost. `halo` surrounds the axes after the channel axis and
 * holds `fill`; an empty list means none. Halo and spare lanes (channels beyond the last) are set anew every run:
 * spare lanes hold zero; consumers may rely on both.
 */
export interface Layout {
  readonly block: number;
  readonly halo: readonly Margin[];
  readonly fill: number;
}

/** What an algorithm asks of one input: the block, and at least this halo. */
export interface LayoutChoice {
  readonly inputs: readonly Layout[];
  /** Layouts of the fused operands. */
  readonly operands: readonly Layout[];
  /** Blocks of the outputs; their halo is what the consumers need, and the routine has only to write the interior and spare lanes. */
  readonly outputs: readonly number[];
}

/** The instruction set in use. Equal devices give equal bits. */
export interface Device {
  readonly tier: "wide" | "relaxed" | "plain";
  /** Fused multiply-add (relaxed SIMD). */
  readonly fma: boolean;
  /** Pairs of 128-bit operations run as one 256-bit operation. */
  readonly wide: boolean;
}

export interface Buffers {
  readonly inputs: readonly Layout[];
  readonly operands: readonly Layout[];
  readonly outputs: readonly Layout[];
}

/** Programs that update a state work on it anew in every run; the others do so when it is written, so that it costs a run nothing. */
export type Programs = "training" | "inference";

/** One way to compute an operator on the wasm target. */
export interface Algorithm<P = unknown> {
  readonly id: string;
  /** Name of the operator it computes. */
  readonly operator: string;
  /** How many times the rounding of a plain sum of products its own may be, as measured. Absent: 1, and small integers come out exactly. */
  readonly rounding?: number;
  /** Cells on each spatial axis over which it spreads the rounding of one, so that the bound is that of the largest cell so near. Absent: 0. */
  readonly spread?: number;
  /** Whether it takes a fusion with a pool. Absent: it never does, and is not asked. */
  readonly pools?: true;
  /** What it can read and write for this plan; empty when it cannot. */
  layouts(plan: P, fusion: Fusion | null, device: Device): readonly LayoutChoice[];
  /** Why it does not take this plan, as a sentence for `explain()`; null when it does. */
  refuses(plan: P, choice: LayoutChoice, fusion: Fusion | null, device: Device): string | null;
  /** Predicted time of one thread, ns; `programs` says whether input 0 is worked on in every run. The planner scales it as measured. */
  estimate(plan: P, choice: LayoutChoice, fusion: Fusion | null, device: Device, programs?: Programs): number;
  emit(plan: P, buffers: Buffers, fusion: Fusion | null, device: Device): Emission;
}

/** Algorithms that are read together, once a graph has a plan that one of them may take: those of a net are a few of all. */
export interface Family {
  /** What they have in common; `explain()` names them so where they are refused together. */
  readonly name: string;
  /** Names of the operators that they compute. */
  readonly operators: readonly string[];
  /** Whether rewrites may turn a node of another operator into one of these. */
  comesFrom?(operator: string, plan: unknown): boolean;
  /** Why none of them takes a plan, from the plan alone and never because of what a rewrite may undo; null when one may. Absent: never. */
  refuses?(plan: unknown): string | null;
  load(): Promise<readonly Algorithm[]>;
}

/** Steps that compute one node, with the scratch and the tables they use. */
export interface Emission {
  /** Bytes of scratch, live while the node runs. */
  readonly temporaries: readonly number[];
  /** Read-only tables. */
  readonly constants: readonly (Int32Array | Float32Array)[];
  readonly steps: readonly StepSpec[];
  /**
   * Which output may lie in the buffer of which input of the same type and layout (operands of the fusion count on behind the inputs): each cell is read
   * before it is written. True: any in any.
   */
  readonly inPlace?: boolean | ((output: number, input: number) => boolean);
}

export type Access = "read" | "write" | "update";

/** One buffer that a step touches. Its address is the routine's argument of the same position. */
export interface OperandRef {
  readonly of: "input" | "operand" | "output" | "temporary" | "constant";
  readonly index: number;
  readonly access: Access;
}

export interface StepSpec {
  readonly routine: Routine;
  readonly operands: readonly OperandRef[];
  readonly chunks: Chunks;
}

/**
 * How many chunks a step has: `each` for every `group` examples of the run (the last group may be short), or just
 * `each` when group is 0. Never depends on the number of threads.
 */
export interface Chunks {
  readonly each: number;
  readonly group: number;
}

/** Chunks of a run with so many examples. */
export const chunkCount = ({ each, group }: Chunks, examples: number): number => (group === 0 ? each : each * Math.ceil(examples / group));

/**
 * An emitted function of the signature (arguments, begin, end, examples): `arguments` is the address of the table of
 * operand addresses (i32 each), chunks begin <= c < end are to be done, `examples` is the run's number of examples.
 */
export interface Routine {
  /** `algorithm | problem line | layout | fusion | tier`: equal keys mean equal code, for the whole process. */
  readonly key: string;
  /** Adds the function (and helpers of its own) to the module; returns its index. */
  build(module: ModuleBuilder): number;
}

export const operand = (index: number): Expression => ({ kind: "operand", index });
export const constant = (value: number): Expression => ({ kind: "constant", value });
export const call = (name: string, ...inputs: readonly Expression[]): Expression => ({ kind: "call", name, inputs });
