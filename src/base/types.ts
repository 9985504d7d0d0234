/** Element types of tensors: 32-bit float, 32-bit signed integer, 8-bit unsigned integer. */
export type DType = "f32" | "i32" | "u8";

/**
 * Type of a value. `shape` is maximal: when `batched`, axis 0 counts examples and a run may use fewer of them
 * (a short last batch runs on the same Program); everything else is fixed when the graph is made.
 */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly batched: boolean;
}

/** A tensor on the host, in plain row-major order. */
export interface Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Float32Array | Int32Array | Uint8Array;
}

/** Number of cells of a shape. */
export function size(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}

/** Row-major strides of a shape, in cells. */
export function strides(shape: readonly number[]): number[] {
  const result = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    result[axis] = step;
    step *= shape[axis];
  }
  return result;
}

export function tensorType(shape: readonly number[], batched = false, dtype: DType = "f32"): TensorType {
  return { dtype, shape, batched };
}

export function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((extent, axis) => extent === b[axis]);
}

/** `[32,1,28,28]`; the example axis of a batched type is marked: `[n<=32,1,28,28]`. */
export function printType(type: TensorType): string {
  const extents = type.shape.map((extent, axis) => (axis === 0 && type.batched ? `n<=${extent}` : String(extent)));
  return `${type.dtype === "f32" ? "" : type.dtype}[${extents.join(",")}]`;
}
