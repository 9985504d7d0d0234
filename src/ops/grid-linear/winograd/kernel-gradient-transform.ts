import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { countDown } from "../tiles/panel.ts";
import { type GradientCode, planesOf, reachOf, type Side } from "./kernel-gradient-code.ts";
import { LineCode, spanOf } from "./lines.ts";

/**
 * The transform of some tiles of a run of blocks: values[plane][tile][channel of the run] = B^T v B or A g A^T, first down the columns
 * into lines, then across. Arguments: address of the run's first block, values, lines, first tile, tiles.
 */
export const addTransform = (module: ModuleBuilder, code: GradientCode, side: Side): number =>
  module.function(["i32", "i32", "i32", "i32", "i32"], [], (f) => emitTransform(f, code, side));

function emitTransform(f: FunctionBuilder, code: GradientCode, side: Side): void {
  const [base, values, lines, first, tiles] = f.parameters;
  const [source, target, block] = f.locals("i32", 3);
  const counters = side.counts.map(() => f.local("i32"));
  const jumps = [...side.steps, side.example];
  f.get(base).i32(side.origin).op("i32.add").set(base);
  side.counts.forEach((count, axis) => {
    f.get(first).i32(count).op("i32.rem_u").set(counters[axis]);
    f.get(base).get(counters[axis]).i32(jumps[axis]).op("i32.mul", "i32.add").set(base);
    f.get(first).i32(count).op("i32.div_u").set(first);
  });
  f.get(base).get(first).i32(side.example).op("i32.mul", "i32.add").set(base);
  const tile = tileCode(f, code, side);
  const step = (axis: number): void => {
    advance(f, base, jumps[axis] - (axis > 0 ? side.counts[axis - 1] * jumps[axis - 1] : 0));
    if (axis === counters.length) return;
    f.get(counters[axis]).i32(1).op("i32.add").tee(counters[axis]).i32(side.counts[axis]).op("i32.eq");
    f.if(() => {
      f.i32(0).set(counters[axis]);
      step(axis + 1);
    });
  };
  countDown(f, tiles, () => {
    f.get(base).set(source).get(values).set(target);
    f.i32(side.run).set(block);
    countDown(f, block, () => {
      tile(source, lines, target);
      advance(f, source, side.block);
      advance(f, target, 4 * side.lanes);
    });
    advance(f, values, side.tile);
    step(0);
  });
}

/** Code of one tile and one block, a pair of vectors after the other. */
function tileCode(f: FunctionBuilder, code: GradientCode, side: Side): (source: Local, lines: Local, target: Local) => void {
  const { form, rank, wide } = code;
  const [span, reach] = [spanOf(form), reachOf(form, side)];
  const line = new LineCode(f, form, code.fma, side.transform);
  const halves = Array.from({ length: wide ? 2 : 1 }, () => ({ cells: f.locals("v128", reach), values: f.locals("v128", span) }));
  const cellBytes = 4 * side.lanes;
  const bytes = Array.from({ length: side.lanes / (wide ? 8 : 4) }, (_, i) => i * (wide ? 32 : 16));
  const transform = (from: Local, at: (i: number) => number, to: Local, into: (i: number) => number): void => {
    for (const byte of bytes) {
      for (let i = 0; i < reach; i++)
        halves.forEach(({ cells }, half) => {
          f.get(from)
            .memory("v128.load", at(i) + byte + 16 * half)
            .set(cells[i]);
        });
      for (const { cells, values } of halves) line[side.transform](cells, values);
      for (let i = 0; i < span; i++)
        halves.forEach(({ values }, half) => {
          f.get(to)
            .get(values[i])
            .memory("v128.store", into(i) + byte + 16 * half);
        });
    }
  };
  return (source, lines, target) => {
    const plane = (row: number, column: number): number => (row * span + column) * side.plane;
    if (rank === 1)
      return transform(
        source,
        (i) => i * side.cell,
        target,
        (i) => plane(0, i),
      );
    for (let column = 0; column < reach; column++)
      transform(
        source,
        (i) => i * side.row + column * side.cell,
        lines,
        (i) => (i * reach + column) * cellBytes,
      );
    for (let row = 0; row < span; row++)
      transform(
        lines,
        (i) => (row * reach + i) * cellBytes,
        target,
        (i) => plane(row, i),
      );
  };
}

/** Bytes of the lines of a tile. */
export const lineBytes = (code: Pick<GradientCode, "form" | "rank">, side: Side): number => 4 * side.lanes * planesOf(code);
