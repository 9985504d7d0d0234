import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { advance, multiplyAdd } from "../../../emit/wasm/vectors.ts";
import { type Constants, emitExpression, hoistConstants } from "../../expression/print-wasm.ts";
import { fetchLines, lineBytes } from "../tiles/fetch.ts";
import { type Body, firstFused, type GatherCode, head, phaseHead, recordOperand, streamOperands } from "./code.ts";

/** Where a stream stands and how it moves on: by `inner` along the innermost axis, by the others when that one is full. */
interface Stream {
  readonly at: Local;
  readonly steps: readonly Local[];
  readonly cells: readonly Local[];
}

/** for each tile: set one pointer for each cell, accumulate over all steps, apply the epilogue, store. */
export function emitTiles(f: FunctionBuilder, code: GatherCode, cells: number): void {
  const [table, phase, block, first, from, tiles, to] = f.parameters;
  const vectors = code.lanes / (code.half ? 8 : 4);
  const [record, panel, row, mask, cell] = f.locals("i32", 5);
  const counters = f.locals("i32", 3);
  const extents = f.locals("i32", 3);
  const streams: Stream[] = streamOperands(code).map(() => ({
    at: f.local("i32"),
    steps: f.locals("i32", 4),
    cells: f.locals("i32", cells),
  }));
  const fixed = code.fused.map(({ moves }) => (moves ? null : f.local("i32")));
  const sets = Array.from({ length: code.sets }, () => Array.from({ length: cells }, () => f.locals("v128", vectors)));
  f.get(table)
    .memory("i32.load", recordOperand * 4)
    .set(record);
  startStreams(f, code, { table, phase, block, first, from, record, counters, extents, streams, fixed });
  const ahead = startPanel(f, code, cells, { table, phase, block, record, panel, mask });
  f.get(from).set(cell);
  const constants = code.epilogue === null ? new Map() : hoistConstants(f, code.epilogue, code.fma);
  f.loop((again) => {
    pointCells(f, cells, { cell, to, counters, extents, streams });
    for (const sum of sets.flat(2)) f.f32x4(0).set(sum);
    f.get(panel).set(row);
    accumulate(f, code, phase, record, row, ahead, streams[0].cells, sets);
    const sums = joinSets(f, sets);
    finish(f, code, { streams, fixed, mask, sums, constants });
    f.get(tiles).i32(1).op("i32.sub").tee(tiles).branchIf(again);
  });
}

type PanelStart = Readonly<Record<"table" | "phase" | "block" | "record" | "panel" | "mask", Local>>;

/** Where the phase's rows of the block's panel begin, the lanes that hold channels, and what is fetched for the block after it. */
function startPanel(f: FunctionBuilder, code: GatherCode, cells: number, { table, phase, block, record, panel, mask }: PanelStart): Ahead {
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  const ahead: Ahead = { at: f.local("i32"), end: f.local("i32") };
  f.get(table).memory("i32.load", 4).get(block);
  word(head.panel).op("i32.mul", "i32.add").tee(panel);
  word(head.panel).op("i32.add").tee(ahead.at).set(ahead.end);
  f.get(panel)
    .get(phase)
    .memory("i32.load", phaseHead.panel * 4)
    .op("i32.add")
    .set(panel);
  f.get(block).i32(1).op("i32.add");
  word(head.blocks).op("i32.lt_s");
  f.if(() => {
    f.get(ahead.end);
    word(head.panel).op("i32.add").set(ahead.end);
    // the large tiles before have fetched the first half of a small map's panel
    if (cells === code.cells) return;
    f.get(ahead.at);
    word(head.panel).i32(1).op("i32.shr_u", "i32.add").set(ahead.at);
  });
  if (!code.spare) return ahead;
  f.get(record);
  word(head.mask).op("i32.add");
  f.i32(code.lanes * 4).i32(0);
  f.get(block).i32(1).op("i32.add");
  word(head.blocks).op("i32.eq", "select", "i32.add").set(mask);
  return ahead;
}

/** Where the next panel is fetched, and its end. */
interface Ahead {
  readonly at: Local;
  readonly end: Local;
}

/** Tiles in which the next panel is fetched: a map of 7x7 cells has 8. */
const fetchTiles = 8;

interface Start {
  readonly table: Local;
  readonly phase: Local;
  readonly block: Local;
  readonly first: Local;
  readonly from: Local;
  readonly record: Local;
  readonly counters: readonly Local[];
  readonly extents: readonly Local[];
  readonly streams: readonly Stream[];
  readonly fixed: readonly (Local | null)[];
}

/** Position of the first cell in every stream; steps become the jumps from the last cell of an axis to the next one's first. */
function startStreams(f: FunctionBuilder, code: GatherCode, start: Start): void {
  const { table, phase, block, first, from, record, counters, extents, streams, fixed } = start;
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  const phaseWord = (index: number): FunctionBuilder => f.get(phase).memory("i32.load", index * 4);
  const example = f.local("i32");
  f.get(from).set(example);
  extents.forEach((extent, axis) => {
    phaseWord(phaseHead.inner + axis).set(extent);
    f.get(example).get(extent).op("i32.rem_u").set(counters[axis]);
    f.get(example).get(extent).op("i32.div_u").set(example);
  });
  f.get(example).get(first).op("i32.add").set(example);
  streamOperands(code).forEach((position, i) => {
    const { at, steps } = streams[i];
    f.get(table).memory("i32.load", position * 4);
    phaseWord(phaseHead.words + 4 * i).op("i32.add");
    f.get(block);
    if (i === 0) word(head.blocksPerGroup).op("i32.div_u");
    word(head.words + 2 * i + 1).op("i32.mul", "i32.add");
    steps.forEach((step, axis) => {
      if (axis < 3) phaseWord(phaseHead.words + 4 * i + 1 + axis).set(step);
      else word(head.words + 2 * i).set(step);
      f.get(step)
        .get(axis < 3 ? counters[axis] : example)
        .op("i32.mul", "i32.add");
    });
    f.set(at);
    for (let axis = 3; axis > 0; axis--)
      f.get(steps[axis])
        .get(steps[axis - 1])
        .get(extents[axis - 1])
        .op("i32.mul", "i32.sub")
        .set(steps[axis]);
  });
  fixed.forEach((pointer, i) => {
    if (pointer === null) return;
    f.get(table)
      .memory("i32.load", (firstFused + i) * 4)
      .get(block);
    word(head.words + 2 * streams.length + i)
      .op("i32.mul", "i32.add")
      .set(pointer);
  });
}

interface Walk {
  readonly cell: Local;
  readonly to: Local;
  readonly counters: readonly Local[];
  readonly extents: readonly Local[];
  readonly streams: readonly Stream[];
}

/** Sets the pointers of a tile's cells and moves on behind them: in equal steps where no row ends in the tile. */
function pointCells(f: FunctionBuilder, count: number, walk: Walk): void {
  const { cell, to, counters, extents, streams } = walk;
  f.get(cell).i32(count).op("i32.add").get(to).op("i32.lt_s");
  f.get(counters[0]).i32(count).op("i32.add").get(extents[0]).op("i32.lt_s", "i32.and");
  f.if(
    () => {
      for (const { at, steps, cells } of streams) {
        for (const pointer of cells) f.get(at).tee(pointer).get(steps[0]).op("i32.add").set(at);
      }
      advance(f, cell, count);
      advance(f, counters[0], count);
    },
    () => {
      for (let i = 0; i < count; i++) {
        for (const { at, cells } of streams) f.get(at).set(cells[i]);
        stepStreams(f, walk);
      }
    },
  );
}

/** Moves on by one cell, unless it was the chunk's last: tiles that are not full repeat it. */
function stepStreams(f: FunctionBuilder, { cell, to, counters, extents, streams }: Walk): void {
  const move = (axis: number): void => {
    for (const { at, steps } of streams) f.get(at).get(steps[axis]).op("i32.add").set(at);
    if (axis === 3) return;
    f.get(counters[axis]).i32(1).op("i32.add").tee(counters[axis]).get(extents[axis]).op("i32.eq");
    f.if(() => {
      f.i32(0).set(counters[axis]);
      move(axis + 1);
    });
  };
  f.get(cell).i32(1).op("i32.add").tee(cell).get(to).op("i32.lt_s");
  f.if(() => move(0));
}

/** Sums by set, cell and vector. */
type Sets = readonly (readonly (readonly Local[])[])[];

/** Adds all sets to the first. */
function joinSets(f: FunctionBuilder, [first, ...others]: Sets): Sets[number] {
  first.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      for (const other of others) f.get(sum).get(other[i][v]).op("f32x4.add").set(sum);
    });
  });
  return first;
}

/** The inner loops. A table of (pointer step, row step), ended by a pointer step of 0, leads from tap to tap and from block to block. */
function accumulate(
  f: FunctionBuilder,
  code: GatherCode,
  phase: Local,
  record: Local,
  row: Local,
  ahead: Ahead,
  pointers: readonly Local[],
  sets: Sets,
): void {
  const [at, step] = f.locals("i32", 2);
  code.bodies.forEach((body, i) => {
    f.get(phase)
      .memory("i32.load", (phaseHead.loops + 3 * i) * 4)
      .tee(at);
    f.if(() => {
      f.get(at).get(record).op("i32.add").set(at);
      if (i > 0) {
        f.get(row)
          .get(phase)
          .memory("i32.load", (phaseHead.loops + 3 * i + 2) * 4)
          .op("i32.add")
          .set(row);
        f.get(phase)
          .memory("i32.load", (phaseHead.loops + 3 * i + 1) * 4)
          .set(step);
        for (const pointer of pointers) f.get(pointer).get(step).op("i32.add").set(pointer);
      }
      f.loop((again) => {
        emitBody(f, code, body, row, pointers, sets);
        if (code.fetch)
          fetchLines(f, ahead.at, ahead.end, Math.ceil((body.channels * body.offsets.length * code.lanes * 4) / fetchTiles / lineBytes));
        f.get(at).memory("i32.load").set(step);
        for (const pointer of pointers) f.get(pointer).get(step).op("i32.add").set(pointer);
        f.get(row).get(at).memory("i32.load", 4).op("i32.add").set(row);
        advance(f, at, 8);
        f.get(step).branchIf(again);
      });
    });
  });
}

function emitBody(f: FunctionBuilder, code: GatherCode, body: Body, row: Local, pointers: readonly Local[], sets: Sets): void {
  const weights = f.locals("v128", sets[0][0].length);
  const splat = f.local("v128");
  for (const [tap, offset] of body.offsets.entries()) {
    for (let channel = 0; channel < body.channels; channel++) {
      const line = (tap * body.channels + channel) * code.lanes * 4;
      weights.forEach((weight, v) =>
        f
          .get(row)
          .memory("v128.load", line + v * 16)
          .set(weight),
      );
      pointers.forEach((pointer, i) => {
        f.get(pointer)
          .memory("v128.load32_splat", offset + channel * body.channelStep)
          .set(splat);
        weights.forEach((weight, v) =>
          multiplyAdd(
            f,
            code.fma,
            sets[(tap * body.channels + channel) % sets.length][i][v],
            () => f.get(splat),
            () => f.get(weight),
          ),
        );
      });
    }
  }
}

interface Finish {
  readonly streams: readonly Stream[];
  readonly fixed: readonly (Local | null)[];
  readonly mask: Local;
  readonly sums: readonly (readonly Local[])[];
  readonly constants: Constants;
}

/** Epilogue of all cells first, stores last: a repeated cell must not read what its twin has stored. */
function finish(
  f: FunctionBuilder,
  { fused, epilogue, spare, fma, lanes }: GatherCode,
  { streams, fixed, mask, sums, constants }: Finish,
): void {
  const moving = fused.map((_, i) => 2 + fused.slice(0, i).filter(({ moves }) => moves).length);
  const scratch: Local[] = [];
  sums.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      const vector = (index: number): void => {
        const own = index - 1;
        if (index === 0) f.get(sum);
        else
          f.get(fixed[own] ?? streams[moving[own]].cells[i]).memory(
            fused[own].splat ? "v128.load32_splat" : "v128.load",
            fused[own].splat ? 0 : v * 16,
          );
      };
      if (epilogue === null) f.get(sum);
      else emitExpression(f, epilogue, { vector, fma, constants, scratch });
      if (spare)
        f.get(mask)
          .memory("v128.load", v * 16)
          .op("v128.and");
      f.set(sum);
    });
  });
  sums.forEach((cell, i) => {
    cell.forEach((sum, v) => {
      f.get(streams[1].cells[i])
        .get(sum)
        .memory("v128.store", v * 16);
    });
    for (let v = cell.length; v < lanes / 4; v++)
      f.get(streams[1].cells[i])
        .f32x4(0)
        .memory("v128.store", v * 16);
  });
}
