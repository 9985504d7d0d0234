import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  batchNorm,
  conv,
  type Dataset,
  dense,
  digits,
  type FitResult,
  fit,
  globalPool,
  loadModel,
  maxPool,
  named,
  relu,
  type Split,
  sequential,
} from "../../src/node.ts";

/** The same body under two heads. */
const body = named(
  "body",
  sequential(
    conv(16, { kernel: 5, bias: false }),
    batchNorm(),
    relu(),
    maxPool(2),
    conv(32, { kernel: 3, bias: false }),
    batchNorm(),
    relu(),
    globalPool(),
  ),
);
const netFor = (classes: number) => sequential(body, named("head", dense(classes)));

/** Only the digits from `first` on, up to `first + count`. */
function part(data: Dataset, first: number, count: number): Dataset {
  const only = (split: Split): Split => {
    const kept = [...split.labels.keys()].filter((index) => split.labels[index] >= first && split.labels[index] < first + count);
    return {
      count: kept.length,
      labels: Int32Array.from(kept, (index) => split.labels[index] - first),
      ids: Int32Array.from(kept, (index) => split.ids[index]),
      read: (index, into, offset) => split.read(kept[index], into, offset),
    };
  };
  const { validation, test: unseen } = data;
  return {
    ...data,
    name: `digits ${first} to ${first + count - 1}`,
    classes: data.classes.slice(first, first + count),
    train: only(data.train),
    ...(validation && { validation: only(validation) }),
    ...(unseen && { test: only(unseen) }),
  };
}

const accuracyOf = ({ test: { accuracy = 0 } }: FitResult): number => accuracy;

test("weights of one net begin another: body loaded and frozen, head replaced", async () => {
  const folder = mkdtempSync(join(tmpdir(), "toeplitz-tuning-"));
  try {
    const drawn = digits({ train: 4000, test: 600 });
    const first = await fit(netFor(6), part(drawn, 0, 6), { epochs: 6, batch: 32, seed: 1, threads: 2, learningRate: 0.01 });
    assert.ok(accuracyOf(first) > 0.85, `${accuracyOf(first)}`);
    await first.model.save(join(folder, "first.safetensors"));

    // the lines that a user writes
    const known = await loadModel(join(folder, "first.safetensors"));
    const start = new Map([...known.tensors].filter(([name]) => name.startsWith("body/")));
    const frozen = (name: string): boolean => name.startsWith("body/");
    const second = await fit(netFor(4), part(drawn, 6, 4), {
      epochs: 5,
      batch: 32,
      seed: 2,
      threads: 2,
      learningRate: 0.02,
      start,
      frozen,
    });

    for (const [name, { data }] of start) {
      const kept = second.model.tensors.get(name);
      assert.ok(kept !== undefined);
      if (/kernel|scale|shift/.test(name)) assert.deepEqual(kept.data, data, name);
      else assert.notDeepEqual(kept.data, data, `${name} follows the new data`);
    }
    assert.deepEqual(second.model.tensors.get("head/kernel")?.shape, [4, 32]);
    assert.ok(accuracyOf(second) > 0.7, `${accuracyOf(second)}`);
    const untouched = await fit(netFor(4), part(drawn, 6, 4), { epochs: 8, batch: 16, seed: 2, threads: 2, learningRate: 0.02, frozen });
    assert.ok(accuracyOf(second) > accuracyOf(untouched), `${accuracyOf(second)}, from random features ${accuracyOf(untouched)}`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
