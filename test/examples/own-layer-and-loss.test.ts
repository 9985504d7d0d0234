import assert from "node:assert/strict";
import { test } from "node:test";
import {
  conv,
  dense,
  digits,
  fit,
  GraphTracer,
  globalPool,
  gradients,
  type Layer,
  type Loss,
  layer,
  lecun,
  maxPool,
  random,
  referenceTarget,
  relu,
  sequential,
  tensorType,
} from "../../src/node.ts";
import { add, exp, logSoftmax, mean, multiply, negate, oneHot, power, sigmoid, square, subtract, sum, toFloat } from "../../src/ops.ts";

/** Weighs every channel by what all channels together say (Hu et al. 2018): parameters are asked for by name and shape. */
const excite = (): Layer =>
  layer("excite", {}, (input, scope) => {
    const channels = input.type.shape[1];
    const means = mean(input, [2, 3], { keepAxes: true });
    const mixed = conv(channels, { kernel: 1, initialiser: lecun() }).apply(means, scope);
    const slope = scope.parameter("slope", [channels, 1, 1], lecun());
    return multiply(input, sigmoid(add(mixed, multiply(means, slope))));
  });

/** Cross-entropy that looks away from what is easy: -(1 - p)^gamma log p (Lin et al. 2017). */
const focal =
  (gamma: number): Loss =>
  ({ output }, { label }) => {
    const log = sum(multiply(logSoftmax(output), oneHot(label, output.type.shape[1])), 1);
    return negate(multiply(power(subtract(1, exp(log)), gamma), log));
  };

test("a layer and a loss of one's own train like ours", async () => {
  const net = sequential(
    conv(8, { kernel: 5, stride: 2 }),
    excite(),
    relu(),
    maxPool(2),
    conv(16, { kernel: 3 }),
    excite(),
    relu(),
    globalPool(),
    dense(10),
  );
  const epochs: number[] = [];
  const run = await fit(net, digits({ train: 3000, test: 300 }), {
    epochs: 5,
    batch: 32,
    seed: 1,
    learningRate: 0.02,
    loss: focal(2),
    threads: 2,
    onEpoch: ({ loss }) => void epochs.push(loss),
  });
  assert.equal(epochs.length, 5);
  assert.ok(epochs[4] < epochs[0] / 2, epochs.join(" "));
  const { accuracy = 0 } = run.test;
  assert.ok(accuracy > 0.8, `${accuracy}`);
});

test("they are differentiated as their formulas say", async () => {
  const tracer = new GraphTracer();
  const input = tracer.input("input", tensorType([2, 3], true));
  const label = tracer.input("label", tensorType([2], true, "i32"));
  const loss = sum(focal(1.5)({ output: input }, { label }));
  tracer.output("loss", loss);
  const [slope] = gradients(loss, [input]);
  assert.ok(slope !== null);
  tracer.output("gradient", slope);
  // and once more: the length of the gradient has a gradient too
  const length = sum(square(slope));
  tracer.output("length", length);
  const [second] = gradients(length, [input]);
  assert.ok(second !== null);
  tracer.output("second", second);
  tracer.output("label as number", toFloat(label));
  const program = await (await referenceTarget.open()).compile(tracer.finish());
  const draw = random(1);
  const at = Float32Array.from({ length: 6 }, () => draw.normal());
  const run = async (cells: Float32Array) => {
    const outputs = await program.run({ input: cells, label: Int32Array.of(2, 0) });
    return {
      loss: outputs.loss.data[0],
      length: outputs.length.data[0],
      gradient: [...outputs.gradient.data],
      second: [...outputs.second.data],
    };
  };
  const here = await run(at);
  for (let cell = 0; cell < 6; cell++) {
    const moved = (by: number): Float32Array => at.map((value, other) => (other === cell ? value + by : value));
    const [low, high] = [await run(moved(-1e-2)), await run(moved(1e-2))];
    assert.ok(Math.abs((high.loss - low.loss) / 2e-2 - here.gradient[cell]) < 1e-3);
    assert.ok(Math.abs((high.length - low.length) / 2e-2 - here.second[cell]) < 1e-3);
  }
});
