import { invariant } from "../../../base/errors.ts";
import { size } from "../../../base/types.ts";
import type { Device, Layout } from "../../contract.ts";
import { place } from "../../layout.ts";
import { type GatherProblem, pairFloats, product, type Sweep, splitAtBorders, tileCells } from "../gather.ts";

/**
 * How the work is cut: a chunk is a run of result blocks, for a group of examples or a part of the cells of one. Chunks of neighbouring numbers share
 * the source cells (`blocksInner`) or the kernel panel.
 */
export interface Cut {
  readonly group: number;
  readonly parts: number;
  readonly run: number;
  readonly blocksInner: boolean;
}

/** The cut of least predicted time, with the sweeps that are done in it. */
export interface CutProblem {
  readonly problem: GatherProblem;
  readonly cut: Cut;
  /** Cells of the larger register tile. */
  readonly tile: number;
  /** Predicted ns of one thread. */
  readonly ns: number;
}

/** What a chunk should take at most, and at least while there are few of them, ns. */
const chunkNs = { most: 50_000, least: 12_000 } as const;
/** So many chunks keep many threads busy. */
const enoughChunks = 24;
/** Bytes that stay in the second cache from one use to the next, and bytes of a ns from behind it. */
const nearBytes = 1.25 * 2 ** 20;
const farRate = 20;
/** ns of a tile beside its steps, and of one walk over the cells of a phase. */
const tileNs = 10;
const phaseNs = 20;
/** Cells up to which a smaller register tile may fit them better: 8 are two of 4, but no number of 5 and 6. */
const fewCells = 24;
const candidates = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128];

/** Multiply-adds of a tile's steps in a ns. */
const rateOf = (device: Device, lanes: number): number => (device.wide ? (lanes > 8 ? 50 : 47) : device.fma ? 26 : 18);

/** The last block of result channels has so few that tiles of half its lanes do. */
export const isHalf = (channels: number, lanes: number): boolean => channels % lanes > 0 && channels % lanes <= lanes / 2;

/** Cells of full tiles of T and T - 1 cells that so many cells take, and the number of tiles. */
function tiled(count: number, cells: number): { cells: number; tiles: number } {
  const small = (cells - (count % cells)) % cells;
  const fits = small * (cells - 1) <= count;
  const large = Math.ceil((fits ? count - small * (cells - 1) : count) / cells);
  return { cells: fits ? count : large * cells, tiles: large + (fits ? small : 0) };
}

/** All ways to split axes at their borders: cells there do not multiply padding then, but tiles may not be full. */
function splits(problem: GatherProblem): GatherProblem[] {
  const { plan, source } = problem;
  if (source.shape[1] / plan.groups < 8) return [problem];
  const split = problem.sweeps.map((list, axis) => list.flatMap((sweep) => splitAtBorders(sweep, source.shape[axis + 2])));
  const choices = problem.sweeps.map((list, axis) => (split[axis].length === list.length ? [list] : [list, split[axis]]));
  return product<readonly Sweep[]>(choices).map((sweeps) => ({ ...problem, sweeps }));
}

/** What the choice of a cut depends on. */
interface Sizes {
  readonly examples: number;
  readonly blocks: number;
  /** Blocks by their work: half a one counts half. */
  readonly worth: number;
  readonly panelBytes: number;
  readonly sourceBytes: number;
  /** ns of so many cells of an example, for one result block. */
  readonly blockNs: (examples: number) => number;
}

/** Bytes from behind the second cache, for either order of chunks. */
function traffic({ examples, blocks, panelBytes, sourceBytes }: Sizes, group: number, parts: number): { inner: number; outer: number } {
  const walks = Math.ceil(examples / group);
  const [panels, used] = [blocks * panelBytes, (sourceBytes * group) / parts];
  const sourceOnce = sourceBytes * examples;
  if (panels + sourceOnce <= nearBytes) return { inner: 0, outer: 0 };
  const inner = sourceOnce * (used + panelBytes <= nearBytes ? 1 : blocks) + panels * (panels + used <= nearBytes ? 1 : walks * parts);
  const outer =
    sourceOnce * (sourceBytes * group + panelBytes <= nearBytes ? 1 : blocks) +
    panels * (panels + sourceBytes * group <= nearBytes ? 1 : walks);
  return { inner, outer };
}

/** Cuts the cells of a problem whose sweeps are given. */
function cutSizes(sizes: Sizes, cells: number): { cut: Cut; ns: number } {
  const { examples, blocks, worth, blockNs } = sizes;
  const whole = examples * worth * blockNs(1);
  const wanted = Math.max(chunkNs.least, Math.min(chunkNs.most, whole / enoughChunks));
  const mostParts = Math.max(1, Math.floor(cells / 24));
  const even = (group: number): number => Math.ceil(examples / Math.ceil(examples / group));
  const groups = candidates.filter((group) => group <= examples).map((group) => ({ group: even(group), parts: 1 }));
  const parts = [...candidates, Math.round(blockNs(1) / wanted)].filter((count) => count > 1 && count <= mostParts);
  let best: { cut: Cut; ns: number } | null = null;
  for (const { group, parts: count } of [...groups, ...parts.map((count) => ({ group: 1, parts: count }))]) {
    const own = blockNs(group / count);
    const run = Math.max(1, Math.min(blocks, Math.round(wanted / own)));
    const chunks = Math.ceil(examples / group) * count * Math.ceil(blocks / run);
    const { inner, outer } = traffic(sizes, group, count);
    const compute = (examples / group) * count * worth * own;
    // the wait for the last chunk, and what it costs to take one
    const ends = 0.25 * Math.max(0, own * run - wanted) + 300 * chunks;
    const ns = compute + Math.min(inner, outer) / farRate + ends;
    if (best === null || ns < best.ns) best = { cut: { group, parts: count, run, blocksInner: inner <= outer }, ns };
  }
  invariant(best !== null, () => "no cut of a chunk");
  return best;
}

/** Cuts a problem for a source of that layout and results of so many lanes, with or without its borders apart. */
export const cutGather = (whole: GatherProblem, layout: Layout, lanes: number, device: Device): CutProblem =>
  splits(whole)
    .map((problem) => cutAsIs(problem, layout, lanes, device))
    .reduce((best, next) => (next.ns < best.ns * 0.98 ? next : best));

/** Cuts a problem with its sweeps as they are. */
export function cutAsIs(problem: GatherProblem, layout: Layout, lanes: number, device: Device): CutProblem {
  const { plan, result, sweeps } = problem;
  const [channels, own] = [problem.source.shape[1] / plan.groups, tileCells(device)];
  const source = place(problem.source, layout);
  const blocks = Math.ceil(result.shape[1] / lanes);
  // rows of the map that a stride leaps over are not read
  const tapsOf = (list: readonly Sweep[]): number => list.reduce((sum, { taps }) => sum + taps.length, 0);
  const read = sweeps.slice(0, -1).reduce((share, list) => share * Math.min(1, tapsOf(list) / list[0].stride), 1);
  const phases = product(sweeps).map((phase) => ({
    cells: size(phase.map(({ count }) => count)),
    steps: channels * size(phase.map(({ taps }) => taps.length)),
  }));
  const blockNs = (tile: number, examples: number): number =>
    phases.reduce((sum, phase) => {
      const tiles = tiled(Math.max(1, Math.round(phase.cells * examples)), tile);
      return sum + phaseNs + tiles.tiles * tileNs + (tiles.cells * phase.steps * lanes) / rateOf(device, lanes);
    }, 0);
  const cells = size(result.shape.slice(2));
  const sizes: Omit<Sizes, "blockNs"> = {
    examples: plan.examples,
    blocks,
    worth: isHalf(result.shape[1], lanes) ? blocks - 0.5 : blocks,
    panelBytes: channels * pairFloats(plan) * lanes * 4,
    sourceBytes: (source.exampleStride * 4 * read) / plan.groups,
  };
  const found = (tile: number): CutProblem => ({
    problem,
    tile,
    ...cutSizes({ ...sizes, blockNs: (examples) => blockNs(tile, examples) }, cells),
  });
  const usual = found(own);
  if (cells * plan.examples > fewCells) return usual;
  const small = found(own - 1);
  return small.ns < usual.ns * 0.95 ? small : usual;
}
