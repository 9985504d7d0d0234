import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../base/random.ts";
import { tensorType } from "../base/types.ts";
import { GraphTracer } from "../graph/trace.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { adam, nadam, type Optimiser, optimisers, sgd, update } from "./optimisers.ts";

/** Traces the update of a parameter of two cells. */
function traced(optimiser: Optimiser, tracer = new GraphTracer(), name = "p") {
  const parameter = tracer.state(name, tensorType([2]));
  const slots = optimiser.slots.map((slot) => tracer.state(`${name}/${slot.name}`, tensorType([2])));
  const gradient = tracer.input(`gradient of ${name}`, tensorType([2]));
  const [learningRate, step] = [tracer.input("learningRate", tensorType([])), tracer.input("step", tensorType([], false, "i32"))];
  const next = update(optimiser, { parameter, gradient, learningRate, step, slots });
  tracer.update(parameter, next.parameter);
  slots.forEach((slot, index) => tracer.update(slot, next.slots[index]));
  return tracer;
}

test("nadam follows its algorithm, with the momentum schedule of Dozat 2016", async () => {
  const optimiser = nadam({ momentumDecay: 0.5 });
  const session = await referenceTarget.open();
  const program = await session.compile(traced(optimiser).finish());
  for (const { name, fill } of optimiser.slots)
    await session.write(`p/${name}`, { dtype: "f32", shape: [2], data: new Float32Array(2).fill(fill) });
  const draw = random(1);
  const [p, m, v] = [
    [0, 0],
    [0, 0],
    [0, 0],
  ];
  const mu = (t: number): number => 0.9 * (1 - 0.5 * 0.96 ** (t * 0.5));
  let product = 1;
  for (let t = 1; t <= 5; t++) {
    const gradient = Float32Array.of(draw.normal(), draw.normal());
    await program.run({ "gradient of p": gradient, learningRate: 0.1, step: t });
    product *= mu(t);
    for (const i of [0, 1]) {
      m[i] = 0.9 * m[i] + 0.1 * gradient[i];
      v[i] = 0.999 * v[i] + 0.001 * gradient[i] ** 2;
      const ahead = (mu(t + 1) * m[i]) / (1 - product * mu(t + 1)) + ((1 - mu(t)) * gradient[i]) / (1 - product);
      p[i] -= (0.1 * ahead) / (Math.sqrt(v[i] / (1 - 0.999 ** t)) + 1e-8);
    }
    const { data } = await session.read("p");
    for (const i of [0, 1]) assert.ok(Math.abs(data[i] - p[i]) < 1e-6, `step ${t}: ${data[i]}, ${p[i]}`);
  }
});

test("what depends on step and rate alone is worked out once for all parameters", () => {
  const tracer = traced(adam(), traced(adam()), "q");
  const shapes = tracer.nodes.map((node) => tracer.handle(node.outputs[0]).type.shape.join());
  assert.equal(shapes.filter((shape) => shape === "").length, 2);
  assert.equal(shapes.filter((shape) => shape === "2").length, 6);
});

test("every optimiser lowers a parabola, and its record is plain", async () => {
  for (const [name, make] of Object.entries({ ...optimisers, momentum: () => sgd({ momentum: 0.5, nesterov: true }) })) {
    const optimiser = make();
    const session = await referenceTarget.open();
    const program = await session.compile(traced(optimiser).finish());
    for (const slot of optimiser.slots)
      await session.write(`p/${slot.name}`, { dtype: "f32", shape: [2], data: new Float32Array(2).fill(slot.fill) });
    let p = Float32Array.of(3, -2);
    await session.write("p", { dtype: "f32", shape: [2], data: p });
    for (let step = 1; step <= 60; step++) {
      await program.run({ "gradient of p": p.map((value) => 2 * value), learningRate: name === "adadelta" ? 20 : 0.1, step });
      p = Float32Array.from((await session.read("p")).data);
    }
    assert.ok(Math.abs(p[0]) < 2.9 && Math.abs(p[1]) < 1.9 && p.every(Number.isFinite), `${name}: ${p.join(", ")}`);
    assert.deepEqual(JSON.parse(JSON.stringify(optimiser.settings)), optimiser.settings);
  }
});
