import { sameShape, type TensorType } from "../../src/base/types.ts";
import { call, constant, type Expression, type Fusion, type Operator, operand } from "../../src/ops/contract.ts";

export interface NamedFusion {
  readonly name: string;
  readonly fusion: Fusion;
}

const relu = (part: Expression): Expression => call("relu", part);
const sum = (...parts: readonly Expression[]): Expression => parts.reduce((a, b) => call("add", a, b));
const times = (a: Expression, b: Expression): Expression => call("multiply", a, b);
const [result, first, second, third] = [0, 1, 2, 3].map(operand);

/** Formulas that are put behind a result of this type in nets, and some that are not. */
export function fusionsFor(operator: Operator, plan: unknown): NamedFusion[] {
  const [type, ...more] = operator.outputs(plan);
  if (more.length > 0 || type.dtype !== "f32" || operator.name === "random") return [];
  const scalar: TensorType = { dtype: "f32", shape: [], batched: false };
  const of = (name: string, epilogue: Expression, ...operands: readonly TensorType[]): NamedFusion => ({
    name,
    fusion: { epilogue, operands },
  });
  const always = [
    of("scaled by a scalar", times(result, first), scalar),
    // not 0 at 0: spare lanes have to be cleared
    of("sigmoid", call("sigmoid", result)),
    of("sum with a value of its type", relu(sum(result, first)), type),
    of("step of a parameter", call("subtract", first, times(second, result)), type, scalar),
  ];
  if (!type.batched || type.shape.length < 2) return always;
  const [examples, channels, ...extents] = type.shape;
  const ones = extents.map(() => 1);
  const value = (shape: readonly number[], batched = false): TensorType => ({ dtype: "f32", shape, batched });
  const channel = value([channels, ...ones]);
  const list = [
    ...always,
    of("bias", sum(result, first), channel),
    of("bias and relu", relu(sum(result, first)), channel),
    of("bias, residual and relu", relu(sum(result, first, second)), channel, type),
    of("folded normalisation", relu(sum(times(result, first), second, third)), channel, channel, type),
    of("bias of every cell", sum(result, first), value([channels, ...extents])),
    of("factor of every example", times(result, first), value([examples, 1, ...ones], true)),
    of("gate of every channel", times(result, call("sigmoid", first)), value([examples, channels, ...ones], true)),
    of("leaky, not zero at zero", call("select", call("less", constant(0), result), times(result, first), constant(2)), channel),
    of("mask of cells", times(result, first), value([1, ...extents])),
  ];
  const tile = extents.map((extent) => (extent > 2 ? 2 : 1));
  return sameShape(tile, ones) ? list : [...list, of("tiled bias", sum(result, first), value([channels, ...tile]))];
}
