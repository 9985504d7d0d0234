import { size } from "../../base/types.ts";
import { commonExtents } from "../unequal.ts";
import { type Kind, rest, sampleType, withRest } from "./kind.ts";
import { type Remap, wholeAxis } from "./remap.ts";

/** The inputs one after another along an axis. */
export interface Concat {
  readonly kind: "concat";
  readonly axis: number;
}

export const concatKind: Kind<Concat> = {
  kind: "concat",
  inputs: 0,
  output: (problems, { axis }, inputs) => {
    const [first] = inputs;
    const extents = rest(first);
    problems.check(axis >= 0 && axis < extents.length, "axis", `0 to ${extents.length - 1} after the example axis`, axis);
    inputs.forEach((input, index) => {
      const alike = input.batched === first.batched && input.dtype === first.dtype && (!first.batched || input.shape[0] === first.shape[0]);
      const fits = rest(input).length === extents.length && rest(input).every((extent, i) => i === axis || extent === extents[i]);
      const rule = `[${extents.map((extent, i) => (i === axis ? "any" : extent)).join(",")}]${first.batched ? ` batched, ${first.shape[0]} examples` : " not batched"}`;
      problems.check(
        alike && fits,
        `input ${index}`,
        rule,
        `[${rest(input).join(",")}]${input.batched ? ` batched, ${input.shape[0]} examples` : " not batched"}`,
      );
    });
    return withRest(
      first,
      extents.map((extent, i) => (i === axis ? inputs.reduce((sum, input) => sum + rest(input)[axis], 0) : extent)),
    );
  },
  unequal: ({ axis }, extents, [first]) => {
    const common = commonExtents(rest(first).length, extents);
    if (typeof common === "string") return common;
    return common[axis] === null ? { extents: common } : `Axis ${axis} has extents of its examples: one would begin in the middle.`;
  },
  print: ({ axis }) => String(axis),
  parse: (text) => ({ kind: "concat", axis: Number(text) }),
  reference: ({ axis }, inputs, types, output) => {
    const result = new Float64Array(size(output.shape));
    const row = size(rest(output).slice(axis));
    let start = 0;
    inputs.forEach((cells, index) => {
      const piece = size(rest(types[index]).slice(axis));
      for (let from = 0, to = start; from < cells.length; from += piece, to += row) result.set(cells.subarray(from, from + piece), to);
      start += piece;
    });
    return result;
  },
  gradient: ({ axis }, { inputs }, gradient, apply) => {
    let start = 0;
    return inputs.map((input) => {
      const own = rest(input.type)[axis];
      const axes = rest(gradient.type).map((extent, i) => (i === axis ? { ...wholeAxis(extent), output: own, start } : wholeAxis(extent)));
      start += own;
      return apply({ kind: "remap", axes, fill: 0 } as Remap, [gradient]);
    });
  },
  sample: (random) => {
    const first = sampleType(random, random.integer(1, 4));
    const axis = random.integer(0, rest(first).length - 1);
    const inputs = Array.from({ length: random.integer(1, 4) }, () =>
      withRest(
        first,
        rest(first).map((extent, i) => (i === axis ? random.integer(1, 5) : extent)),
      ),
    );
    return { move: { kind: "concat", axis }, inputs };
  },
};
