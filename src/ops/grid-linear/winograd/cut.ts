import { size } from "../../../base/types.ts";
import type { Device } from "../../contract.ts";
import { evenParts } from "../../units.ts";
import { typesOf } from "../plan.ts";
import { mostRows } from "../tiles/outer.ts";
import { spanOf } from "./lines.ts";
import { sourceSlices, tilesOf, type WinogradProblem } from "./problem.ts";

/** How the work is cut. */
export interface Cut {
  /** Examples of a group, parts of its tiles, and tiles that a part has at most. */
  readonly group: number;
  readonly parts: number;
  readonly tiles: number;
  /** Result blocks of a chunk, and of one pass over the values. */
  readonly chunkBlocks: number;
  readonly passBlocks: number;
  /** Parts of a step of its own that makes values which all chunks share; 0 when every chunk makes its own. */
  readonly valueParts: number;
  /** Source blocks whose kernels a chunk transforms for itself at a time; 0 when a step before it transforms the kernel. */
  readonly ownBlocks: number;
}

/** Blocks of source and result, and the lanes of each. */
export interface Blocks {
  readonly source: number;
  readonly from: number;
  readonly result: number;
  readonly lanes: number;
}

export const blocksOf = ({ source, result }: WinogradProblem, from: number, lanes: number): Blocks => ({
  source: Math.ceil(source.shape[1] / from),
  from,
  result: Math.ceil(result.shape[1] / lanes),
  lanes,
});

/** Bytes beyond which the transformed kernel does not stay in the second cache beside what a chunk works on. */
const cachedKernel = 1.5 * 2 ** 20;
/** Bytes of values and products that a chunk works on. */
const chunkBytes = 1.2 * 2 ** 20;
/** ns that one chunk should take, and how many of them there should be at least. */
const chunkNs = 60_000;
const fewestChunks = 8;
/** Tiles of a slice that a chunk should have. */
const sliceTiles = 12;
/** Values that all chunks share may take so many bytes. */
const mostShared = 16 * 2 ** 20;
/** Beyond so many bytes of a transformed kernel chunks transform their own: tiles that they should have, and bytes of the kernels. */
const farKernel = 20 * 2 ** 20;
const ownTiles = 64;
const ownBytes = 1.2 * 2 ** 20;

const planesOf = ({ form, rank }: WinogradProblem): number => spanOf(form) ** rank;
const kernelBytes = (problem: WinogradProblem, { source, from, result, lanes }: Blocks): number =>
  4 * planesOf(problem) * problem.slices.taps * source * from * result * lanes;

/** Predicted ns of one tile in all slices: its source transform, and products and result transform of one result block. */
function tileNs(problem: WinogradProblem, { source, from, lanes }: Blocks, device: Device): { source: number; block: number } {
  const planes = planesOf(problem);
  const { slices } = problem;
  const rate = device.wide ? (lanes > 8 ? 44 : 41) : device.fma ? 25 : 18;
  // per vector register of a block and plane: loads, stores and sums of both lines
  const [sourceLine, resultLine] = device.wide ? [1.6, 0.95] : device.fma ? [1.5, 1.1] : [1.9, 1.4];
  const registers = (channels: number): number => channels / (device.wide ? 8 : 4);
  return {
    source: sourceSlices(slices) * planes * source * registers(from) * sourceLine,
    block: slices.count * planes * ((slices.taps * source * from * lanes) / rate + 2 + registers(lanes) * resultLine),
  };
}

/** Rows of register tiles that so many tiles fill, with those that are filled in vain. */
export function filledRows(tiles: number, rows: number): number {
  const small = (rows - (tiles % rows)) % rows;
  return small * (rows - 1) <= tiles ? tiles : Math.ceil(tiles / rows) * rows;
}

/** Parts of about so many tiles (in so many slices each) of which few rows are filled in vain. */
function partsOf(tiles: number, slices: number, wanted: number, rows: number): number {
  const start = Math.max(1, Math.round(tiles / wanted));
  const filled = (parts: number): number => {
    const [least, more] = [Math.floor(tiles / parts), tiles % parts];
    return more * filledRows((least + 1) * slices, rows) + (parts - more) * filledRows(least * slices, rows);
  };
  const near = [start, start + 1, start - 1, start + 2, start - 2].filter((parts) => parts >= 1 && parts <= tiles);
  return near.reduce((best, parts) => (filled(parts) < filled(best) * 0.97 ? parts : best));
}

/**
 * Whole chunks where there are enough tiles: values and products stay in the cache of one core. Otherwise the tiles of all examples
 * are transformed once, and chunks are ranges of result blocks.
 */
export function cutOf(problem: WinogradProblem, blocks: Blocks, device: Device): Cut {
  const { examples } = problem.plan;
  const [each, planes] = [tilesOf(problem), planesOf(problem)];
  const ns = tileNs(problem, blocks, device);
  const rows = mostRows(device, blocks.lanes);
  const { slices } = problem;
  const valueBytes = 4 * planes * blocks.source * blocks.from * sourceSlices(slices);
  const passBlocks = Math.min(blocks.result, Math.ceil(64 / blocks.lanes));
  const fit = chunkBytes / (valueBytes + 4 * planes * passBlocks * blocks.lanes * slices.count);
  const [few, most] = [kernelBytes(problem, blocks) > cachedKernel ? 24 : 16, 64].map((count) => Math.ceil(count / slices.count));
  // every slice of a chunk is a walk of its own, which has to pay for its start
  const least = slices.count > 1 ? Math.max(few, Math.min(sliceTiles, Math.floor(1.4 * fit))) : few;
  if (kernelBytes(problem, blocks) > farKernel && examples * each * valueBytes <= 2 * mostShared) return ownCut(problem, blocks, device);
  const wanted = Math.max(Math.min(chunkNs / (ns.source + blocks.result * ns.block), fit, most), least);
  const group = Math.max(1, Math.min(examples, Math.round(wanted / each)));
  const parts = partsOf(each * group, slices.count, wanted, rows);
  const chunks = parts * Math.ceil(examples / group);
  const total = examples * each;
  const all = total * (ns.source + blocks.result * ns.block);
  if (chunks >= fewestChunks || all < 3 * chunkNs || blocks.result === 1 || total * valueBytes > mostShared)
    return { group, parts, tiles: Math.ceil((each * group) / parts), chunkBlocks: blocks.result, passBlocks, valueParts: 0, ownBlocks: 0 };
  // with slices the tiles of a part would not lie in a row
  const shared = slices.count > 1 ? 1 : partsOf(total, 1, 40, rows);
  const tiles = Math.ceil(total / shared);
  const chunkBlocks = Math.max(1, Math.min(passBlocks, Math.floor((shared * blocks.result) / (2 * fewestChunks))));
  const valueParts = Math.min(total, evenParts((total * ns.source) / (chunkNs / 3)));
  return { group: examples, parts: shared, tiles, chunkBlocks, passBlocks: chunkBlocks, valueParts, ownBlocks: 0 };
}

/**
 * Shared values, and kernels that chunks transform for themselves: a kernel that no cache holds is read as it is, of a quarter of the size,
 * and what a chunk transforms of it stays in the cache until it has multiplied it.
 */
function ownCut(problem: WinogradProblem, blocks: Blocks, device: Device): Cut {
  const { examples } = problem.plan;
  const { slices } = problem;
  const total = examples * tilesOf(problem);
  const parts = slices.count > 1 ? 1 : partsOf(total, 1, Math.max(ownTiles, total / fewestChunks), mostRows(device, blocks.lanes));
  let chunkBlocks = Math.min(blocks.result, Math.ceil(64 / blocks.lanes));
  while (chunkBlocks > 1 && parts * Math.ceil(blocks.result / chunkBlocks) < fewestChunks) chunkBlocks--;
  const pairBytes = 4 * planesOf(problem) * slices.taps * blocks.from * blocks.lanes;
  const ownBlocks = Math.max(1, Math.min(blocks.source, Math.floor(ownBytes / (chunkBlocks * pairBytes))));
  const valueNs = total * tileNs(problem, blocks, device).source;
  const valueParts = Math.min(total, evenParts(valueNs / (chunkNs / 3)));
  return { group: examples, parts, tiles: Math.ceil(total / parts), chunkBlocks, passBlocks: chunkBlocks, valueParts, ownBlocks };
}

/** Predicted time of one thread, ns. The transform of the kernel counts where the kernel changes from run to run. */
export function winogradTime(problem: WinogradProblem, blocks: Blocks, device: Device, training: boolean): number {
  const { examples } = problem.plan;
  const cut = cutOf(problem, blocks, device);
  const ns = tileNs(problem, blocks, device);
  const bytes = kernelBytes(problem, blocks);
  const tiles = examples * tilesOf(problem);
  const passes = cut.parts * Math.ceil(examples / cut.group);
  const slices = problem.slices.count;
  const filled = (passes * filledRows(Math.ceil(tiles / passes) * slices, mostRows(device, blocks.lanes))) / slices;
  // a kernel that comes from far for every part costs the less the more tiles a part has to hide it
  const far = bytes > cachedKernel && cut.ownBlocks === 0 ? passes * bytes * (0.4 / Math.max(10, cut.tiles)) : 0;
  // when a kernel is written, no run waits for its packing and its transform
  const packed = training ? size(typesOf(problem.plan).kernel.shape) * 0.6 : 0;
  const transforms = cut.ownBlocks > 0 ? passes : training ? 1 : 0;
  const kernel = packed + transforms * bytes * (bytes > cachedKernel && cut.ownBlocks === 0 ? 0.12 : 0.055);
  return 3000 + kernel + far + tiles * ns.source + filled * blocks.result * ns.block;
}
