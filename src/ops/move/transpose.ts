import { size, strides } from "../../base/types.ts";
import { parseNumbers, printNumbers } from "../line.ts";
import { type Kind, rest, sampleType, withRest } from "./kind.ts";

/** Axis i of the result is axis order[i] of the input. */
export interface Transpose {
  readonly kind: "transpose";
  readonly order: readonly number[];
}

export const transposeKind: Kind<Transpose> = {
  kind: "transpose",
  inputs: 1,
  output: (problems, { order }, [input]) => {
    const extents = rest(input);
    const once = extents.every((_, axis) => order.includes(axis)) && order.length === extents.length;
    problems.check(once, "order", `each of the ${extents.length} axes after the example axis once`, `[${order.join(",")}]`);
    return withRest(
      input,
      order.map((axis) => extents[axis]),
    );
  },
  print: ({ order }) => printNumbers(order),
  parse: (text) => ({ kind: "transpose", order: parseNumbers("move", text) }),
  reference: ({ order }, [cells], [input], output) => {
    const steps = strides(rest(input));
    const extents = rest(output);
    const block = size(extents);
    const result = new Float64Array(cells.length);
    const position = new Array<number>(extents.length).fill(0);
    for (let cell = 0; cell < result.length; cell++) {
      const inside = position.reduce((sum, at, axis) => sum + at * steps[order[axis]], 0);
      result[cell] = cells[cell - (cell % block) + inside];
      for (let axis = extents.length - 1; axis >= 0 && ++position[axis] === extents[axis]; axis--) position[axis] = 0;
    }
    return result;
  },
  unequal: ({ order }, [extents]) => ({ extents: order.map((axis) => extents?.[axis] ?? null) }),
  gradient: ({ order }, _, gradient, apply) => [apply({ kind: "transpose", order: inverse(order) } as Transpose, [gradient])],
  sample: (random) => {
    const rank = random.integer(1, 5);
    return { move: { kind: "transpose", order: [...random.permutation(rank)] }, inputs: [sampleType(random, rank)] };
  },
};

/** The order that undoes an order. */
const inverse = (order: readonly number[]): number[] => order.map((_, axis) => order.indexOf(axis));
