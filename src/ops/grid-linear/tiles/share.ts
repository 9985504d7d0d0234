import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";

/** part = the first of `total` items that belongs to this part of `parts` (nearly equal ones), without a product that could overflow. */
export function emitShare(f: FunctionBuilder, total: Local, part: Local, parts: () => void): void {
  const rest = f.local("i32");
  f.get(total);
  parts();
  f.op("i32.rem_u").set(rest);
  f.get(total);
  parts();
  f.op("i32.div_u").get(part).op("i32.mul");
  f.get(part).get(rest).get(part).get(rest).op("i32.lt_u", "select", "i32.add").set(part);
}
