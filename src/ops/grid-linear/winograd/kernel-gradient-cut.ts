import { invariant } from "../../../base/errors.ts";
import type { Device } from "../../contract.ts";
import { mostRows, splitEvenly } from "../tiles/outer.ts";

/** A kernel gradient as the planning of its chunks sees it. */
export interface GradientWork {
  /** Taps that a block of planes gives. */
  readonly taps: number;
  /** Planes of values; taps of the axis that is summed directly. */
  readonly planes: number;
  readonly outer: number;
  /** Tiles of one step of that axis, and its steps in the output gradient. */
  readonly sliceTiles: number;
  readonly slices: number;
  readonly examples: number;
  /** Blocks and their lanes. */
  readonly inputBlocks: number;
  readonly from: number;
  readonly outputBlocks: number;
  readonly lanes: number;
}

export interface GradientCut {
  readonly inputRun: number;
  readonly outputRun: number;
  readonly itemTiles: number;
  readonly slotItems: number;
  readonly slots: number;
  /** Values are made once, by steps of their own. */
  readonly shared: boolean;
  /** Predicted ns of one thread. */
  readonly ns: number;
}

/** Scratch that a chunk may touch, to stay in the second cache; rows of both sides that stay in the first for one plane. */
const scratchBytes = 1.5 * 2 ** 20;
/** Chunks that are worth while, and ns of one. */
const mostChunks = 24;
const chunkNs = 80_000;
/** ns for a float of K in one more slot. */
const slotNs = 0.15;
/** Tiles that make it worth while to load and store the sums of a register tile. */
const fewestTiles = 24;
const mostShared = 24 * 2 ** 20;

/** ns of the transforms, for a vector register of a plane, sides that come from the third cache; of a byte of values that leave the second. */
const lineNs = (device: Device): { input: number; output: number; collect: number } => {
  const factor = device.wide ? 1 : device.fma ? 0.9 : 1.15;
  return { input: 2.4 * factor, output: 2.2 * factor, collect: 2 * factor };
};
const farNs = 0.2;

const rate = (device: Device, lanes: number): number => (device.wide ? (lanes > 8 ? 42 : 32) : device.fma ? 25 : 18);

const divisors = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1).filter((divisor) => count % divisor === 0);

/** The cut with the least predicted time, among those whose scratch fits a cache. */
export function cutGradient(work: GradientWork, device: Device): GradientCut {
  let best: GradientCut | null = null;
  for (const inputRun of divisors(work.inputBlocks))
    for (const outputRun of divisors(work.outputBlocks))
      for (const shared of [false, true]) {
        const found = cutRuns(work, device, { inputRun, outputRun, shared });
        if (found !== null && (best === null || found.ns < best.ns)) best = found;
      }
  invariant(best !== null, () => "no cut");
  return best;
}

/** Tiles of an item: whole steps of the directly summed axis, that divide it, where there is one. */
function itemOf({ outer, sliceTiles, slices, examples }: GradientWork, most: number): number {
  if (outer === 1) {
    const total = sliceTiles * examples;
    return Math.ceil(total / Math.ceil(total / Math.max(4, most)));
  }
  return (
    sliceTiles *
    (divisors(slices)
      .filter((run) => run * sliceTiles <= most)
      .at(-1) ?? 1)
  );
}

interface Runs {
  readonly inputRun: number;
  readonly outputRun: number;
  readonly shared: boolean;
}

/** Items and slots for rectangles of so many blocks; null where their scratch leaves the cache. */
function cutRuns(work: GradientWork, device: Device, given: Runs): GradientCut | null {
  const { planes, outer, sliceTiles, slices, examples, inputBlocks, from, outputBlocks, lanes } = work;
  const { inputRun, outputRun, shared } = given;
  const total = sliceTiles * slices * examples;
  const sumBytes = 4 * planes * outer * inputRun * from * outputRun * lanes;
  const room = (scratchBytes - sumBytes) / (4 * planes * (inputRun * from + outputRun * lanes));
  const least = Math.min(total, fewestTiles);
  if (inputRun * outputRun > 1 && (shared ? sumBytes > scratchBytes : room < least)) return null;
  if (shared && valueTotal(work) > mostShared) return null;
  const runs = (inputBlocks / inputRun) * (outputBlocks / outputRun);
  const ns = productNs(work, device) + sideNs(work, device, given);
  const wanted = Math.ceil(Math.min(mostChunks, ns / chunkNs) / runs);
  const itemTiles = itemOf(work, Math.max(least, Math.min(shared ? 256 : room, 128, Math.ceil(total / wanted))));
  const items = Math.ceil(total / itemTiles);
  const slotItems = Math.ceil(items / Math.min(items, wanted));
  const slots = Math.ceil(items / slotItems);
  const rowTiles = splitEvenly(inputRun * from, mostRows(device, lanes)).length * (inputBlocks / inputRun);
  const calls = items * planes * outer * rowTiles * outputBlocks * (device.wide ? 9 : 11);
  return { ...given, itemTiles, slotItems, slots, ns: 4000 + ns + calls + sumNs(work, device, slots) };
}

const valueTotal = ({ planes, sliceTiles, slices, examples, inputBlocks, from, outputBlocks, lanes }: GradientWork): number =>
  4 * planes * sliceTiles * slices * examples * (inputBlocks * from + outputBlocks * lanes);

function productNs(
  { planes, outer, sliceTiles, slices, examples, inputBlocks, from, outputBlocks, lanes }: GradientWork,
  device: Device,
): number {
  return (sliceTiles * slices * examples * planes * outer * inputBlocks * from * outputBlocks * lanes) / rate(device, lanes);
}

/** Transforms of both sides, once for every rectangle that needs them; or once, and fetched from afar. */
function sideNs(work: GradientWork, device: Device, { inputRun, outputRun, shared }: Runs): number {
  const { planes, outer, sliceTiles, slices, examples, inputBlocks, from, outputBlocks, lanes } = work;
  const ns = lineNs(device);
  const cells = planes * sliceTiles * examples;
  const [inputs, outputs] = [cells * (slices + outer - 1) * inputBlocks * from, cells * slices * outputBlocks * lanes];
  const [inputTimes, outputTimes] = [outputBlocks / outputRun, inputBlocks / inputRun];
  const registers = device.wide ? 8 : 4;
  const made = (shared ? 1 : inputTimes) * inputs * ns.input + (shared ? 1 : outputTimes) * outputs * ns.output;
  const fetched = shared ? 4 * farNs * (inputs + outputs + 0.3 * (inputs * inputTimes + outputs * outputTimes)) : 0;
  return made / registers + fetched;
}

/** The last transform of every slot, and the sum of the slots. */
function sumNs({ planes, taps, outer, inputBlocks, from, outputBlocks, lanes }: GradientWork, device: Device, slots: number): number {
  const kernel = inputBlocks * from * outputBlocks * lanes * outer;
  return slots * kernel * ((planes * lineNs(device).collect) / (device.wide ? 8 : 4) + slotNs * taps) + kernel * taps * 0.6;
}
