import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

interface Sizes {
  readonly planned: number;
  readonly before: number;
  readonly after: number;
  readonly peak: number;
}

function trial(...parameters: string[]): Sizes {
  const script = fileURLToPath(new URL("memory-trial.mjs", import.meta.url));
  const text = execFileSync(process.execPath, ["--expose-gc", script, ...parameters], { encoding: "utf8", timeout: 300_000 });
  return JSON.parse(text.trim().split("\n").at(-1) ?? "") as Sizes;
}

/** Growth that is no leak: the collector's and the allocator's own (MiB). */
const noise = 16;

test("10,000 LeNet-5 steps do not grow the process", () => {
  const { before, after } = trial("steps", "lenet5", "10000");
  assert.ok(after - before < noise, `from ${before.toFixed(0)} to ${after.toFixed(0)} MiB`);
});

test("the peak of the ResNet-20 step is the planned memory plus at most 120 MiB", () => {
  const { planned, peak } = trial("steps", "resnet20", "20");
  assert.ok(peak <= planned + 120, `${peak.toFixed(0)} MiB for ${planned.toFixed(0)} MiB planned`);
});

test("300 ResNet-20 steps do not grow the process", () => {
  const { before, after } = trial("steps", "resnet20", "300");
  assert.ok(after - before < noise, `from ${before.toFixed(0)} to ${after.toFixed(0)} MiB`);
});

test("opening and closing 200 sessions does not grow the process", () => {
  const { before, after } = trial("sessions", "200");
  assert.ok(after - before < noise, `from ${before.toFixed(0)} to ${after.toFixed(0)} MiB`);
});
