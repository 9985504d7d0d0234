import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { Workplace, writeStripes } from "./command.ts";

const place = new Workplace();
after(() => place.remove());
writeStripes(place, "stripes", 40);

/** A small run on pictures that takes a second or two. */
const train = (name: string, ...more: string[]): string[] => {
  const fixed = ["--model", "lenet5", "--epochs", "4", "--batch", "8", "--seed", "3", "--augment", "flip,shift=0.1", "--average", "0.9"];
  return ["train", "stripes", ...fixed, "--name", name, ...more];
};
const modelOf = (name: string): Buffer => readFileSync(place.path("runs", name, "model.safetensors"));
const files = ["config.json", "last.safetensors", "metrics.csv", "model.safetensors", "report.html"];

test("train says what it does in events, and leaves a whole run folder", async () => {
  const events = await place.events(...train("straight", "--threads", "2"));
  assert.deepEqual(
    events.map(({ event }) => event),
    ["start", "epoch", "epoch", "epoch", "epoch", "end"],
  );
  const [start] = events;
  const end = events[5];
  assert.deepEqual((start.data as { examples: object }).examples, { train: 58, validation: 10, test: 12 });
  assert.equal(start.run, "runs/straight");
  assert.equal((start.settings as { epochs: number }).epochs, 4);
  assert.equal((events[1] as { epoch: number }).epoch, 1);
  const { accuracy, count } = end.test as { accuracy: number; count: number };
  assert.ok(accuracy >= 0.9 && count === 12, JSON.stringify(end));
  assert.equal(end.ending, "epochs");
  assert.deepEqual(readdirSync(place.path("runs/straight")).sort(), files);
  const rows = readFileSync(place.path("runs/straight/metrics.csv"), "utf8").trim().split("\n");
  assert.equal(rows.length, 5);
  assert.match(rows[0], /^epoch,loss,accuracy,validationLoss,validationAccuracy,learningRate,seconds,examplesPerSecond$/);
  const config = JSON.parse(readFileSync(place.path("runs/straight/config.json"), "utf8"));
  assert.equal(config.command, `npx toeplitz ${train("straight", "--threads", "2").join(" ")}`);
  assert.equal(config.request.data, "stripes");
  const report = readFileSync(place.path("runs/straight/report.html"), "utf8");
  for (const text of ["<!doctype html>", "straight", "Confusion matrix", "0-conv", "a whole run takes", config.command])
    assert.ok(report.includes(text), text);
});

test("the same bits with 1 and 4 threads, and for a second run; others with another seed", async () => {
  await place.events(...train("one", "--threads", "1"));
  await place.events(...train("four", "--threads", "4"));
  await place.events(...train("other").map((word) => (word === "3" ? "4" : word)));
  assert.deepEqual(modelOf("one"), modelOf("straight"));
  assert.deepEqual(modelOf("four"), modelOf("straight"));
  assert.notDeepEqual(modelOf("other"), modelOf("straight"));
});

test("a run that is killed goes on to the same bits", async () => {
  // long enough that the kill falls into the middle of an epoch
  const argv = ["train", "demo:digits:2000", "--epochs", "3", "--batch", "4", "--seed", "2", "--model", "lenet5", "--augment", "digits"];
  await place.events(...argv, "--name", "whole");
  const started = place.start(...argv, "--name", "killed", "--json");
  await started.says(/"event":"epoch","epoch":1,/);
  await new Promise((resolve) => setTimeout(resolve, 40));
  started.child.kill("SIGKILL");
  await started.ended;
  assert.ok(existsSync(place.path("runs/killed/.lock")), "killed while it ran");
  assert.ok(!existsSync(place.path("runs/killed/report.html")), "killed before its end");
  const events = await place.events("train", "--resume", "--name", "killed");
  const { epoch } = events[0].resumed as { epoch: number };
  assert.ok(epoch === 1 || epoch === 2, `${epoch}`);
  assert.deepEqual(modelOf("killed"), modelOf("whole"));
  assert.deepEqual(readdirSync(place.path("runs/killed")).sort(), files);
  // at its end there is nothing left to train; the test is made again
  const [again, end] = await place.events("train", "--resume", "--name", "killed");
  assert.deepEqual([again.event, end.event], ["start", "end"]);
  assert.deepEqual(end.test, events.at(-1)?.test);
  assert.deepEqual(modelOf("killed"), modelOf("whole"));
});

test("Ctrl-C writes a checkpoint at the next step, exit code 130, and the run goes on to the same bits", async () => {
  const argv = ["train", "demo:digits:2000", "--epochs", "3", "--batch", "4", "--seed", "2", "--model", "lenet5", "--augment", "digits"];
  const started = place.start(...argv, "--name", "stopped");
  await started.says(/run: runs\/stopped/);
  started.child.kill("SIGINT");
  assert.equal(await started.ended, 130, started.stderr);
  assert.match(started.stdout, /stopping at the next step, with a checkpoint; once more to stop at once/);
  assert.match(started.stdout, /stopped after \d whole epochs; go on by: npx toeplitz train --resume --name stopped\n$/);
  assert.equal(started.stderr, "");
  // the command line of before, with --resume, says the same as --resume alone
  const events = await place.events(...argv, "--name", "stopped", "--resume");
  assert.ok((events[0].resumed as { step: number }).step > 0);
  assert.deepEqual(modelOf("stopped"), modelOf("whole"));
});

test("a second run on the folder of one that runs is refused, and does not disturb it", async () => {
  const argv = ["train", "demo:digits:2000", "--epochs", "2", "--batch", "4", "--seed", "2", "--model", "lenet5"];
  const started = place.start(...argv, "--name", "busy", "--json");
  await started.says(/"event":"start"/);
  const busy = `run(runs/busy): folder: expected one that no other run writes to; received process ${started.child.pid} is training in it. Wait for it to end, or choose another --name.\n`;
  for (const second of [
    [...argv, "--name", "busy"],
    ["train", "--resume", "--name", "busy"],
  ]) {
    const { code, stderr } = await place.call(...second);
    assert.deepEqual([code, stderr], [2, busy]);
  }
  assert.equal(await started.ended, 0, started.stderr);
  assert.match(started.stdout, /"event":"end"/);
  assert.deepEqual(readdirSync(place.path("runs/busy")).sort(), files);
});

test("without a terminal: plain lines, drawn digits, the accuracy last; key=value is --key value", () => {
  const { code, stdout, stderr, lines } = place.run("train", "demo:digits:1000", "model=lenet5", "epochs=2", "name=lines", "average=0.5");
  assert.equal(code, 0, stderr);
  assert.ok(!stdout.includes("\u001b") && !stdout.includes("\r"));
  assert.match(lines.at(-1) as string, /^test accuracy: \d\d\.\d\d %$/);
  assert.match(stdout, /^epoch 1\/2 {2}loss .* validation .* examples\/s {2}.* s {2}best$/m);
  assert.ok(lines.filter((line) => /[█▀▄]/.test(line)).length >= 12, stdout);
  assert.equal(JSON.parse(readFileSync(place.path("runs/lines/config.json"), "utf8")).settings.average, 0.5);
});

test("early stopping, and more epochs for a run that has ended", async () => {
  const rest = ["--model", "lenet5", "--rate", "1e-30", "--patience", "2", "--schedule", "constant", "--seed", "5", "--name", "patient"];
  const events = await place.events("train", "stripes", "--epochs", "50", "--holdout", "0.3", ...rest, "--optimiser", "sgd");
  const end = events.at(-1) as { ending: string; epochs: number; best: { epoch: number } };
  assert.equal(end.ending, "patience", "with a rate of almost nothing no epoch is better than the first");
  assert.equal(end.epochs, end.best.epoch + 2);
  const more = await place.events("train", "--resume", "--name", "one", "--epochs", "5");
  assert.equal(more.filter(({ event }) => event === "epoch").length, 1);
  assert.equal((more.at(-1) as { epochs: number }).epochs, 5);
});

test("nets of the user's own are read from a file", async () => {
  const library = new URL("../../src/index.ts", import.meta.url).href;
  place.write(
    "nets/own.ts",
    `import { conv, dense, globalPool, relu, sequential } from "${library}";\nexport const createNet = (shape: readonly number[], classes: number) => sequential(conv(8, { kernel: 3 }), relu(), globalPool("average"), dense(classes));\n`,
  );
  const events = await place.events("train", "stripes", "--model", "nets/own.ts", "--epochs", "2");
  assert.equal(events[0].run, "runs/stripes-own");
  assert.equal(events[0].parameters, 8 * 9 + 8 + 8 * 2 + 2);
  const [inspected] = await place.events("inspect", "stripes-own");
  assert.equal(inspected.parameters, 98);
});
