import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import * as toeplitz from "../../src/index.ts";
import { type SmallResult, trainSmallNet } from "./small-training.ts";

/** Training steps of every case. */
export const steps = 8;

/** Whether this processor has 256-bit multiply-add. */
export function hasWideUnits(): boolean {
  if (process.arch !== "x64") return false;
  if (process.platform !== "linux") return true;
  const flags = readFileSync("/proc/cpuinfo", "utf8");
  return /\bavx2\b/.test(flags) && /\bfma\b/.test(flags);
}

/** The same training in float64. */
export const oracle = (): Promise<SmallResult> => trainSmallNet(toeplitz, toeplitz.referenceTarget.open, { steps });

/**
 * Compares a platform's results with the oracle's. Eight steps of 32-bit arithmetic were measured to stay within 5e-7 of it, relative to 1 + |x|, on every
 * tier; a wrong cell anywhere moves a loss by far more than the bound.
 */
export function assertTrained(found: SmallResult, expected: SmallResult): void {
  const bound = 1e-5;
  for (const name of ["losses", "evaluation", "logits"] as const) {
    assert.equal(found[name].length, expected[name].length, `${found.description}: ${name}`);
    expected[name].forEach((value, i) => {
      const error = Math.abs(found[name][i] - value) / (1 + Math.abs(value));
      assert.ok(error <= bound, `${found.description}: ${name}[${i}]: expected ${value}, received ${found[name][i]}`);
    });
  }
  const { losses } = found;
  assert.ok(losses.at(-1)! < losses[0] / 2, `${found.description}: the loss falls: ${losses}`);
}

/** Everything that a run computes, without what it says of itself. */
export const bitsOf = ({ losses, evaluation, logits, digest }: SmallResult): unknown => ({ losses, evaluation, logits, digest });
