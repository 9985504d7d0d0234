import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import type { Routine } from "../../contract.ts";
import { printFused } from "../tiles/fused.ts";
import { emitShare } from "../tiles/share.ts";
import { takeSlot } from "../tiles/slots.ts";
import { operandAt, planesOf, type WinogradCode, word } from "./code.ts";
import { addKernel } from "./kernel.ts";
import { addProducts } from "./product.ts";
import { addResult } from "./result.ts";
import { addSource } from "./source.ts";

/**
 * What a chunk does with its tiles and result blocks: all of it, with values of its own in a slot of the scratch; or only the source
 * transform into values that all chunks share, or only what comes after it.
 */
export type Stage = "whole" | "values" | "products";

export function winogradRoutine(code: WinogradCode, stage: Stage, tier: string): Routine {
  const { form, rank, from, lanes, rows, rest, pool, spare, own, fetch, epilogue, fused } = code;
  const windows = [pool.slices, pool.rows, pool.cells];
  const kept = windows.some((extent) => extent > 1) ? ` max pool ${windows.join("x")}` : "";
  const source = `${form.points.join(",")} ${rank}d ${from}`;
  const result = `${lanes}x${rows} rest ${rest}${kept}${spare ? " spare" : ""}${own ? " own" : ""}${fetch > 0 ? ` fetch ${fetch}` : ""} | ${printFused(epilogue, fused)}`;
  return {
    key: `grid-linear winograd ${stage} | ${source}${stage === "values" ? "" : ` ${result}`} | ${tier}`,
    build: (module) => buildChunks(module, code, stage),
  };
}

function buildChunks(module: ModuleBuilder, code: WinogradCode, stage: Stage): number {
  const source = stage === "products" ? null : addSource(module, code);
  const after = stage === "values" ? null : addAfter(module, code);
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, { source, after, shared: stage !== "whole" }));
}

/** Functions that come after the source transform, with `further` where windows have several slices; `kernel` and `more` where chunks transform their own kernels. */
interface After {
  readonly products: number;
  readonly result: number;
  readonly further: number;
  readonly kernel: number;
  readonly more: number;
}

const addAfter = (module: ModuleBuilder, code: WinogradCode): After => ({
  products: addProducts(module, code),
  result: addResult(module, code),
  further: code.pool.slices > 1 ? addResult(module, code, true) : 0,
  kernel: code.own ? addKernel(module, code) : 0,
  more: code.own ? addProducts(module, code, true) : 0,
});

interface Stages {
  /** Functions to call. */
  readonly source: number | null;
  readonly after: After | null;
  /** The values lie in a buffer for all chunks. */
  readonly shared: boolean;
}

/** What a chunk works on. */
interface Chunk {
  readonly slot: Local;
  readonly table: Local;
  readonly record: Local;
  readonly values: Local;
  readonly products: Local;
  readonly lines: Local;
  /** First example of the group, its first tile counted from there, tiles, and result blocks from and to. */
  readonly first: Local;
  readonly from: Local;
  readonly tiles: Local;
  /** Tiles from one slice of the values to the next. */
  readonly pitch: Local;
  readonly block: Local;
  readonly lastBlock: Local;
}

function emitChunks(f: FunctionBuilder, code: WinogradCode, { source, after, shared }: Stages): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, values, products, lines, first, from, tiles, pitch, block, lastBlock] = f.locals("i32", 10);
  const [mark, slot] = f.locals("i32", 2);
  const own: Chunk = { slot, table, record, values, products, lines, first, from, tiles, pitch, block, lastBlock };
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.get(table)
      .memory("i32.load", 4 * operandAt.record)
      .set(record);
    takeSlot(
      f,
      () => f.get(table).memory("i32.load", 4 * operandAt.marks),
      () => word(f, record, "slots"),
      { mark, slot },
    );
    f.get(table)
      .memory("i32.load", 4 * operandAt.scratch)
      .get(slot);
    word(f, record, "slotBytes").op("i32.mul", "i32.add").set(slot);
    word(f, record, "productsAt").get(slot).op("i32.add").set(products);
    word(f, record, "linesAt").get(slot).op("i32.add").set(lines);
    f.loop((next) => {
      f.get(slot).set(values);
      decodeChunk(f, own, chunk, examples);
      if (shared) pointValues(f, code, own, chunk);
      else f.get(tiles).set(pitch);
      f.get(tiles);
      f.if(() => {
        if (source !== null) emitSources(f, code, own, source);
        if (after !== null) emitPasses(f, code, own, after);
      });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
    f.get(mark).i32(0).memory("i32.atomic.store");
  });
}

/** Tiles and result blocks of a chunk: a part of the tiles of its group's examples, and a range of blocks. The pitch is that of the whole group. */
function decodeChunk(
  f: FunctionBuilder,
  { record, first, from, tiles, pitch, block, lastBlock }: Chunk,
  chunk: Local,
  examples: Local,
): void {
  const rest = f.local("i32");
  f.get(chunk);
  word(f, record, "each").op("i32.div_u");
  word(f, record, "group").op("i32.mul").set(first);
  f.get(chunk);
  word(f, record, "each").op("i32.rem_u").set(rest);
  f.get(examples).get(first).op("i32.sub").set(pitch);
  emitLeast(f, pitch, () => word(f, record, "group"));
  f.get(pitch);
  word(f, record, "tiles").op("i32.mul").set(pitch);
  const share = (extra: number, into: Local): void => {
    f.get(rest);
    word(f, record, "parts").op("i32.rem_u").i32(extra).op("i32.add").set(into);
    emitShare(f, pitch, into, () => word(f, record, "parts"));
  };
  share(0, from);
  share(1, tiles);
  f.get(tiles).get(from).op("i32.sub").set(tiles);
  f.get(rest);
  word(f, record, "parts").op("i32.div_u");
  word(f, record, "chunkBlocks").op("i32.mul").tee(block);
  word(f, record, "chunkBlocks").op("i32.add").set(lastBlock);
  emitLeast(f, lastBlock, () => word(f, record, "blocks"));
}

/** Shared values lie group by group, the tiles of a group as in a slot. */
function pointValues(f: FunctionBuilder, code: WinogradCode, { table, record, values, from }: Chunk, chunk: Local): void {
  f.get(table)
    .memory("i32.load", 4 * operandAt.values)
    .get(chunk);
  word(f, record, "each").op("i32.div_u");
  word(f, record, "groupBytes").op("i32.mul", "i32.add");
  f.get(from)
    .i32(4 * code.from)
    .op("i32.mul", "i32.add")
    .set(values);
}

/** The source transform, slice by slice. */
function emitSources(
  f: FunctionBuilder,
  code: WinogradCode,
  { table, record, values, lines, first, from, tiles, pitch }: Chunk,
  source: number,
): void {
  const [slice, slices, at] = f.locals("i32", 3);
  f.i32(0).set(slice);
  f.get(values).set(at);
  word(f, record, "sourceSlices").set(slices);
  f.loop((again) => {
    f.get(table).get(at).get(lines).get(first).get(from).get(tiles).get(slice).call(source);
    f.get(at)
      .get(pitch)
      .i32(4 * code.from)
      .op("i32.mul", "i32.add")
      .set(at);
    f.get(slice).i32(1).op("i32.add").tee(slice).get(slices).op("i32.lt_s").branchIf(again);
  });
}

/** Products of so many result blocks at a time, then the result transform of each. */
function emitPasses(f: FunctionBuilder, code: WinogradCode, chunk: Chunk, after: After): void {
  const { table, record, products, lines, first, from, tiles, pitch, block, lastBlock } = chunk;
  const [passes, at, slice, slices, tapBytes, target, rows] = f.locals("i32", 7);
  word(f, record, "slices").tee(slices).get(tiles).op("i32.mul").set(rows);
  f.get(pitch)
    .i32(4 * code.from)
    .op("i32.mul");
  word(f, record, "dilation").op("i32.mul").set(tapBytes);
  f.loop((again) => {
    word(f, record, "passBlocks").set(passes);
    emitLeast(f, passes, () => f.get(lastBlock).get(block).op("i32.sub"));
    emitProducts(f, code, chunk, after, { passes, rows, tapBytes });
    f.get(products).set(at);
    f.loop((turn) => {
      f.get(at).set(target);
      f.i32(0).set(slice);
      f.loop((onward) => {
        const result = (index: number) => (): void =>
          void f.get(table).get(target).get(lines).get(first).get(from).get(tiles).get(block).get(slice).call(index);
        if (code.pool.slices === 1) result(after.result)();
        else {
          f.get(slice).i32(code.pool.slices).op("i32.rem_u");
          f.if(result(after.further), result(after.result));
        }
        f.get(target)
          .get(tiles)
          .i32(4 * code.lanes)
          .op("i32.mul", "i32.add")
          .set(target);
        f.get(slice).i32(1).op("i32.add").tee(slice).get(slices).op("i32.lt_s").branchIf(onward);
      });
      f.get(at);
      word(f, record, "productPlane").i32(planesOf(code)).op("i32.mul", "i32.add").set(at);
      f.get(block).i32(1).op("i32.add").set(block);
      f.get(passes).i32(1).op("i32.sub").tee(passes).branchIf(turn);
    });
    f.get(block).get(lastBlock).op("i32.lt_s").branchIf(again);
  });
}

/** What is the same for all products of a pass: its blocks, tiles in all slices, bytes from one tap's tiles to the next. */
interface Pass {
  readonly passes: Local;
  readonly rows: Local;
  readonly tapBytes: Local;
}

function emitProducts(f: FunctionBuilder, code: WinogradCode, chunk: Chunk, after: After, { passes, rows, tapBytes }: Pass): void {
  const { table, record, values, products, block } = chunk;
  const kernel = f.local("i32");
  f.get(table)
    .memory("i32.load", 4 * operandAt.kernel)
    .get(block);
  if (code.own) word(f, record, "packedBytes").op("i32.mul", "i32.add").set(kernel);
  else word(f, record, "panel").i32(planesOf(code)).op("i32.mul", "i32.mul", "i32.add").set(kernel);
  if (code.own) emitOwn(f, code, chunk, after, { passes, rows, tapBytes }, kernel);
  else {
    f.get(record).get(values).get(kernel).get(products).get(rows).get(passes).get(tapBytes);
    word(f, record, "sourceBlocks").call(after.products);
  }
}

/** Some source blocks at a time: the chunk transforms their kernels into its slot, and adds up their products. */
function emitOwn(
  f: FunctionBuilder,
  code: WinogradCode,
  chunk: Chunk,
  after: After,
  { passes, rows, tapBytes }: Pass,
  packed: Local,
): void {
  const { record, values, products, lines } = chunk;
  const [kernel, value, done, blocks, at, source, left, channels] = f.locals("i32", 8);
  word(f, record, "kernelAt").get(chunk.slot).op("i32.add").set(kernel);
  f.get(values).set(value);
  f.i32(0).set(done);
  f.loop((again) => {
    word(f, record, "ownBlocks").set(blocks);
    emitLeast(f, blocks, () => word(f, record, "sourceBlocks").get(done).op("i32.sub"));
    word(f, record, "channels").get(done).i32(code.from).op("i32.mul", "i32.sub").set(channels);
    emitLeast(f, channels, () => f.get(blocks).i32(code.from).op("i32.mul"));
    f.get(kernel).set(at);
    f.get(packed)
      .get(done)
      .i32(4 * code.from * code.lanes)
      .op("i32.mul", "i32.add")
      .set(source);
    f.get(passes).set(left);
    f.loop((turn) => {
      f.get(source).get(at).get(lines);
      word(f, record, "sourceBlocks")
        .i32(4 * code.from * code.lanes)
        .op("i32.mul")
        .get(passes);
      word(f, record, "panel").op("i32.mul");
      word(f, record, "taps").get(channels).get(blocks).i32(code.from).op("i32.mul").call(after.kernel);
      f.get(at);
      word(f, record, "panel").op("i32.add").set(at);
      f.get(source);
      word(f, record, "packedBytes").op("i32.add").set(source);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(turn);
    });
    const call = (index: number) => (): void =>
      void f.get(record).get(value).get(kernel).get(products).get(rows).get(passes).get(tapBytes).get(blocks).call(index);
    f.get(done);
    f.if(call(after.more), call(after.products));
    f.get(value).get(blocks);
    word(f, record, "valueBlock").op("i32.mul", "i32.add").set(value);
    f.get(done).get(blocks).op("i32.add").tee(done);
    word(f, record, "sourceBlocks").op("i32.lt_u").branchIf(again);
  });
}

/** local = min(local, other) */
function emitLeast(f: FunctionBuilder, local: Local, other: () => void): void {
  f.get(local);
  other();
  f.get(local);
  other();
  f.op("i32.lt_s", "select").set(local);
}
