import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import type { Device, Routine } from "../../contract.ts";
import { takeSlot } from "../tiles/slots.ts";
import { type GradientCode, planesOf, type Side } from "./kernel-gradient-code.ts";
import { addCollect, addProducts } from "./kernel-gradient-sums.ts";
import { addTransform } from "./kernel-gradient-transform.ts";

const parameters = ["i32", "i32", "i32", "i32"] as const;

/** Tiles of a side in an example. */
export const tilesOfSide = ({ counts }: Side): number => counts.reduce((product, count) => product * count, 1);

/**
 * Values of one side for all tiles, which all chunks share: chunk c = (run of blocks, part of the tiles).
 * Operands: the side, values (written), scratch of lines, marks.
 */
export function valuesRoutine(code: GradientCode, side: Side, parts: number, device: Device): Routine {
  const only = {
    form: code.form,
    rank: code.rank,
    scratchBytes: code.scratchBytes,
    scratchSlots: code.scratchSlots,
    linesAt: code.linesAt,
  };
  return {
    key: `grid-linear winograd kernel gradient values | ${JSON.stringify({ ...only, side, parts })} | ${device.tier}`,
    build: (module) => {
      const transform = addTransform(module, code, side);
      return module.function(parameters, [], (f) => {
        const [table, chunk, end, examples] = f.parameters;
        const [source, values, scratch, first, last, run] = f.locals("i32", 6);
        withScratch(
          f,
          code,
          2,
          scratch,
          () => {
            f.get(chunk).i32(parts).op("i32.div_u").set(run);
            const share = (more: number, into: Local): void => {
              f.get(examples).i32(tilesOfSide(side)).op("i32.mul");
              f.get(chunk).i32(parts).op("i32.rem_u").i32(more).op("i32.add", "i32.mul").i32(parts).op("i32.div_u").set(into);
            };
            share(0, first);
            share(1, last);
            operand(f, table, 0)
              .get(run)
              .i32(side.run * side.block)
              .op("i32.mul", "i32.add")
              .set(source);
            operand(f, table, 1)
              .get(run)
              .i32(planesOf(code) * side.plane)
              .op("i32.mul", "i32.add");
            f.get(first).i32(side.tile).op("i32.mul", "i32.add").set(values);
            f.get(last).get(first).op("i32.gt_s");
            f.if(() => {
              f.get(source).get(values).get(scratch).i32(code.linesAt).op("i32.add").get(first);
              f.get(last).get(first).op("i32.sub").call(transform);
            });
          },
          chunk,
          end,
        );
      });
    },
  };
}

/**
 * Sums of chunk c = (slot, rectangle of runs): items of tiles are transformed, or taken from shared values, and multiplied; the last
 * transform writes the pairs of the slot. Operands: output gradient or its values, input or its values, slots (written), scratch, marks, zeros.
 */
export function sumsRoutine(code: GradientCode, shared: boolean, device: Device): Routine {
  return {
    key: `grid-linear winograd kernel gradient ${shared ? "products" : "sums"} | ${JSON.stringify(code)} | ${device.tier}`,
    build: (module) => {
      const functions = {
        input: shared ? null : addTransform(module, code, code.input),
        output: shared ? null : addTransform(module, code, code.output),
        products: addProducts(module, code),
        collect: addCollect(module, code),
      };
      return module.function(parameters, [], (f) => emitSums(f, code, functions));
    },
  };
}

interface Functions {
  readonly input: number | null;
  readonly output: number | null;
  readonly products: number;
  readonly collect: number;
}

function emitSums(f: FunctionBuilder, code: GradientCode, functions: Functions): void {
  const [table, chunk, end] = f.parameters;
  const [scratch, slot, outputRun, inputRun] = f.locals("i32", 4);
  withScratch(
    f,
    code,
    3,
    scratch,
    () => {
      f.get(chunk)
        .i32(code.inputRuns * code.outputRuns)
        .op("i32.div_u")
        .set(slot);
      f.get(chunk).i32(code.inputRuns).op("i32.rem_u").set(inputRun);
      f.get(chunk).i32(code.inputRuns).op("i32.div_u").i32(code.outputRuns).op("i32.rem_u").set(outputRun);
      emitItems(f, code, functions, { table, scratch, slot, outputRun, inputRun });
      f.get(scratch).i32(code.sumsAt).op("i32.add");
      operand(f, table, 2)
        .get(slot)
        .i32(code.outputRuns * code.output.run)
        .op("i32.mul");
      f.get(outputRun).i32(code.output.run).op("i32.mul", "i32.add").i32(code.inputBlocks).op("i32.mul");
      f.get(inputRun).i32(code.input.run).op("i32.mul", "i32.add").i32(code.pairBytes).op("i32.mul", "i32.add").call(functions.collect);
    },
    chunk,
    end,
  );
}

interface ItemLocals {
  readonly table: Local;
  readonly scratch: Local;
  readonly slot: Local;
  readonly outputRun: Local;
  readonly inputRun: Local;
}

/** Adds up the items of a slot; the first begins from zeros, also when it has no tiles. */
function emitItems(f: FunctionBuilder, code: GradientCode, functions: Functions, at: ItemLocals): void {
  const { itemTiles, outer, sliceTiles } = code;
  const [item, items, zeros, tiles, first, inputFirst, inputs, outputs] = f.locals("i32", 8);
  const extra = (outer - 1) * sliceTiles;
  f.get(at.slot).i32(code.slotItems).op("i32.mul").set(item);
  f.i32(code.slotItems).set(items);
  operand(f, at.table, 5).set(zeros);
  f.block((done) => {
    f.loop((again) => {
      f.get(item).i32(itemTiles).op("i32.mul").set(first);
      f.get(f.parameters[3]).i32(code.exampleTiles).op("i32.mul").get(first).op("i32.sub").set(tiles);
      f.get(tiles).i32(itemTiles).get(tiles).i32(itemTiles).op("i32.lt_s", "select").set(tiles);
      f.get(tiles).i32(0).get(tiles).i32(0).op("i32.gt_s", "select").set(tiles);
      // nothing is left: the sums are as they were, or zeros still have to be set
      f.get(tiles).op("i32.eqz").get(zeros).op("i32.eqz", "i32.and").branchIf(done);
      f.get(first).set(inputFirst);
      if (outer > 1) f.get(item).i32(code.exampleItems).op("i32.div_u").i32(extra).op("i32.mul").get(first).op("i32.add").set(inputFirst);
      const [output, input] = [
        { side: code.output, operandAt: 0, run: at.outputRun, scratchAt: code.outputAt, transform: functions.output, first, extra: 0 },
        { side: code.input, operandAt: 1, run: at.inputRun, scratchAt: 0, transform: functions.input, first: inputFirst, extra },
      ];
      emitValues(f, code, at, tiles, output, outputs);
      emitValues(f, code, at, tiles, input, inputs);
      emitProducts(f, code, functions.products, { scratch: at.scratch, inputs, outputs, zeros, tiles });
      f.i32(0).set(zeros);
      advance(f, item, 1);
      f.get(items).i32(1).op("i32.sub").tee(items).branchIf(again);
    });
  });
}

interface ItemSide {
  readonly side: Side;
  readonly operandAt: number;
  readonly run: Local;
  readonly scratchAt: number;
  /** Null where the operand has the values. */
  readonly transform: number | null;
  readonly first: Local;
  /** Tiles beyond those of the item. */
  readonly extra: number;
}

/** into = the address of a side's values, made in the scratch where the operand is the side itself. */
function emitValues(
  f: FunctionBuilder,
  code: GradientCode,
  { table, scratch }: ItemLocals,
  tiles: Local,
  own: ItemSide,
  into: Local,
): void {
  const { side, run, first, transform } = own;
  const fromRun = (bytes: number): FunctionBuilder => operand(f, table, own.operandAt).get(run).i32(bytes).op("i32.mul", "i32.add");
  if (transform === null) {
    fromRun(planesOf(code) * side.plane);
    f.get(first).i32(side.tile).op("i32.mul", "i32.add").set(into);
    return;
  }
  f.get(scratch).i32(own.scratchAt).op("i32.add").set(into);
  f.get(tiles);
  f.if(() => {
    fromRun(side.run * side.block);
    f.get(into).get(scratch).i32(code.linesAt).op("i32.add").get(first);
    f.get(tiles).i32(own.extra).op("i32.add").call(transform);
  });
}

interface ProductLocals {
  readonly scratch: Local;
  readonly inputs: Local;
  readonly outputs: Local;
  readonly zeros: Local;
  readonly tiles: Local;
}

/** The products of an item, for every tap of the directly summed axis one step further on in the input. */
function emitProducts(
  f: FunctionBuilder,
  code: GradientCode,
  products: number,
  { scratch, inputs, outputs, zeros, tiles }: ProductLocals,
): void {
  const [sums, tap] = f.locals("i32", 2);
  f.get(scratch).i32(code.sumsAt).op("i32.add").set(sums);
  f.i32(code.outer).set(tap);
  f.loop((next) => {
    f.get(inputs).get(outputs).get(sums).get(zeros).get(tiles).call(products);
    advance(f, inputs, code.sliceTiles * code.input.tile);
    advance(f, sums, code.sumTap);
    f.get(tap).i32(1).op("i32.sub").tee(tap).branchIf(next);
  });
}

const operand = (f: FunctionBuilder, table: Local, position: number): FunctionBuilder => f.get(table).memory("i32.load", 4 * position);

/** All chunks from `chunk` to `end`, in a slot of the scratch at operand `position`, whose marks are the next operand. */
function withScratch(
  f: FunctionBuilder,
  code: GradientCode,
  position: number,
  scratch: Local,
  body: () => void,
  chunk: Local,
  end: Local,
): void {
  const [table] = f.parameters;
  const [mark, slot] = f.locals("i32", 2);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    takeSlot(
      f,
      () => operand(f, table, position + 1),
      () => f.i32(code.scratchSlots),
      { mark, slot },
    );
    operand(f, table, position).get(slot).i32(code.scratchBytes).op("i32.mul", "i32.add").set(scratch);
    f.loop((next) => {
      body();
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
    f.get(mark).i32(0).memory("i32.atomic.store");
  });
}
