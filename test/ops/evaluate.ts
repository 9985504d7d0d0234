import assert from "node:assert/strict";
import { type Random, random } from "../../src/base/random.ts";
import { printType, size, type TensorType } from "../../src/base/types.ts";
import { gradients } from "../../src/graph/differentiate.ts";
import { GraphTracer } from "../../src/graph/trace.ts";
import type { Operator, Value } from "../../src/ops/contract.ts";
import { add, multiply, sum } from "../../src/ops.ts";

/** Interprets what was traced in float64, for feeds by name; `examples` is the run's number. */
export function evaluate(values: readonly Value[], feeds: Readonly<Record<string, ArrayLike<number>>>): Float64Array[] {
  const graph = (values[0].graph as GraphTracer).finish();
  const batch = graph.values.find(({ type }) => type.batched)?.type.shape[0] ?? 1;
  const cells = graph.values.map(({ source, type }): Float64Array => {
    if (source.kind === "examples") return Float64Array.of(batch);
    if (source.kind === "input") {
      assert.equal(feeds[source.name].length, size(type.shape), `cells of ${source.name}`);
      return Float64Array.from(feeds[source.name]);
    }
    if (source.kind !== "constant") return new Float64Array(0);
    return "fill" in source.content ? new Float64Array(size(type.shape)).fill(source.content.fill) : Float64Array.from(source.content.data);
  });
  const needed = new Set(values.map((value) => value.id));
  for (const node of [...graph.nodes].reverse())
    if (node.outputs.some((output) => needed.has(output))) for (const input of node.inputs) needed.add(input);
  for (const node of graph.nodes) {
    if (!node.outputs.some((output) => needed.has(output))) continue;
    const made = node.operator.reference(
      node.plan,
      node.inputs.map((input) => cells[input]),
    );
    node.outputs.forEach((output, i) => {
      assert.equal(made[i].length, size(graph.values[output].type.shape), `cells of ${node.operator.line(node.plan)}`);
      cells[output] = made[i];
    });
  }
  return values.map((value) => cells[value.id]);
}

export type Build = (inputs: readonly Value[]) => readonly Value[];

/** Feeds `x0`, `x1`, ... of these types, in a graph of their own. */
export function inputsOf(types: readonly TensorType[]): Value[] {
  const tracer = new GraphTracer();
  return types.map((type, i) => tracer.input(`x${i}`, type));
}

/** Values of what `build` makes of these inputs. */
export function outputs(build: Build, types: readonly TensorType[], cells: readonly ArrayLike<number>[]): Float64Array[] {
  return evaluate(build(inputsOf(types)), Object.fromEntries(cells.map((own, i) => [`x${i}`, own])));
}

/** One number from values: the sum of their cells times fixed weights. */
function weighted(values: readonly Value[], draws: Random): Value {
  const floats = values.filter(({ type }) => type.dtype === "f32");
  const terms = floats.map((value) => {
    const rest = value.type.batched ? value.type.shape.slice(1) : value.type.shape;
    const data = Float32Array.from({ length: size(rest) }, () => draws.integer(-8, 8) / 8 + 1 / 16);
    return sum(multiply(value, value.graph.constant({ dtype: "f32", shape: rest, data })));
  });
  return terms.reduce((a, b) => add(a, b));
}

export interface GradientCheck {
  readonly build: Build;
  readonly types: readonly TensorType[];
  readonly cells: readonly Float64Array[];
  /** What a failure prints first. */
  readonly name: string;
  readonly seed?: number;
}

/** J and its gradients with respect to the f32 inputs, where there are any. */
function first(check: GradientCheck): { inputs: Value[]; loss: Value; slopes: (Value | null)[] } | null {
  const inputs = inputsOf(check.types);
  const made = check.build(inputs);
  if (!made.some(({ type }) => type.dtype === "f32")) return null;
  const loss = weighted(made, random(check.seed ?? 1));
  return { inputs, loss, slopes: gradients(loss, inputs) };
}

/**
 * Compares the gradients of a weighted sum of what `build` makes with central differences in float64, and once more the
 * gradients of a weighted sum of those gradients.
 */
export function checkGradients(check: GradientCheck): void {
  const one = first(check);
  if (one === null) return;
  compare(check, "gradient", one.inputs, one.loss, one.slopes);
  const again = first(check);
  const made = again?.slopes.filter((slope): slope is Value => slope !== null) ?? [];
  if (again === null || made.length === 0) return;
  const second = weighted(made, random(check.seed ?? 1, 2));
  compare(check, "second gradient", again.inputs, second, gradients(second, again.inputs));
}

function compare(
  { types, cells, name }: GradientCheck,
  what: string,
  inputs: readonly Value[],
  loss: Value,
  slopes: readonly (Value | null)[],
): void {
  const feeds = (own: readonly Float64Array[]): Record<string, Float64Array> => Object.fromEntries(own.map((part, i) => [`x${i}`, part]));
  const at = (own: readonly Float64Array[]): number => evaluate([loss], feeds(own))[0][0];
  const draws = random(7);
  inputs.forEach((_, i) => {
    const slope = slopes[i];
    if (slope !== null) assert.equal(printType(slope.type), printType(types[i]), `${name}: type of the ${what} of input ${i}`);
    if (types[i].dtype !== "f32") return;
    const got = slope === null ? new Float64Array(cells[i].length) : evaluate([slope], feeds(cells))[0];
    const most = got.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
    // a few cells each, so that the check stays quick
    for (let trial = 0; trial < Math.min(4, cells[i].length); trial++) {
      const cell = draws.integer(0, cells[i].length - 1);
      const step = 1e-5;
      const moved = (by: number): Float64Array[] =>
        cells.map((own, j) => (j === i ? own.map((value, c) => (c === cell ? value + by : value)) : own));
      const difference = (at(moved(step)) - at(moved(-step))) / (2 * step);
      assert.ok(
        Math.abs(difference - got[cell]) <= 1e-4 * (1 + most),
        `${name}: ${what} of input ${i} at cell ${cell}: expected ${difference}; received ${got[cell]}`,
      );
    }
  });
}

/** What every room promises of its plans: lines that round-trip, types that fit the oracle, gradients that are the slopes. */
export function checkOperator<P, O>(
  operator: Operator<P, O>,
  plan: P,
  optionsOf: (plan: P) => O,
  draw: (plan: P, random: Random) => Float64Array[],
  seed: number,
): void {
  const line = operator.line(plan);
  assert.deepEqual(operator.parse(line), plan, line);
  assert.equal(operator.line(operator.parse(line)), line);
  const types = operator.inputs(plan);
  const cells = draw(plan, random(seed));
  const options = optionsOf(plan);
  assert.deepEqual(operator.plan(options, types), plan, `${line}: planned again`);
  const made = outputs((inputs) => inputs[0].graph.apply(operator, options, inputs), types, cells);
  assert.deepEqual(
    made.map((own) => own.length),
    operator.outputs(plan).map(({ shape }) => size(shape)),
    line,
  );
  const cost = operator.cost(plan);
  assert.ok(
    Object.values(cost).every((value) => Number.isFinite(value) && value >= 0),
    line,
  );
  checkGradients({ build: (inputs) => inputs[0].graph.apply(operator, options, inputs), types, cells, name: line, seed });
}

/** Values of the order of 1 for every input. */
export const normals = (types: readonly TensorType[], draws: Random): Float64Array[] =>
  types.map(({ shape }) => Float64Array.from({ length: size(shape) }, () => draws.normal()));
