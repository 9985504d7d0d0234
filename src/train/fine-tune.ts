import { fail } from "../base/errors.ts";
import { sameShape, type Tensor } from "../base/types.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Net } from "../nn/scope.ts";
import { type TracedStep, traceEvaluation } from "../nn/step.ts";
import type { Model } from "./model.ts";

/** What a net begins with, taken from a trained model, and a sentence that says so. */
export interface Beginning {
  readonly start: ReadonlyMap<string, Tensor>;
  readonly note: string;
}

/**
 * What of a trained model a net can begin with: parameters and statistics of the same name and shape. Where the classes are others, the last layer
 * begins anew, whatever its shape.
 * Throws: ToeplitzError when nothing fits.
 */
export function beginWith(model: Model, where: string, net: Net, data: Dataset): Beginning {
  const { shape, classes } = data;
  const unequal = data.train.extents !== undefined;
  const { parameters, states } = traceEvaluation(net, { batch: 1, inputs: { input: { shape, unequal } } });
  const isSame = classes.length === model.classes.length && classes.every((name, index) => name === model.classes[index]);
  const last = isSame ? undefined : lastLayer(parameters);
  const wanted = [...parameters, ...states];
  const taken = wanted.filter(({ name, type }) => {
    const tensor = model.tensors.get(name);
    return tensor !== undefined && sameShape(tensor.shape, type.shape) && (last === undefined || !name.startsWith(last));
  });
  const names = new Set(taken.map(({ name }) => name));
  if (!parameters.some(({ name }) => names.has(name))) {
    const hint = "Give the --model that it was trained with.";
    fail(
      "fit",
      "from",
      "parameters of the net",
      `some of ${where}: ${[...model.tensors.keys()].join(", ")}`,
      "none of the same name and shape",
      hint,
    );
  }
  const rest = wanted.flatMap(({ name }) => (names.has(name) ? [] : [name]));
  const others = rest.length === 0 ? "" : `; anew: ${rest.join(", ")}`;
  return {
    start: new Map([...names].map((name) => [name, model.tensors.get(name) as Tensor])),
    note: `begins with ${names.size} of ${wanted.length} tensors of ${where}${others}`,
  };
}

/** Folder of the last parameter: with `head/kernel` and `head/bias` it is `head/`. */
function lastLayer(parameters: TracedStep["parameters"]): string | undefined {
  const name = parameters.at(-1)?.name;
  return name?.slice(0, name.lastIndexOf("/") + 1) || name;
}
