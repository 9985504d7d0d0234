import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { Routine } from "../../contract.ts";

/** Bytes from one slot's mark to the next: a cache line, so that threads do not share one. */
export const markBytes = 64;

/** More threads than this wait for one another. */
export const mostSlots = 16;

/** Marks every slot of the scratch as free. */
export const freeSlots: Routine = {
  key: "grid-linear free slots",
  build: (module) =>
    module.function(["i32", "i32", "i32", "i32"], [], (f) => {
      const [table] = f.parameters;
      for (let slot = 0; slot < mostSlots; slot++)
        f.get(table)
          .memory("i32.load")
          .i32(0)
          .memory("i32.store", slot * markBytes);
    }),
};

/** Takes the first slot that no other thread works in, of so many; which one it is has no influence on results. Its mark set to zero frees it. */
export function takeSlot(f: FunctionBuilder, marks: () => void, slots: () => void, { mark, slot }: { mark: Local; slot: Local }): void {
  f.i32(-1).set(slot);
  f.loop((again) => {
    f.get(slot).i32(1).op("i32.add");
    slots();
    f.op("i32.rem_u").set(slot);
    marks();
    f.get(slot).i32(markBytes).op("i32.mul", "i32.add").tee(mark);
    f.i32(1).memory("i32.atomic.rmw.xchg").branchIf(again);
  });
}
