import { size, type TensorType } from "../../base/types.ts";
import { type Extents, operand, type Value } from "../contract.ts";
import { times } from "../expression/build.ts";
import { reshapeRest } from "../move/operator.ts";
import { fold, pointwise } from "../pointwise/operators.ts";

/**
 * How many valid cells are folded into each cell of the output, where examples are of unequal extents: one number for each example
 * ([examples, 1, ...]), or a scalar when examples are folded too.
 */
export function countedCells(input: Value, extents: Extents, output: TensorType): Value {
  const lead = input.type.shape.length - output.shape.length;
  let cells = 1;
  const counts: Value[] = [];
  input.type.shape.slice(1).forEach((extent, axis) => {
    const kept = output.shape[axis + 1 - lead] ?? 1;
    const own = extents[axis];
    if (own === null) cells *= extent / kept;
    else if (kept === 1) counts.push(own.counts);
  });
  const perExample = counts.reduce<Value | null>(
    (product, count) => (product === null ? count : pointwise(times(operand(0), operand(1)), [product, count])),
    null,
  );
  if (output.batched) {
    const lined = (count: Value): Value =>
      reshapeRest(
        count,
        output.shape.slice(1).map(() => 1),
      );
    return perExample === null
      ? input.graph.constant({ shape: output.shape.slice(1).map(() => 1), fill: cells })
      : pointwise(times(operand(0), cells), [lined(perExample)]);
  }
  const all = perExample === null ? input.graph.examples() : fold(perExample, { dtype: "f32", shape: [], batched: false });
  return size([cells]) === 1 ? all : pointwise(times(operand(0), cells), [all]);
}
