import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { countDown, type FftCode, word } from "./code.ts";
import { addDense, addEach, addEachSum, channelTerms, mostTiles, tileTerms } from "./product.ts";
import { eachFrequency, type Frequency } from "./steps.ts";

/** Runs the body for each part of the result channels, kernel and products moving on. */
function eachPart(f: FunctionBuilder, record: Local, at: Frequency, body: (at: Frequency) => void): void {
  const [part, kernel, products] = f.locals("i32", 3);
  f.get(at.kernel).set(kernel);
  f.get(at.products).set(products);
  word(f, record, "results").set(part);
  countDown(f, part, () => {
    body({ ...at, kernel, products });
    f.get(kernel);
    word(f, record, "kernelPart").op("i32.add").set(kernel);
    f.get(products);
    word(f, record, "productPart").op("i32.add").set(products);
  });
}

/** Every channel by itself: values move on with the parts too. */
const buildEach = (module: ModuleBuilder, index: number): number =>
  eachFrequency(module, (f, record, at) => {
    const values = f.local("i32");
    f.get(at.values).set(values);
    eachPart(f, record, at, ({ kernel, products, tiles }) => {
      f.get(values).get(kernel).get(products).get(tiles).call(index);
      f.get(values);
      word(f, record, "valuePart").op("i32.add").set(values);
    });
  });

/** Products[frequency][part][example and tile][lane]: sums over the source channels. */
export function buildProducts(module: ModuleBuilder, code: FftCode): number {
  if (code.depthwise) return buildEach(module, addEach(module, code));
  const dense = Array.from({ length: mostTiles(code) }, (_, i) => addDense(module, code, i + 1, channelTerms(code)));
  return eachFrequency(module, (f, record, at) => eachPart(f, record, at, (own) => emitTiles(f, record, dense, own, 8 * code.lanes)));
}

/** Source channels of a register tile of the kernel gradient; they divide a part. */
const channelRows = 4;

/** Products[frequency][part][source channel][lane] of the kernel gradient: sums over the tiles of all examples. */
export function buildGradients(module: ModuleBuilder, code: FftCode): number {
  if (code.depthwise) return buildEach(module, addEachSum(module, code));
  const dense = Array.from({ length: channelRows }, (_, i) => addDense(module, code, i + 1, tileTerms(code)));
  return eachFrequency(module, (f, record, at) => eachPart(f, record, at, (own) => emitChannels(f, code, record, dense, own)));
}

function emitChannels(f: FunctionBuilder, { lanes }: FftCode, record: Local, dense: readonly number[], at: Frequency): void {
  const [left, rows, part, value, inPart, product] = f.locals("i32", 6);
  const cellBytes = 8 * lanes;
  f.get(at.values).tee(part).set(value);
  f.get(at.products).set(product);
  f.i32(lanes).set(inPart);
  word(f, record, "channels").set(left);
  f.loop((onward) => {
    f.get(left).i32(channelRows).get(left).i32(channelRows).op("i32.lt_s", "select").set(rows);
    dense.forEach((index, i) => {
      f.get(rows)
        .i32(i + 1)
        .op("i32.eq");
      f.if(() => {
        f.get(value)
          .get(at.kernel)
          .get(product)
          .get(at.tiles)
          .i32(lanes * cellBytes)
          .call(index);
      });
    });
    advance(f, product, channelRows * cellBytes);
    advance(f, value, 4 * channelRows);
    f.get(inPart).i32(channelRows).op("i32.sub").tee(inPart).op("i32.eqz");
    f.if(() => {
      f.get(part);
      word(f, record, "valuePart").op("i32.add").tee(part).set(value);
      f.i32(lanes).set(inPart);
    });
    f.get(left).get(rows).op("i32.sub").tee(left).branchIf(onward);
  });
}

/** Register tiles over all tiles, as equal as they can be: dense[i] does i + 1. */
function emitTiles(
  f: FunctionBuilder,
  record: Local,
  dense: readonly number[],
  { tiles, values, kernel, products }: Frequency,
  cellBytes: number,
): void {
  const [runs, rows, value, product, left] = f.locals("i32", 5);
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
