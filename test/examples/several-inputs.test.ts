import assert from "node:assert/strict";
import { test } from "node:test";
import {
  adam,
  conv,
  crossEntropy,
  dense,
  globalPool,
  initialise,
  meanSquaredError,
  type Net,
  named,
  open,
  random,
  relu,
  sequential,
  topK,
  traceEvaluation,
  traceTraining,
  weightedLoss,
} from "../../src/node.ts";
import { concat, flatten } from "../../src/ops.ts";

const ear = named("ear", sequential(conv(8, { kernel: 5, stride: 2 }), relu(), globalPool()));
const eye = named("eye", sequential(conv(8, { kernel: 3, padding: "same" }), relu(), globalPool()));

/** Sound and picture in; what it is and where it is out. Any function of values to values is a net. */
const net: Net = ({ sound, picture }, scope) => {
  const heard = scope.apply(ear, sound);
  const seen = scope.apply(eye, picture);
  const both = scope.tap("both", concat([flatten(heard), flatten(seen)]));
  return { kind: scope.apply(named("kind", dense(3)), both), place: scope.apply(named("place", dense(2)), both) };
};

const options = {
  batch: 24,
  inputs: { sound: { shape: [1, 64] }, picture: { shape: [1, 8, 8] } },
  targets: { kind: { shape: [], dtype: "i32" as const }, place: { shape: [2] } },
  loss: weightedLoss([
    [1, crossEntropy({ output: "kind", target: "kind" })],
    [0.5, meanSquaredError({ output: "place", target: "place" })],
  ]),
};

/** The class is heard as a pitch, the place is the mean brightness and the loudness. */
function examples(seed: number) {
  const draw = random(seed);
  const feeds = {
    sound: new Float32Array(24 * 64),
    picture: new Float32Array(24 * 64),
    kind: new Int32Array(24),
    place: new Float32Array(48),
  };
  for (let example = 0; example < 24; example++) {
    const [own, bright, loud] = [draw.integer(0, 2), draw.uniform(), 0.5 + draw.uniform()];
    feeds.kind[example] = own;
    feeds.place.set([bright, loud], 2 * example);
    for (let cell = 0; cell < 64; cell++) {
      feeds.sound[64 * example + cell] = loud * Math.sin(0.4 * (own + 1) * cell);
      feeds.picture[64 * example + cell] = bright + 0.1 * draw.normal();
    }
  }
  return feeds;
}

test("a net of two inputs and two outputs learns both, and returns an inner value by its name", async () => {
  const training = traceTraining(net, { ...options, optimiser: adam(), clip: { norm: 5 } });
  const evaluation = traceEvaluation(net, { ...options, taps: ["both"] });
  assert.deepEqual(
    training.parameters.map(({ name }) => name),
    [
      "ear/0-conv/kernel",
      "ear/0-conv/bias",
      "eye/0-conv/kernel",
      "eye/0-conv/bias",
      "kind/kernel",
      "kind/bias",
      "place/kernel",
      "place/bias",
    ],
  );
  const session = await open({ threads: 2 });
  try {
    const [step, evaluate] = [await session.compile(training.graph), await session.compile(evaluation.graph)];
    await initialise(session, [training, evaluation], 1);
    const losses: number[] = [];
    for (let index = 1; index <= 200; index++)
      losses.push((await step.run({ ...examples(index), learningRate: 0.01, step: index })).loss.data[0]);
    assert.ok(losses[199] < losses[0] / 5, `${losses[0]} to ${losses[199]}`);
    const unseen = examples(0);
    const outputs = await evaluate.run(unseen);
    assert.deepEqual(Object.keys(outputs).sort(), ["both", "kind", "loss", "place"]);
    assert.ok(topK(outputs.kind, unseen.kind, 1) > 0.9);
    const errors = [...outputs.place.data].map((value, cell) => Math.abs(value - unseen.place[cell]));
    assert.ok(errors.reduce((a, b) => a + b) / 48 < 0.2, `${errors}`);
    assert.deepEqual(outputs.both.shape, [24, 16]);
    assert.ok(outputs.both.data.every((value) => value >= 0));
  } finally {
    await session.close();
  }
});
