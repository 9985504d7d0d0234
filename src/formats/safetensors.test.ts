import assert from "node:assert/strict";
import { test } from "node:test";
import type { Tensor } from "../base/types.ts";
import { readSafetensors, writeSafetensors } from "./safetensors.ts";

const f32 = (shape: number[], ...data: number[]): Tensor => ({ dtype: "f32", shape, data: Float32Array.from(data) });
const i32 = (shape: number[], ...data: number[]): Tensor => ({ dtype: "i32", shape, data: Int32Array.from(data) });
const u8 = (shape: number[], ...data: number[]): Tensor => ({ dtype: "u8", shape, data: Uint8Array.from(data) });

/** A file from a header (text, or an object to print) and its data, with no check. */
function file(header: unknown, data: readonly number[] = [], headerLength?: bigint): Uint8Array {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, headerLength ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(data, 8 + text.length);
  return bytes;
}

const entry = (dtype: unknown, shape: unknown, begin: unknown, end: unknown): unknown => ({ dtype, shape, data_offsets: [begin, end] });
const bytesOf = (count: number): number[] => new Array<number>(count).fill(0);

function message(bytes: Uint8Array): string {
  try {
    readSafetensors(bytes, "a.safetensors");
  } catch (error) {
    assert.ok(error instanceof Error && error.name === "ToeplitzError", String(error));
    return error.message;
  }
  assert.fail("nothing was thrown");
}

test("what is written is read: every dtype, scalars, empty tensors, odd names, metadata", () => {
  const tensors = new Map<string, Tensor>([
    ["b", u8([3], 1, 2, 255)],
    ["a", f32([2, 2], 1.5, Number.NaN, Number.NEGATIVE_INFINITY, -0)],
    ["scalar", i32([], -7)],
    ["empty", f32([0, 4])],
    ["__proto__", i32([1], 9)],
    ['名"\\', u8([1, 1], 4)],
  ]);
  const metadata = { net: '{"kind":"conv"}', __proto__x: "y", lines: "a\nb" };
  const back = readSafetensors(writeSafetensors(tensors, metadata), "memory");
  assert.deepEqual(back.metadata, metadata);
  assert.deepEqual(new Map([...back.tensors].sort()), new Map([...tensors].sort()));
  assert.ok(Object.is(back.tensors.get("a")?.data[3], -0));
});

test("the bytes: length, header padded to 8 with spaces, wide elements first, then by name", () => {
  const bytes = writeSafetensors({ z: f32([1], 1), b: u8([1], 7), a: i32([1], 2) });
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const text = new TextDecoder().decode(bytes.slice(8, 8 + length));
  assert.equal(length % 8, 0);
  assert.match(text, /^\{.*\} *$/);
  assert.deepEqual(JSON.parse(text), {
    a: { dtype: "I32", shape: [1], data_offsets: [0, 4] },
    z: { dtype: "F32", shape: [1], data_offsets: [4, 8] },
    b: { dtype: "U8", shape: [1], data_offsets: [8, 9] },
  });
  assert.deepEqual([...bytes.slice(8 + length)], [2, 0, 0, 0, 0, 0, 128, 63, 7]);
});

test("equal contents in another order give equal bytes", () => {
  const one = writeSafetensors({ a: f32([1], 1), b: f32([1], 2) }, { p: "1", q: "2" });
  const other = writeSafetensors({ b: f32([1], 2), a: f32([1], 1) }, { q: "2", p: "1" });
  assert.deepEqual(one, other);
});

test("aligned cells are a view on the file, others a copy", () => {
  const bytes = writeSafetensors({ a: f32([2], 1, 2) });
  assert.equal(readSafetensors(bytes, "").tensors.get("a")?.data.buffer, bytes.buffer);
  const shifted = new Uint8Array(bytes.length + 1);
  shifted.set(bytes, 1);
  const copied = readSafetensors(shifted.subarray(1), "").tensors.get("a");
  assert.notEqual(copied?.data.buffer, shifted.buffer);
  assert.deepEqual(copied?.data, Float32Array.of(1, 2));
});

test("a tensor that views part of a larger buffer is written alone", () => {
  const data = Float32Array.of(1, 2, 3, 4).subarray(1, 3);
  assert.deepEqual(
    readSafetensors(writeSafetensors({ a: { dtype: "f32", shape: [2], data } }), "").tensors.get("a")?.data,
    Float32Array.of(2, 3),
  );
});

test("shared memory can be read from", () => {
  const bytes = writeSafetensors({ a: f32([1], 5) });
  const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
  shared.set(bytes);
  assert.equal(readSafetensors(shared, "").tensors.get("a")?.data[0], 5);
});

test("other element types are converted", () => {
  const view = new DataView(new ArrayBuffer(36));
  view.setFloat64(0, 0.1, true);
  view.setBigInt64(8, -3n, true);
  for (const [index, bits] of [0x3c00, 0xc000, 0x0001, 0x7c00, 0x7e00].entries()) view.setUint16(16 + 2 * index, bits, true);
  view.setUint16(26, 0x3fc0, true);
  view.setUint16(28, 0xfffe, true);
  view.setInt16(30, -2, true);
  view.setInt8(32, -1);
  view.setUint8(33, 1);
  const header = {
    f64: entry("F64", [1], 0, 8),
    i64: entry("I64", [1], 8, 16),
    f16: entry("F16", [5], 16, 26),
    bf16: entry("BF16", [1], 26, 28),
    u16: entry("U16", [1], 28, 30),
    i16: entry("I16", [1], 30, 32),
    i8: entry("I8", [1], 32, 33),
    bool: entry("BOOL", [1], 33, 34),
    u8: entry("U8", [2], 34, 36),
  };
  const { tensors } = readSafetensors(file(header, [...new Uint8Array(view.buffer)]), "");
  const read = (name: string): unknown[] => [tensors.get(name)?.dtype, ...(tensors.get(name)?.data ?? [])];
  assert.deepEqual(read("f64"), ["f32", Math.fround(0.1)]);
  assert.deepEqual(read("i64"), ["i32", -3]);
  assert.deepEqual(read("f16"), ["f32", 1, -2, 2 ** -24, Number.POSITIVE_INFINITY, Number.NaN]);
  assert.deepEqual(read("bf16"), ["f32", 1.5]);
  assert.deepEqual(read("u16"), ["i32", 65534]);
  assert.deepEqual(read("i16"), ["i32", -2]);
  assert.deepEqual(read("i8"), ["i32", -1]);
  assert.deepEqual(read("bool"), ["u8", 1]);
  assert.deepEqual(read("u8"), ["u8", 0, 0]);
});

test("values that do not fit are refused", () => {
  const view = new DataView(new ArrayBuffer(16));
  view.setBigInt64(0, 2n ** 31n, true);
  view.setFloat64(8, 1e300, true);
  const header = { count: entry("I64", [1], 0, 8), big: entry("F64", [1], 8, 16) };
  assert.equal(
    message(file(header, [...new Uint8Array(view.buffer)])),
    'safetensors(a.safetensors): tensor "count" (I64): expected integers from -2147483648 to 2147483647 (read as i32); received 2147483648 in cell 0.\n' +
      'safetensors(a.safetensors): tensor "big" (F64): expected magnitudes <= 3.4028235e38 (read as f32); received 1e+300 in cell 0.',
  );
});

const good = writeSafetensors({ a: f32([2, 3], 1, 2, 3, 4, 5, 6) });
const cut = "The file is cut short, or is not a safetensors file.";

const broken: readonly (readonly [name: string, bytes: Uint8Array, message: string])[] = [
  ["an empty file", new Uint8Array(0), `file length: expected >= 8 bytes; received 0. ${cut}`],
  ["a file cut in its length", good.slice(0, 5), `file length: expected >= 8 bytes; received 5. ${cut}`],
  ["a file cut in its header", good.slice(0, 40), `header length: expected <= 32 (file of 40 bytes less 8); received 64. ${cut}`],
  [
    "a file cut in its data",
    good.slice(0, -5),
    'tensor "a" data_offsets: expected end <= 19 (bytes after the header); received [0, 24]. The file is cut short by at least 5 bytes.',
  ],
  [
    "a header length beyond the file",
    file("{}", [], 1000n),
    `header length: expected <= 2 (file of 10 bytes less 8); received 1000. ${cut}`,
  ],
  ["a header length of nothing", file("", []), `header length: expected >= 2 (the header is a JSON object); received 0. ${cut}`],
  ["text that is not JSON", file("{a}"), "header: expected a JSON object in UTF-8; received text that is not JSON ("],
  ["an array for a header", file("[]"), `header: expected a JSON object in UTF-8; received an array. ${cut}`],
  ["null for a header", file("null"), `header: expected a JSON object in UTF-8; received null. ${cut}`],
  [
    "tensors that overlap",
    file({ a: entry("F32", [2], 0, 8), b: entry("F32", [2], 4, 12) }, bytesOf(12)),
    'tensor "b" overlap: expected to begin at 8 or later, where tensor "a" ends; received offsets 4 to 12.',
  ],
  [
    "two tensors on the same bytes",
    file({ a: entry("F32", [2], 0, 8), b: entry("F32", [2], 0, 8) }, bytesOf(8)),
    'tensor "b" overlap: expected to begin at 8 or later, where tensor "a" ends; received offsets 0 to 8.',
  ],
  [
    "a hole between tensors",
    file({ a: entry("U8", [1], 0, 1), b: entry("U8", [1], 4, 5) }, bytesOf(5)),
    "data: expected every byte in a tensor; received 3 bytes in none (offsets 1 to 4).",
  ],
  [
    "bytes after the last tensor",
    file({ a: entry("U8", [1], 0, 1) }, bytesOf(3)),
    "data: expected every byte in a tensor; received 2 bytes in none (offsets 1 to 3).",
  ],
  [
    "a size that does not match the shape",
    file({ a: entry("F32", [2, 3], 0, 20) }, bytesOf(20)),
    'tensor "a" size: expected 24 bytes (2 x 3 of F32, 4 bytes each); received 20 bytes (offsets 0 to 20).',
  ],
  [
    "a scalar of the wrong size",
    file({ a: entry("F64", [], 0, 4) }, bytesOf(4)),
    'tensor "a" size: expected 8 bytes (one cell of F64, 8 bytes each); received 4 bytes (offsets 0 to 4).',
  ],
  [
    "an unknown dtype",
    file({ a: entry("Q4", [1], 0, 1) }, bytesOf(1)),
    'tensor "a" dtype: expected one of F32, I32, U8, BOOL, I8, I16, U16, U32, I64, U64, F16, BF16, F64; received "Q4".',
  ],
  ["a dtype named like a method", file({ a: entry("toString", [1], 0, 1) }, bytesOf(1)), 'tensor "a" dtype: expected one of F32'],
  [
    "a negative extent",
    file({ a: entry("U8", [-1], 0, 1) }, bytesOf(1)),
    'tensor "a" shape: expected a list of integers >= 0; received [-1].',
  ],
  [
    "a broken extent",
    file({ a: entry("U8", [1.5], 0, 1) }, bytesOf(1)),
    'tensor "a" shape: expected a list of integers >= 0; received [1.5].',
  ],
  [
    "no shape",
    file({ a: { dtype: "U8", data_offsets: [0, 1] } }, bytesOf(1)),
    'tensor "a" shape: expected a list of integers >= 0; received nothing.',
  ],
  [
    "negative offsets",
    file({ a: entry("U8", [1], -1, 0) }, bytesOf(1)),
    'tensor "a" data_offsets: expected two integers >= 0; received [-1,0].',
  ],
  [
    "offsets in the wrong order",
    file({ a: entry("U8", [1], 1, 0) }, bytesOf(1)),
    'tensor "a" data_offsets: expected begin <= end; received [1, 0].',
  ],
  [
    "offsets out of range",
    file({ a: entry("U8", [4], 0, 4) }, bytesOf(3)),
    'tensor "a" data_offsets: expected end <= 3 (bytes after the header); received [0, 4]. The file is cut short by at least 1 bytes.',
  ],
  ["an entry that is no object", file({ a: 5 }), 'tensor "a": expected an object with dtype, shape and data_offsets; received 5.'],
  [
    "a name given twice",
    file('{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', bytesOf(1)),
    'header names: expected each name once; received "a" more than once.',
  ],
  [
    "a field given twice",
    file('{"a":{"dtype":"U8","shape":[1], "shape" :[1],"data_offsets":[0,1]}}', bytesOf(1)),
    'header names: expected each name once; received "shape" more than once.',
  ],
  ["metadata that are no strings", file({ __metadata__: { epoch: 3 } }), '__metadata__ "epoch": expected a string; received 3.'],
  ["metadata that are no object", file({ __metadata__: [] }), "__metadata__: expected an object of strings; received []."],
];

for (const [name, bytes, expected] of broken) {
  test(`refused: ${name}`, () => {
    const got = message(bytes);
    assert.ok(got.startsWith(`safetensors(a.safetensors): ${expected}`), `${got}\nis not\n${expected}`);
    assert.equal(got.split("\n").length, 1, got);
  });
}

test("refused: bytes that are not UTF-8", () => {
  const bytes = file('{"a"}');
  bytes[10] = 0xff;
  assert.match(message(bytes), /header: expected a JSON object in UTF-8; received bytes that are not UTF-8\./);
});

test("refused: a header of more than 100 MB, before memory is taken", () => {
  const expected = [
    `safetensors(a.safetensors): header length: expected <= 100000000 bytes; received 8319104474893246580. ${cut}`,
    `safetensors(a.safetensors): header length: expected <= 2 (file of 10 bytes less 8); received 8319104474893246580. ${cut}`,
  ];
  assert.equal(message(file("{}", [], 8319104474893246580n)), expected.join("\n"));
});

test("every problem is named at once, up to eight", () => {
  const two = message(file({ a: entry("Q4", [-1], 0, 1), b: entry("F32", [1], 0, 4) }, bytesOf(4)));
  assert.equal(two.split("\n").length, 2);
  const many = message(file(Object.fromEntries(Array.from({ length: 12 }, (_, index) => [`t${index}`, 5]))));
  assert.equal(many.split("\n").length, 9);
  assert.match(many, /more: expected no problem; received 4 problems like these\.$/);
});

test("every prefix of a file is refused, and so is every file with a longer end", () => {
  for (let length = 0; length < good.length; length++)
    assert.throws(() => readSafetensors(good.slice(0, length), ""), { name: "ToeplitzError" });
  const longer = new Uint8Array(good.length + 1);
  longer.set(good);
  assert.throws(() => readSafetensors(longer, ""), { name: "ToeplitzError" });
});

test("a tensor whose array does not fit is not written", () => {
  assert.throws(() => writeSafetensors({ a: f32([2], 1) }), {
    message: 'safetensors: tensor "a": expected Float32Array of 2 cells (f32[2]); received Float32Array(1).',
  });
  assert.throws(() => writeSafetensors({ a: { dtype: "f32", shape: [1], data: Int32Array.of(1) } }), {
    message: 'safetensors: tensor "a": expected Float32Array of 1 cells (f32[1]); received Int32Array(1).',
  });
  assert.throws(() => writeSafetensors({ a: f32([-1]) }), {
    message: 'safetensors: tensor "a": expected a shape of integers >= 0; received [-1].',
  });
  assert.throws(() => writeSafetensors({ __metadata__: f32([1], 1) }), {
    message: "safetensors: tensor name: expected anything but __metadata__, which the format reserves; received __metadata__.",
  });
});
