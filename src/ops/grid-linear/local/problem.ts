import { size } from "../../../base/types.ts";
import { type Axis, bordered } from "../../../grid/axis.ts";
import type { Device, Layout, Margin } from "../../contract.ts";
import { type Placement, place } from "../../layout.ts";
import { product, roundUp } from "../gather.ts";
import { type GridLinearPlan, parts as partsOf, typesOf } from "../plan.ts";

/*
 * All three functions are small matrix products, one for each float of a plane of K: with u = (copy, tap),
 *   forward A[v, co, u] = sum over ci of K[co, ci, u] P[v, ci, u],  then Z = sum of A over the taps of a copy
 *   input   Q[v, ci, u] = sum over co of K[co, ci, u] H[v, co, u],  then dV gathers Q
 *   kernel  dK[co, ci, u] = sum over v of H[v, co, u] P[v, ci, u]
 * where P holds the input cell of (copy, tap) and H the output cell of the copy, and v counts examples and, for periods below the
 * output extent, the cells that share a copy. The lanes of a vector are neighbours in u, so K is read or written once, as it lies.
 */

/** Why planes of K do not fit the plan; null when they do. */
export function unfit(plan: GridLinearPlan, device: Device): string | null {
  const { axes, batched, connections } = plan;
  if (axes.every(({ period }) => period === 1)) return "all cells share one kernel (period 1).";
  if (!batched) return "needs an example axis.";
  if (connections !== null) return "a connection table has no whole planes of channels.";
  if (planeFloats(plan) < lanesOf(device)) return `a plane of the kernel has ${planeFloats(plan)} floats, less than a vector.`;
  return null;
}

export const lanesOf = (device: Device): number => (device.wide ? 8 : 4);

const copiesOf = (plan: GridLinearPlan): number => size(plan.axes.map(({ period }) => period));
const tapsOf = (plan: GridLinearPlan): number => size(plan.axes.map(({ kernel }) => kernel));
export const planeFloats = (plan: GridLinearPlan): number => copiesOf(plan) * tapsOf(plan);

/** Cells along an axis that share a copy, rounded up. */
const turnsOf = ({ output, period }: Axis): number => Math.ceil(output / period);
export const turnCount = (plan: GridLinearPlan): number => size(plan.axes.map(turnsOf));

/** True when some copy is used by fewer cells than others, or by none. */
const hasHoles = (plan: GridLinearPlan): boolean => plan.axes.some(({ output, period }) => output % period !== 0);

/** Layout of V: all cells that a tap meets lie in it. */
export function inputLayout({ axes }: GridLinearPlan): Layout {
  const halo = axes.map(({ border, input, output, stride, kernel, dilation, low }): Margin => {
    if (border !== "zero") return { low: 0, high: 0 };
    return { low, high: Math.max(0, (output - 1) * stride + (kernel - 1) * dilation - low - (input - 1)) };
  });
  return { block: 1, halo, fill: 0 };
}

/** Layout of G: the cell before the first is the zero that copies without a cell read. */
export function gradientLayout(plan: GridLinearPlan): Layout {
  const last = plan.axes.length - 1;
  return { block: 1, halo: plan.axes.map((_, i) => ({ low: hasHoles(plan) && i === last ? 1 : 0, high: 0 })), fill: 0 };
}

/** Floats of the last axis that lie side by side in V and in K alike. */
export function runOf({ axes, flip }: GridLinearPlan): number {
  const { border, dilation, kernel } = axes[axes.length - 1];
  return border === "zero" && (dilation === 1 || kernel === 1) && !flip ? kernel : 1;
}

/** Output positions of an axis by turn and copy; null where there is no cell. */
const cellsOf = (axis: Axis): (number | null)[][] =>
  Array.from({ length: turnsOf(axis) }, (_, turn) =>
    Array.from({ length: axis.period }, (_, copy) => {
      const cell = turn * axis.period + copy;
      return cell < axis.output ? cell : null;
    }),
  );

/** Every (turn, copy) in the order of the tables: turns of all axes, then copies of all axes. */
function eachCopy(plan: GridLinearPlan, visit: (cells: readonly (number | null)[]) => void): void {
  const turns = product(plan.axes.map((axis) => cellsOf(axis)));
  for (const turn of turns) for (const cells of product(turn)) visit(cells);
}

/** Byte offset of the output cell of each (turn, copy) in a plane; `hole` where there is none. */
export function cellTable(plan: GridLinearPlan, at: Placement, hole: number): Int32Array {
  const words: number[] = [];
  eachCopy(plan, (cells) => {
    const none = cells.some((cell) => cell === null);
    words.push(none ? hole : 4 * cells.reduce<number>((sum, cell, i) => sum + (cell as number) * at.strides[i], at.origin));
  });
  return Int32Array.from(words);
}

/** Byte offsets in a plane of V of the runs of each (turn, copy), taps in the order of K. */
export function patchTable(plan: GridLinearPlan, at: Placement): Int32Array {
  const run = runOf(plan);
  const words: number[] = [];
  const last = plan.axes.length - 1;
  const taps = plan.axes.map(({ kernel }, i) => Array.from({ length: i === last ? kernel / run : kernel }, (_, tap) => tap));
  const all = product(taps);
  eachCopy(plan, (cells) => {
    for (const tap of all)
      words.push(4 * tap.reduce((sum, own, i) => sum + inputPosition(plan, i, cells[i] ?? 0, own) * at.strides[i], at.origin));
  });
  return Int32Array.from(words);
}

function inputPosition({ axes, flip }: GridLinearPlan, index: number, output: number, stored: number): number {
  const axis = axes[index];
  const tap = flip ? axis.kernel - 1 - stored : stored;
  const position = output * axis.stride + tap * axis.dilation - axis.low;
  return axis.border === "zero" ? position : bordered(position, axis.input, axis.border);
}

/** How the work is cut: strips of a plane of K, groups of examples, chunks. Bytes but for counts. */
export interface Cut {
  /** Copies of a plane and strips that it falls into. */
  readonly copies: number;
  readonly taps: number;
  readonly strips: number;
  /** Strips of one chunk after another; parts of the result's planes. */
  readonly perChunk: number;
  readonly parts: number;
  readonly chunks: number;
  /** Examples (times turns) that are expanded at a time. */
  readonly together: number;
  /** From plane to plane of an expanded strip. */
  readonly pitch: number;
  /** Planes of one group: of the result (kernel: of G), and those that are summed over (kernel: of V). */
  readonly rows: number;
  readonly sources: number;
}

/**
 * Floats of a strip at most, and of the sums and expanded strips of a chunk, which stay in the second cache. Long strips: memory gives and takes
 * a run of a page and more at two to three times the rate of the runs of half a page that the first cache has room for.
 */
const longest = { read: 2048, written: 4096 } as const;
const sumFloats = 8192;
const nearFloats = { read: 131_072, written: 393_216 } as const;
const shortestStrip = 64;
/** Strips that there are at least where the work is worth as many chunks. */
const fewestStrips = 4;
/** Predicted time of a chunk, ns. */
const chunkTime = 150_000;

export function cutOf(plan: GridLinearPlan, device: Device): Cut {
  const [copies, taps] = [copiesOf(plan), tapsOf(plan)];
  const [from, to] = [plan.channelsIn / plan.groups, plan.channelsOut / plan.groups];
  const [rows, sources] = plan.role === "input" ? [from, to] : [to, from];
  const expanded = plan.role === "kernel" ? rows + sources : sources;
  const near = Math.max(8, Math.floor(65_536 / (expanded * shortestStrip)));
  const together = Math.min(32, near, plan.examples * turnCount(plan));
  const side = plan.role === "kernel" ? "written" : "read";
  const sums = plan.role === "kernel" ? longest.written : sumFloats / together;
  const wanted = Math.max(shortestStrip, Math.min(longest[side], sums, nearFloats[side] / (together * expanded)));
  const chunks = Math.max(1, Math.ceil(timeOf(plan, device) / chunkTime / plan.groups));
  const strips = Math.min(copies, Math.max(Math.min(fewestStrips, chunks), Math.ceil(copies / Math.max(1, Math.floor(wanted / taps)))));
  const floats = Math.ceil(copies / strips) * taps;
  const perChunk = Math.max(1, Math.ceil(strips / chunks));
  const sets = Math.ceil(strips / perChunk);
  // every part expands all sources anew
  const parts = Math.max(1, Math.min(Math.floor(rows / 16), Math.ceil(chunks / sets)));
  // an odd number of lines, so that planes do not share a set of the cache; behind a strip is room for its last vector
  const lines = Math.ceil((floats + 16) / 16);
  const pitch = 64 * (lines % 2 === 0 ? lines + 1 : lines);
  return { copies, taps, strips, perChunk, parts, chunks: sets * parts * plan.groups, together, pitch, rows, sources };
}

/** Predicted time of one thread, ns. */
export function timeOf(plan: GridLinearPlan, device: Device): number {
  const types = typesOf(plan);
  const kernel = size(types.kernel.shape);
  const turns = plan.examples * turnCount(plan);
  const [from, to] = [plan.channelsIn * planeFloats(plan), plan.channelsOut * planeFloats(plan)];
  // a copy that many cells use finds them scattered: what it gathers for them costs more than the products
  const [wide, fma, plain] = turnCount(plan) > 1 ? [9, 6, 5] : [36, 18, 13];
  const sums = (kernel * turns) / (device.wide ? wide : device.fma ? fma : plain);
  const folded = plan.role === "input" ? from : 0;
  return 3000 + (4 * kernel) / (plan.role === "kernel" ? 12 : 16) + sums + turns * (from + to + folded) * 0.2;
}

/** Bytes of the expanded operands of one chunk. */
export const expandedBytes = ({ together, pitch, sources }: Cut): number => together * sources * pitch;

/** Most rows of a part. */
export const partRows = ({ rows, parts }: Cut): number => Math.ceil(rows / parts);

/** Where Q, the sums of the input gradient before they are gathered, lies: [example and turn][input channel][strip][pitch]. */
export function foldTable(plan: GridLinearPlan, cut: Cut, at: Placement): Int32Array {
  const cells = at.extents.reduce((all, extent) => all * extent, 1);
  const lists: number[][] = Array.from({ length: cells }, () => []);
  const taps = product(plan.axes.map(({ kernel }) => Array.from({ length: kernel }, (_, tap) => tap)));
  let index = 0;
  eachCopy(plan, (outputs) => {
    const [turn, copy] = [Math.floor(index / cut.copies), index % cut.copies];
    index++;
    if (outputs.some((cell) => cell === null)) return;
    const { strip, first } = stripOf(cut, copy);
    const start = turn * sumBytes(plan, cut) + strip * cut.pitch + (copy - first) * cut.taps * 4;
    taps.forEach((tap, t) => {
      const positions = tap.map((own, i) => inputPosition(plan, i, outputs[i] as number, own));
      if (positions.some((position, i) => position < 0 || position >= at.extents[i])) return;
      lists[positions.reduce((sum, position, i) => sum * at.extents[i] + position, 0)].push(start + 4 * t);
    });
  });
  const positions = product(at.extents.map((extent) => Array.from({ length: extent }, (_, i) => i)));
  return Int32Array.from(
    positions.flatMap((position, cell) => [
      4 * position.reduce((sum, own, i) => sum + own * at.strides[i], at.origin),
      lists[cell].length,
      ...lists[cell],
    ]),
  );
}

/** Bytes of Q for one example and turn. */
export const sumBytes = ({ channelsIn }: GridLinearPlan, { strips, pitch }: Cut): number => channelsIn * strips * pitch;

/** The strip that a copy is in, and its first copy: the first `copies mod strips` strips have one more. */
function stripOf({ copies, strips }: Cut, copy: number): { strip: number; first: number } {
  const [most, more] = [Math.floor(copies / strips), copies % strips];
  const strip = copy < more * (most + 1) ? Math.floor(copy / (most + 1)) : more + Math.floor((copy - more * (most + 1)) / most);
  return { strip, first: strip * most + Math.min(strip, more) };
}

/** Where the three parts lie. */
export function placesOf(plan: GridLinearPlan, layouts: readonly Layout[]): Record<"kernel" | "input" | "output", Placement> {
  const types = typesOf(plan);
  const { operands, result } = partsOf[plan.role];
  const placed = [...operands, result].map((name, i) => [name, place(types[name], layouts[i])]);
  return Object.fromEntries(placed) as Record<"kernel" | "input" | "output", Placement>;
}

export const rounded = (bytes: number): number => roundUp(bytes, 64);
