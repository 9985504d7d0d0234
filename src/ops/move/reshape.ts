import { size } from "../../base/types.ts";
import { parseNumbers, printNumbers } from "../line.ts";
import { type Kind, rest, sampleType, withRest } from "./kind.ts";

/** The same cells in the same order under another shape. */
export interface Reshape {
  readonly kind: "reshape";
  readonly shape: readonly number[];
}

export const reshapeKind: Kind<Reshape> = {
  kind: "reshape",
  inputs: 1,
  output: (problems, { shape }, [input]) => {
    const cells = size(rest(input));
    const whole = shape.every((extent) => Number.isInteger(extent) && extent >= 1);
    problems.check(
      whole && size(shape) === cells,
      "shape",
      `extents >= 1 of ${cells} = ${rest(input).join(" x ")} cells`,
      `${size(shape)} = ${shape.join(" x ")}`,
    );
    return withRest(input, shape);
  },
  print: ({ shape }) => printNumbers(shape),
  parse: (text) => ({ kind: "reshape", shape: parseNumbers("move", text) }),
  reference: (_, [cells]) => cells.slice(),
  unequal: ({ shape }, [extents], [input]) => {
    // axes that end both shapes stay as they are
    const before = rest(input);
    let same = 0;
    while (same < Math.min(before.length, shape.length) && before[before.length - 1 - same] === shape[shape.length - 1 - same]) same++;
    const lost = (extents ?? []).findIndex((extent, axis) => extent !== null && axis < before.length - same);
    if (lost >= 0)
      return `Axis ${lost} has extents of its examples, and would be joined with others. Pool them to a fixed size before: globalPool(), or adaptivePool(4).`;
    return {
      extents: shape.map((_, axis) => (axis < shape.length - same ? null : (extents?.[before.length - shape.length + axis] ?? null))),
    };
  },
  gradient: (_, { inputs: [input] }, gradient, apply) => [apply({ kind: "reshape", shape: rest(input.type) } as Reshape, [gradient])],
  sample: (random) => {
    const input = sampleType(random, random.integer(0, 4));
    const extents = [...rest(input)];
    const joined = random.integer(0, extents.length);
    return { move: { kind: "reshape", shape: [...extents.slice(0, joined), 1, size(extents.slice(joined))] }, inputs: [input] };
  },
};
