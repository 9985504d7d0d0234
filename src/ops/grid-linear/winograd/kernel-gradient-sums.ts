import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { loadTile, mostRows, outerStep, outerTile, splitEvenly, storeTile } from "../tiles/outer.ts";
import { countDown, whileNonzero } from "../tiles/panel.ts";
import { type GradientCode, planesOf, tapsOf } from "./kernel-gradient-code.ts";
import { LineCode, spanOf } from "./lines.ts";

/** Tiles of one turn of the inner loop. */
const unroll = 4;

/**
 * The small matrix products of an item: sums[plane][output block][input channel of the run][lane] += sum over tiles of
 * input[plane][tile][channel] * output[plane][tile][lane]. Arguments: input values, output values, sums, zeros, tiles; the sums start
 * from the zeros unless their address is 0.
 */
export function addProducts(module: ModuleBuilder, code: GradientCode): number {
  const { input, output } = code;
  const most = mostRows({ tier: code.wide ? "wide" : "plain", fma: code.fma, wide: code.wide }, output.lanes);
  const sizes = splitEvenly(input.run * input.lanes, most);
  const kinds = [...new Set(sizes)].map((rows) => ({
    rows,
    count: sizes.filter((size) => size === rows).length,
    index: module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => emitTiles(f, code, rows)),
  }));
  const rowBytes = 4 * output.lanes;
  return module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [inputs, outputs, sums, zeros, tiles] = f.parameters;
    const [plane, block, vectors, sumsAt, count] = f.locals("i32", 5);
    f.i32(planesOf(code)).set(plane);
    countDown(f, plane, () => {
      f.get(outputs).set(vectors).get(sums).set(sumsAt);
      f.i32(output.run).set(block);
      countDown(f, block, () => {
        let row = 0;
        for (const kind of kinds) {
          f.i32(kind.count).set(count);
          f.get(inputs)
            .i32(4 * row)
            .op("i32.add");
          f.get(vectors)
            .get(sumsAt)
            .i32(row * rowBytes)
            .op("i32.add");
          f.get(zeros).get(tiles).get(count).call(kind.index);
          row += kind.count * kind.rows;
        }
        advance(f, vectors, rowBytes);
        advance(f, sumsAt, input.run * input.lanes * rowBytes);
      });
      advance(f, inputs, input.plane);
      advance(f, outputs, output.plane);
      advance(f, sums, code.sumPlane);
    });
  });
}

/** Register tiles of so many input channels by one output block: splats, vectors, sums, zeros, tiles, register tiles. */
function emitTiles(f: FunctionBuilder, { input, output, fma }: GradientCode, rows: number): void {
  const [splats, vectors, sums, zeros, tiles, count] = f.parameters;
  const [splat, vector, left, from] = f.locals("i32", 4);
  const tile = outerTile(f, rows, output.lanes);
  const rowBytes = 4 * output.lanes;
  const steps = (many: number): void => {
    for (let step = 0; step < many; step++)
      outerStep(
        f,
        tile,
        fma,
        (row) => f.get(splat).memory("v128.load32_splat", step * input.tile + 4 * row),
        (index) => f.get(vector).memory("v128.load", step * output.tile + 16 * index),
      );
    advance(f, splat, many * input.tile);
    advance(f, vector, many * output.tile);
  };
  countDown(f, count, () => {
    f.get(splats).set(splat).get(vectors).set(vector);
    f.get(zeros).get(sums).get(zeros).op("select").set(from);
    loadTile(f, tile, from, rowBytes);
    f.get(tiles).i32(unroll).op("i32.div_u").set(left);
    whileNonzero(f, left, () => steps(unroll));
    f.get(tiles).i32(unroll).op("i32.rem_u").set(left);
    whileNonzero(f, left, () => steps(1));
    storeTile(f, tile, sums, rowBytes);
    advance(f, sums, rows * rowBytes);
    advance(f, splats, 4 * rows);
  });
}

/** The last transform of a rectangle of block pairs: taps of a pair = G^T sums G, rows of tap and input channel. Arguments: sums, pairs. */
export const addCollect = (module: ModuleBuilder, code: GradientCode): number =>
  module.function(["i32", "i32"], [], (f) => emitCollect(f, code));

function emitCollect(f: FunctionBuilder, code: GradientCode): void {
  const { input, output, inputBlocks, pairBytes, outer, rank } = code;
  const [sums, pairs] = f.parameters;
  const [outputs, inputs, channel, pair, target, at, tap, start] = f.locals("i32", 8);
  const rowBytes = 4 * output.lanes;
  const cell = collectCode(f, code);
  f.i32(outer).set(tap);
  countDown(f, tap, () => {
    f.get(sums).set(at).get(pairs).set(start);
    f.i32(output.run).set(outputs);
    countDown(f, outputs, () => {
      f.get(start).set(pair);
      f.i32(input.run).set(inputs);
      countDown(f, inputs, () => {
        f.get(pair).set(target);
        f.i32(input.lanes).set(channel);
        countDown(f, channel, () => {
          cell(at, target);
          advance(f, at, rowBytes);
          advance(f, target, rowBytes);
        });
        advance(f, pair, pairBytes);
      });
      advance(f, start, inputBlocks * pairBytes);
    });
    advance(f, sums, code.sumTap);
    advance(f, pairs, tapsOf(rank) * input.lanes * rowBytes);
  });
}

/** Code of one input channel and all lanes of an output block; everything between the transforms stays in locals. */
function collectCode(f: FunctionBuilder, code: GradientCode): (sums: Local, target: Local) => void {
  const { form, rank, input, output, sumPlane } = code;
  const span = spanOf(form);
  const line = new LineCode(f, form, code.fma, "collect");
  const halves = Array.from({ length: code.wide ? 2 : 1 }, () => ({
    values: f.locals("v128", span),
    columns: Array.from({ length: span }, () => f.locals("v128", rank === 1 ? 1 : 3)),
    taps: f.locals("v128", 3),
  }));
  return (sums, target) => {
    for (let byte = 0; byte < 4 * output.lanes; byte += 16 * halves.length) {
      for (let column = 0; column < span; column++) {
        for (let row = 0; row < (rank === 1 ? 1 : span); row++)
          halves.forEach(({ values, columns }, half) => {
            f.get(sums)
              .memory("v128.load", (row * span + column) * sumPlane + byte + 16 * half)
              .set(rank === 1 ? columns[column][0] : values[row]);
          });
        if (rank > 1) for (const { values, columns } of halves) line.collect(values, columns[column]);
      }
      for (let row = 0; row < (rank === 1 ? 1 : 3); row++) {
        for (const { columns, taps } of halves)
          line.collect(
            columns.map((column) => column[row]),
            taps,
          );
        for (let column = 0; column < 3; column++)
          halves.forEach(({ taps }, half) => {
            f.get(target)
              .get(taps[column])
              .memory("v128.store", (row * 3 + column) * input.lanes * 4 * output.lanes + byte + 16 * half);
          });
      }
    }
  };
}
