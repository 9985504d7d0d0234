import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { fetchLines, lineBytes } from "../tiles/fetch.ts";
import { loadTile, outerStep, outerTile, storeTile, zeroTile } from "../tiles/outer.ts";
import { planesOf, type WinogradCode, word } from "./code.ts";

/**
 * The small matrix products of some tiles (those of all slices, slice by slice) and result blocks: products[block][plane][tile][lane] =
 * sum over taps and channels of values[plane][channel][tile + tap] * kernel[plane][block][tap][channel][lane].
 * Arguments: record, values, kernel, products, tiles, blocks, bytes from one tap's tiles to the next, source blocks. `more` adds them to
 * what is there.
 */
export function addProducts(module: ModuleBuilder, code: WinogradCode, more = false): number {
  const parameters = Array.from({ length: 10 }, () => "i32" as const);
  const panel = (rows: number): number => module.function(parameters, [], (f) => emitPanel(f, code, rows, more));
  const [large, small] = [panel(code.rows), panel(code.rows - 1)];
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => emitPlanes(f, code, large, small));
}

/**
 * Register tiles of `rows` tiles: arguments values, kernel panel, products, register tiles, source blocks, bytes of a block of values, taps, bytes
 * of a tap, where the next panel is fetched and its end.
 */
function emitPanel(f: FunctionBuilder, code: WinogradCode, rows: number, more: boolean): void {
  const [values, panel, products, count, blocks, blockBytes, taps, tapBytes, ahead, aheadEnd] = f.parameters;
  const [value, row, block, tap, tapValue] = f.locals("i32", 5);
  const tile = outerTile(f, rows, code.lanes);
  f.loop((next) => {
    if (more) loadTile(f, tile, products, 4 * code.lanes);
    else zeroTile(f, tile);
    f.get(values).set(tapValue);
    f.get(panel).set(row);
    f.get(taps).set(tap);
    f.loop((onward) => {
      f.get(tapValue).set(value);
      f.get(blocks).set(block);
      f.loop((again) => {
        for (let channel = 0; channel < code.from; channel++)
          outerStep(
            f,
            tile,
            code.fma,
            (i) => f.get(value).memory("v128.load32_splat", 4 * (i * code.from + channel)),
            (v) => f.get(row).memory("v128.load", 4 * channel * code.lanes + 16 * v),
          );
        if (code.fetch > 0) fetchLines(f, ahead, aheadEnd, code.fetch);
        f.get(value).get(blockBytes).op("i32.add").set(value);
        advance(f, row, 4 * code.from * code.lanes);
        f.get(block).i32(1).op("i32.sub").tee(block).branchIf(again);
      });
      f.get(tapValue).get(tapBytes).op("i32.add").set(tapValue);
      f.get(tap).i32(1).op("i32.sub").tee(tap).branchIf(onward);
    });
    storeTile(f, tile, products, 4 * code.lanes);
    f.get(values)
      .i32(4 * rows * code.from)
      .op("i32.add")
      .set(values);
    f.get(products)
      .i32(4 * rows * code.lanes)
      .op("i32.add")
      .set(products);
    f.get(count).i32(1).op("i32.sub").tee(count).branchIf(next);
  });
}

/** small = -tiles mod R register tiles of R - 1 fill up exactly; where that is more than there is, tiles of R run over into the plane's spare rows. */
function splitTiles(f: FunctionBuilder, rows: number, tiles: Local, small: Local, large: Local): void {
  f.i32(rows).get(tiles).i32(rows).op("i32.rem_u", "i32.sub").i32(rows).op("i32.rem_u").set(small);
  f.get(small)
    .i32(rows - 1)
    .op("i32.mul")
    .get(tiles)
    .op("i32.gt_s");
  f.if(() => f.i32(0).set(small));
  f.get(tiles)
    .get(small)
    .i32(rows - 1)
    .op("i32.mul", "i32.sub")
    .i32(rows - 1)
    .op("i32.add")
    .i32(rows)
    .op("i32.div_u")
    .set(large);
}

function emitPlanes(f: FunctionBuilder, code: WinogradCode, largePanel: number, smallPanel: number): void {
  const [record, values, kernel, products, tiles, blocks, tapBytes, sourceBlocks] = f.parameters;
  const [large, small, plane, block, target, panel, valueBlock, valuePlane, productPlane, productBlock, taps, next] = f.locals("i32", 12);
  splitTiles(f, code.rows, tiles, small, large);
  word(f, record, "panel").set(panel);
  word(f, record, "taps").set(taps);
  word(f, record, "valueBlock").set(valueBlock);
  word(f, record, "valuePlane").set(valuePlane);
  word(f, record, "productPlane").set(productPlane);
  f.get(productPlane).i32(planesOf(code)).op("i32.mul").set(productBlock);
  const call = (index: number, count: Local, skipped: Local | null): void => {
    f.get(count);
    f.if(() => {
      const offset = (bytes: number): void => {
        if (skipped !== null)
          f.get(skipped)
            .i32(code.rows * bytes)
            .op("i32.mul", "i32.add");
      };
      f.get(values);
      offset(4 * code.from);
      f.get(kernel).get(target);
      offset(4 * code.lanes);
      f.get(count).get(sourceBlocks).get(valueBlock).get(taps).get(tapBytes);
      f.get(kernel).get(panel).op("i32.add").tee(next);
      // the register tiles before have fetched their share
      if (skipped !== null)
        f.get(skipped)
          .get(sourceBlocks)
          .op("i32.mul")
          .get(taps)
          .op("i32.mul")
          .i32(code.fetch * lineBytes)
          .op("i32.mul", "i32.add");
      f.get(next).get(panel).op("i32.add").call(index);
    });
  };
  f.i32(planesOf(code)).set(plane);
  f.loop((next) => {
    f.get(products).set(target);
    f.get(blocks).set(block);
    f.loop((again) => {
      call(largePanel, large, null);
      call(smallPanel, small, large);
      f.get(kernel).get(panel).op("i32.add").set(kernel);
      f.get(target).get(productBlock).op("i32.add").set(target);
      f.get(block).i32(1).op("i32.sub").tee(block).branchIf(again);
    });
    f.get(values).get(valuePlane).op("i32.add").set(values);
    f.get(products).get(productPlane).op("i32.add").set(products);
    f.get(plane).i32(1).op("i32.sub").tee(plane).branchIf(next);
  });
}
