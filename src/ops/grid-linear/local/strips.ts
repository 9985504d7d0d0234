import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import { foldLanes } from "../tiles/dot.ts";
import { countDown, whileNonzero } from "../tiles/panel.ts";

/** Entries of a table that are done in one turn. */
const unroll = 4;

/** A function (source, target, table, entries): copies `run` floats from each offset of the table, side by side. What lies behind the last is overwritten. */
export function addCopy(module: ModuleBuilder, run: number): number {
  const pieces = run === 1 ? 0 : Math.ceil(run / 4);
  return addExpansion(module, 4 * run, (f, at, target, offset) => {
    if (pieces === 0) f.get(target).get(at).memory("f32.load").memory("f32.store", offset);
    for (let piece = 0; piece < pieces; piece++)
      f.get(target)
        .get(at)
        .memory("v128.load", 16 * piece)
        .memory("v128.store", offset + 16 * piece);
  });
}

/** A function (source, target, table, entries): repeats the float at each offset of the table once for each tap. What lies behind the last is overwritten. */
export function addRepeat(module: ModuleBuilder, taps: number): number {
  const pieces = Math.ceil(taps / 4);
  return addExpansion(module, 4 * taps, (f, at, target, offset) => {
    const value = f.local("v128");
    f.get(at).memory("v128.load32_splat").set(value);
    for (let piece = 0; piece < pieces; piece++)
      f.get(target)
        .get(value)
        .memory("v128.store", offset + 16 * piece);
  });
}

function addExpansion(
  module: ModuleBuilder,
  bytes: number,
  body: (f: FunctionBuilder, at: Local, target: Local, offset: number) => void,
): number {
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [source, target, table, entries] = f.parameters;
    const [turns, at] = f.locals("i32", 2);
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) {
        f.get(table)
          .memory("i32.load", 4 * i)
          .get(source)
          .op("i32.add")
          .set(at);
        body(f, at, target, bytes * i);
      }
      advance(f, table, 4 * count);
      advance(f, target, bytes * count);
    };
    f.get(entries).i32(unroll).op("i32.div_u").set(turns);
    whileNonzero(f, turns, () => run(unroll));
    f.get(entries)
      .i32(unroll - 1)
      .op("i32.and")
      .set(turns);
    whileNonzero(f, turns, () => run(1));
  });
}

/** A function (strip, floats): the last vector of a strip, which was summed apart behind the others, goes to its place. */
export function addSettle(module: ModuleBuilder, lanes: number): number {
  return module.function(["i32", "i32"], [], (f) => {
    const [strip, floats] = f.parameters;
    const vector = f.locals("v128", lanes / 4);
    const [from, to] = f.locals("i32", 2);
    f.get(strip).get(floats).i32(-lanes).op("i32.and").i32(2).op("i32.shl", "i32.add").set(from);
    f.get(strip).get(floats).i32(lanes).op("i32.sub").i32(2).op("i32.shl", "i32.add").set(to);
    vector.forEach((local, half) =>
      f
        .get(from)
        .memory("v128.load", 16 * half)
        .set(local),
    );
    vector.forEach((local, half) =>
      f
        .get(to)
        .get(local)
        .memory("v128.store", 16 * half),
    );
  });
}

/** A function (strip, target, table, copies): the sum over the taps of each copy goes to the target's cell that the table names, if it names one. */
export function addTapSums(module: ModuleBuilder, taps: number): number {
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [strip, target, table, copies] = f.parameters;
    const own = f.locals("v128", 4);
    const mask = f.local("v128");
    const [turns, at] = f.locals("i32", 2);
    const rest = taps % 4;
    const whole = (taps - rest) / 4;
    const lane = (i: number): number => (i < rest ? -1 : 0);
    f.i32x4(lane(0), lane(1), lane(2), lane(3)).set(mask);
    const run = (count: number): void => {
      for (let i = 0; i < count; i++) {
        const load = (piece: number): FunctionBuilder => f.get(strip).memory("v128.load", 4 * taps * i + 16 * piece);
        if (whole > 0) load(0);
        for (let piece = 1; piece < whole; piece++) load(piece).op("f32x4.add");
        if (rest > 0) load(whole).get(mask).op("v128.and");
        if (rest > 0 && whole > 0) f.op("f32x4.add");
        f.set(own[i]);
      }
      foldLanes(f, own);
      f.set(own[0]);
      for (let i = 0; i < count; i++) {
        f.get(table)
          .memory("i32.load", 4 * i)
          .tee(at)
          .i32(0)
          .op("i32.ge_s");
        f.if(() => f.get(target).get(at).op("i32.add").get(own[0]).laneMemory("v128.store32_lane", i));
      }
      advance(f, strip, 4 * taps * count);
      advance(f, table, 4 * count);
    };
    f.get(copies).i32(4).op("i32.div_u").set(turns);
    whileNonzero(f, turns, () => run(4));
    f.get(copies).i32(3).op("i32.and").set(turns);
    whileNonzero(f, turns, () => run(1));
  });
}

/**
 * A function (sums, target, table, cells): each cell of the target gathers the terms that the table lists, for `planes` planes at a time,
 * `pitch` bytes apart in the sums and `plane` in the target.
 */
export function addFold(module: ModuleBuilder, planes: number, pitch: number, plane: number): number {
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [sums, target, table, cells] = f.parameters;
    const [to, left, at] = f.locals("i32", 3);
    const totals = f.locals("f32", planes);
    countDown(f, cells, () => {
      f.get(table).memory("i32.load", 0).get(target).op("i32.add").set(to);
      f.get(table).memory("i32.load", 4).set(left);
      advance(f, table, 8);
      for (const total of totals) f.f32(0).set(total);
      whileNonzero(f, left, () => {
        f.get(table).memory("i32.load").get(sums).op("i32.add").set(at);
        totals.forEach((total, i) =>
          f
            .get(at)
            .memory("f32.load", i * pitch)
            .get(total)
            .op("f32.add")
            .set(total),
        );
        advance(f, table, 4);
      });
      totals.forEach((total, i) =>
        f
          .get(to)
          .get(total)
          .memory("f32.store", i * plane),
      );
    });
  });
}
