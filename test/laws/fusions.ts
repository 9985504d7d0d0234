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
  const tiled = sameShape(tile, ones) ? [] : [of("tiled bias", sum(result, first), value([channels, ...tile]))];
  return [...list, ...tiled, ...pools(list, extents)];
}

/** Some of the formulas with windows behind them: as large as tiles, larger, and of odd extents, along all axes or some. */
function pools(formulas: readonly NamedFusion[], extents: readonly number[]): NamedFusion[] {
  const windows = [
    ["bias and relu", 2, 2],
    ["sigmoid", 4, 1],
    ["bias, residual and relu", 2, 3],
    ["leaky, not zero at zero", 4, 2],
    ["factor of every example", 1, 2],
  ] as const;
  return windows.flatMap(([name, last, others]) => {
    const window = extents.map((extent, axis) => Math.min(extent, axis === extents.length - 1 ? last : others));
    const own = formulas.find((formula) => formula.name === name);
    if (own === undefined || window.every((extent) => extent === 1)) return [];
    return [{ name: `${name}, max pool ${window.join("x")}`, fusion: { ...own.fusion, pool: { extents: window } } }];
  });
}
