import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance } from "../../../emit/wasm/vectors.ts";
import type { Routine } from "../../contract.ts";
import { atMost } from "../dense/chunks.ts";
import { printFused } from "../tiles/fused.ts";
import { emitShare } from "../tiles/share.ts";
import { type GatherCode, head, headWords, phaseHead, phaseWords, recordOperand } from "./code.ts";
import { emitTiles } from "./tile.ts";

export const gatherRoutine = (code: GatherCode, tier: string): Routine => ({
  key: `grid-linear gather | ${printCode(code)} | ${tier}`,
  build: (module) => buildGather(module, code),
});

/** For routine keys. */
export function printCode(code: GatherCode): string {
  const bodies = code.bodies.map(({ channels, channelStep, offsets }) => `${channels}c${channelStep}t${offsets.join(",")}`).join("+");
  return `${code.lanes}x${code.cells}x${code.sets} ${bodies}${code.spare ? " spare" : ""}${code.half ? " half" : ""}${code.fetch ? " fetch" : ""} | ${printFused(code.epilogue, code.fused)}`;
}

export function buildGather(module: ModuleBuilder, code: GatherCode): number {
  const parameters = Array.from({ length: 7 }, () => "i32" as const);
  const tiles = (own: GatherCode): Tiles => {
    const tile = (cells: number): number => module.function(parameters, [], (f) => emitTiles(f, own, cells));
    return { large: tile(own.cells), small: tile(own.cells - 1) };
  };
  const whole = tiles({ ...code, half: false });
  const last = code.half ? tiles({ ...code, sets: 2 }) : null;
  return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, code, whole, last));
}

/** Functions of tiles of T and T - 1 cells. */
interface Tiles {
  readonly large: number;
  readonly small: number;
}

/** Decodes chunks and hands the cells of each phase to the tile functions: a whole number of both tiles where there is one. */
function emitChunks(f: FunctionBuilder, code: GatherCode, whole: Tiles, last: Tiles | null): void {
  const [table, chunk, end, examples] = f.parameters;
  const [record, block, lastBlock, part, first, rest] = f.locals("i32", 6);
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  const split = (divide: number, count: number, into: Local): void => {
    f.get(rest);
    word(divide).op("i32.div_u");
    word(count).op("i32.rem_u").set(into);
  };
  f.get(table)
    .memory("i32.load", recordOperand * 4)
    .set(record);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(chunk);
      word(head.each).op("i32.rem_u").set(rest);
      split(head.partDivide, head.parts, part);
      split(head.runDivide, head.runs, block);
      f.get(block);
      word(head.run).op("i32.mul").tee(block);
      word(head.run).op("i32.add").set(lastBlock);
      atMost(f, lastBlock, () => word(head.blocks));
      f.get(chunk);
      word(head.each).op("i32.div_u");
      word(head.group).op("i32.mul").set(first);
      f.get(examples).get(first).op("i32.sub").set(rest);
      atMost(f, rest, () => word(head.group));
      f.loop((again) => {
        const phases = (tiles: Tiles): void => emitPhases(f, code, { table, record, block, first, part, count: rest }, tiles);
        if (last === null) phases(whole);
        else {
          f.get(block).i32(1).op("i32.add");
          word(head.blocks).op("i32.eq");
          f.if(
            () => phases(last),
            () => phases(whole),
          );
        }
        f.get(block).i32(1).op("i32.add").tee(block).get(lastBlock).op("i32.lt_s").branchIf(again);
      });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

type ChunkLocals = Readonly<Record<"table" | "record" | "block" | "first" | "part" | "count", Local>>;

/** The chunk's share of the cells of every phase, for one result block. */
function emitPhases(f: FunctionBuilder, code: GatherCode, { table, record, block, first, part, count }: ChunkLocals, tiles: Tiles): void {
  const [phase, phases, total, from, to, smallTiles, largeTiles] = f.locals("i32", 7);
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", index * 4);
  const share = (extra: number, into: Local): void => {
    f.get(part).i32(extra).op("i32.add").set(into);
    emitShare(f, total, into, () => word(head.parts));
  };
  word(head.phases).set(phases);
  f.get(record)
    .i32(headWords(code) * 4)
    .op("i32.add")
    .set(phase);
  f.loop((again) => {
    f.get(phase)
      .memory("i32.load", phaseHead.cells * 4)
      .get(count)
      .op("i32.mul")
      .set(total);
    share(0, from);
    share(1, to);
    splitTiles(f, code.cells, from, to, smallTiles, largeTiles);
    callTiles(f, tiles.large, [table, phase, block, first, from, largeTiles, to]);
    f.get(from).get(largeTiles).i32(code.cells).op("i32.mul", "i32.add").set(from);
    callTiles(f, tiles.small, [table, phase, block, first, from, smallTiles, to]);
    advance(f, phase, phaseWords(code) * 4);
    f.get(phases).i32(1).op("i32.sub").tee(phases).branchIf(again);
  });
}

/** small = -cells mod T tiles of T - 1 cells fill up exactly; where that is more than there is, tiles of T with repeated last cells do. */
function splitTiles(f: FunctionBuilder, cells: number, from: Local, to: Local, small: Local, large: Local): void {
  const count = (): FunctionBuilder => f.get(to).get(from).op("i32.sub");
  f.i32(cells);
  count().i32(cells).op("i32.rem_u", "i32.sub").i32(cells).op("i32.rem_u").set(small);
  f.get(small)
    .i32(cells - 1)
    .op("i32.mul");
  count().op("i32.gt_s");
  f.if(() => f.i32(0).set(small));
  count()
    .get(small)
    .i32(cells - 1)
    .op("i32.mul", "i32.sub")
    .i32(cells - 1)
    .op("i32.add")
    .i32(cells)
    .op("i32.div_u")
    .set(large);
}

function callTiles(f: FunctionBuilder, index: number, values: readonly Local[]): void {
  f.get(values[5]);
  f.if(() => {
    for (const value of values) f.get(value);
    f.call(index);
  });
}
