import { Problems } from "../../base/errors.ts";
import type { Random } from "../../base/random.ts";
import { printType, size, strides, type TensorType } from "../../base/types.ts";
import type { Cost } from "../contract.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";

/**
 * Extents of the result: with `keep` one for each axis after the example axis, else right-aligned with all axes of the input
 * (leading axes beyond them are summed whole).
 */
export interface ReduceOptions {
  readonly operation: "sum";
  readonly keep: boolean;
  readonly shape: readonly number[];
}

export interface ReducePlan {
  readonly operation: "sum";
  readonly input: TensorType;
  readonly output: TensorType;
}

/** The one axis along which all cells are folded and which stays with extent 1; null where that is not what is folded. */
export function foldedAxis({ input, output }: ReducePlan): number | null {
  if (input.batched !== output.batched || input.shape.length !== output.shape.length) return null;
  const folded = input.shape.flatMap((extent, axis) => (extent === output.shape[axis] ? [] : [axis]));
  return folded.length === 1 && output.shape[folded[0]] === 1 ? folded[0] : null;
}

/** Output type of a fold; what does not fit is noted. */
export function foldedType(problems: Problems, input: TensorType, keep: boolean, shape: readonly number[]): TensorType {
  const kept = keep && input.batched;
  const extents = kept ? input.shape.slice(1) : input.shape;
  const lead = extents.length - shape.length;
  const fits = shape.every(
    (extent, axis) => Number.isInteger(extent) && extent >= 1 && (lead + axis < 0 ? extent === 1 : extent <= extents[lead + axis]),
  );
  problems.check(
    !kept || lead === 0,
    "shape",
    `${extents.length} extents, one for each axis after the example axis that is kept`,
    `[${shape.join(",")}]`,
  );
  problems.check(
    lead >= 0 && fits,
    "shape",
    `at most ${extents.length} axes with extents of 1 up to those of ${printType(input)}, right-aligned`,
    `[${shape.join(",")}]`,
  );
  const examplesFolded = kept || !input.batched || lead > 0 || shape[0] === 1;
  problems.check(
    examplesFolded,
    "example axis",
    "extent 1 when the examples are summed",
    String(shape[0]),
    "Keep the examples, or leave the axis out.",
  );
  problems.check(input.dtype === "f32", "input", "f32", printType(input));
  return { dtype: "f32", shape: kept ? [input.shape[0], ...shape] : shape, batched: kept };
}

export function planReduce(options: ReduceOptions, inputs: readonly TensorType[]): ReducePlan {
  const problems = new Problems("reduce");
  problems.check(inputs.length === 1, "inputs", "1", inputs.length);
  problems.check(options.operation === "sum", "operation", "sum", options.operation);
  problems.throwIfAny();
  const output = foldedType(problems, inputs[0], options.keep, options.shape);
  problems.throwIfAny();
  return { operation: "sum", input: inputs[0], output };
}

export const printReduce = ({ input, output }: ReducePlan): string =>
  `reduce sum${printExamples([input])} | ${printTypes([input])} | ${printTypes([output])}`;

export function parseReduce(line: string): ReducePlan {
  const { examples, rest } = splitLine(line, "reduce", 2, "reduce sum n4 | nx3x5 | 3x1");
  const [[input], [output]] = rest.map((text) => parseTypes("reduce", text, examples));
  return planReduce(reduceOptions(output), [input]);
}

/** The options that fold into this output. */
export const reduceOptions = (output: TensorType): ReduceOptions => ({
  operation: "sum",
  keep: output.batched,
  shape: output.batched ? output.shape.slice(1) : output.shape,
});

/** Walks the cells of the input in order with the output cell that each is folded into: position mod extent on every axis. */
export function eachFold(input: readonly number[], output: TensorType, visit: (from: number, to: number) => void): void {
  const rank = input.length;
  const extents = new Array<number>(rank).fill(1);
  output.shape.forEach((extent, axis) => {
    extents[output.batched && axis === 0 ? 0 : rank - output.shape.length + axis] = extent;
  });
  const steps = strides(extents);
  const position = new Array<number>(rank).fill(0);
  const cells = size(input);
  for (let from = 0; from < cells; from++) {
    let to = 0;
    for (let axis = 0; axis < rank; axis++) to += (position[axis] % extents[axis]) * steps[axis];
    visit(from, to);
    for (let axis = rank - 1; axis >= 0 && ++position[axis] === input[axis]; axis--) position[axis] = 0;
  }
}

export function referenceReduce({ input, output }: ReducePlan, [cells]: readonly Float64Array[]): Float64Array[] {
  const sums = new Float64Array(size(output.shape));
  eachFold(input.shape, output, (from, to) => {
    sums[to] += cells[from];
  });
  return [sums];
}

export const costReduce = ({ input, output }: ReducePlan): Cost => ({
  multiplyAdds: size(input.shape),
  bytes: 4 * (size(input.shape) + size(output.shape)),
  parameters: 0,
});

/** A shape to fold, and one that it folds into; with `dividing`, extents that divide. */
export function sampleFold(random: Random, dividing: boolean): { input: TensorType; keep: boolean; shape: number[] } {
  const batched = random.uniform() < 0.75;
  const rest = Array.from({ length: random.integer(0, 4) }, () => random.pick([1, 2, 3, 4, 5, 7, 12]));
  const extents = batched ? [random.integer(1, 5), ...rest] : rest;
  const keep = batched && random.uniform() < 0.4;
  const aligned = rest.slice(!keep && random.uniform() < 0.3 ? random.integer(0, rest.length) : 0);
  const shape = aligned.map((extent) => {
    const parts = Array.from({ length: extent }, (_, i) => i + 1).filter((part) => !dividing || extent % part === 0);
    return random.pick([1, 1, extent, random.pick(parts)]);
  });
  return { input: { dtype: "f32", shape: extents, batched }, keep, shape };
}

export function sampleReduce(random: Random): ReducePlan {
  const { input, keep, shape } = sampleFold(random, false);
  return planReduce({ operation: "sum", keep, shape }, [input]);
}
