import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, forRange, multiplyAdd, whileBelow } from "../../../emit/wasm/vectors.ts";

/** Kernel gradient of a depthwise convolution over blocks; byte strides and offsets throughout. */
export interface DepthwiseKernelCode {
  readonly lanes: number;
  readonly blocks: number;
  readonly channels: number;
  /** Taps of the kernel, and those that meet more than padding: (tap, source bytes from the first). */
  readonly taps: number;
  readonly kept: readonly { readonly tap: number; readonly offset: number }[];
  readonly flip: boolean;
  /** Output extents. */
  readonly extents: readonly number[];
  readonly gradient: Stream;
  readonly source: Stream;
  /** Examples of a chunk, and parts of the first axis. */
  readonly group: number;
  readonly parts: number;
  readonly fma: boolean;
  /** Vectors that one sum consists of: a pair where pairs run as one. */
  readonly vectors: number;
}

interface Stream {
  readonly origin: number;
  readonly example: number;
  readonly block: number;
  /** From output cell to output cell, on each axis. */
  readonly steps: readonly number[];
}

/** Sums that stay in registers beside a gradient and an input. */
const mostTaps = 12;

export const slotBytes = ({ taps, lanes }: DepthwiseKernelCode): number => taps * lanes * 4;

/** Step 1: every chunk (examples, block, part) sums its cells into a slot of its own. */
export function buildSums(module: ModuleBuilder, code: DepthwiseKernelCode): number {
  const passes = Math.ceil(code.kept.length / mostTaps);
  const groups = Array.from({ length: passes }, (_, i) =>
    code.kept.slice(Math.floor((i * code.kept.length) / passes), Math.floor(((i + 1) * code.kept.length) / passes)),
  );
  const parameters = Array.from({ length: 6 }, () => "i32" as const);
  const functions = groups.map((taps) => module.function(parameters, [], (f) => emitPass(f, code, taps)));
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitSums(f, code, functions));
}

function emitSums(f: FunctionBuilder, code: DepthwiseKernelCode, passes: readonly number[]): void {
  const { blocks, parts, group, extents, kept, lanes } = code;
  const [table, chunk, end, examples] = f.parameters;
  const [gradient, source, slot, block, part, first, count, from, to] = f.locals("i32", 9);
  const missing = Array.from({ length: code.taps }, (_, tap) => tap).filter((tap) => !kept.some((one) => one.tap === tap));
  const rows = extents.length > 1 ? extents[0] : 1;
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).i32(parts).op("i32.rem_u").set(part);
    f.get(chunk).i32(parts).op("i32.div_u").tee(block);
    f.i32(blocks).op("i32.div_u").i32(group).op("i32.mul").set(first);
    f.get(block).i32(blocks).op("i32.rem_u").set(block);
    f.get(examples).get(first).op("i32.sub").tee(count).i32(group).get(count).i32(group).op("i32.lt_s", "select").set(count);
    [code.gradient, code.source].forEach((stream, i) => {
      f.get(table)
        .memory("i32.load", i * 4)
        .get(first)
        .i32(stream.example)
        .op("i32.mul", "i32.add");
      f.get(block)
        .i32(stream.block)
        .op("i32.mul", "i32.add")
        .i32(stream.origin)
        .op("i32.add")
        .set(i === 0 ? gradient : source);
    });
    f.get(table).memory("i32.load", 8).get(chunk).i32(slotBytes(code)).op("i32.mul", "i32.add").set(slot);
    f.get(part).i32(rows).op("i32.mul").i32(parts).op("i32.div_u").set(from);
    f.get(part).i32(1).op("i32.add").i32(rows).op("i32.mul").i32(parts).op("i32.div_u").set(to);
    for (const tap of missing)
      for (let lane = 0; lane < lanes; lane += 4)
        f.get(slot)
          .f32x4(0)
          .memory("v128.store", (tap * lanes + lane) * 4);
    for (let lane = 0; lane < lanes; lane += code.vectors * 4) {
      for (const pass of passes) {
        for (const pointer of [gradient, source, slot])
          f.get(pointer)
            .i32(lane * 4)
            .op("i32.add");
        f.get(count).get(from).get(to).call(pass);
      }
    }
  });
}

/** Sums of some taps over the cells of examples 0..count and rows from..to. */
function emitPass(f: FunctionBuilder, code: DepthwiseKernelCode, taps: DepthwiseKernelCode["kept"]): void {
  const [gradient, source, slot, count, from, to] = f.parameters;
  const { extents, lanes, vectors } = code;
  const axes = extents.length;
  const unroll = Math.min(extents[axes - 1], taps.length > 6 ? 2 : 4);
  const copies = Math.min(unroll, Math.max(1, Math.floor(mostTaps / taps.length)));
  const sums = Array.from({ length: copies }, () => taps.map(() => f.locals("v128", vectors)));
  for (const sum of sums.flat(2)) f.f32x4(0).set(sum);
  const [row, position] = f.locals("i32", 2);
  const pointers = [code.gradient, code.source].map((stream) => ({ stream, outer: f.local("i32"), at: f.local("i32") }));
  const bases = [gradient, source];
  f.loop((again) => {
    pointers.forEach(({ stream, outer }, i) => {
      f.get(bases[i])
        .get(from)
        .i32(axes > 1 ? stream.steps[0] : 0)
        .op("i32.mul", "i32.add")
        .set(outer);
    });
    f.get(from).set(row);
    whileBelow(f, row, to, 1, () => {
      const rows = (): void => {
        for (const { outer, at } of pointers) f.get(outer).set(at);
        emitRow(f, code, taps, { gradient: pointers[0].at, source: pointers[1].at, sums, unroll });
      };
      if (axes < 3) rows();
      else {
        forRange(f, position, 0, extents[1], 1, () => {
          rows();
          for (const { stream, outer } of pointers) advance(f, outer, stream.steps[1]);
        });
      }
      for (const { stream, outer } of pointers)
        advance(f, outer, axes < 2 ? 0 : stream.steps[0] - (axes < 3 ? 0 : extents[1] * stream.steps[1]));
    });
    pointers.forEach(({ stream }, i) => {
      advance(f, bases[i], stream.example);
    });
    f.get(count).i32(1).op("i32.sub").tee(count).branchIf(again);
  });
  taps.forEach(({ tap }, i) => {
    for (let v = 0; v < vectors; v++) {
      f.get(slot).get(sums[0][i][v]);
      for (const copy of sums.slice(1)) f.get(copy[i][v]).op("f32x4.add");
      f.memory("v128.store", tap * lanes * 4 + v * 16);
    }
  });
}

interface RowLocals {
  readonly gradient: Local;
  readonly source: Local;
  readonly sums: readonly (readonly (readonly Local[])[])[];
  readonly unroll: number;
}

/** One row of output cells: sum[tap] += gradient * source cell of the tap. */
function emitRow(
  f: FunctionBuilder,
  code: DepthwiseKernelCode,
  taps: DepthwiseKernelCode["kept"],
  { gradient, source, sums, unroll }: RowLocals,
): void {
  const axis = code.extents.length - 1;
  const steps = [code.gradient.steps[axis], code.source.steps[axis]];
  const extent = code.extents[axis];
  const values = f.locals("v128", code.vectors);
  const cells = (count: number): void => {
    for (let cell = 0; cell < count; cell++) {
      values.forEach((value, v) => {
        f.get(gradient)
          .memory("v128.load", cell * steps[0] + v * 16)
          .set(value);
      });
      taps.forEach(({ offset }, i) => {
        sums[cell % sums.length][i].forEach((sum, v) => {
          multiplyAdd(
            f,
            code.fma,
            sum,
            () => f.get(source).memory("v128.load", cell * steps[1] + offset + v * 16),
            () => f.get(values[v]),
          );
        });
      });
    }
    advance(f, gradient, count * steps[0]);
    advance(f, source, count * steps[1]);
  };
  forRange(f, f.local("i32"), 0, Math.floor(extent / unroll), 1, () => cells(unroll));
  if (extent % unroll > 0) cells(extent % unroll);
}

/** Step 2: one chunk for each block adds its slots in order and writes the plain kernel gradient. */
export function emitTotals(f: FunctionBuilder, code: DepthwiseKernelCode): void {
  const { blocks, parts, lanes, taps, channels, flip } = code;
  const [table, block, end, examples] = f.parameters;
  const [slots, result, at, tap, target] = f.locals("i32", 5);
  const sums = f.locals("v128", lanes / 4);
  f.get(table).memory("i32.load").set(slots);
  f.get(table).memory("i32.load", 4).set(result);
  const store = (count: number): void => {
    for (let lane = 0; lane < count; lane++) {
      f.get(target).get(sums[lane >> 2]);
      f.laneMemory("v128.store32_lane", lane & 3, lane * taps * 4);
    }
  };
  const plus = (pointer: Local, count: Local, bytes: number): FunctionBuilder =>
    f.get(pointer).get(count).i32(bytes).op("i32.mul", "i32.add");
  whileBelow(f, block, end, 1, () => {
    forRange(f, tap, 0, taps, 1, () => {
      plus(slots, block, parts * slotBytes(code)).set(at);
      plus(at, tap, lanes * 4).set(at);
      addSlots(f, code, examples, at, sums);
      plus(result, block, lanes * taps * 4).set(target);
      plus(target, tap, flip ? -4 : 4).set(target);
      if (flip) advance(f, target, (taps - 1) * 4);
      if (channels % lanes === 0) return store(lanes);
      f.get(block).i32(blocks).i32(1).op("i32.sub", "i32.eq");
      f.if(
        () => store(channels % lanes),
        () => store(lanes),
      );
    });
  });
}

/** sums = all slots of one block and tap, in the order of examples and parts. */
function addSlots(f: FunctionBuilder, code: DepthwiseKernelCode, examples: Local, at: Local, sums: readonly Local[]): void {
  const { blocks, parts, group } = code;
  const [left, part] = f.locals("i32", 2);
  for (const sum of sums) f.f32x4(0).set(sum);
  f.get(examples).i32(group).op("i32.add").i32(1).op("i32.sub").i32(group).op("i32.div_u").tee(left);
  f.if(() => {
    f.loop((again) => {
      forRange(f, part, 0, parts, 1, () => {
        sums.forEach((sum, v) => {
          f.get(at);
          f.memory("v128.load", v * 16)
            .get(sum)
            .op("f32x4.add")
            .set(sum);
        });
        advance(f, at, slotBytes(code));
      });
      advance(f, at, (blocks - 1) * parts * slotBytes(code));
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  });
}
