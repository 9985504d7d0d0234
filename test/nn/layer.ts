import assert from "node:assert/strict";
import { random } from "../../src/base/random.ts";
import { size, type TensorType, tensorType } from "../../src/base/types.ts";
import { GraphTracer } from "../../src/graph/trace.ts";
import { type Layer, type Scope, TracingScope } from "../../src/nn/scope.ts";
import { target } from "../../src/node.ts";
import type { Value } from "../../src/ops/contract.ts";
import { referenceTarget } from "../../src/targets/reference/session.ts";
import { checkGradients } from "../ops/evaluate.ts";

/** A layer, or a function of one value. */
export type Part = Layer | ((input: Value, scope: Scope) => Value);

const apply = (part: Part, input: Value, scope: Scope): Value =>
  typeof part === "function" ? part(input, scope) : part.apply(input, scope);

export interface Made {
  readonly shape: readonly number[];
  readonly cells: readonly number[];
}

/** What a layer without parameters makes of an input, in training or inference: on the reference, and, the same within rounding, on wasm. */
export async function made(part: Part, shape: readonly number[], cells: ArrayLike<number>, training = false, step = 1): Promise<Made> {
  const tracer = new GraphTracer();
  const input = tracer.input("input", tensorType(shape, true));
  tracer.output("output", apply(part, input, new TracingScope(tracer, training, shape[0])));
  const graph = tracer.finish();
  const feeds: Record<string, Float32Array | Int32Array | number> = {
    input: Float32Array.from(cells),
    seed: 5,
    step,
    ids: Int32Array.from({ length: shape[0] }, (_, i) => i),
  };
  const names = graph.values.flatMap(({ source }) => (source.kind === "input" ? [source.name] : []));
  const results: Made[] = [];
  for (const one of [referenceTarget, target]) {
    const session = await one.open({ threads: 1 });
    const program = await session.compile(graph);
    const { output } = await program.run(Object.fromEntries(Object.entries(feeds).filter(([name]) => names.includes(name))));
    results.push({ shape: [...output.shape], cells: [...output.data] });
    await session.close();
  }
  const [first, second] = results;
  assert.deepEqual(second.shape, first.shape);
  second.cells.forEach((cell, i) => {
    assert.ok(
      Math.abs(cell - first.cells[i]) <= 1e-5 * (1 + Math.abs(first.cells[i])),
      `cell ${i}: wasm ${cell}, reference ${first.cells[i]}`,
    );
  });
  return first;
}

/**
 * Compares the gradients of a layer with finite differences, first and second order. Parameters and draws are inputs of these types behind the
 * layer's own, in the order in which it asks; draws must stay in [0, 1).
 */
export function checkLayer(name: string, part: Part, shape: readonly number[], others: readonly TensorType[] = [], training = false): void {
  const draws = random(3, name.length);
  const types = [tensorType(shape, true), ...others];
  checkGradients({
    name,
    types,
    cells: types.map((type) => Float64Array.from({ length: size(type.shape) }, () => 0.1 + 0.8 * draws.uniform())),
    build: ([input, ...rest]) => {
      const left = [...rest];
      const scope = new TracingScope(input.graph as GraphTracer, training, shape[0]);
      const next = (): Value => left.shift() ?? assert.fail("no input left");
      scope.parameter = next;
      scope.uniform = next;
      return [apply(part, input, scope)];
    },
  });
}

/** Whole numbers 0, 1, ... */
export const counted = (cells: number): number[] => Array.from({ length: cells }, (_, i) => i);
