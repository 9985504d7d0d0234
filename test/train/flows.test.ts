import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { type Dataset, digits, evaluateModel, fit, lenet5, loadModel, type NodeFitOptions, openDataset } from "../../src/node.ts";
import { Workplace } from "../cli/command.ts";

const root = mkdtempSync(join(tmpdir(), "toeplitz-flows-"));
after(() => rmSync(root, { recursive: true }));
const shared = process.env.TOEPLITZ_DATA ?? new URL("../../../shared/data", import.meta.url).pathname;
const without = (folder: string): string | false => (existsSync(join(shared, folder)) ? false : `${folder} is not there`);

const run = (folder: string | undefined, options: NodeFitOptions = {}, data: Dataset = digits({ train: 600, test: 200 })) =>
  fit(lenet5(10), data, { epochs: 3, batch: 20, seed: 4, average: 0.9, ...options, ...(folder && { run: join(root, folder) }) });

test("fit keeps its run in a folder, and goes on with it to the same bytes", async () => {
  const straight = await run("straight");
  assert.deepEqual(readdirSync(join(root, "straight")).sort(), [
    "config.json",
    "last.safetensors",
    "metrics.csv",
    "model.safetensors",
    "report.html",
  ]);
  const controller = new AbortController();
  const onStep: NodeFitOptions["onStep"] = ({ step }) => {
    if (step === 40) controller.abort();
  };
  const first = await run("parts", { onStep, signal: controller.signal, resume: true });
  assert.equal(first.ending, "signal");
  const second = await run("parts", { resume: true });
  assert.equal(second.ending, "epochs");
  assert.deepEqual(readFileSync(join(root, "parts/model.safetensors")), readFileSync(join(root, "straight/model.safetensors")));
  assert.deepEqual(second.test, straight.test);
  await assert.rejects(run("parts"), /folder: expected a name that is free; received a run that is kept there\./);
  assert.deepEqual(second.model.encode(), new Uint8Array(readFileSync(join(root, "parts/model.safetensors"))));
});

test("a fit without a folder writes nothing, and its model can be saved and read", async () => {
  const before = readdirSync(root).sort();
  const { model, test: scores } = await run(undefined);
  assert.deepEqual(readdirSync(root).sort(), before);
  const path = join(root, "own.safetensors");
  await model.save(path);
  const again = await loadModel(path, { threads: 1 });
  const data = digits({ train: 600, test: 200 });
  const score = await again.score(data.test!);
  assert.equal(score.accuracy, scores.accuracy);
  await again.close();
});

test("a fit that fails leaves no folder", async () => {
  const folder = join(root, "failed");
  await assert.rejects(run("failed", { batch: 0.5 }), /fit\(demo:digits\): batch/);
  const small = { ...digits({ train: 20, test: 10 }), shape: [1, 4, 4] };
  await assert.rejects(run("failed", {}, small), /kernel span on axis/);
  assert.equal(existsSync(folder), false);
});

test("the main job: a small convnet learns the embedded digits", async () => {
  const place = new Workplace();
  try {
    const { code, lines, stderr } = await place.call("train", "demo:digits", "--seed", "1");
    assert.equal(code, 0, stderr);
    const last = /^test accuracy: (\d+\.\d\d) %$/.exec(lines.at(-1) as string);
    assert.ok(last !== null && Number(last[1]) >= 98, lines.at(-1));
    assert.ok(
      lines.some((line) => /[█▀▄]/.test(line)),
      "unseen examples are drawn",
    );
  } finally {
    place.remove();
  }
});

test("handwritten digits of an idx folder", { skip: without("mnist") }, async () => {
  const data = await openDataset(join(shared, "mnist"), { seed: 1, holdout: 1000 });
  // a part of the training examples: what matters here is that real data go all the way
  const count = 12_000;
  const train = { ...data.train, count, labels: data.train.labels.slice(0, count), ids: data.train.ids.slice(0, count) };
  const { test: scores, model } = await fit(lenet5(10), { ...data, train }, { epochs: 2, batch: 64, seed: 1, learningRate: 0.003 });
  assert.ok((scores.accuracy as number) >= 0.96, `${scores.accuracy}`);
  const again = await evaluateModel(model, join(shared, "mnist"));
  assert.equal(again.scores.accuracy, scores.accuracy);
  await model.close();
});

test("photographs of many sizes", { skip: without("photos") }, async () => {
  const data = await openDataset(join(shared, "photos"), { seed: 1, size: 32 });
  const { history, test: scores } = await fit(lenet5(5), data, { epochs: 3, seed: 1 });
  assert.equal(scores.count, 80);
  assert.ok(history[2].loss < history[0].loss && (scores.accuracy as number) > 0.3, `${scores.accuracy}`);
  await data.close?.();
});
