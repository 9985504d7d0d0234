import type { Problems } from "../../base/errors.ts";
import { printType, size, type TensorType } from "../../base/types.ts";
import { type Kind, rest, sampleType, withRest } from "./kind.ts";

/** Z[.., j, ..] = V[.., index[j], ..] on one axis; 0 where the index is none of its cells. */
export interface Gather {
  readonly kind: "gather";
  readonly axis: number;
}

/** The adjoint: dV[.., i, ..] = sum of G[.., j, ..] over index[j] = i, summed over the examples too unless they are kept. */
export interface ScatterAdd {
  readonly kind: "scatterAdd";
  readonly axis: number;
  readonly extent: number;
  readonly keep: boolean;
}

function checkIndex(problems: Problems, value: TensorType, index: TensorType, axis: number): void {
  const extents = rest(value);
  problems.check(axis >= 0 && axis < extents.length, "axis", `0 to ${extents.length - 1} after the example axis`, axis);
  problems.check(index.dtype === "i32" && rest(index).length === 1, "index", "i32 with one axis after the example axis", printType(index));
  const alike = !value.batched || !index.batched || value.shape[0] === index.shape[0];
  problems.check(alike, "index", `at most ${value.shape[0]} examples, as the value`, printType(index));
}

/** Cells before, along and after the axis. */
const split = (extents: readonly number[], axis: number): [number, number, number] => [
  size(extents.slice(0, axis)),
  extents[axis],
  size(extents.slice(axis + 1)),
];

/**
 * Calls with (cell of V, cell of Z) for all pairs of (V, index) -> Z; indices that are no cell of the axis have none.
 * `many` and `few` are the types of Z and V: V lacks the example axis where it is the same for all examples.
 */
function eachPair(
  axis: number,
  many: TensorType,
  few: TensorType,
  index: Float64Array,
  indexType: TensorType,
  visit: (from: number, to: number) => void,
): void {
  const [outer, extent, inner] = split(rest(few), axis);
  const count = rest(many)[axis];
  const examples = many.batched ? many.shape[0] : 1;
  for (let example = 0; example < examples; example++) {
    for (let before = 0; before < outer; before++) {
      for (let j = 0; j < count; j++) {
        const i = index[(indexType.batched ? example * count : 0) + j];
        if (!(i >= 0 && i < extent)) continue;
        const from = (((few.batched ? example : 0) * outer + before) * extent + i) * inner;
        const to = ((example * outer + before) * count + j) * inner;
        for (let after = 0; after < inner; after++) visit(from + after, to + after);
      }
    }
  }
}

export const gatherKind: Kind<Gather> = {
  kind: "gather",
  inputs: 2,
  output: (problems, { axis }, [value, index]) => {
    checkIndex(problems, value, index, axis);
    const extents = rest(value).map((extent, i) => (i === axis ? rest(index)[0] : extent));
    const batch = value.batched ? value.shape[0] : index.shape[0];
    const batched = value.batched || index.batched;
    return { dtype: value.dtype, shape: batched ? [batch, ...extents] : extents, batched };
  },
  print: ({ axis }) => String(axis),
  parse: (text) => ({ kind: "gather", axis: Number(text) }),
  reference: ({ axis }, [cells, index], [value, indexType], output) => {
    const result = new Float64Array(size(output.shape));
    eachPair(axis, output, value, index, indexType, (from, to) => {
      result[to] = cells[from];
    });
    return result;
  },
  unequal: ({ axis }, [extents, indices]) => {
    if (indices !== null || extents === null || extents[axis] !== null)
      return `Axis ${axis} has extents of its examples: some lack cells that are picked.`;
    return { extents };
  },
  gradient: ({ axis }, { inputs: [value, index] }, gradient, apply) => {
    const options: ScatterAdd = { kind: "scatterAdd", axis, extent: rest(value.type)[axis], keep: value.type.batched };
    return [value.type.dtype === "f32" ? apply(options, [gradient, index]) : undefined, undefined];
  },
  sample: (random) => {
    const value = sampleType(random, random.integer(1, 3));
    const own = random.uniform() < 0.4;
    const index: TensorType = {
      dtype: "i32",
      shape: [...(own ? [value.batched ? value.shape[0] : 3] : []), random.integer(1, 6)],
      batched: own,
    };
    return { move: { kind: "gather", axis: random.integer(0, rest(value).length - 1) }, inputs: [value, index] };
  },
};

export const scatterAddKind: Kind<ScatterAdd> = {
  kind: "scatterAdd",
  inputs: 2,
  output: (problems, { axis, extent, keep }, [gradient, index]) => {
    checkIndex(problems, gradient, index, axis);
    problems.check(
      rest(index)[0] === rest(gradient)[axis],
      "index",
      `${rest(gradient)[axis]} cells, as axis ${axis} of the value`,
      printType(index),
    );
    problems.check(gradient.batched || !index.batched, "value", "batched, as the index is", printType(gradient));
    problems.check(keep || !gradient.batched || index.batched, "index", "batched, when examples are summed", printType(index));
    problems.check(Number.isInteger(extent) && extent >= 1, "extent", "a whole number >= 1", extent);
    const made = withRest(
      gradient,
      rest(gradient).map((own, i) => (i === axis ? extent : own)),
    );
    return keep || !gradient.batched ? made : { ...made, shape: made.shape.slice(1), batched: false };
  },
  print: ({ axis, extent, keep }) => `${axis} ${extent}${keep ? " keep" : ""}`,
  parse: (text) => {
    const [axis, extent, keep] = text.split(" ");
    return { kind: "scatterAdd", axis: Number(axis), extent: Number(extent), keep: keep === "keep" };
  },
  reference: ({ axis }, [cells, index], [gradient, indexType], output) => {
    const result = new Float64Array(size(output.shape));
    eachPair(axis, gradient, output, index, indexType, (from, to) => {
      result[from] += cells[to];
    });
    return result;
  },
  gradient: ({ axis }, { inputs: [, index] }, gradient, apply) => [apply({ kind: "gather", axis } as Gather, [gradient, index]), undefined],
  sample: (random) => {
    const { move, inputs } = gatherKind.sample(random);
    const [value, index] = inputs;
    const batched = value.batched || index.batched;
    const shape = rest(value).map((extent, i) => (i === move.axis ? index.shape[index.shape.length - 1] : extent));
    const gradient: TensorType = {
      dtype: "f32",
      shape: batched ? [value.batched ? value.shape[0] : index.shape[0], ...shape] : shape,
      batched,
    };
    return {
      move: { kind: "scatterAdd", axis: move.axis, extent: rest(value)[move.axis], keep: value.batched },
      inputs: [gradient, index],
    };
  },
};
