import { Problems } from "../../base/errors.ts";
import { printType, size, type TensorType } from "../../base/types.ts";
import type { Cost, Expression } from "../contract.ts";
import { compile } from "../expression/evaluate.ts";
import { parseExpression, printExpression } from "../expression/print.ts";
import { expand, schedule } from "../expression/schedule.ts";
import { table } from "../expression/table.ts";
import { parseTypes, printExamples, printTypes, splitLine } from "../line.ts";

export interface PointwiseOptions {
  readonly expression: Expression;
  /** Allows operands whose extent is neither the result's nor 1: they repeat (cell mod extent). */
  readonly tile?: boolean;
}

export interface PointwisePlan {
  readonly operands: readonly TensorType[];
  readonly expression: Expression;
  readonly output: TensorType;
  readonly tile: boolean;
}

export function planPointwise({ expression, tile = false }: PointwiseOptions, operands: readonly TensorType[]): PointwisePlan {
  const problems = new Problems("pointwise", operands.map(printType).join(" "));
  problems.check(operands.length > 0, "operands", ">= 1", operands.length);
  checkExpression(problems, expression, operands.length);
  const output = broadcastType(problems, operands, tile);
  problems.throwIfAny();
  return { operands, expression, output, tile };
}

/** Type of a formula over operands: right-aligned, the largest extent on each axis, batched when any is. */
export function broadcastType(problems: Problems, operands: readonly TensorType[], tile: boolean): TensorType {
  const rank = operands.reduce((most, { shape }) => Math.max(most, shape.length), 0);
  const batched = operands.some((type) => type.batched);
  const shape = Array.from({ length: rank }, (_, axis) =>
    operands.reduce((most, type) => Math.max(most, type.shape[axis - rank + type.shape.length] ?? 1), 1),
  );
  for (const [index, type] of operands.entries()) {
    const lead = rank - type.shape.length;
    if (type.batched) {
      const hint = "Reshape it so that its example axis comes first and the others line up.";
      problems.check(lead === 0, `operand ${index}`, `${rank} axes, as it is batched`, printType(type), hint);
      if (lead === 0)
        problems.check(type.shape[0] === shape[0], `operand ${index}`, `${shape[0]} examples, as another operand`, printType(type));
    } else if (batched && lead === 0) {
      problems.check(type.shape[0] === 1, `operand ${index}`, "no example axis, or extent 1 there, as it is not batched", printType(type));
    }
    const wrong = type.shape.findIndex((extent, axis) => extent !== 1 && extent !== shape[lead + axis] && !(batched && lead + axis === 0));
    const hint = "Only a tiled operand (option tile) repeats.";
    if (wrong >= 0 && !tile)
      problems.check(
        false,
        `operand ${index}`,
        `extent 1 or ${shape[lead + wrong]} on axis ${lead + wrong} of the result`,
        printType(type),
        hint,
      );
  }
  return { dtype: "f32", shape, batched };
}

/** Notes unknown functions, wrong numbers of inputs, operands that are not there, constants that are not finite. */
function checkExpression(problems: Problems, expression: Expression, operands: number): void {
  for (const step of schedule(expression)) {
    if (step.kind === "operand") problems.check(step.index < operands, "formula", `operands 0 to ${operands - 1}`, step.index);
    else if (step.kind === "constant") problems.check(Number.isFinite(step.value), "formula", "finite constants", step.value);
    else {
      const row = table.get(step.name);
      const known = problems.check(
        row !== undefined,
        "formula",
        "a function of the table",
        step.name,
        `Known: ${[...table.keys()].join(", ")}.`,
      );
      if (known) problems.check(step.inputs.length === row?.arity, "formula", `${row?.arity} inputs of ${step.name}`, step.inputs.length);
    }
  }
}

export function printPointwise({ operands, expression, tile }: PointwisePlan): string {
  return `pointwise${printExamples(operands)}${tile ? " tile" : ""} | ${printTypes(operands)} | ${printExpression(expression)}`;
}

export function parsePointwise(line: string): PointwisePlan {
  const { words, examples, rest } = splitLine(line, "pointwise", 2, "pointwise n4 | nx3x5,3x1 | relu(add(0,1))");
  return planPointwise({ expression: parseExpression(rest[1]), tile: words.includes("tile") }, parseTypes("pointwise", rest[0], examples));
}

/** For an operand, steps in its cells by axis of the result, and its extents there (1 where it has no axis). */
export function operandMap(operand: TensorType, rank: number): { extents: number[]; steps: number[] } {
  const lead = rank - operand.shape.length;
  const extents = Array.from({ length: rank }, (_, axis) => operand.shape[axis - lead] ?? 1);
  const steps = new Array<number>(rank);
  for (let axis = rank - 1, step = 1; axis >= 0; step *= extents[axis], axis--) steps[axis] = step;
  return { extents, steps };
}

export function referencePointwise({ operands, expression, output }: PointwisePlan, inputs: readonly Float64Array[]): Float64Array[] {
  const evaluate = compile(expression);
  const rank = output.shape.length;
  const maps = operands.map((type) => operandMap(type, rank));
  const cells = new Float64Array(size(output.shape));
  const position = new Array<number>(rank).fill(0);
  const given = new Float64Array(operands.length);
  for (let cell = 0; cell < cells.length; cell++) {
    maps.forEach(({ extents, steps }, index) => {
      let from = 0;
      for (let axis = 0; axis < rank; axis++) from += (position[axis] % extents[axis]) * steps[axis];
      given[index] = inputs[index][from];
    });
    cells[cell] = evaluate(given);
    for (let axis = rank - 1; axis >= 0 && ++position[axis] === output.shape[axis]; axis--) position[axis] = 0;
  }
  return [cells];
}

/** A step of the formula in primitives counts as one multiply-add. */
export function costPointwise({ operands, expression, output }: PointwisePlan): Cost {
  const calls = schedule(expand(expression)).filter((step) => step.kind === "call").length;
  return {
    multiplyAdds: calls * size(output.shape),
    bytes: 4 * operands.reduce((sum, { shape }) => sum + size(shape), size(output.shape)),
    parameters: 0,
  };
}
