import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { emitShare } from "../tiles/share.ts";
import { takeSlot } from "../tiles/slots.ts";
import { countDown, type FftWord, operandAt, word } from "./code.ts";

/** What every step begins with. */
export interface Chunk {
  readonly table: Local;
  readonly chunk: Local;
  readonly examples: Local;
  readonly record: Local;
  readonly scratch: Local;
}

/** Runs the chunks, with a slot of the scratch where the step needs one. */
export function routine(module: ModuleBuilder, slots: boolean, body: (f: FunctionBuilder, own: Chunk) => void): number {
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [table, chunk, end, examples] = f.parameters;
    const [record, scratch, mark, slot] = f.locals("i32", 4);
    f.block((exit) => {
      f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
      operand(f, table, operandAt.record).set(record);
      if (slots) {
        takeSlot(
          f,
          () => operand(f, table, operandAt.marks),
          () => word(f, record, "slots"),
          { mark, slot },
        );
        operand(f, table, operandAt.scratch).get(slot);
        word(f, record, "slotBytes").op("i32.mul", "i32.add").set(scratch);
      }
      f.loop((next) => {
        body(f, { table, chunk, examples, record, scratch });
        f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
      });
      if (slots) f.get(mark).i32(0).memory("i32.atomic.store");
    });
  });
}

export const operand = (f: FunctionBuilder, table: Local, index: number): FunctionBuilder => f.get(table).memory("i32.load", 4 * index);

/** first = floor(number / of), rest = number mod of */
export function divide(f: FunctionBuilder, number: Local, of: FftWord, record: Local, first: Local, rest: Local): void {
  f.get(number);
  word(f, record, of).op("i32.rem_u").set(rest);
  f.get(number);
  word(f, record, of).op("i32.div_u").set(first);
}

/** What a range of frequencies is multiplied in: pointers of one frequency, and the tiles of all examples. */
export interface Frequency {
  readonly values: Local;
  readonly kernel: Local;
  readonly products: Local;
  readonly tiles: Local;
}

/** A step that works on ranges of frequencies; operands: values, record, products, kernel. */
export const eachFrequency = (module: ModuleBuilder, body: (f: FunctionBuilder, record: Local, at: Frequency) => void): number =>
  routine(module, false, (f, { table, chunk, examples, record }) => {
    const [frequency, last, tiles, values, kernel, products, next, start] = f.locals("i32", 8);
    f.get(examples);
    word(f, record, "tileCount").op("i32.mul").set(tiles);
    f.get(chunk).i32(1).op("i32.add").set(next);
    word(f, record, "frequencies").set(frequency);
    f.get(frequency).set(last);
    f.get(chunk).set(start);
    emitShare(f, frequency, start, () => word(f, record, "frequencyChunks"));
    emitShare(f, last, next, () => word(f, record, "frequencyChunks"));
    f.get(next).get(start).op("i32.sub").tee(last);
    f.if(() => {
      const pointers = [
        { local: values, from: operandAt.from, step: "valueFrequency" },
        { local: products, from: operandAt.to, step: "productFrequency" },
        { local: kernel, from: operandAt.scratch, step: "kernelFrequency" },
      ] as const;
      for (const { local, from, step } of pointers) {
        operand(f, table, from).get(start);
        word(f, record, step).op("i32.mul", "i32.add").set(local);
      }
      countDown(f, last, () => {
        body(f, record, { values, kernel, products, tiles });
        for (const { local, step } of pointers) {
          f.get(local);
          word(f, record, step).op("i32.add").set(local);
        }
      });
    });
  });
