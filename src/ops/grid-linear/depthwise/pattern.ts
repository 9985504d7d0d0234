import type { Device } from "../../contract.ts";
import { type GatherProblem, product, type Sweep, splitAtBorders } from "../gather.ts";
import { largestDivisor } from "../tiles/outer.ts";
import { rowTileCells } from "./rows.ts";

/** Cuts so many cells into the fewest tiles of nearly equal length; at most two lengths. */
function cutEvenly(count: number, most: number): number[] {
  const tiles = Math.ceil(count / most);
  return Array.from({ length: tiles }, (_, i) => Math.floor((count + i) / tiles)).reverse();
}

/** Tiles of a row of `count` cells; each but the last consists of whole patterns of `period` cells. */
export function cutRow(count: number, period: number, most: number): number[] {
  const tiles = cutEvenly(Math.ceil(count / period), Math.max(1, Math.floor(most / period))).map((patterns) => patterns * period);
  tiles[tiles.length - 1] -= tiles.reduce((sum, cells) => sum + cells, 0) - count;
  return tiles;
}

/** How rows are walked: all phases of cells along a row together, or each as a row of its own. */
export interface Inner {
  /** Cells of a row and, for its turns, the offsets of their first taps: a turn does the `pattern` from there. */
  readonly rows: readonly {
    readonly first: number;
    readonly count: number;
    readonly turns: readonly { readonly offset: number; readonly line: number }[];
  }[];
  /** From cell to cell of a row, in cells of the result. */
  readonly step: number;
  /** Source cells from one pattern to the next. */
  readonly stride: number;
  readonly pattern: readonly (readonly { readonly line: number; readonly offset: number }[])[];
}

/** Multiply-adds of one register of lanes that the code of a turn may have. */
const mostUnrolled = 160;

export function innerOf({ sweeps }: GatherProblem, fma: boolean): Inner {
  const phases = sweeps[sweeps.length - 1];
  const starts = phases.map((_, i) => phases.slice(0, i).reduce((sum, { taps }) => sum + taps.length, 0));
  const lines = starts[starts.length - 1] + phases[phases.length - 1].taps.length;
  const most = rowTileCells(lines, fma);
  const count = phases.reduce((sum, phase) => sum + phase.count, 0);
  const unrolled = (Math.min(most, count) * lines) / phases.length;
  const { stride } = phases[0];
  if (2 * phases.length <= most + 1 && unrolled <= mostUnrolled) {
    const base = Math.min(...phases.flatMap(({ taps }) => taps.map(({ offset }) => offset)), 0);
    return {
      rows: [{ first: 0, count, turns: lines === 0 ? [] : [{ offset: base, line: 0 }] }],
      step: 1,
      stride,
      pattern: phases.map(({ taps }, i) => taps.map(({ offset }, tap) => ({ line: starts[i] + tap, offset: offset - base }))),
    };
  }
  const taps = phases.length === 1 ? commonTurn(phases[0]) : 1;
  return {
    rows: phases.map(({ first, count: cells, taps: own }, i) => ({
      first,
      count: cells,
      turns: own.flatMap(({ offset }, tap) => (tap % taps === 0 ? [{ offset, line: starts[i] + tap }] : [])),
    })),
    step: phases[0].step,
    stride,
    pattern: [Array.from({ length: taps }, (_, tap) => ({ line: tap, offset: tap * gapOf(phases[0]) }))],
  };
}

const gapOf = ({ taps }: Sweep): number => (taps.length > 1 ? taps[1].offset - taps[0].offset : 0);

/** Most taps of a long row, up to 8, that divide it into equal turns. */
function commonTurn(sweep: Sweep): number {
  const gap = gapOf(sweep);
  if (!sweep.taps.every(({ offset }, i) => i === 0 || offset - sweep.taps[i - 1].offset === gap)) return 1;
  return largestDivisor(sweep.taps.length, 8);
}

/** One row of result cells: sweeps of the outer axes at one cell each, and one of the ways along the row. */
export interface Row {
  readonly outer: readonly { readonly sweep: Sweep; readonly at: number }[];
  readonly along: Inner["rows"][number];
}

/** All rows of an example, in memory order. */
export function rowsOf({ sweeps, source }: GatherProblem, inner: Inner): Row[] {
  const outer = sweeps.slice(0, -1).map((list, axis) =>
    list
      .flatMap((sweep) => splitAtBorders(sweep, source.shape[axis + 2]))
      .flatMap((sweep) => Array.from({ length: sweep.count }, (_, at) => ({ sweep, at })))
      .sort((a, b) => a.sweep.first + a.sweep.step * a.at - (b.sweep.first + b.sweep.step * b.at)),
  );
  return product(outer).flatMap((cells) => inner.rows.map((along) => ({ outer: cells, along })));
}

/** Panel row of a tap: taps of a row follow each other as the sweeps along it take them; -1 for one that meets nothing but padding. */
export function lineOf({ plan, sweeps }: GatherProblem, tap: number): number {
  const last = plan.axes.length - 1;
  const extent = plan.axes[last].kernel;
  const rank = sweeps[last].flatMap((sweep) => sweep.taps).findIndex((one) => one.tap === tap % extent);
  return rank < 0 ? -1 : tap - (tap % extent) + rank;
}

/** Cells of the largest tile. */
export const mostCells = ({ pattern }: Inner, device: Device): number => rowTileCells(pattern.flat().length, device.fma);
