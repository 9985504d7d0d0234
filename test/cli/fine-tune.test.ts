import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { readSafetensors } from "../../src/formats/safetensors.ts";
import { stripes, Workplace, writeStripes } from "./command.ts";

const place = new Workplace();
after(() => place.remove());
const train = (data: string, name: string, ...more: string[]): string[] => {
  const fixed = ["--model", "lenet5", "--batch", "8", "--seed", "3", "--average", "0", "--name", name];
  return ["train", data, ...fixed, ...more];
};
writeStripes(place, "stripes", 40);
// the same forms under other names
for (let index = 0; index < 12; index++) {
  place.write(`others/lying/${index}.png`, stripes(0, 100 + index));
  place.write(`others/standing/${index}.png`, stripes(1, 100 + index));
}
before(async () => {
  await place.events(...train("stripes", "first", "--epochs", "6"));
});
const tensorsOf = (name: string): ReadonlyMap<string, { data: ArrayLike<number> }> => {
  const file = place.path("runs", name, "model.safetensors");
  return readSafetensors(readFileSync(file), file).tensors;
};
const notesOf = (events: Record<string, unknown>[]): string[] => (events[0].data as { notes: string[] }).notes;

test("--from begins with a trained net; with the same classes all of it", async () => {
  const events = await place.events(...train("stripes", "again", "--epochs", "1", "--from", "first", "--rate", "1e-9"));
  assert.ok(notesOf(events).includes("begins with 10 of 10 tensors of first"), notesOf(events).join());
  const [before, now] = [tensorsOf("first"), tensorsOf("again")];
  for (const [name, { data }] of before) {
    const other = now.get(name)?.data as ArrayLike<number>;
    assert.ok(
      Array.from(data).every((cell, i) => Math.abs(cell - other[i]) < 1e-6),
      name,
    );
  }
});

test("with other classes the last layer begins anew; what --freeze names stays to the last bit", async () => {
  const argv = train("others", "tuned", "--epochs", "3", "--from", "runs/first/model.safetensors", "--freeze", "*-conv,7-dense/kernel");
  const events = await place.events(...argv);
  assert.ok(
    notesOf(events).includes("begins with 8 of 10 tensors of runs/first/model.safetensors; anew: 11-dense/kernel, 11-dense/bias"),
    notesOf(events).join(),
  );
  const [before, now] = [tensorsOf("first"), tensorsOf("tuned")];
  for (const [name, { data }] of before) {
    const isFrozen = name.includes("-conv/") || name === "7-dense/kernel";
    assert.equal(
      Buffer.from(new Float32Array(data).buffer).equals(Buffer.from(new Float32Array(now.get(name)?.data ?? []).buffer)),
      isFrozen,
      name,
    );
  }
  const { accuracy } = (events.at(-1) as { test: { accuracy: number } }).test;
  assert.ok(accuracy >= 0.75, `features of stripes tell other stripes apart: ${accuracy}`);
  const config = JSON.parse(readFileSync(place.path("runs/tuned/config.json"), "utf8"));
  assert.equal(config.settings.frozen, "*-conv,7-dense/kernel");
});

test("a run that began with another goes on to the same bits, also when that is gone", async () => {
  place.write("copy.safetensors", readFileSync(place.path("runs/first/model.safetensors")));
  await place.events(
    ...train("others", "straight", "--epochs", "4", "--from", "copy.safetensors", "--freeze", "0-conv", "--schedule", "constant"),
  );
  await place.events(
    ...train("others", "short", "--epochs", "2", "--from", "copy.safetensors", "--freeze", "0-conv", "--schedule", "constant"),
  );
  place.write("copy.safetensors", "gone");
  const events = await place.events("train", "--resume", "--name", "short", "--epochs", "4");
  assert.ok(notesOf(events).includes("began with copy.safetensors"), notesOf(events).join());
  assert.deepEqual(readFileSync(place.path("runs/short/model.safetensors")), readFileSync(place.path("runs/straight/model.safetensors")));
  const changed = await place.call("train", "--resume", "--name", "short", "--freeze", "3-conv");
  assert.equal(changed.code, 2);
  assert.match(changed.stderr, /frozen: expected "0-conv", as the run began; received "3-conv"\. Only epochs and patience may change\./);
});

test("what fits no net, and patterns that name nothing, are refused", async () => {
  const refuses = async (argv: string[], pattern: RegExp): Promise<void> => {
    const { code, stderr } = await place.call(...argv);
    assert.equal(code, 2);
    assert.match(stderr, pattern);
  };
  const small = ["train", "stripes", "--epochs", "1", "--name", "never"];
  await refuses(
    [...small, "--from", "first", "--model", "default"],
    /^fit\(from\): parameters of the net: expected some of first: 0-conv\/bias, .*; received none of the same name and shape\. Give the --model that it was trained with\.\n$/,
  );
  await refuses(
    [...small, "--from", "nowhere"],
    /^model\(nowhere\): file: expected a model file, a run folder, or a run in runs; received nothing there\.\n$/,
  );
  await refuses(
    [...small, "--model", "lenet5", "--freeze", "conv"],
    /^fit\(stripes\): frozen: expected names or patterns of 0-conv, 3-conv, 7-dense, 9-dense, 11-dense; received conv\.\n$/,
  );
  await refuses(
    [...small, "--model", "lenet5", "--freeze", "**"],
    /^fit\(stripes\): frozen: expected at least 1 parameter to train; received all 10 parameters\.\n$/,
  );
});
