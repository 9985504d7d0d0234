import type { DType, Tensor } from "../base/types.ts";

/** How one element type of a file is stored, and as what it is read: `u8` and `i32` hold integers, `f32` holds the rest. */
export interface ElementKind {
  readonly bytes: number;
  readonly dtype: DType;
  /** True where the bytes of a little-endian file are the tensor's own. */
  readonly native: boolean;
  read(view: DataView, offset: number, littleEndian: boolean): number;
}

/** Element types of files, by the name that safetensors gives them. */
export const elementKinds = {
  F32: { bytes: 4, dtype: "f32", native: true, read: (view, at, little) => view.getFloat32(at, little) },
  I32: { bytes: 4, dtype: "i32", native: true, read: (view, at, little) => view.getInt32(at, little) },
  U8: { bytes: 1, dtype: "u8", native: true, read: (view, at) => view.getUint8(at) },
  BOOL: { bytes: 1, dtype: "u8", native: true, read: (view, at) => view.getUint8(at) },
  I8: { bytes: 1, dtype: "i32", native: false, read: (view, at) => view.getInt8(at) },
  I16: { bytes: 2, dtype: "i32", native: false, read: (view, at, little) => view.getInt16(at, little) },
  U16: { bytes: 2, dtype: "i32", native: false, read: (view, at, little) => view.getUint16(at, little) },
  U32: { bytes: 4, dtype: "i32", native: false, read: (view, at, little) => view.getUint32(at, little) },
  I64: { bytes: 8, dtype: "i32", native: false, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  U64: { bytes: 8, dtype: "i32", native: false, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
  F16: { bytes: 2, dtype: "f32", native: false, read: (view, at, little) => float16(view.getUint16(at, little)) },
  BF16: { bytes: 2, dtype: "f32", native: false, read: (view, at, little) => bfloat16(view.getUint16(at, little)) },
  F64: { bytes: 8, dtype: "f32", native: false, read: (view, at, little) => view.getFloat64(at, little) },
} as const satisfies Record<string, ElementKind>;

export type ElementName = keyof typeof elementKinds;

/** The first cell whose value the tensor's element type cannot hold. */
export interface Misfit {
  readonly cell: number;
  readonly value: number;
}

/** Value of the 16-bit float with these bits: (-1)^sign * 1.fraction * 2^(exponent - 15), subnormal where the exponent is 0. */
export function float16(bits: number): number {
  const sign = bits >>> 15 === 0 ? 1 : -1;
  const exponent = (bits >>> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const word = new DataView(new ArrayBuffer(4));

/** Value of the bfloat16 with these bits: the upper half of a 32-bit float. */
export function bfloat16(bits: number): number {
  word.setUint32(0, bits << 16);
  return word.getFloat32(0);
}

/** A typed array of `count` zeros. */
export function cells(dtype: DType, count: number): Tensor["data"] {
  return dtype === "f32" ? new Float32Array(count) : dtype === "i32" ? new Int32Array(count) : new Uint8Array(count);
}

/** Name of the array class that holds a dtype. */
export function arrayName(dtype: DType): string {
  return dtype === "f32" ? "Float32Array" : dtype === "i32" ? "Int32Array" : "Uint8Array";
}

/** What is wrong with a tensor that is to be written, or null: its array's class and length must be those of dtype and shape. */
export function tensorFault({ dtype, shape, data }: Tensor): { expected: string; received: string } | null {
  const received = `${data.constructor.name}(${data.length})`;
  if (shape.some((extent) => !Number.isSafeInteger(extent) || extent < 0)) {
    return { expected: "a shape of integers >= 0", received: `[${shape.join(",")}]` };
  }
  const count = shape.reduce((product, extent) => product * extent, 1);
  // by tag, not by instanceof: arrays of another realm (a worker's test, a page's frame) are as good
  const name = Object.prototype.toString.call(data).slice(8, -1);
  if (name === arrayName(dtype) && data.length === count) return null;
  return { expected: `${arrayName(dtype)} of ${count} cells (${dtype}[${shape.join(",")}])`, received };
}

/**
 * Reads `count` elements that lie row-major at the start of `bytes`; a view on them where the file holds the tensor's own bytes, aligned.
 * Throws: nothing; a value that does not fit (an integer beyond 32 bits, a finite float beyond f32) is returned as `misfit`.
 */
export function readElements(
  kind: ElementKind,
  bytes: Uint8Array,
  count: number,
  littleEndian = true,
): { data: Tensor["data"]; misfit?: Misfit } {
  if (kind.native && (littleEndian || kind.bytes === 1)) return { data: nativeView(kind, bytes, count) };
  const data = cells(kind.dtype, count);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let misfit: Misfit | undefined;
  for (let cell = 0; cell < count; cell++) {
    const value = kind.read(view, cell * kind.bytes, littleEndian);
    data[cell] = value;
    const fits = data[cell] === value || (kind.dtype === "f32" && (Number.isFinite(data[cell]) || !Number.isFinite(value)));
    if (!fits && misfit === undefined) misfit = { cell, value };
  }
  return misfit === undefined ? { data } : { data, misfit };
}

function nativeView(kind: ElementKind, bytes: Uint8Array, count: number): Tensor["data"] {
  const { buffer, byteOffset } = isAligned(bytes, kind.bytes) ? bytes : bytes.slice(0, count * kind.bytes);
  if (kind.dtype === "f32") return new Float32Array(buffer, byteOffset, count);
  return kind.dtype === "i32" ? new Int32Array(buffer, byteOffset, count) : new Uint8Array(buffer, byteOffset, count);
}

function isAligned(bytes: Uint8Array, elementBytes: number): boolean {
  return bytes.byteOffset % elementBytes === 0;
}

/** The bytes of a tensor's cells, as they lie in a little-endian file; a view. */
export function bytesOf({ data }: Tensor): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
