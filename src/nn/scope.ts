import { fail, invariant, ToeplitzError } from "../base/errors.ts";
import { keyOf } from "../base/random.ts";
import { printType, sameShape, type TensorType, tensorType } from "../base/types.ts";
import type { GraphTracer } from "../graph/trace.ts";
import { inOwnOrder } from "../graph/unequal.ts";
import type { Extents, Value } from "../ops/contract.ts";
import { randomUniform } from "../ops.ts";
import type { Initialiser } from "./initialisers.ts";

/** A trained state: its name is the path of its layer and its own name, e.g. `stage1/0/conv/kernel`. */
export interface Parameter {
  readonly name: string;
  readonly type: TensorType;
  readonly initialiser: Initialiser;
  /** Keeps its first value (see `Scope.frozen`). */
  readonly frozen: boolean;
}

/** A state that is not trained: a running statistic, optimiser state, an average. Starts as `fill`. */
export interface Statistic {
  readonly name: string;
  readonly type: TensorType;
  readonly fill: number;
}

/** What a layer asks for while it is traced. */
export interface Scope {
  readonly training: boolean;
  /** A trained state of this shape. The same path and name give the same value: parameters can be shared. */
  parameter(name: string, shape: readonly number[], initialiser: Initialiser): Value;
  /** A running statistic, first filled with `fill`. */
  statistic(name: string, shape: readonly number[], fill: number): Value;
  /** Gives a statistic its value after this step. Takes effect in training only. */
  updateStatistic(statistic: Value, value: Value): void;
  /**
   * Random numbers in [0, 1), `shape` for each example: they depend on seed, step, example, this path, how often it was asked before, and the cell's
   * number. Where examples are of unequal extents, cells are numbered in each by itself, so that it draws what it draws alone.
   */
  uniform(name: string, shape: readonly number[], extents?: Extents | null): Value;
  /** Traces `body` under a longer path. */
  within<T>(name: string, body: () => T): T;
  /** Traces `body`; the parameters that it declares are not trained. */
  frozen<T>(body: () => T): T;
  /** Applies a layer under its own name, or under `<number>-<kind>`, as `sequential` names its members. A named layer used twice shares its parameters. */
  apply(layer: Layer, input: Value): Value;
  /** Names an inner value (by path), so that programs which ask for it return it. */
  tap(name: string, value: Value): Value;
  /** Notes a layer for the table of `inspect`. */
  note(kind: string, output: Value): void;
}

/** A net or a part of one: a frozen record whose call is pure. */
export interface Layer {
  readonly kind: string;
  readonly name?: string;
  apply(input: Value, scope: Scope): Value;
}

/** Any function of values to values is a net. */
export type Net = Layer | ((inputs: Readonly<Record<string, Value>>, scope: Scope) => Value | Readonly<Record<string, Value>>);

/** One line of the table of layers. */
export interface LayerInfo {
  readonly path: string;
  readonly kind: string;
  readonly output: TensorType;
}

/** Scope over a tracer: keeps what was declared. */
export class TracingScope implements Scope {
  readonly training: boolean;
  readonly parameters = new Map<string, Parameter & { readonly value: Value }>();
  readonly statistics = new Map<string, Statistic & { readonly value: Value }>();
  readonly statisticUpdates = new Map<string, { readonly statistic: Value; readonly value: Value }>();
  readonly taps = new Map<string, Value>();
  readonly layers: LayerInfo[] = [];
  readonly #tracer: GraphTracer;
  readonly #examples: number;
  readonly #rename: (parameter: string) => string;
  /** How often each path has drawn numbers. */
  readonly #draws = new Map<string, number>();
  /** How many layers were applied at each path. */
  readonly #applied = new Map<string, number>();
  /** Errors that already say in which layer they arose. */
  readonly #located = new WeakSet<ToeplitzError>();
  #isFrozen = false;

  /** `rename` lets a program read other states in place of the parameters, e.g. their averages. */
  constructor(tracer: GraphTracer, training: boolean, examples: number, rename: (parameter: string) => string = (name) => name) {
    this.#tracer = tracer;
    this.training = training;
    this.#examples = examples;
    this.#rename = rename;
  }

  #path(name: string): string {
    return this.#tracer.path === "" ? name : `${this.#tracer.path}/${name}`;
  }

  parameter(name: string, shape: readonly number[], initialiser: Initialiser): Value {
    const path = this.#path(name);
    const known = this.parameters.get(path);
    if (known !== undefined) {
      if (!sameShape(known.type.shape, shape))
        fail(
          "net",
          path,
          "shape of a parameter that is used twice",
          printType(known.type),
          `[${shape.join(",")}]`,
          "Give the layers names of their own.",
        );
      return known.value;
    }
    const type = tensorType(shape);
    const value = this.#tracer.state(this.#rename(path), type);
    this.parameters.set(path, { name: path, type, initialiser, value, frozen: this.#isFrozen });
    return value;
  }

  statistic(name: string, shape: readonly number[], fill: number): Value {
    const path = this.#path(name);
    const known = this.statistics.get(path);
    if (known !== undefined) {
      if (!sameShape(known.type.shape, shape))
        fail(
          "net",
          path,
          "shape of a statistic that is used twice",
          printType(known.type),
          `[${shape.join(",")}]`,
          "Give the layers names of their own.",
        );
      // a layer used twice goes on from its first update
      return this.statisticUpdates.get(path)?.value ?? known.value;
    }
    const type = tensorType(shape);
    const value = this.#tracer.state(path, type);
    this.statistics.set(path, { name: path, type, fill, value });
    return value;
  }

  updateStatistic(statistic: Value, value: Value): void {
    const found = [...this.statistics.values()].find(
      ({ name, value: state }) => statistic === (this.statisticUpdates.get(name)?.value ?? state),
    );
    invariant(found !== undefined, () => "an update of what is no statistic");
    if (this.training) this.statisticUpdates.set(found.name, { statistic: found.value, value });
  }

  uniform(name: string, shape: readonly number[], extents: Extents | null = null): Value {
    const path = this.#path(name);
    const times = this.#draws.get(path) ?? 0;
    this.#draws.set(path, times + 1);
    const letters = [...path].map((letter) => letter.charCodeAt(0));
    const salt = keyOf(...letters, ...(times === 0 ? [] : [times]));
    const scalar: TensorType = { dtype: "i32", shape: [], batched: false };
    const ids: TensorType = { dtype: "i32", shape: [this.#examples], batched: true };
    const draws = randomUniform(this.#tracer.input("seed", scalar), this.#tracer.input("step", scalar), this.#tracer.input("ids", ids), {
      salt,
      shape,
    });
    return extents === null ? draws : inOwnOrder(draws, extents);
  }

  within<T>(name: string, body: () => T): T {
    return this.#tracer.within(name, () => {
      try {
        return body();
      } catch (error) {
        if (!(error instanceof ToeplitzError) || this.#located.has(error)) throw error;
        const located = new ToeplitzError(
          error.room,
          error.where === "" ? this.#tracer.path : `${this.#tracer.path}, ${error.where}`,
          error.problems,
        );
        this.#located.add(located);
        throw located;
      }
    });
  }

  frozen<T>(body: () => T): T {
    const before = this.#isFrozen;
    this.#isFrozen = true;
    try {
      return body();
    } finally {
      this.#isFrozen = before;
    }
  }

  apply(layer: Layer, input: Value): Value {
    const number = this.#applied.get(this.#tracer.path) ?? 0;
    this.#applied.set(this.#tracer.path, number + 1);
    return this.within(layer.name ?? `${number}-${layer.kind}`, () => layer.apply(input, this));
  }

  tap(name: string, value: Value): Value {
    this.taps.set(this.#path(name), value);
    return value;
  }

  note(kind: string, output: Value): void {
    this.layers.push({ path: this.#tracer.path, kind, output: output.type });
  }
}
