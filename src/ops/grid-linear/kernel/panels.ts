import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import type { ModuleBuilder } from "../../../emit/wasm/module.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type { Device, Routine } from "../../contract.ts";
import { addKernelTile, countDown, type KernelTile, type PanelRecord, panelWord, panelWords, whileNonzero } from "../tiles/panel.ts";

/** One tile of a pair of channel blocks: its rows lie at byte offsets `rows` of the input, its sums are the rows from `position` of the pair. */
export interface TileEntry {
  readonly position: number;
  readonly rows: readonly number[];
}

/**
 * The work of a kernel gradient: chunk c = (slot, phase, rectangle of `outputRun` x `inputRun` pairs of an output and an input channel block), a
 * phase being the cells that share a copy of the kernel. Slot s adds up the items s, s + slots, ... of the phase, an item being a panel of
 * cells of `groupExamples` examples.
 */
export interface KernelWork {
  readonly slots: number;
  readonly phases: number;
  readonly pairs: number;
  readonly inputBlocks: number;
  /** Divide outputBlocksPerGroup and inputBlocks: a panel of G or V meets several blocks of the other while it is in a near cache. */
  readonly outputRun: number;
  readonly inputRun: number;
  readonly outputBlocksPerGroup: number;
  readonly groupExamples: number;
  /** As many for each phase. */
  readonly panels: readonly PanelRecord[];
  /** Bytes of the accumulators of a pair, a multiple of 64. */
  readonly pairBytes: number;
  readonly vectorBlock: number;
  readonly splatBlock: number;
  readonly vectorExample: number;
  readonly splatExample: number;
  /** Tiles of a pair, and of a pair with the last input block. */
  readonly tiles: readonly TileEntry[];
  readonly lastTiles: readonly TileEntry[];
}

/** What the code of the routine depends on; everything else comes from the record. */
export interface KernelCode extends Omit<KernelTile, "rows"> {
  /** Row counts of the tiles in use, falling. */
  readonly sizes: readonly number[];
}

export function kernelCode(
  tile: Omit<KernelTile, "rows" | "single" | "rest">,
  { tiles, lastTiles, panels }: Pick<KernelWork, "tiles" | "lastTiles" | "panels">,
): KernelCode {
  const sizes = [...new Set([...tiles, ...lastTiles].map(({ rows }) => rows.length))].sort((a, b) => b - a);
  return { ...tile, sizes, single: panels.every(({ turns }) => turns === 1), rest: panels.some(({ rest }) => rest > 0) };
}

const headWords = [
  "slots",
  "phases",
  "pairs",
  "runs",
  "panels",
  "groupExamples",
  "inputBlocks",
  "inputRun",
  "inputRuns",
  "outputRun",
  "outputBlocksPerGroup",
  "pairBytes",
  "vectorBlock",
  "splatBlock",
  "vectorGroup",
  "splatGroup",
  "panelsAt",
  "tilesAt",
  "lastTilesAt",
] as const;

/** The table that the routine reads: head, panels, then for each size of tile their number and entries (accumulators, rows). */
export function kernelRecord(code: KernelCode, work: KernelWork): Int32Array {
  const list = (tiles: readonly TileEntry[]): number[] =>
    code.sizes.flatMap((size) => {
      const own = tiles.filter(({ rows }) => rows.length === size);
      return [
        own.length,
        ...own.flatMap(({ position, rows }) => [4 * code.lanes * position, ...(code.rowsAt === "next" ? rows.slice(0, 1) : rows)]),
      ];
    });
  const panels = work.panels.flatMap((panel) => panelWords.map((name) => panel[name]));
  const tiles = list(work.tiles);
  const panelsAt = 4 * headWords.length;
  const tilesAt = panelsAt + 4 * panels.length;
  const head: Record<(typeof headWords)[number], number> = {
    ...work,
    panels: work.panels.length / work.phases,
    runs: work.pairs / (work.inputRun * work.outputRun),
    inputRuns: work.inputBlocks / work.inputRun,
    vectorGroup: work.groupExamples * work.vectorExample,
    splatGroup: work.groupExamples * work.splatExample,
    panelsAt,
    tilesAt,
    lastTilesAt: tilesAt + 4 * tiles.length,
  };
  return Int32Array.from([...headWords.map((name) => head[name]), ...panels, ...tiles, ...list(work.lastTiles)]);
}

/** The hot routine: operands G, V, slots (written), record. */
export function kernelRoutine(code: KernelCode, device: Device): Routine {
  const { sizes, lanes, unroll, single, rest, vectorCell, splatCell, rowsAt } = code;
  return {
    key: `grid-linear kernel sums | ${sizes.join("-")}x${lanes} u${unroll}${single ? " single" : ""}${rest ? " rest" : ""} g${vectorCell} v${splatCell} ${rowsAt} | ${device.tier}`,
    build: (module) => {
      const tiles = sizes.map((rows) => ({ rows, index: addKernelTile(module, { ...code, rows }) }));
      const item = addItem(module, code, tiles);
      return module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, item));
    },
  };
}

/** A function (vectors, splats, accumulators, tile list, panel, examples) that runs all tiles of a pair on one item. */
function addItem(module: ModuleBuilder, code: KernelCode, tiles: readonly { rows: number; index: number }[]): number {
  return module.function(["i32", "i32", "i32", "i32", "i32", "i32"], [], (f) => {
    const [vectors, splats, accumulators, list, panel, examples] = f.parameters;
    const left = f.local("i32");
    panelWord(f.get(vectors), panel, "vectors").op("i32.add").set(vectors);
    panelWord(f.get(splats), panel, "splats").op("i32.add").set(splats);
    for (const { rows, index } of tiles) {
      f.get(list).memory("i32.load").set(left);
      advance(f, list, 4);
      whileNonzero(f, left, () => {
        f.get(vectors).get(splats).get(accumulators).get(list).memory("i32.load").op("i32.add").get(list).i32(4).op("i32.add");
        f.get(panel).get(examples).call(index);
        advance(f, list, 4 + 4 * (code.rowsAt === "next" ? 1 : rows));
      });
    }
  });
}

function emitChunks(f: FunctionBuilder, item: number): void {
  const [table, chunk, end, examples] = f.parameters;
  const [output, input, slots, record, run, outputBlock, inputBlock, vectors, splats, accumulators, left, row] = f.locals("i32", 12);
  const word = (name: (typeof headWords)[number]): FunctionBuilder => f.get(record).memory("i32.load", 4 * headWords.indexOf(name));
  loadWords(f, table, [output, input, slots, record]);
  f.block((exit) => {
    f.get(chunk).get(end).op("i32.ge_s").branchIf(exit);
    f.loop((next) => {
      f.get(chunk);
      word("runs").op("i32.rem_u").set(run);
      f.get(run);
      word("inputRuns").op("i32.div_u");
      word("outputRun").op("i32.mul").set(outputBlock);
      f.get(run);
      word("inputRuns").op("i32.rem_u");
      word("inputRun").op("i32.mul").set(inputBlock);
      f.get(output).get(outputBlock);
      word("vectorBlock").op("i32.mul", "i32.add").set(vectors);
      f.get(input).get(outputBlock);
      word("outputBlocksPerGroup").op("i32.div_u");
      word("inputBlocks").op("i32.mul");
      f.get(inputBlock).op("i32.add");
      word("splatBlock").op("i32.mul", "i32.add").set(splats);
      f.get(slots).get(chunk);
      word("runs").op("i32.div_u");
      word("pairs").op("i32.mul");
      f.get(outputBlock);
      word("inputBlocks").op("i32.mul", "i32.add").get(inputBlock).op("i32.add");
      word("pairBytes").op("i32.mul", "i32.add").set(accumulators);
      f.get(accumulators).set(row);
      word("outputRun").set(left);
      countDown(f, left, () => {
        clear(f, row, () => {
          word("inputRun");
          word("pairBytes").op("i32.mul");
        });
        f.get(row);
        word("inputBlocks");
        word("pairBytes").op("i32.mul", "i32.add").set(row);
      });
      emitItems(f, { record, chunk, examples, vectors, splats, accumulators, inputBlock, item });
      f.get(chunk).i32(1).op("i32.add").tee(chunk).get(end).op("i32.lt_s").branchIf(next);
    });
  });
}

interface ItemLocals {
  readonly record: Local;
  readonly chunk: Local;
  readonly examples: Local;
  readonly vectors: Local;
  readonly splats: Local;
  readonly accumulators: Local;
  readonly inputBlock: Local;
  readonly item: number;
}

/** All items of the chunk's slot, each for every pair of its rectangle. */
function emitItems(f: FunctionBuilder, { record, chunk, examples, vectors, splats, accumulators, inputBlock, item }: ItemLocals): void {
  const [turn, group, count, outer, left, vectorAt, splatRow, splatAt, row, accumulatorAt, panel, block, panels] = f.locals("i32", 13);
  const word = (name: (typeof headWords)[number]): FunctionBuilder => f.get(record).memory("i32.load", 4 * headWords.indexOf(name));
  const panelBytes = 4 * panelWords.length;
  f.get(chunk);
  word("runs").op("i32.div_u").set(turn);
  f.get(record);
  word("panelsAt").op("i32.add").get(turn);
  word("phases").op("i32.rem_u");
  word("panels").op("i32.mul").i32(panelBytes).op("i32.mul", "i32.add").set(panels);
  f.get(turn);
  word("phases").op("i32.div_u").set(turn);
  f.block((done) => {
    f.loop((again) => {
      f.get(turn);
      word("panels").op("i32.div_u").set(group);
      f.get(examples).get(group);
      word("groupExamples").op("i32.mul", "i32.sub").tee(count).i32(0).op("i32.le_s").branchIf(done);
      smaller(f, count, () => word("groupExamples"));
      f.get(vectors).get(group);
      word("vectorGroup").op("i32.mul", "i32.add").set(vectorAt);
      f.get(splats).get(group);
      word("splatGroup").op("i32.mul", "i32.add").set(splatRow);
      f.get(panels).get(turn);
      word("panels").op("i32.rem_u").i32(panelBytes).op("i32.mul", "i32.add").set(panel);
      f.get(accumulators).set(row);
      word("outputRun").set(outer);
      countDown(f, outer, () => {
        f.get(row).set(accumulatorAt).get(splatRow).set(splatAt).get(inputBlock).set(block);
        word("inputRun").set(left);
        countDown(f, left, () => {
          f.get(vectorAt).get(splatAt).get(accumulatorAt).get(record);
          word("lastTilesAt");
          word("tilesAt");
          f.get(block).i32(1).op("i32.add").tee(block);
          word("inputBlocks").op("i32.eq", "select", "i32.add");
          f.get(panel).get(count).call(item);
          f.get(splatAt);
          word("splatBlock").op("i32.add").set(splatAt);
          f.get(accumulatorAt);
          word("pairBytes").op("i32.add").set(accumulatorAt);
        });
        f.get(vectorAt);
        word("vectorBlock").op("i32.add").set(vectorAt);
        f.get(row);
        word("inputBlocks");
        word("pairBytes").op("i32.mul", "i32.add").set(row);
      });
      f.get(turn);
      word("slots").op("i32.add").set(turn);
      f.branch(again);
    });
  });
}

/** Sets so many bytes, a multiple of 64, to zero. */
function clear(f: FunctionBuilder, from: Local, bytes: () => void): void {
  const [at, left] = f.locals("i32", 2);
  f.get(from).set(at);
  bytes();
  f.i32(6).op("i32.shr_u").set(left);
  countDown(f, left, () => {
    for (let i = 0; i < 4; i++)
      f.get(at)
        .f32x4(0)
        .memory("v128.store", 16 * i);
    advance(f, at, 64);
  });
}

/** local = min(local, bound) */
function smaller(f: FunctionBuilder, local: Local, bound: () => void): void {
  f.get(local);
  bound();
  f.get(local);
  bound();
  f.op("i32.lt_s", "select").set(local);
}
