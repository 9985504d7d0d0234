import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance } from "../../../emit/wasm/vectors.ts";

export const lineBytes = 64;

/**
 * Reads so many cache lines at `at` and moves it behind them, unless that is beyond `end`: what is needed next comes near while this is
 * multiplied. From behind the second cache it comes at a third of the speed at which a register tile takes it. Compilers keep loads whose result is
 * not used, since they may trap.
 */
export function fetchLines(f: FunctionBuilder, at: Local, end: Local, lines: number): void {
  f.get(at)
    .i32(lines * lineBytes)
    .op("i32.add")
    .get(end)
    .op("i32.le_u");
  f.if(() => {
    for (let line = 0; line < lines; line++)
      f.get(at)
        .memory("i32.load", line * lineBytes)
        .op("drop");
    advance(f, at, lines * lineBytes);
  });
}
