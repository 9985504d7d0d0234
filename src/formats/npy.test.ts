import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "../base/types.ts";
import { readNpy, writeNpy } from "./npy.ts";
import { readNpz, writeNpz } from "./npz.ts";

const samples: readonly Tensor[] = [
  { dtype: "f32", shape: [2, 3], data: Float32Array.of(1, -2, Number.NaN, 4, Number.POSITIVE_INFINITY, 6.5) },
  { dtype: "i32", shape: [3], data: Int32Array.of(-1, 0, 2147483647) },
  { dtype: "u8", shape: [1, 2, 1, 2], data: Uint8Array.of(0, 1, 254, 255) },
  { dtype: "f32", shape: [], data: Float32Array.of(3) },
  { dtype: "f32", shape: [0, 5], data: new Float32Array(0) },
];

/** An .npy file made by hand: version 1.0 unless told, header as given. */
function npy(header: string, data: ArrayLike<number> & Iterable<number> = [], version = 1): Uint8Array {
  const text = new TextEncoder().encode(header);
  const prefix = version === 1 ? 10 : 12;
  const bytes = new Uint8Array(prefix + text.length + data.length);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, version, 0]);
  const view = new DataView(bytes.buffer);
  if (version === 1) view.setUint16(8, text.length, true);
  else view.setUint32(8, text.length, true);
  bytes.set(text, prefix);
  bytes.set([...data], prefix + text.length);
  return bytes;
}

const fields = (descr: string, shape: string, order = "False"): string =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }\n`;

test("what is written is read", () => {
  for (const tensor of samples) assert.deepEqual(readNpy(writeNpy(tensor)), tensor);
});

test("the bytes: magic, version, header padded to 64, ending in a line feed", () => {
  const text = (tensor: Tensor): string => new TextDecoder("latin1").decode(writeNpy(tensor)).slice(10).split("\n")[0].trimEnd();
  assert.deepEqual(samples.map(text), [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }",
    "{'descr': '<i4', 'fortran_order': False, 'shape': (3,), }",
    "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 2, 1, 2), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 5), }",
  ]);
  const bytes = writeNpy(samples[0]);
  assert.deepEqual([...bytes.slice(0, 10)], [0x93, 78, 85, 77, 80, 89, 1, 0, 118, 0]);
  assert.equal(bytes[127], 10);
  assert.equal(bytes.length, 128 + 24);
});

test("columns first, big-endian, halves, 64-bit integers and later versions are read", () => {
  const columns = npy(fields("|u1", "(2, 3)", "True"), [1, 4, 2, 5, 3, 6]);
  assert.deepEqual(readNpy(columns).data, Uint8Array.of(1, 2, 3, 4, 5, 6));
  const cube = npy(fields("|u1", "(2, 2, 2)", "True"), [0, 4, 2, 6, 1, 5, 3, 7]);
  assert.deepEqual(readNpy(cube).data, Uint8Array.of(0, 1, 2, 3, 4, 5, 6, 7));
  assert.deepEqual(readNpy(npy(fields(">f4", "(1,)"), [0x3f, 0xc0, 0, 0])).data, Float32Array.of(1.5));
  assert.deepEqual(readNpy(npy(fields(">i4", "(1,)"), [255, 255, 255, 254])).data, Int32Array.of(-2));
  assert.deepEqual(readNpy(npy(fields("<f2", "(1,)"), [0, 0x3c])).data, Float32Array.of(1));
  assert.deepEqual(readNpy(npy(fields("<i8", "(1,)"), [254, 255, 255, 255, 255, 255, 255, 255])).data, Int32Array.of(-2));
  assert.deepEqual(readNpy(npy(fields("|b1", "(2,)"), [0, 1])).dtype, "u8");
  assert.deepEqual(readNpy(npy(fields("|u1", "(1,)"), [9], 2)).data, Uint8Array.of(9));
  assert.deepEqual(readNpy(npy(fields("|u1", "(1,)"), [9], 3)).data, Uint8Array.of(9));
});

const cut = "The file is cut short, or is not an .npy file.";
const broken: readonly (readonly [name: string, bytes: Uint8Array, message: string])[] = [
  ["no bytes", new Uint8Array(0), `file: expected to begin with 93 4e 55 4d 50 59 and a version; received no bytes. ${cut}`],
  [
    "a zip",
    Uint8Array.of(80, 75, 3, 4, 1, 1, 1, 1, 1, 1),
    `file: expected to begin with 93 4e 55 4d 50 59 and a version; received 50 4b 03 04 01 01 01 01 .... ${cut}`,
  ],
  ["version 4", npy(fields("|u1", "(1,)"), [1], 4), "version: expected 1, 2 or 3; received 4."],
  ["a cut header", writeNpy(samples[0]).slice(0, 50), `header length: expected <= 40 (file of 50 bytes less 10); received 118. ${cut}`],
  [
    "cut data",
    writeNpy(samples[0]).slice(0, -3),
    "data: expected 24 bytes (2 x 3 of f4, 4 bytes each); received 21 bytes. The file is cut short.",
  ],
  [
    "longer data",
    npy(fields("|u1", "(1,)"), [1, 2]),
    "data: expected 1 bytes (1 of u1, 1 bytes each); received 2 bytes. The file goes on after its data.",
  ],
  [
    "text",
    npy(fields("<U3", "(1,)"), []),
    "descr: expected one of f2, f4, f8, i1, i2, i4, i8, u1, u2, u4, u8, b1, after < or > or |; received '<U3'.",
  ],
  ["complex numbers", npy(fields("<c8", "(0,)"), []), "descr: expected one of f2"],
  [
    "records",
    npy("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (0,), }\n"),
    "header: expected 'descr' with one element type, like '<f4'; received {'descr': [('x', '<f4')]",
  ],
  ["a negative extent", npy(fields("|u1", "(-1,)"), [1]), "header: expected 'shape' as a tuple of integers >= 0; received {'descr': '|u1'"],
  [
    "an integer of 64 bits",
    npy(fields("<u8", "(1,)"), [0, 0, 0, 128, 0, 0, 0, 0]),
    "cell 0: expected integers from -2147483648 to 2147483647 (read as i32); received 2147483648.",
  ],
];

for (const [name, bytes, expected] of broken) {
  test(`refused: ${name}`, () => {
    assert.throws(
      () => readNpy(bytes, "a.npy"),
      (error: Error) => error.name === "ToeplitzError" && error.message.startsWith(`npy(a.npy): ${expected}`),
    );
  });
}

test("a tensor whose array does not fit is not written", () => {
  assert.throws(() => writeNpy({ dtype: "u8", shape: [2], data: Uint8Array.of(1) }), {
    message: "npy: tensor: expected Uint8Array of 2 cells (u8[2]); received Uint8Array(1).",
  });
});

test("npz: what is written is read, stored and compressed, whole and by name", () => {
  const tensors = new Map(samples.map((tensor, index) => [`tensor ${index}`, tensor]));
  for (const compress of [false, true]) {
    const bytes = writeNpz(tensors, { compress });
    assert.deepEqual(readNpz(bytes, "a.npz"), tensors);
    assert.deepEqual([...readNpz(bytes, "a.npz", ["tensor 2"])], [["tensor 2", samples[2]]]);
    assert.deepEqual(writeNpz(tensors, { compress }), bytes);
  }
});

test("npz: broken files are refused", () => {
  const bytes = writeNpz(new Map([["a", samples[0]]]));
  assert.throws(() => readNpz(bytes, "a.npz", ["b", "a"]), { message: "npz(a.npz): array names: expected among a; received b." });
  assert.throws(() => readNpz(bytes.slice(0, 100), "a.npz"), {
    message:
      /^npz\(a\.npz\): file: expected a whole zip file; received 100 bytes that cannot be unpacked \(.*\)\. The file is cut short, or is not a zip\.$/,
  });
  assert.throws(() => readNpz(new Uint8Array(0), "a.npz"), { name: "ToeplitzError" });
});

test("npz: a size that cannot be true is refused before memory is taken", () => {
  const bytes = writeNpz(new Map([["a", { dtype: "u8", shape: [1000], data: new Uint8Array(1000) }]]), { compress: true });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let directory = bytes.length - 4;
  while (view.getUint32(directory, true) !== 0x02014b50) directory--;
  const packed = view.getUint32(directory + 20, true);
  view.setUint32(directory + 24, 0xfffffff0, true);
  assert.throws(() => readNpz(bytes, "a.npz"), {
    message: `npz(a.npz): a.npy: expected <= ${packed * 1032} bytes from ${packed} packed ones; received 4294967280.`,
  });
});
