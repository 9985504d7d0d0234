import { fail } from "../../base/errors.ts";
import { printType, sameShape } from "../../base/types.ts";
import { call, operand, type Value } from "../../ops/contract.ts";
import { concat, pointwise } from "../../ops.ts";
import type { Layer, Scope } from "../scope.ts";

/** A layer made of layers. */
export interface Container extends Layer {
  readonly layers: readonly Layer[];
}

/** Names of members in paths: their own, or index and kind (`0-conv`). */
function memberNames(kind: string, layers: readonly Layer[]): string[] {
  // a function has an apply too: relu instead of relu()
  const wrong = layers.findIndex((layer: Layer | undefined) => typeof layer !== "object" || typeof layer.apply !== "function");
  if (wrong >= 0) fail(kind, "", `layer ${wrong}`, "a layer, such as relu()", typeof layers[wrong], "Call the function that makes it.");
  const names = layers.map(({ name, kind: own }, index) => name ?? `${index}-${own}`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) fail(kind, "", "names of its layers", "different ones", `"${twice}" twice`);
  return names;
}

function container(
  kind: string,
  layers: readonly Layer[],
  apply: (input: Value, scope: Scope, run: (index: number, input: Value) => Value) => Value,
): Container {
  const names = memberNames(kind, layers);
  const run =
    (scope: Scope) =>
    (index: number, input: Value): Value =>
      scope.within(names[index], () => layers[index].apply(input, scope));
  return Object.freeze({
    kind,
    layers: Object.freeze([...layers]),
    apply: (input: Value, scope: Scope): Value => apply(input, scope, run(scope)),
  });
}

/**
 * Layers one after another: Z = f_n(... f_1(V)).
 * Parameters are named by the layers' own names, or by index and kind: `0-conv/kernel`.
 * Throws: when two layers bear one name.
 * Example: `sequential(conv(16, { kernel: 3 }), relu(), maxPool(2), dense(10))`
 */
export const sequential = (...layers: readonly Layer[]): Container =>
  container("sequential", layers, (input, _, run) => layers.reduce((value, __, index) => run(index, value), input));

/** The layer under a name of its own, which its parameters bear in their paths. */
export const named = <L extends Layer>(name: string, layer: L): L => Object.freeze({ ...layer, name });

/**
 * The layer with parameters that keep their first values: random kernels, kernels that were made elsewhere (`givenCells`), or those of another net. Its
 * running statistics follow the data as ever.
 * Source: Goodfellow et al. 2016, section 9.9 (random kernels; Saxe et al. 2011).
 * Example: `sequential(frozen(conv(64, { kernel: 5 })), relu(), maxPool(4), flatten(), dense(10))`
 */
export const frozen = (layer: Layer): Layer =>
  Object.freeze({ ...layer, apply: (input: Value, scope: Scope) => scope.frozen(() => layer.apply(input, scope)) });

/** Z = V. */
export const identity = (): Layer => Object.freeze({ kind: "identity", apply: (input: Value) => input });

/**
 * Z = body(V) + shortcut(V); the shortcut is the identity when left out.
 * Source: He et al. 2016, eq. 1 and 2.
 * Shapes: both give the same.
 * Throws: when they do not.
 */
export function residual(body: Layer, shortcut: Layer = identity()): Container {
  const members = [named(body.name ?? "body", body), named(shortcut.name ?? "shortcut", shortcut)];
  return container("residual", members, (input, _, run) => {
    const [straight, around] = [run(0, input), run(1, input)];
    if (!sameShape(straight.type.shape, around.type.shape)) {
      const hint = "Give it a shortcut that makes them alike, such as conv(channels, { kernel: 1, stride: 2 }).";
      fail("residual", "", "output of the shortcut", `${printType(straight.type)}, as of the body`, printType(around.type), hint);
    }
    return sum([straight, around]);
  });
}

const sum = (values: readonly Value[]): Value =>
  pointwise(
    values.map((_, i) => operand(i)).reduce((a, b) => call("add", a, b)),
    values,
  );

/**
 * Branches side by side on one input, joined along the channels (`concat`) or added.
 * Source: Szegedy et al. 2015, section 4.
 * Shapes: [N, C, ...] -> [N, C1 + C2 + ..., ...m]; all branches give the same extents m.
 * Throws: when the branches' outputs cannot be joined.
 */
export function parallel(branches: readonly Layer[], { join = "concat" }: { readonly join?: "concat" | "add" } = {}): Container {
  if (branches.length === 0) fail("parallel", "", "branches", ">= 1", 0);
  return container("parallel", branches, (input, _, run) => {
    const outputs = branches.map((__, index) => run(index, input));
    const [first] = outputs;
    const from = join === "concat" ? 2 : 1;
    const rule = join === "concat" ? "of the same extents behind the channels" : "alike";
    outputs.forEach(({ type }, index) => {
      const fits = type.shape.length === first.type.shape.length && sameShape(type.shape.slice(from), first.type.shape.slice(from));
      if (!fits) fail("parallel", "", `output of branch ${index}`, `${rule} as ${printType(first.type)} of branch 0`, printType(type));
    });
    return join === "concat" ? concat(outputs) : sum(outputs);
  });
}

/** The input and what the layers make of it, joined along the channels. Source: Huang et al. 2017, eq. 2. */
export const concatenated = (...layers: readonly Layer[]): Container => parallel([identity(), sequential(...layers)]);
