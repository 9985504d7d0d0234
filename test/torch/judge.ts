import assert from "node:assert/strict";
import { size, strides, type Tensor, tensorType } from "../../src/base/types.ts";
import { gradients } from "../../src/graph/differentiate.ts";
import type { Session, Target } from "../../src/graph/session.ts";
import { GraphTracer } from "../../src/graph/trace.ts";
import { type Layer, TracingScope } from "../../src/nn/scope.ts";
import { multiply, sum } from "../../src/ops.ts";

/** PyTorch's own tolerance for its f32 results. */
const bound = (expected: number): number => 1e-5 + 1e-4 * Math.abs(expected);

/** Compares cells; a failure shows the first wrong ones. */
export function assertClose(what: string, got: Tensor, expected: Tensor): void {
  assert.equal(got.data.length, expected.data.length, `${what}: cells of [${got.shape.join(",")}], expected [${expected.shape.join(",")}]`);
  const wrong: string[] = [];
  for (let cell = 0; cell < expected.data.length && wrong.length < 5; cell++) {
    const error = Math.abs(got.data[cell] - expected.data[cell]);
    if (!(error <= bound(expected.data[cell]))) wrong.push(`cell ${cell}: ${got.data[cell]}, expected ${expected.data[cell]}`);
  }
  assert.equal(wrong.length, 0, `${what} [${expected.shape.join(",")}]\n${wrong.join("\n")}`);
}

/** The tensor with its axes in another order: axis i of the result is axis order[i]. */
export function permuted({ dtype, shape, data }: Tensor, order: readonly number[]): Tensor {
  const steps = strides(shape);
  const extents = order.map((axis) => shape[axis]);
  const to = strides(extents);
  const cells = Float32Array.from(data, (_, cell) => {
    const from = order.reduce((sum, axis, i) => sum + (Math.floor(cell / to[i]) % extents[i]) * steps[axis], 0);
    return data[from];
  });
  return { dtype, shape: extents, data: cells };
}

/** What a layer is given and should give. */
export interface Judged {
  readonly layer: Layer;
  readonly training?: boolean;
  readonly x: Tensor;
  readonly y: Tensor;
  readonly gradY: Tensor;
  readonly gradX: Tensor;
  /** Value and gradient of each parameter, in our layout. */
  readonly parameters?: Readonly<Record<string, { readonly value: Tensor; readonly gradient: Tensor }>>;
  /** Running statistics before and after. */
  readonly statistics?: Readonly<Record<string, { readonly before: Tensor; readonly after: Tensor }>>;
}

/** Runs a layer and its gradient of sum(y * gradY) on a target and compares everything. */
export async function judge(target: Target, judged: Judged): Promise<void> {
  const tracer = new GraphTracer();
  const training = judged.training ?? true;
  const scope = new TracingScope(tracer, training, judged.x.shape[0]);
  const x = tracer.input("x", tensorType(judged.x.shape, true));
  const y = judged.layer.apply(x, scope);
  assert.deepEqual(y.type.shape, judged.y.shape);
  const loss = sum(multiply(y, tracer.input("gradY", tensorType(judged.y.shape, true))));
  const names = Object.keys(judged.parameters ?? {});
  assert.deepEqual([...scope.parameters.keys()].sort(), [...names].sort());
  const made = gradients(loss, [x, ...names.map((name) => scope.parameters.get(name)!.value)]);
  tracer.output("y", y);
  for (const [index, gradient] of made.entries()) {
    assert.ok(gradient !== null);
    tracer.output(["x", ...names][index], gradient);
  }
  for (const { statistic, value } of scope.statisticUpdates.values()) tracer.update(statistic, value);
  const session = await target.open();
  try {
    const program = await session.compile(tracer.finish());
    for (const name of names) await write(session, name, scope.parameters.get(name)!.type.shape, judged.parameters![name].value);
    for (const [name, { before }] of Object.entries(judged.statistics ?? {}))
      await write(session, name, scope.statistics.get(name)!.type.shape, before);
    const outputs = await program.run({ x: floats(judged.x), gradY: floats(judged.gradY) });
    assertClose("y", outputs.y, judged.y);
    assertClose("gradient of x", outputs.x, judged.gradX);
    for (const name of names) assertClose(`gradient of ${name}`, outputs[name], judged.parameters![name].gradient);
    for (const [name, { after }] of Object.entries(judged.statistics ?? {})) assertClose(name, await session.read(name), after);
  } finally {
    await session.close();
  }
}

export async function write(session: Session, name: string, shape: readonly number[], { data }: Tensor): Promise<void> {
  assert.equal(data.length, size(shape), `cells of ${name} [${shape.join(",")}]`);
  await session.write(name, { dtype: "f32", shape, data: Float32Array.from(data) });
}

export function floats({ data }: Tensor): Float32Array {
  assert.ok(data instanceof Float32Array);
  return data;
}
