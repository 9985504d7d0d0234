import { fail, Problems } from "../base/errors.ts";
import { sameShape, type Tensor } from "../base/types.ts";
import type { Dataset } from "../data/dataset.ts";
import type { Net } from "../nn/scope.ts";
import { type TracedStep, traceEvaluation } from "../nn/step.ts";
import type { Model } from "./model.ts";

/** A pattern as a test of names: `*` stands for any letters but `/`, `**` for any; what it names holds everything below. */
function matcher(pattern: string): RegExp {
  const parts = pattern.split(/(\*\*|\*)/);
  const source = parts.map((part) => (part === "**" ? ".*" : part === "*" ? "[^/]*" : part.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&")));
  return new RegExp(`^${source.join("")}(/.*)?$`);
}

const patternsOf = (text: string): string[] => text.split(/[\s,]+/).filter((pattern) => pattern !== "");

/** The option `frozen` as a test of names. */
export function frozenBy(frozen: string | ((parameter: string) => boolean) | undefined): ((parameter: string) => boolean) | undefined {
  if (typeof frozen !== "string") return frozen;
  const tests = patternsOf(frozen).map(matcher);
  return (name) => tests.some((test) => test.test(name));
}

/** Throws: ToeplitzError when a pattern names no parameter, or nothing is left to train. */
export function checkFrozen(
  where: string,
  frozen: unknown,
  parameters: readonly { readonly name: string; readonly frozen: boolean }[],
): void {
  const problems = new Problems("fit", where);
  const names = parameters.map(({ name }) => name);
  const patterns = typeof frozen === "string" ? patternsOf(frozen) : [];
  for (const pattern of patterns) {
    const test = matcher(pattern);
    const layers = [...new Set(names.map((name) => name.slice(0, Math.max(0, name.lastIndexOf("/"))) || name))];
    problems.check(
      names.some((name) => test.test(name)),
      "frozen",
      `names or patterns of ${layers.join(", ")}`,
      pattern,
    );
  }
  const isAll = parameters.length > 0 && parameters.every((parameter) => parameter.frozen);
  problems.check(frozen === undefined || !isAll, "frozen", "at least 1 parameter to train", `all ${parameters.length} parameters`);
  problems.throwIfAny();
}

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
