import { fail, Problems } from "../base/errors.ts";
import { type DType, size, strides, type Tensor } from "../base/types.ts";
import { bytesOf, cells, type ElementKind, elementKinds, readElements, tensorFault } from "./elements.ts";

const room = "npy";
const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const dataAlignment = 64;
const descriptions: Record<DType, string> = { f32: "<f4", i32: "<i4", u8: "|u1" };
const notNpy = "The file is cut short, or is not an .npy file.";

const kinds: Readonly<Record<string, ElementKind>> = {
  f2: elementKinds.F16,
  f4: elementKinds.F32,
  f8: elementKinds.F64,
  i1: elementKinds.I8,
  i2: elementKinds.I16,
  i4: elementKinds.I32,
  i8: elementKinds.I64,
  u1: elementKinds.U8,
  u2: elementKinds.U16,
  u4: elementKinds.U32,
  u8: elementKinds.U64,
  b1: elementKinds.BOOL,
};

/**
 * Bytes of an .npy file (version 1.0, or 2.0 for a long header), cells row-major and little-endian, beginning at a multiple of 64 bytes.
 * Source: the NPY format, NumPy Enhancement Proposal 1.
 * Throws: ToeplitzError where the tensor's array does not fit its type.
 * Example: `await writeFile("kernel.npy", writeNpy(tensor))`
 */
export function writeNpy(tensor: Tensor): Uint8Array<ArrayBuffer> {
  const fault = tensorFault(tensor);
  if (fault !== null) fail(room, "", "tensor", fault.expected, fault.received);
  // a tuple of one keeps its comma
  const tuple = `(${tensor.shape.map((extent) => `${extent},`).join(" ")})`.replace(/(\S \S.*),\)$/, "$1)");
  const fields = `{'descr': '${descriptions[tensor.dtype]}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const long = fields.length + 1 > 0xffff - dataAlignment;
  const prefix = long ? 12 : 10;
  const begin = Math.ceil((prefix + fields.length + 1) / dataAlignment) * dataAlignment;
  const file = new Uint8Array(begin + tensor.data.byteLength);
  file.set([...magic, long ? 2 : 1, 0]);
  const view = new DataView(file.buffer);
  if (long) view.setUint32(8, begin - prefix, true);
  else view.setUint16(8, begin - prefix, true);
  file.set(new TextEncoder().encode(`${fields.padEnd(begin - prefix - 1)}\n`), prefix);
  file.set(bytesOf(tensor), begin);
  return file;
}

/**
 * Reads an .npy file: f4, i4, u1 and b1 are views on `bytes` where aligned; other numbers are converted to f32 or i32, column-major to row-major.
 * Source: the NPY format, NumPy Enhancement Proposal 1; versions 1.0, 2.0 and 3.0.
 * Throws: ToeplitzError with what is wrong: no npy file, cut short, an element type without numbers, a value that does not fit.
 * Example: `readNpy(await readFile("kernel.npy"), "kernel.npy").shape`
 */
export function readNpy(bytes: Uint8Array, where = ""): Tensor {
  const { fields, begin } = readPrefix(bytes, where);
  const { description, columnMajor, shape } = readFields(fields, where);
  const [, order, code] = /^([<>|=])(.*)$/.exec(description) ?? ["", "", description];
  const known = Object.keys(kinds).join(", ");
  if (!Object.hasOwn(kinds, code)) fail(room, where, "descr", `one of ${known}, after < or > or |`, `'${description}'`);
  const kind = kinds[code];
  const count = size(shape);
  const [needed, received] = [count * kind.bytes, bytes.length - begin];
  const product = shape.length === 0 ? "one cell" : shape.join(" x ");
  const rule = `${needed} bytes (${product} of ${code}, ${kind.bytes} bytes each)`;
  if (needed !== received) {
    fail(room, where, "data", rule, `${received} bytes`, received < needed ? "The file is cut short." : "The file goes on after its data.");
  }
  const { data, misfit } = readElements(kind, bytes.subarray(begin), count, order !== ">");
  if (misfit !== undefined) {
    const fits =
      kind.dtype === "i32" ? "integers from -2147483648 to 2147483647 (read as i32)" : "magnitudes <= 3.4028235e38 (read as f32)";
    fail(room, where, `cell ${misfit.cell}`, fits, misfit.value);
  }
  return { dtype: kind.dtype, shape, data: columnMajor && shape.length > 1 ? rowMajor(data, kind.dtype, shape) : data };
}

function readPrefix(bytes: Uint8Array, where: string): { fields: string; begin: number } {
  if (bytes.length < 10 || magic.some((byte, index) => bytes[index] !== byte)) {
    const start = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
    fail(room, where, "file", "to begin with 93 4e 55 4d 50 59 and a version", bytes.length === 0 ? "no bytes" : `${start} ...`, notNpy);
  }
  const version = bytes[6];
  if (version < 1 || version > 3) fail(room, where, "version", "1, 2 or 3", version);
  const prefix = version === 1 ? 10 : 12;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = bytes.length < prefix ? Number.POSITIVE_INFINITY : version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const available = Math.max(0, bytes.length - prefix);
  if (length > available)
    fail(room, where, "header length", `<= ${available} (file of ${bytes.length} bytes less ${prefix})`, length, notNpy);
  return { fields: new TextDecoder().decode(bytes.slice(prefix, prefix + length)), begin: prefix + length };
}

function readFields(fields: string, where: string): { description: string; columnMajor: boolean; shape: number[] } {
  const description = /'descr'\s*:\s*'([^']*)'/.exec(fields)?.[1];
  const order = /'fortran_order'\s*:\s*(True|False)/.exec(fields)?.[1];
  const tuple = /'shape'\s*:\s*\(([\d\s,]*)\)/.exec(fields)?.[1];
  const shape = tuple === undefined ? [] : (tuple.match(/\d+/g) ?? []).map(Number);
  const received = fields.trim().slice(0, 120);
  const problems = new Problems(room, where);
  const hint = "Arrays of records, text or objects are not read.";
  problems.check(description !== undefined, "header", "'descr' with one element type, like '<f4'", received, hint);
  problems.check(order !== undefined, "header", "'fortran_order' True or False", received);
  problems.check(tuple !== undefined && shape.every(Number.isSafeInteger), "header", "'shape' as a tuple of integers >= 0", received);
  problems.throwIfAny();
  return { description: description ?? "", columnMajor: order === "True", shape };
}

/** Cells of a column-major array (first axis fastest) in row-major order. */
function rowMajor(data: Tensor["data"], dtype: DType, shape: readonly number[]): Tensor["data"] {
  const result = cells(dtype, data.length);
  const steps = strides(shape);
  const place = new Array<number>(shape.length).fill(0);
  let target = 0;
  for (let cell = 0; cell < data.length; cell++) {
    result[target] = data[cell];
    for (let axis = 0; axis < shape.length; axis++) {
      target += steps[axis];
      if (++place[axis] < shape[axis]) break;
      target -= shape[axis] * steps[axis];
      place[axis] = 0;
    }
  }
  return result;
}
