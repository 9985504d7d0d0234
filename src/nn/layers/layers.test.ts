import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../base/random.ts";
import { size, type Tensor, tensorType } from "../../base/types.ts";
import { GraphTracer } from "../../graph/trace.ts";
import { mean, subtract, variance } from "../../ops.ts";
import { referenceTarget } from "../../targets/reference/session.ts";
import { initialCells } from "../initialisers.ts";
import { type Layer, TracingScope } from "../scope.ts";
import { parametricRelu, relu } from "./activation.ts";
import { adaptivePool } from "./adaptive.ts";
import { crop, flatten, pad, pixelShuffle, reshape, upsample } from "./arrange.ts";
import { concatenated, identity, named, parallel, residual, sequential } from "./compose.ts";
import { dropout } from "./dropout.ts";
import { layer } from "./layer.ts";
import { conv, dense, depthwiseConv, localConv, tiledConv, transposedConv } from "./linear.ts";
import { batchNorm, groupNorm, instanceNorm, layerNorm, localResponseNorm } from "./normalise.ts";
import { averagePool, globalPool, maxPool, powerPool } from "./pool.ts";
import { maxout } from "./pool-channels.ts";
import { resize } from "./resize.ts";

/** Traces a layer on examples of a shape. */
function trace(net: Layer, shape: readonly number[], { examples = 2, training = true } = {}) {
  const tracer = new GraphTracer();
  const scope = new TracingScope(tracer, training, examples);
  const output = net.apply(tracer.input("input", tensorType([examples, ...shape], true)), scope);
  tracer.output("output", output);
  for (const { statistic, value } of scope.statisticUpdates.values()) tracer.update(statistic, value);
  return { tracer, scope, output };
}

const shapeOf = (net: Layer, ...shape: number[]): readonly number[] => trace(net, shape).output.type.shape.slice(1);

/** Runs a layer on drawn examples; parameters begin as they would in training. */
async function run(
  net: Layer,
  input: Tensor,
  options: { training?: boolean; step?: number; ids?: readonly number[] } = {},
): Promise<Tensor> {
  const [examples, ...shape] = input.shape;
  const { tracer, scope } = trace(net, shape, { examples, training: options.training ?? true });
  const session = await referenceTarget.open();
  const program = await session.compile(tracer.finish());
  for (const { name, type, initialiser } of scope.parameters.values()) {
    await session.write(name, { dtype: "f32", shape: type.shape, data: initialCells(initialiser, type.shape, 1, name) });
  }
  const ids = Int32Array.from(options.ids ?? Array.from({ length: examples }, (_, i) => i));
  const { output } = await program.run({ input: input.data as Float32Array, seed: 7, step: options.step ?? 1, ids });
  return output;
}

function drawn(shape: readonly number[], centre = 0): Tensor {
  const draw = random(3);
  return { dtype: "f32", shape, data: Float32Array.from({ length: size(shape) }, () => centre + draw.normal()) };
}

const closeTo = (got: ArrayLike<number>, expected: ArrayLike<number>, bound = 1e-5): void => {
  assert.equal(got.length, expected.length);
  for (let cell = 0; cell < got.length; cell++)
    assert.ok(Math.abs(got[cell] - expected[cell]) <= bound, `cell ${cell}: ${got[cell]}, ${expected[cell]}`);
};

test("the axes come from the data: one layer serves 1, 2 and 3 axes", () => {
  const net = sequential(
    conv(4, { kernel: 3, padding: "same" }),
    batchNorm(),
    relu(),
    maxPool(2),
    conv(6, { kernel: 2, stride: 2 }),
    averagePool(2),
  );
  assert.deepEqual(shapeOf(net, 3, 16), [6, 2]);
  assert.deepEqual(shapeOf(net, 3, 16, 24), [6, 2, 3]);
  assert.deepEqual(shapeOf(net, 3, 8, 16, 9), [6, 1, 2, 1]);
});

test("shapes of every layer", () => {
  const shapes: [Layer, number[], number[]][] = [
    [conv(5, { kernel: [3, 5], stride: [1, 2], padding: ["same", "valid"] }), [2, 7, 9], [5, 7, 3]],
    [conv(5, { kernel: 3, padding: "causal" }), [2, 7], [5, 7]],
    [conv(5, { kernel: 3, padding: "full" }), [2, 7], [5, 9]],
    [depthwiseConv({ kernel: 3, multiplier: 2 }), [3, 8], [6, 6]],
    [localConv(4, { kernel: 3 }), [2, 8], [4, 6]],
    [tiledConv(4, { kernel: 3, period: 2 }), [2, 8, 8], [4, 6, 6]],
    [transposedConv(4, { kernel: 4, stride: 2, padding: "same" }), [2, 5, 6], [4, 10, 12]],
    [transposedConv(4, { kernel: 3, stride: 2, padding: 1, outputPadding: 1 }), [2, 5], [4, 10]],
    [dense(7), [2, 5, 6], [7]],
    [maxPool(3, { stride: 2, padding: 1 }), [2, 9], [2, 5]],
    [maxPool(2, { ceil: true }), [2, 9], [2, 5]],
    [averagePool([2, 3]), [2, 9, 9], [2, 4, 3]],
    [powerPool(2, 3), [2, 9], [2, 3]],
    [adaptivePool([3, 20], "max"), [2, 9, 9], [2, 3, 20]],
    [globalPool(), [2, 9, 9], [2, 1, 1]],
    [globalPool("max"), [2, 9, 8, 7], [2, 1, 1, 1]],
    [maxout(3), [6, 4], [2, 4]],
    [layerNorm(), [2, 4, 4], [2, 4, 4]],
    [layerNorm({ over: "channels" }), [2, 4, 4], [2, 4, 4]],
    [groupNorm(2), [4, 3], [4, 3]],
    [instanceNorm({ affine: true }), [4, 3], [4, 3]],
    [localResponseNorm(), [4, 3], [4, 3]],
    [batchNorm(), [4], [4]],
    [dropout(0.3), [4, 3], [4, 3]],
    [parametricRelu(), [4, 3], [4, 3]],
    [pixelShuffle(2), [8, 3, 4], [2, 6, 8]],
    [upsample([2, 3]), [2, 3, 4], [2, 6, 12]],
    [resize({ factor: 1.5 }), [2, 4, 6], [2, 6, 9]],
    [resize({ size: [2, 3, 5], method: "nearest" }), [2, 4, 4, 4], [2, 2, 3, 5]],
    [pad([1, { low: 0, high: 2 }]), [2, 4, 4], [2, 6, 6]],
    [crop(1), [2, 4, 4], [2, 2, 2]],
    [flatten(), [2, 4, 4], [32]],
    [reshape([4, -1]), [2, 4, 4], [4, 8]],
    [parallel([conv(3, { kernel: 1 }), identity()]), [2, 5], [5, 5]],
    [concatenated(conv(3, { kernel: 3, padding: 1 })), [2, 5], [5, 5]],
    [residual(conv(2, { kernel: 3, padding: 1 })), [2, 5], [2, 5]],
  ];
  for (const [net, input, output] of shapes) assert.deepEqual(shapeOf(net, ...input), output, net.kind);
});

test("parameters are named by index and kind, or by given names, through all levels", () => {
  const block = residual(sequential(conv(4, { kernel: 3, padding: 1 })), conv(4, { kernel: 1 }));
  const net = sequential(named("stem", conv(4, { kernel: 3, padding: 1 })), relu(), sequential(batchNorm()), block, dense(2));
  assert.deepEqual(
    [...trace(net, [2, 6]).scope.parameters.keys()],
    [
      "stem/kernel",
      "stem/bias",
      "2-sequential/0-batchNorm/scale",
      "2-sequential/0-batchNorm/shift",
      "3-residual/body/0-conv/kernel",
      "3-residual/body/0-conv/bias",
      "3-residual/shortcut/kernel",
      "3-residual/shortcut/bias",
      "4-dense/kernel",
      "4-dense/bias",
    ],
  );
  assert.throws(
    () => sequential(named("a", relu()), named("a", relu())),
    /sequential: names of its layers: expected different ones; received "a" twice/,
  );
});

test("a function of values names the layers that it applies in the same way", () => {
  const own = layer("own", {}, (input, scope) => {
    const shared = named("shared", dense(4));
    const once = scope.apply(dense(4), scope.apply(shared, input));
    return scope.apply(dense(2), scope.apply(shared, once));
  });
  assert.deepEqual(
    [...trace(own, [4]).scope.parameters.keys()].filter((name) => name.endsWith("kernel")),
    ["shared/kernel", "1-dense/kernel", "3-dense/kernel"],
  );
});

test("the table of layers has paths, kinds and shapes in the order of the net", () => {
  const { layers } = trace(sequential(conv(4, { kernel: 3 }), named("end", sequential(relu(), dense(3)))), [2, 6]).scope;
  assert.deepEqual(
    layers.map(({ path, kind, output }) => [path, kind, output.shape]),
    [
      ["0-conv", "conv", [2, 4, 4]],
      ["end/0-relu", "relu", [2, 4, 4]],
      ["end/1-dense", "dense", [2, 3]],
    ],
  );
});

test("shapes that do not fit: where, and the arithmetic", () => {
  const cases: [Layer, number[], RegExp][] = [
    [
      sequential(relu(), conv(4, { kernel: 5 })),
      [2, 3],
      /^ToeplitzError: grid-linear\(1-conv, forward\): kernel span.*: expected <= padded input 3.*; received 5 \(kernel 5, dilation 1\)/,
    ],
    [conv(4, { kernel: 3 }), [6], /^ToeplitzError: conv: input: expected \[examples, channels, 1 to 3 extents\]; received \[n<=2,6\]/],
    [
      conv(4, { kernel: [3, 3] }),
      [2, 8],
      /^ToeplitzError: conv: kernel extents: expected one for all axes, or 1 as the input has 1 axes; received 2 \(3, 3\)/,
    ],
    [conv(4, { kernel: 0 }), [2, 8], /^ToeplitzError: conv: kernel extents: expected whole numbers >= 1; received \[0\]/],
    [
      conv(4, { kernel: 3, groups: 3 }),
      [6, 8],
      /^ToeplitzError: conv: groups: expected a divisor of 6 input channels and 4 output channels; received 3/,
    ],
    [conv(0.5, { kernel: 3 }), [6, 8], /^ToeplitzError: conv: channels: expected a whole number >= 1; received 0.5/],
    [
      conv(4, { kernel: 3, bias: { period: 9 } }),
      [6, 8],
      /^ToeplitzError: bias: period on axis 0: expected an integer from 1 to the output extent 6; received 9/,
    ],
    [
      transposedConv(4, { kernel: 3, outputPadding: 1 }),
      [2, 4],
      /output padding on axis 0: expected 0 to 0 \(stride 1, dilation 1\); received 1/,
    ],
    [
      transposedConv(4, { kernel: 1, padding: 3 }),
      [2, 4],
      /output extent on axis 0: expected >= 1; received -2 = \(4 - 1\) \* 1 \+ 1 - 3 - 3 \+ 0/,
    ],
    [maxPool(5), [2, 3, 8], /^ToeplitzError: maxPool: window span on axis 0: expected <= padded input 3 = 0 \+ 3 \+ 0; received 5/],
    [
      averagePool(2, { padding: 3, countPadding: false }),
      [2, 4],
      /^ToeplitzError: averagePool: padding on axis 0: expected every window to hold a cell of the 4 of the input/,
    ],
    [adaptivePool([2, 0]), [6, 8, 8], /adaptivePool: extents: expected whole numbers >= 1; received \[2, 0\]/],
    [maxout(4), [6, 2], /^ToeplitzError: maxout: pieces: expected a divisor of the 6 channels; received 4/],
    [groupNorm(4), [6, 2], /^ToeplitzError: groupNorm: groups: expected a divisor of the 6 channels; received 4/],
    [
      residual(conv(3, { kernel: 1 })),
      [2, 5],
      /^ToeplitzError: residual: output of the shortcut: expected \[n<=2,3,5\], as of the body; received \[n<=2,2,5\]\. Give it a shortcut/,
    ],
    [
      parallel([maxPool(2), identity()]),
      [2, 4],
      /^ToeplitzError: parallel: output of branch 1: expected of the same extents behind the channels as \[n<=2,2,2\] of branch 0; received \[n<=2,2,4\]/,
    ],
    [pixelShuffle(2), [6, 2, 2], /channels: expected a multiple of 2\^2 = 4; received 6/],
    [resize({}), [6, 2], /^ToeplitzError: resize: size or factor: expected one of them, giving 1 whole extents/],
    [reshape([5]), [6, 2], /expected extents >= 1 of 12 = 6 x 2 cells; received 5 = 5/],
  ];
  for (const [net, shape, message] of cases) assert.throws(() => trace(net, shape), message);
  assert.throws(
    () => sequential(relu as never),
    /sequential: layer 0: expected a layer, such as relu\(\); received function\. Call the function that makes it\./,
  );
  assert.throws(() => powerPool(0.5, 2), /powerPool: p: expected >= 1; received 0.5/);
  assert.throws(() => dropout(1), /dropout: rate: expected >= 0 and < 1; received 1/);
});

test("a layer used twice shares its parameters, and its running statistics follow both uses in turn", async () => {
  const norm = named("norm", batchNorm({ momentum: 0.5 }));
  const net = layer("twice", {}, (input, scope) => {
    const once = scope.within("norm", () => norm.apply(input, scope));
    return scope.within("norm", () => norm.apply(subtract(once, -3), scope));
  });
  const { tracer, scope } = trace(net, [1, 50]);
  assert.deepEqual([...scope.parameters.keys()], ["norm/scale", "norm/shift"]);
  const session = await referenceTarget.open();
  const program = await session.compile(tracer.finish());
  await session.write("norm/scale", { dtype: "f32", shape: [1, 1], data: Float32Array.of(1) });
  await program.run({ input: drawn([2, 1, 50], 10).data as Float32Array });
  // (0 -> about 5) -> halfway to 3
  const { data } = await session.read("norm/mean");
  assert.ok(Math.abs(data[0] - (10 / 2 + 3) / 2) < 0.1, `${data[0]}`);
});

test("layer norms bring every example, or the channels of every cell, to mean 0 and variance 1", async () => {
  const input = drawn([3, 6, 4, 5], 1000);
  for (const [net, axes] of [
    [layerNorm(), [1, 2, 3]],
    [layerNorm({ over: "channels" }), [1]],
    [instanceNorm(), [2, 3]],
    [groupNorm(1), [1, 2, 3]],
    [groupNorm(6), [2, 3]],
  ] as const) {
    const checked = (of: typeof mean) => layer("checked", {}, (value, scope) => of(net.apply(value, scope), axes));
    const [means, variances] = [await run(checked(mean), input), await run(checked(variance), input)];
    closeTo(means.data, new Float32Array(means.data.length), 1e-4);
    closeTo(variances.data, new Float32Array(variances.data.length).fill(1), 1e-3);
  }
});

test("dropout keeps 1 - rate of the cells, scaled; draws follow step and example, not the place in the batch; inference keeps all", async () => {
  const input = drawn([2, 20, 50], 5);
  const net = sequential(dropout(0.3));
  const dropped = await run(net, input);
  const kept = dropped.data.filter((value) => value !== 0).length / dropped.data.length;
  assert.ok(Math.abs(kept - 0.7) < 0.03, `${kept}`);
  dropped.data.forEach((value, cell) => assert.ok(value === 0 || Math.abs(value - input.data[cell] / 0.7) < 1e-4));
  assert.deepEqual((await run(net, input)).data, dropped.data);
  assert.notDeepEqual((await run(net, input, { step: 2 })).data, dropped.data);
  const zeros = ({ data }: Tensor, example: number): boolean[] =>
    [...data.slice(example * 1000, (example + 1) * 1000)].map((value) => value === 0);
  assert.deepEqual(zeros(await run(net, input, { ids: [1, 0] }), 0), zeros(dropped, 1));
  assert.notDeepEqual(zeros(dropped, 0), zeros(dropped, 1));
  assert.deepEqual((await run(net, input, { training: false })).data, input.data);
  const channels = zeros(await run(dropout(0.5, { channels: true }), input), 0);
  for (let channel = 0; channel < 20; channel++) assert.equal(new Set(channels.slice(channel * 50, (channel + 1) * 50)).size, 1);
  const twice = layer("twice", {}, (value, scope) => subtract(dropout(0.5).apply(value, scope), dropout(0.5).apply(value, scope)));
  assert.ok(
    (await run(twice, input)).data.some((value) => value !== 0),
    "two draws at one place differ",
  );
});

test("batch norm in inference uses its running statistics, in training those of the batch; a batch of one cell stays finite", async () => {
  const input = drawn([4, 2, 3], 5);
  // statistics that nothing has written are zero here: (V - 0) / sqrt(0 + 4)
  closeTo(
    (await run(batchNorm({ epsilon: 4 }), input, { training: false })).data,
    input.data.map((value) => value / 2),
  );
  const alone = await run(batchNorm(), drawn([1, 2]));
  assert.ok([...alone.data].every((value) => value === 0));
});
