import assert from "node:assert/strict";
import { test } from "node:test";
import { tinyData, tinyNet } from "../../test/train/tiny.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { referenceTarget } from "../targets/reference/session.ts";
import { decodeCheckpoint } from "./checkpoint.ts";
import { fit } from "./fit.ts";
import { decodeModel, type Model } from "./model.ts";

const train = async (): Promise<Model> => (await fit(tinyNet(), tinyData(), { epochs: 1, batch: 10 }, referenceTarget)).model;

test("a model file gives back the same model, and says what it needs", async () => {
  const model = await train();
  const bytes = model.encode();
  const again = decodeModel(bytes, "tiny.safetensors", referenceTarget);
  assert.deepEqual(again.encode(), bytes);
  assert.deepEqual(again.classes, ["rising", "falling"]);
  assert.deepEqual(again.shape, [1, 8]);
  const cells = new Float32Array(40 * 8).map((_, index) => Math.sin(index));
  const [first, second] = [await model.predict(cells), await again.predict(cells)];
  assert.equal(first.length, 40);
  assert.deepEqual(first, second);
  const sum = first[0].probabilities.reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(sum - 1) < 1e-12);
  assert.equal(first[0].class, again.classes[first[0].index]);
  await assert.rejects(
    again.predict(new Float32Array(7)),
    /model\(predict\): input: expected a multiple of 8 cells \(1 x 8\); received 7\./,
  );
  await again.close();
});

test("one example gives what it gives among others", async () => {
  const model = await train();
  const cells = new Float32Array(3 * 8).map((_, index) => Math.cos(index));
  const all = await model.predict(cells);
  const alone = await model.predict(cells.subarray(8, 16));
  assert.ok(Math.abs(all[1].probability - alone[0].probability) < 1e-6);
});

test("files that are cut short, of something else, or of two nets are refused", async () => {
  const model = await train();
  const bytes = model.encode();
  const decode = (content: Uint8Array) => () => decodeModel(content, "m", referenceTarget);
  for (const length of [0, 7, 100, bytes.length - 1])
    assert.throws(decode(bytes.slice(0, length)), /^ToeplitzError: safetensors\(m\): /, `${length} bytes`);
  assert.throws(
    decode(writeSafetensors(model.tensors)),
    /model\(m\): format: expected "toeplitz model 1" in the metadata; received none\. The file holds tensors, but no net to run them\./,
  );
  const metadata = { format: "toeplitz model 1", graph: model.description.graph, layers: "[]", description: "{}" };
  assert.throws(decode(writeSafetensors(model.tensors, metadata)), /model\(m\): metadata: expected classes, shape, normalisation/);
  assert.throws(
    decode(writeSafetensors(model.tensors, { ...metadata, description: "{" })),
    /model\(m\): metadata description: expected JSON; received \{\./,
  );
  const { graph: _, layers: __, ...description } = model.description;
  const own = { ...metadata, description: JSON.stringify(description) };
  const fewer = new Map([...model.tensors].filter(([name]) => name !== "5-dense/bias"));
  assert.throws(
    decode(writeSafetensors(fewer, own)),
    /model\(m\): tensor 5-dense\/bias: expected \[2\]; received none\. The file was put together from two nets\./,
  );
  const more = new Map([...model.tensors, ["other", { dtype: "f32", shape: [1], data: new Float32Array(1) } as const]]);
  assert.throws(decode(writeSafetensors(more, own)), /model\(m\): tensor: expected one that the net reads; received other\./);
  assert.throws(decode(writeSafetensors(model.tensors, { ...own, graph: "[]" })), /graph\(load\): format/);
  assert.throws(
    () => decodeCheckpoint(bytes, "last.safetensors"),
    /checkpoint\(last\.safetensors\): format: expected "toeplitz checkpoint 1" in the metadata; received toeplitz model 1\./,
  );
});
