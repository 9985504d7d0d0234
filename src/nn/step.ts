import { fail, Problems } from "../base/errors.ts";
import { type DType, printType, size, type TensorType, tensorType } from "../base/types.ts";
import { gradients } from "../graph/differentiate.ts";
import { type Graph, inputsOf } from "../graph/graph.ts";
import { recompute } from "../graph/recompute.ts";
import type { Session } from "../graph/session.ts";
import { type ExtentRule, GraphTracer } from "../graph/trace.ts";
import { maskedBeyond } from "../graph/unequal.ts";
import { call, constant, type Expression, type Extents, operand, type Value } from "../ops/contract.ts";
import { pointwise } from "../ops/pointwise/index.ts";
import { add, divide, minimum, multiply, reshape, slice, sqrt, square, sum, toFloat } from "../ops.ts";
import { initialCells } from "./initialisers.ts";
import type { Loss } from "./losses.ts";
import { type Optimiser, update } from "./optimisers.ts";
import { type LayerInfo, type Net, type Parameter, type Statistic, TracingScope } from "./scope.ts";

/** One example of a feed. */
export interface TensorSpec {
  readonly shape: readonly number[];
  readonly dtype?: DType;
  /**
   * Examples are of unequal extents, up to those of the shape [channels, ...extents]: the feed `<name>.extents`, i32 [examples, axes], says how many
   * cells each has, at least one (`checkExtents` tells what is wrong); its cells lie at the low end of every axis, and what is beyond is not looked at. A
   * name: they are those of that input; labels of its cells have no channels.
   */
  readonly unequal?: boolean | string;
}

/** A traced program of a net, with the state that it needs. */
export interface TracedStep {
  readonly graph: Graph;
  readonly parameters: readonly Parameter[];
  readonly states: readonly Statistic[];
  readonly layers: readonly LayerInfo[];
  /** What layers make of the extents of examples, for inputs of unequal extents. */
  readonly extentRules: readonly ExtentRule[];
}

export interface TraceOptions {
  /** Largest number of examples of a run. */
  readonly batch: number;
  readonly inputs: Readonly<Record<string, TensorSpec>>;
  readonly targets?: Readonly<Record<string, TensorSpec>>;
  /** Paths of inner values (see `Scope.tap`) to return. */
  readonly taps?: readonly string[];
}

export interface TrainingOptions extends TraceOptions {
  readonly loss: Loss;
  readonly optimiser: Optimiser;
  /** Gradient clipping: to a global norm, to an absolute value. */
  readonly clip?: { readonly norm?: number; readonly value?: number };
  /** Decay of the exponential moving average of the parameters, e.g. 0.999. */
  readonly average?: number;
  /** Parameters (by name) that do not change. */
  readonly frozen?: (parameter: string) => boolean;
  /**
   * `step` does everything. For gradients of several batches: `accumulate` adds this batch's gradient to the kept sum,
   * `apply` adds it too, then updates with the mean of `batches` (a feed) and clears the sum.
   */
  readonly phase?: "step" | "accumulate" | "apply";
  /**
   * Gradient checkpointing: the backward pass computes values of the forward pass again instead of keeping them. True for the least memory; a number
   * for the least work with at most so many bytes of values at one time, before layouts and scratch.
   */
  readonly recompute?: boolean | number;
}

interface Traced {
  readonly tracer: GraphTracer;
  readonly scope: TracingScope;
  readonly outputs: Readonly<Record<string, Value>>;
  readonly targets: Readonly<Record<string, Value>>;
}

function trace(net: Net, options: TraceOptions, training: boolean, rename?: (parameter: string) => string): Traced {
  if (!(Number.isInteger(options.batch) && options.batch >= 1)) fail("net", "", "batch", "a whole number of examples >= 1", options.batch);
  const tracer = new GraphTracer();
  const scope = new TracingScope(tracer, training, options.batch, rename);
  const feeds = (specs: Readonly<Record<string, TensorSpec>>): Record<string, Value> =>
    Object.fromEntries(
      Object.entries(specs).map(([name, { shape, dtype, unequal }]) => {
        const value = tracer.input(name, tensorType([options.batch, ...shape], true, dtype));
        if (unequal === undefined || unequal === false) return [name, value];
        const from = unequal === true ? name : unequal;
        return [name, unequalInput(tracer, name, from, value, (options.inputs[from]?.shape ?? shape).length - 1)];
      }),
    );
  const inputs = feeds(options.inputs);
  const targets = feeds(options.targets ?? {});
  return { tracer, scope, outputs: applyNet(net, inputs, scope), targets };
}

/** The input with its cells beyond the fed extents cleared; they are those of its last axes. */
export function unequalInput(tracer: GraphTracer, name: string, from: string, value: Value, axes = value.type.shape.length - 2): Value {
  const before = value.type.shape.length - 1 - axes;
  if (axes < 1 || before < 0)
    fail("net", name, "shape of an input of unequal extents", "[channels, ...extents]", `[${value.type.shape.slice(1).join(",")}]`);
  const fed = tracer.input(`${from}.extents`, tensorType([value.type.shape[0], axes], true, "i32"));
  const extents: Extents = [
    ...new Array<null>(before).fill(null),
    ...Array.from({ length: axes }, (_, axis) => ({
      counts: reshape(slice(toFloat(fed), 1, axis, axis + 1), []),
      input: from,
      of: (cells: readonly number[]) => cells[axis],
    })),
  ];
  // labels are numbers of classes: there is none that means nothing
  const cleared = value.type.dtype === "f32" ? maskedBeyond(value, extents) : value;
  tracer.setExtents(cleared, extents);
  return cleared;
}

function applyNet(net: Net, inputs: Readonly<Record<string, Value>>, scope: TracingScope): Readonly<Record<string, Value>> {
  if (typeof net !== "function") {
    const names = Object.keys(inputs);
    if (names.length !== 1)
      fail(
        "net",
        net.name ?? net.kind,
        "inputs of a layer",
        "1",
        `${names.length} (${names.join(", ")})`,
        "Write the net as a function of its inputs.",
      );
    return { output: net.apply(inputs[names[0]], scope) };
  }
  const result: unknown = net(inputs, scope);
  if (isValue(result)) return { output: result };
  const named = typeof result === "object" && result !== null ? Object.entries(result) : [];
  const whole = named.length > 0 && named.every(([, value]) => isValue(value));
  if (!whole)
    fail(
      "net",
      "",
      "result",
      "a value, or values by name",
      named.length === 0 ? typeof result : named.map(([name, value]) => `${name}: ${typeof value}`).join(", "),
    );
  return result as Readonly<Record<string, Value>>;
}

/**
 * Checks what is fed as extents: whole numbers from 1 to those of the batch's cells, and in every layer at least one cell of each example.
 * Throws: ToeplitzError that names the example and the layer.
 */
export function checkExtents(
  { graph, extentRules }: Pick<TracedStep, "graph" | "extentRules">,
  input: string,
  fed: ArrayLike<number>,
): void {
  const type = inputsOf(graph).find(({ name }) => name === input)?.type;
  const most = type?.shape.slice(2) ?? [];
  const problems = new Problems("net", `${input}.extents`);
  for (let example = 0; example * most.length < fed.length; example++) {
    const own = most.map((_, axis) => fed[example * most.length + axis]);
    const fits = own.every((cells, axis) => Number.isInteger(cells) && cells >= 1 && cells <= most[axis]);
    if (!problems.check(fits, `extents of example ${example}`, `1 to ${most.join(" x ")}`, own.join(" x "))) continue;
    const broken = extentRules.find(({ extent, least }) => extent.input === input && extent.of(own) < least);
    if (broken === undefined) continue;
    const { path, least, extent } = broken;
    const cells = extent.of(own) < 1 ? "none" : extent.of(own);
    problems.check(
      false,
      `cells of example ${example} ${least === 1 ? "after" : "before"} ${path}`,
      `>= ${least}`,
      `${cells}, of ${own.join(" x ")}`,
      "Leave the example out, enlarge it, or pad more.",
    );
  }
  problems.throwIfAny();
}

const isValue = (result: unknown): result is Value =>
  typeof result === "object" && result !== null && "graph" in result && "id" in result && typeof result.id === "number";

function outputTaps({ tracer, scope }: Traced, taps: readonly string[] = []): void {
  for (const name of taps) {
    const value = scope.taps.get(name);
    if (value === undefined)
      fail("net", "taps", "name of a tap", [...scope.taps.keys()].join(", ") || "one that the net sets with scope.tap", name);
    tracer.output(name, value);
  }
}

/** Loss of each example, checked. */
function lossesOf(loss: Loss, { outputs, targets }: Traced): Value {
  const losses = loss(outputs, targets);
  const hint = "A loss is one number for each example: take the mean over its other axes.";
  if (!losses.type.batched || losses.type.shape.length !== 1) fail("loss", "", "result", "[examples]", printType(losses.type), hint);
  return losses;
}

/**
 * Traces a training step: forward, loss (mean over the run's examples), backward and update as one graph.
 * Feeds: inputs and targets by name, `learningRate` (f32), `step` (i32, from 1), and where the net draws numbers `seed` and `ids`.
 * Outputs: `loss`, the net's outputs (`output` when there is one), taps.
 */
export function traceTraining(net: Net, options: TrainingOptions): TracedStep {
  const traced = trace(net, options, true);
  const { tracer, scope, outputs } = traced;
  const losses = lossesOf(options.loss, traced);
  const loss = divide(sum(losses), tracer.examples());
  const forward = tracer.nodes.length;
  const parameters = [...scope.parameters.values()].map((parameter) => ({
    ...parameter,
    frozen: parameter.frozen || (options.frozen?.(parameter.name) ?? false),
  }));
  const trained = parameters.filter(({ frozen }) => !frozen);
  const found = gradients(
    loss,
    trained.map(({ value }) => value),
  );
  const followed = trained.flatMap((parameter, i) => {
    const gradient = found[i];
    return gradient === null ? [] : [{ ...parameter, gradient }];
  });
  const states: Statistic[] = [...scope.statistics.values()].map(({ name, type, fill }) => ({ name, type, fill }));
  const still = parameters.filter(({ name }) => !followed.some((other) => other.name === name));
  tracer.within("update", () => traceUpdates(tracer, followed, still, options, states));
  for (const { statistic, value } of scope.statisticUpdates.values()) tracer.update(statistic, value);
  tracer.output("loss", loss);
  for (const [name, value] of Object.entries(outputs)) tracer.output(name, value);
  outputTaps(traced, options.taps);
  const { recompute: again = false } = options;
  const graph = tracer.finish();
  return {
    graph: again === false ? graph : recompute(graph, forward, again === true ? null : again),
    parameters: parameters.map(({ name, type, initialiser, frozen }) => ({ name, type, initialiser, frozen })),
    states,
    layers: scope.layers,
    extentRules: tracer.extentRules,
  };
}

interface Followed {
  readonly name: string;
  readonly type: TensorType;
  readonly value: Value;
  readonly gradient: Value;
}

function traceUpdates(
  tracer: GraphTracer,
  parameters: readonly Followed[],
  still: readonly Omit<Followed, "gradient">[],
  options: TrainingOptions,
  states: Statistic[],
): void {
  const declare = (name: string, type: TensorType, fill: number): Value => {
    states.push({ name, type, fill });
    return tracer.state(name, type);
  };
  const phase = options.phase ?? "step";
  const ready =
    phase === "step"
      ? parameters
      : parameters.flatMap((parameter) => {
          const kept = declare(`accumulated/${parameter.name}`, parameter.type, 0);
          const total = add(kept, parameter.gradient);
          tracer.update(kept, phase === "apply" ? tracer.constant({ shape: parameter.type.shape, fill: 0 }) : total);
          return phase === "apply" ? [{ ...parameter, gradient: divide(total, tracer.input("batches", tensorType([]))) }] : [];
        });
  if (phase === "accumulate") return;
  const learningRate = tracer.input("learningRate", tensorType([]));
  const step = tracer.input("step", tensorType([], false, "i32"));
  const average = (name: string, type: TensorType, value: Value): void => {
    if (options.average !== undefined) traceAverage(tracer, declare(averageName(name), type, 0), value, step, options.average);
  };
  // what does not change has an average too: an evaluation reads the averages of all
  for (const { name, type, value } of still) average(name, type, value);
  for (const { name, type, value, gradient } of clip(ready, options.clip ?? {})) {
    const slots = options.optimiser.slots.map((slot) => declare(`optimiser/${slot.name}/${name}`, type, slot.fill));
    const next = update(options.optimiser, { parameter: value, gradient, learningRate, step, slots });
    slots.forEach((slot, i) => tracer.update(slot, next.slots[i]));
    tracer.update(value, next.parameter);
    average(name, type, next.parameter);
  }
}

export const averageName = (parameter: string): string => `average/${parameter}`;

/** a' = d a + (1 - d) p with d = min(decay, (step - 1) / (step + 8)): the first step copies, and the start is soon forgotten. */
function traceAverage(tracer: GraphTracer, average: Value, parameter: Value, step: Value, decay: number): void {
  const [before, now, count] = [0, 1, 2].map(operand);
  const young = call("divide", call("subtract", count, constant(1)), call("add", count, constant(8)));
  const weight: Expression = call("min", constant(decay), young);
  const formula = call("add", now, call("multiply", weight, call("subtract", before, now)));
  tracer.update(average, pointwise(formula, [average, parameter, step]));
}

/** Clips gradients to an absolute value, then all of them together to a norm: g * min(1, limit / |g|). Source: Pascanu et al. 2013, algorithm 1. */
function clip(parameters: readonly Followed[], { norm, value }: { readonly norm?: number; readonly value?: number }): Followed[] {
  const bounded =
    value === undefined
      ? [...parameters]
      : parameters.map((parameter) => ({
          ...parameter,
          gradient: pointwise(call("clip", operand(0), constant(-value), constant(value)), [parameter.gradient]),
        }));
  if (norm === undefined || bounded.length === 0) return bounded;
  const total = bounded.map(({ gradient }) => sum(square(gradient))).reduce((a, b) => add(a, b));
  const factor = minimum(divide(norm, add(sqrt(total), 1e-6)), 1);
  return bounded.map((parameter) => ({ ...parameter, gradient: multiply(parameter.gradient, factor) }));
}

/** Traces a net for inference: outputs, taps and, with a loss, `loss` of each example. `averaged` reads the moving averages of the parameters. */
export function traceEvaluation(net: Net, options: TraceOptions & { readonly loss?: Loss; readonly averaged?: boolean }): TracedStep {
  const traced = trace(net, options, false, options.averaged === true ? averageName : undefined);
  const { tracer, scope, outputs } = traced;
  if (options.loss !== undefined) tracer.output("loss", lossesOf(options.loss, traced));
  for (const [name, value] of Object.entries(outputs)) tracer.output(name, value);
  outputTaps(traced, options.taps);
  const states = [...scope.statistics.values()].map(({ name, type, fill }) => ({ name, type, fill }));
  const parameters = [...scope.parameters.values()].map(({ name, type, initialiser, frozen }) => ({ name, type, initialiser, frozen }));
  return { graph: tracer.finish(), parameters, states, layers: scope.layers, extentRules: tracer.extentRules };
}

/** Writes the first value of every parameter and state that the session has: parameters depend on seed and name alone. */
export async function initialise(session: Session, steps: readonly TracedStep[], seed: number): Promise<void> {
  const declared = new Set(session.states());
  const written = new Set<string>();
  for (const { parameters, states } of steps) {
    for (const { name, type, initialiser } of parameters) {
      if (written.has(name) || !declared.has(name)) continue;
      written.add(name);
      await session.write(name, { dtype: "f32", shape: type.shape, data: initialCells(initialiser, type.shape, seed, name) });
    }
    for (const { name, type, fill } of states) {
      if (written.has(name) || !declared.has(name)) continue;
      written.add(name);
      await session.write(name, { dtype: "f32", shape: type.shape, data: new Float32Array(size(type.shape)).fill(fill) });
    }
  }
}
