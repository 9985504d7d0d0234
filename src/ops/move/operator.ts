import { fail, Problems } from "../../base/errors.ts";
import { printType, sameShape, size, type TensorType } from "../../base/types.ts";
import type { Operator, Value } from "../contract.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";
import { type Concat, concatKind } from "./concat.ts";
import { type Gather, gatherKind, type ScatterAdd, scatterAddKind } from "./gather.ts";
import { type Kind, rest } from "./kind.ts";
import { type AxisMap, type Remap, remapKind, type Unmap, unmapKind } from "./remap.ts";
import { type Reshape, reshapeKind } from "./reshape.ts";
import { type Transpose, transposeKind } from "./transpose.ts";

export { type AxisMap, mappedCell, type Remap, type Unmap, wholeAxis } from "./remap.ts";
export type { Concat, Gather, Reshape, ScatterAdd, Transpose };

/** Options of a move. Axes, orders and extents count after the example axis of a batched value. */
export type MoveOptions = Reshape | Transpose | Remap | Unmap | Concat | Gather | ScatterAdd;

export interface MovePlan {
  readonly move: MoveOptions;
  readonly inputs: readonly TensorType[];
  readonly output: TensorType;
}

const kinds: ReadonlyMap<string, Kind<MoveOptions>> = new Map(
  [reshapeKind, transposeKind, remapKind, unmapKind, concatKind, gatherKind, scatterAddKind].map((kind) => [
    kind.kind,
    kind as Kind<MoveOptions>,
  ]),
);

function kindOf(name: string): Kind<MoveOptions> {
  return kinds.get(name) ?? fail("move", "", "kind", [...kinds.keys()].join(", "), name);
}

/**
 * Cells put elsewhere, nothing computed but sums of what meets in one cell. Kinds: reshape, transpose, remap (slice, flip, crop,
 * pad, upsample) and its adjoint unmap, concat, gather along an axis by run-time indices and its adjoint scatterAdd.
 * Shapes: as the kind says; the example axis of a batched value stays first and whole.
 * Throws: when shapes do not fit, with the arithmetic.
 */
export const moveOperator: Operator<MovePlan, MoveOptions> = {
  name: "move",
  plan: planMove,
  inputs: (plan) => plan.inputs,
  outputs: (plan) => [plan.output],
  line: ({ move, inputs }) => `move ${move.kind}${printExamples(inputs)} | ${printTypes(inputs)} | ${kindOf(move.kind).print(move)}`,
  parse: (line) => {
    const { words, examples, rest: parts } = splitLine(line, "move", 2, "move transpose n2 | nx3x8 | 1x0");
    return planMove(kindOf(words[0]).parse(parts[1]), parseTypes("move", parts[0], examples));
  },
  reference: ({ move, inputs, output }, cells) => [kindOf(move.kind).reference(move, cells, inputs, output)],
  gradient: ({ move }, node, [gradient]) => {
    if (gradient === undefined) return [];
    return kindOf(move.kind).gradient(move, node, gradient, (options, inputs) => apply(options as MoveOptions, inputs));
  },
  unequal: ({ move, inputs }, given, tools) => {
    const moved = kindOf(move.kind).unequal?.(
      move,
      given.map(({ extents }) => extents),
      inputs,
      tools,
    );
    if (moved === undefined || typeof moved === "string")
      return moved ?? `A ${move.kind} may bring cells of an example to where another has none.`;
    const { extents, fill = 0 } = moved;
    const filled = given.map(({ value, extents: own }) => (fill === 0 || own === null ? value : tools.masked(value, own, fill)));
    const [value] = tools.apply(filled);
    return [{ value: fill === 0 ? value : tools.masked(value, extents), extents }];
  },
  cost: ({ inputs, output }) => ({
    multiplyAdds: 0,
    bytes: 4 * inputs.reduce((sum, { shape }) => sum + size(shape), size(output.shape)),
    parameters: 0,
  }),
  alias: ({ move, inputs }) => {
    if (move.kind !== "transpose") return move.kind === "reshape";
    const moved = move.order.filter((axis) => rest(inputs[0])[axis] > 1);
    return moved.every((axis, i) => i === 0 || moved[i - 1] < axis);
  },
  sample: (random) => {
    const { move, inputs } = random.pick([...kinds.values()]).sample(random);
    return planMove(move, inputs);
  },
};

function planMove(move: MoveOptions, inputs: readonly TensorType[]): MovePlan {
  const kind = kindOf(move.kind);
  const problems = new Problems("move", `${move.kind} ${inputs.map(printType).join(" ")}`);
  problems.check(
    kind.inputs === 0 ? inputs.length > 0 : inputs.length === kind.inputs,
    "inputs",
    kind.inputs === 0 ? ">= 1" : String(kind.inputs),
    inputs.length,
  );
  problems.throwIfAny();
  const output = kind.output(problems, move, inputs);
  problems.throwIfAny();
  return { move, inputs, output };
}

const apply = (options: MoveOptions, inputs: readonly Value[]): Value => inputs[0].graph.apply(moveOperator, options, inputs)[0];

/** The same cells under other extents (after the example axis). */
export const reshapeRest = (value: Value, shape: readonly number[]): Value =>
  sameShape(rest(value.type), shape) ? value : apply({ kind: "reshape", shape }, [value]);

/** Axes (after the example axis) in another order: axis i of the result is axis order[i]. */
export const transposeRest = (value: Value, order: readonly number[]): Value =>
  order.every((axis, i) => axis === i) ? value : apply({ kind: "transpose", order }, [value]);

/** A static map on every axis after the example axis. */
export function remap(value: Value, axes: readonly AxisMap[], fill = 0): Value {
  const whole = axes.every(({ input, output, start, step, repeat }) => input === output && start === 0 && step === 1 && repeat === 1);
  return whole ? value : apply({ kind: "remap", axes, fill }, [value]);
}

/** Values one after another along an axis (counted after the example axis). */
export const concatRest = (values: readonly Value[], axis: number): Value =>
  values.length === 1 ? values[0] : apply({ kind: "concat", axis }, values);

/** Cells of an axis (counted after the example axis) picked by i32 indices. */
export const gatherRest = (value: Value, index: Value, axis: number): Value => apply({ kind: "gather", axis }, [value, index]);
