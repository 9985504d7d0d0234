import type { FunctionBuilder, Local } from "../emit/wasm/function.ts";

/**
 * Vectors that clear the spare lanes of a block when a result is anded with them: all ones for channels that exist.
 * `block` holds the number of the block; null when there is only one.
 */
export function emitSpareMask(f: FunctionBuilder, size: number, channels: number, block: Local | null): Local[] {
  const left = f.local("v128");
  f.i32(channels);
  if (block !== null) f.get(block).i32(size).op("i32.mul", "i32.sub");
  f.op("i32x4.splat").set(left);
  return f.locals("v128", size / 4).map((mask, part) => {
    const lane = 4 * part;
    f.get(left)
      .i32x4(lane, lane + 1, lane + 2, lane + 3)
      .op("i32x4.gt_s")
      .set(mask);
    return mask;
  });
}
