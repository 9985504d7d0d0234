import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import type { Routine } from "../../contract.ts";
import { printFused } from "../tiles/fused.ts";
import { emitShare } from "../tiles/share.ts";
import { takeSlot } from "../tiles/slots.ts";
import { countDown, type FftCode, type FftWord, operandAt, scratchBytes, streamWord, tableAt, tileWord, tileWords, word } from "./code.ts";
import { addDense, addEach, mostTiles } from "./product.ts";
import { addJoin, addSplit } from "./split.ts";
import { addForward, addInverse } from "./tile.ts";

/** The steps after the packing of the kernel. */
export type Stage = "kernel" | "values" | "products" | "results";

export function fftRoutine(code: FftCode, stage: Stage, tier: string): Routine {
  const by: Record<Stage, string> = {
    kernel: "",
    values: `x${code.from}`,
    products: code.depthwise ? "each" : "dense",
    results: `x${code.to}${code.spare ? " spare" : ""} | ${printFused(code.epilogue, code.fused)}`,
  };
  const size = stage === "products" ? "" : `${code.sizes.join("x")} `;
  return { key: `grid-linear fft ${stage} | ${size}${by[stage]} | ${tier}`, build: (module) => build[stage](module, code) };
}

const build: Readonly<Record<Stage, (module: ModuleBuilder, code: FftCode) => number>> = {
  kernel: buildKernel,
  values: buildValues,
  products: buildProducts,
  results: buildResults,
};

/** What every step begins with. */
interface Chunk {
  readonly table: Local;
  readonly chunk: Local;
  readonly examples: Local;
  readonly record: Local;
  readonly scratch: Local;
}

/** Runs the chunks, with a slot of the scratch where the step needs one. */
function routine(module: ModuleBuilder, slots: boolean, body: (f: FunctionBuilder, own: Chunk) => void): number {
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

const operand = (f: FunctionBuilder, table: Local, index: number): FunctionBuilder => f.get(table).memory("i32.load", 4 * index);

/** first = floor(number / of), rest = number mod of */
function divide(f: FunctionBuilder, number: Local, of: FftWord, record: Local, first: Local, rest: Local): void {
  f.get(number);
  word(f, record, of).op("i32.rem_u").set(rest);
  f.get(number);
  word(f, record, of).op("i32.div_u").set(first);
}

/** One part of the result channels and some channels of the source: K[part][frequency][channel], times what the transforms leave to divide by. */
function buildKernel(module: ModuleBuilder, code: FftCode): number {
  const forward = addForward(module, code);
  const split = addSplit(module, code, 1 / (4 * code.sizes[0] * code.sizes[1] * code.sizes[2]));
  const { cell } = scratchBytes(code);
  return routine(module, true, (f, { table, chunk, record, scratch }) => {
    const [part, channel, count, source, target] = f.locals("i32", 5);
    divide(f, chunk, "kernelRuns", record, part, channel);
    f.get(channel);
    word(f, record, "kernelRun").op("i32.mul").set(channel);
    word(f, record, "channels").get(channel).op("i32.sub").tee(count);
    word(f, record, "kernelRun").get(count);
    word(f, record, "kernelRun").op("i32.lt_s", "select").set(count);
    operand(f, table, operandAt.from).get(part);
    word(f, record, "packedPart").op("i32.mul", "i32.add").get(channel);
    word(f, record, "packedChannel").op("i32.mul", "i32.add").set(source);
    operand(f, table, operandAt.to).get(part);
    word(f, record, "kernelPart").op("i32.mul", "i32.add").get(channel);
    f.i32(2 * cell)
      .op("i32.mul", "i32.add")
      .set(target);
    countDown(f, count, () => {
      f.get(source).get(scratch);
      tableAt(f, record, "kernelTile").get(record).i32(cell);
      for (const name of ["packedRow", "packedPlane"] as const) word(f, record, name);
      f.call(forward).get(scratch);
      tableAt(f, record, "pairs");
      word(f, record, "pairCount").get(target);
      word(f, record, "kernelFrequency").call(split);
      f.get(source);
      word(f, record, "packedChannel").op("i32.add").set(source);
      f.get(target)
        .i32(2 * cell)
        .op("i32.add")
        .set(target);
    });
  });
}

/** Example, tile and part of the channels of a chunk, and where its values or products lie. */
interface Place {
  readonly example: Local;
  readonly part: Local;
  readonly tile: Local;
  readonly at: Local;
}

function placeChunk(f: FunctionBuilder, code: FftCode, { table, chunk, record }: Chunk, parts: "sources" | "results"): Place {
  const [example, part, tile, at, number] = f.locals("i32", 5);
  divide(f, chunk, parts, record, number, part);
  operand(f, table, parts === "sources" ? operandAt.to : operandAt.from).get(part);
  word(f, record, parts === "sources" ? "valuePart" : "productPart")
    .op("i32.mul", "i32.add")
    .get(number)
    .i32(8 * code.lanes)
    .op("i32.mul", "i32.add")
    .set(at);
  divide(f, number, "tileCount", record, example, tile);
  tableAt(f, record, "tiles")
    .get(tile)
    .i32(4 * tileWords.length)
    .op("i32.mul", "i32.add")
    .set(tile);
  return { example, part, tile, at };
}

/** Pushes the address of a part of the channels of an example in a stream. */
function pushPart(
  f: FunctionBuilder,
  { record }: Chunk,
  base: () => void,
  stream: number,
  { example, part }: Place,
  perBlock: number,
  lanes: number,
): void {
  base();
  streamWord(f, record, stream, "origin").op("i32.add").get(example);
  streamWord(f, record, stream, "example").op("i32.mul", "i32.add").get(part).i32(perBlock).op("i32.div_u");
  streamWord(f, record, stream, "block")
    .op("i32.mul", "i32.add")
    .get(part)
    .i32(perBlock)
    .op("i32.rem_u")
    .i32(4 * lanes)
    .op("i32.mul", "i32.add");
}

/** Values[frequency][part][example and tile][lane] of the source. */
function buildValues(module: ModuleBuilder, code: FftCode): number {
  const forward = addForward(module, code);
  const split = addSplit(module, code, null);
  return routine(module, true, (f, own) => {
    const { table, record, scratch } = own;
    const place = placeChunk(f, code, own, "sources");
    pushPart(f, own, () => operand(f, table, operandAt.from), 0, place, code.from / code.lanes, code.lanes);
    f.get(scratch).get(place.tile).get(record);
    for (const name of ["cell", "row", "plane"] as const) streamWord(f, record, 0, name);
    f.call(forward).get(scratch);
    tableAt(f, record, "pairs");
    word(f, record, "pairCount").get(place.at);
    word(f, record, "valueFrequency").call(split);
  });
}

/** Products[frequency][part][example and tile][lane] of a range of frequencies; operands: values, record, products, kernel. */
function buildProducts(module: ModuleBuilder, code: FftCode): number {
  const rows = mostTiles(code);
  const dense = code.depthwise ? [] : Array.from({ length: rows }, (_, i) => addDense(module, code, i + 1));
  const each = code.depthwise ? addEach(module, code) : 0;
  return routine(module, false, (f, { table, chunk, examples, record }) => {
    const [frequency, last, tiles, part, values, kernel, products, next] = f.locals("i32", 8);
    const [left, value, product] = f.locals("i32", 3);
    f.get(examples);
    word(f, record, "tileCount").op("i32.mul").set(tiles);
    f.get(chunk).i32(1).op("i32.add").set(next);
    word(f, record, "frequencies").set(frequency);
    f.get(frequency).set(last);
    const start = f.local("i32");
    f.get(chunk).set(start);
    emitShare(f, frequency, start, () => word(f, record, "frequencyChunks"));
    emitShare(f, last, next, () => word(f, record, "frequencyChunks"));
    f.get(next).get(start).op("i32.sub").tee(last);
    f.if(() => {
      operand(f, table, operandAt.from).get(start);
      word(f, record, "valueFrequency").op("i32.mul", "i32.add").set(values);
      operand(f, table, operandAt.to).get(start);
      word(f, record, "productFrequency").op("i32.mul", "i32.add").set(products);
      operand(f, table, operandAt.scratch).get(start);
      word(f, record, "kernelFrequency").op("i32.mul", "i32.add").set(kernel);
      const cellBytes = 8 * code.lanes;
      countDown(f, last, () => {
        const panel = f.local("i32");
        f.get(kernel).set(panel);
        f.get(values).set(value);
        f.get(products).set(product);
        word(f, record, "results").set(part);
        countDown(f, part, () => {
          if (code.depthwise) {
            f.get(value).get(panel).get(product).get(tiles).call(each);
            f.get(value);
            word(f, record, "valuePart").op("i32.add").set(value);
          } else emitTiles(f, record, dense, { tiles, left, values, kernel: panel, products: product, cellBytes });
          f.get(panel);
          word(f, record, "kernelPart").op("i32.add").set(panel);
          f.get(product);
          word(f, record, "productPart").op("i32.add").set(product);
        });
        f.get(values);
        word(f, record, "valueFrequency").op("i32.add").set(values);
        f.get(products);
        word(f, record, "productFrequency").op("i32.add").set(products);
        f.get(kernel);
        word(f, record, "kernelFrequency").op("i32.add").set(kernel);
      });
    });
  });
}

interface TileRun {
  readonly tiles: Local;
  readonly left: Local;
  readonly values: Local;
  readonly kernel: Local;
  readonly products: Local;
  readonly cellBytes: number;
}

/** Register tiles over all tiles, as equal as they can be: dense[i] does i + 1. */
function emitTiles(
  f: FunctionBuilder,
  record: Local,
  dense: readonly number[],
  { tiles, left, values, kernel, products, cellBytes }: TileRun,
): void {
  const [runs, rows, value, product] = f.locals("i32", 4);
  const rounded = dense.length - 1;
  f.get(tiles).set(left);
  f.get(tiles).i32(rounded).op("i32.add").i32(dense.length).op("i32.div_u").set(runs);
  f.get(values).set(value);
  f.get(products).set(product);
  countDown(f, runs, () => {
    f.get(left).get(runs).op("i32.add").i32(1).op("i32.sub").get(runs).op("i32.div_u").set(rows);
    dense.forEach((index, i) => {
      f.get(rows)
        .i32(i + 1)
        .op("i32.eq");
      f.if(() => {
        f.get(value).get(kernel).get(product);
        word(f, record, "channels");
        word(f, record, "valuePart").call(index);
      });
    });
    f.get(left).get(rows).op("i32.sub").set(left);
    for (const pointer of [value, product]) f.get(pointer).get(rows).i32(cellBytes).op("i32.mul", "i32.add").set(pointer);
  });
}

function buildResults(module: ModuleBuilder, code: FftCode): number {
  const join = addJoin(module, code);
  const inverse = addInverse(module, code);
  return routine(module, true, (f, own) => {
    const { table, record, scratch } = own;
    const place = placeChunk(f, code, own, "results");
    const mask = f.local("i32");
    f.get(scratch);
    tableAt(f, record, "pairs");
    word(f, record, "pairCount").get(place.at);
    word(f, record, "productFrequency").call(join);
    if (code.spare) pushMask(f, code, own, place, mask);
    f.get(scratch).get(place.tile).get(record).get(mask);
    const perBlock = code.to / code.lanes;
    [null, ...code.fused].forEach((fused, i) => {
      const splat = fused?.splat === true;
      const base = (): void => void operand(f, table, i === 0 ? operandAt.to : operandAt.fused + i - 1);
      // a splat has one value for all lanes
      pushPart(f, own, base, 1 + i, place, perBlock, splat ? 0 : code.lanes);
      (["plane", "row", "cell"] as const).forEach((name, axis) => {
        tileWord(f, place.tile, (["at0", "at1", "at2"] as const)[axis]);
        streamWord(f, record, 1 + i, name).op("i32.mul", "i32.add");
      });
      for (const name of ["cell", "row", "plane"] as const) streamWord(f, record, 1 + i, name);
    });
    f.call(inverse);
  });
}

/** Masks of whole blocks lie first, those of the last one after them. */
function pushMask(f: FunctionBuilder, code: FftCode, { record }: Chunk, { part }: Place, mask: Local): void {
  const perBlock = code.to / code.lanes;
  tableAt(f, record, "mask").get(part).i32(perBlock).op("i32.rem_u");
  f.i32(4 * code.lanes)
    .op("i32.mul", "i32.add")
    .i32(4 * code.to)
    .i32(0)
    .get(part)
    .i32(perBlock)
    .op("i32.div_u")
    .i32(1)
    .op("i32.add");
  word(f, record, "resultBlocks").op("i32.eq", "select", "i32.add").set(mask);
}
