import type { TensorType } from "../base/types.ts";
import type { FunctionBuilder, Local } from "../emit/wasm/function.ts";
import type { PoolWindow } from "./contract.ts";

/** Type of the largest cells of all whole windows over a value with examples and channels; the value's own type where there is no window. */
export const pooledType = (type: TensorType, pool: PoolWindow | undefined): TensorType =>
  pool === undefined
    ? type
    : { ...type, shape: type.shape.map((extent, axis) => (axis < 2 ? extent : Math.floor(extent / pool.extents[axis - 2]))) };

/** `max pool 2x2` */
export const printPool = ({ extents }: PoolWindow): string => `max pool ${extents.join("x")}`;

/** best = value where that is larger, or NaN; a NaN in best stays, and of equals the first. Four lanes. */
export function takeLarger(f: FunctionBuilder, best: Local, value: Local): void {
  // pmax keeps its first operand unless the second is larger, and so swallows a NaN in the second: all bits set are one again
  f.get(best).get(value).op("f32x4.pmax").get(value).get(value).op("f32x4.ne", "v128.or").set(best);
}
