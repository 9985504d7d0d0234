import assert from "node:assert/strict";
import { after, test } from "node:test";
import { png } from "../data/pictures.ts";
import { Workplace } from "./command.ts";

const place = new Workplace();
after(() => place.remove());
for (let index = 0; index < 20; index++) {
  place.write(`forms/one/${index}.png`, png(30 + index, 16 + (index % 7), 3, 1));
  place.write(`forms/two/${index}.png`, png(17 + (index % 5), 30 + index, 3, 8));
}

test("pictures that keep their proportions are trained on, evaluated and predicted by the command line", async () => {
  const options = ["--proportions", "kept", "--size", "24", "--round-to", "6", "--epochs", "4", "--batch", "8", "--augment", "flip"];
  const events = await place.events("train", "forms", ...options, "--name", "kept");
  assert.deepEqual((events[0].data as { shape: number[] }).shape, [3, 24, 24]);
  assert.equal((events[0].settings as { roundTo: number }).roundTo, 6);
  const { test: scores } = events[events.length - 1] as { test: { accuracy: number } };
  const [evaluated] = await place.events("evaluate", "kept", "forms", "--part", "all");
  assert.equal(evaluated.count, 40);
  assert.ok(scores.accuracy >= 0.8 && (evaluated.accuracy as number) >= 0.8, `${scores.accuracy}, ${evaluated.accuracy}`);
  place.write("wide.png", png(60, 12, 3, 1));
  const [wide] = await place.events("predict", "kept", "wide.png");
  assert.ok(["one", "two"].includes(wide.class as string));
});

test("a size of two sides, and nets that flatten, are refused where proportions are kept", async () => {
  const called = await place.call("train", "forms", "--proportions", "kept", "--size", "24x16");
  assert.equal(called.code, 2);
  assert.match(called.stderr, /size: expected the longer side alone, where proportions are kept; received 24 x 16/);
  const flat = await place.call("train", "forms", "--proportions", "kept", "--size", "32", "--model", "lenet5");
  assert.equal(flat.code, 2);
  assert.match(flat.stderr, /Pool them to a fixed size before: globalPool\(\), or adaptivePool\(4\)\./);
});
