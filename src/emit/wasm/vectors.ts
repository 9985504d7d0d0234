import type { FunctionBuilder, Local } from "./function.ts";

/** `acc += a * b` on four lanes; `a` and `b` push their vectors. One rounding with `fma`, two without. */
export function multiplyAdd(f: FunctionBuilder, fma: boolean, acc: Local, a: () => void, b: () => void): void {
  a();
  b();
  if (fma) f.get(acc).op("f32x4.relaxed_madd").set(acc);
  else f.op("f32x4.mul").get(acc).op("f32x4.add").set(acc);
}

/** for (counter = begin; counter < end; counter += step), constants; the body always runs at least once when begin < end. */
export function forRange(f: FunctionBuilder, counter: Local, begin: number, end: number, step: number, body: () => void): void {
  if (begin >= end) return;
  if (begin + step >= end) {
    f.i32(begin).set(counter);
    body();
    return;
  }
  f.i32(begin).set(counter);
  f.loop((again) => {
    body();
    f.get(counter).i32(step).op("i32.add").tee(counter).i32(end).op("i32.lt_s").branchIf(again);
  });
}

/** while (counter < end) { body; counter += step } for run-time ends. */
export function whileBelow(f: FunctionBuilder, counter: Local, end: Local, step: number, body: () => void): void {
  f.block((exit) => {
    f.get(counter).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((again) => {
      body();
      f.get(counter).i32(step).op("i32.add").tee(counter).get(end).op("i32.lt_s").branchIf(again);
    });
  });
}

/** local += amount */
export function advance(f: FunctionBuilder, local: Local, amount: number): void {
  if (amount !== 0) f.get(local).i32(amount).op("i32.add").set(local);
}

/** Loads words that lie one after another from an address on. */
export function loadWords(f: FunctionBuilder, from: Local, into: readonly Local[]): void {
  into.forEach((local, i) =>
    f
      .get(from)
      .memory("i32.load", 4 * i)
      .set(local),
  );
}
