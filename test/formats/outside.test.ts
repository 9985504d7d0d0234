import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Tensor } from "../../src/base/types.ts";
import { readNpy, writeNpy } from "../../src/formats/npy.ts";
import { readNpz, writeNpz } from "../../src/formats/npz.ts";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";

const data = process.env.TOEPLITZ_DATA ?? fileURLToPath(new URL("../../../shared/data", import.meta.url));
const noData = existsSync(data) ? false : `no data at ${data}`;

function filesBelow(folder: string, ending: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));
}

test("every safetensors file of others reads, and reads the same when written again", { skip: noData }, () => {
  const paths = filesBelow(data, ".safetensors");
  assert.ok(paths.length > 0);
  for (const path of paths) {
    const { tensors, metadata } = readSafetensors(readFileSync(path), path);
    const again = readSafetensors(writeSafetensors(tensors, metadata), path);
    assert.ok(tensors.size > 0, path);
    assert.deepEqual(again.metadata, metadata, path);
    assert.deepEqual(new Map([...again.tensors].sort()), new Map([...tensors].sort()), path);
  }
});

test("npz data sets read with the shapes their page gives", { skip: noData }, () => {
  const path = join(data, "pneumoniamnist", "pneumoniamnist.npz");
  const arrays = readNpz(readFileSync(path), path);
  const shapes = Object.fromEntries([...arrays].map(([name, { dtype, shape }]) => [name, `${dtype} ${shape.join("x")}`]));
  assert.equal(shapes.train_images, "u8 3882x28x28");
  assert.equal(shapes.test_images, "u8 624x28x28");
  const labels = arrays.get("test_labels");
  assert.ok(labels !== undefined);
  assert.equal([...labels.data].filter((label) => label === 1).length, 390);
});

test("every npz file of others reads", { skip: noData }, () => {
  for (const path of filesBelow(data, ".npz")) assert.ok(readNpz(readFileSync(path), path).size > 0, path);
});

function python(script: string, ...values: string[]): string {
  return execFileSync("python3", ["-c", script, ...values], { encoding: "utf8" });
}

const noNumpy = ((): string | false => {
  try {
    execFileSync("python3", ["-c", "import numpy"], { stdio: "ignore" });
    return false;
  } catch {
    return "no python3 with numpy here";
  }
})();

test("numpy's own files of every element type, order and version read as numpy prints them", { skip: noNumpy }, (context) => {
  const folder = mkdtempSync(join(tmpdir(), "toeplitz-npy-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const printed = python(
    `
import json, sys
import numpy as n
folder = sys.argv[1]
values = n.arange(24).reshape(2, 3, 4) % 5
arrays = {}
for code in ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "i1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8", "u1", "<u2", ">u2", "<u4", "<u8", "?"]:
    a = values.astype(code)
    name = code.replace("<", "l").replace(">", "b").replace("?", "t")
    arrays[name] = a
    arrays[name + "-columns"] = n.asfortranarray(a)
arrays["scalar"] = n.float32(3.5)
arrays["empty"] = n.zeros((0, 3), "f4")
arrays["one"] = n.ones((1,), "f4")
for name, a in arrays.items(): n.save(folder + "/" + name + ".npy", a)
for version in [(1, 0), (2, 0), (3, 0)]:
    with open(folder + "/v%d.npy" % version[0], "wb") as f: n.lib.format.write_array(f, values.astype("f4"), version)
    arrays["v%d" % version[0]] = values.astype("f4")
n.savez(folder + "/stored.npz", **arrays)
n.savez_compressed(folder + "/packed.npz", **arrays)
print(json.dumps({k: [list(v.shape), n.asarray(v, "f8").ravel().tolist()] for k, v in arrays.items()}))
`,
    folder,
  );
  const expected = new Map(Object.entries(JSON.parse(printed) as Record<string, [number[], number[]]>));
  const plain = ({ shape, data: cells }: Tensor): unknown => [shape, [...cells]];
  for (const [name, value] of expected) assert.deepEqual(plain(readNpy(readFileSync(join(folder, `${name}.npy`)), name)), value, name);
  for (const file of ["stored.npz", "packed.npz"]) {
    const arrays = readNpz(readFileSync(join(folder, file)), file);
    assert.deepEqual(new Map([...arrays].map(([name, tensor]) => [name, plain(tensor)])), expected, file);
  }
});

test("numpy reads what is written here", { skip: noNumpy }, (context) => {
  const folder = mkdtempSync(join(tmpdir(), "toeplitz-npy-"));
  context.after(() => rmSync(folder, { recursive: true, force: true }));
  const tensors = new Map<string, Tensor>([
    ["a", { dtype: "f32", shape: [2, 3], data: Float32Array.of(1, -2, 3.5, 4, 5, 6) }],
    ["b", { dtype: "i32", shape: [2], data: Int32Array.of(-1, 2147483647) }],
    ["c", { dtype: "u8", shape: [], data: Uint8Array.of(255) }],
    ["d", { dtype: "f32", shape: [0, 3], data: new Float32Array(0) }],
  ]);
  for (const [name, tensor] of tensors) writeFileSync(join(folder, `${name}.npy`), writeNpy(tensor));
  writeFileSync(join(folder, "stored.npz"), writeNpz(tensors));
  writeFileSync(join(folder, "packed.npz"), writeNpz(tensors, { compress: true }));
  const script = `
import json, sys
import numpy as n
show = lambda a: [str(a.dtype), list(a.shape), a.ravel().tolist()]
names = sys.argv[2].split()
print(json.dumps([{k: show(n.load(sys.argv[1] + "/" + k + ".npy")) for k in names}] +
  [{k: show(v) for k, v in n.load(sys.argv[1] + "/" + f).items()} for f in ["stored.npz", "packed.npz"]]))
`;
  const long = { f32: "float32", i32: "int32", u8: "uint8" };
  const expected = Object.fromEntries(
    [...tensors].map(([name, { dtype, shape, data: cells }]) => [name, [long[dtype], shape, [...cells]]]),
  );
  assert.deepEqual(JSON.parse(python(script, folder, [...tensors.keys()].join(" "))), [expected, expected, expected]);
});
