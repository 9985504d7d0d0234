import { printType } from "../base/types.ts";
import { printLayout } from "../ops/layout.ts";
import type { Buffer, PlannedStep } from "./buffers.ts";
import type { Schedule } from "./schedule.ts";

/** Buffers begin on cache lines, with slack behind them that vector loads may read. */
export const alignment = 64;
const slackBytes = 64;

export const bufferBytes = (words: number): number => Math.ceil((words * 4 + slackBytes) / alignment) * alignment;

/** Offsets in the two regions of a program. */
export interface MemoryPlan {
  /** Byte offset of each transient buffer; -1 for buffers that are not transient. */
  readonly offsets: readonly number[];
  /** Whether the offset is in the region that is kept from run to run. */
  readonly kept: readonly boolean[];
  readonly transientBytes: number;
  readonly keptBytes: number;
  /** Largest sum of transient buffers that live at one time: no plan can be smaller. */
  readonly liveBytes: number;
}

/** Buffers that follow one another in one place: each but the first is written over the one before it. */
interface Place {
  readonly bytes: number;
  readonly first: number;
  last: number;
  readonly buffers: number[];
  offset: number;
}

/** A layout this near to the least possible is not worth another try. */
const near = 1.01;

/** Lays transient buffers out so that those which live at the same time do not overlap; results go over operands that nothing else reads. */
export function planMemory(buffers: readonly Buffer[], steps: readonly PlannedStep[], scheduled: Schedule): MemoryPlan {
  const { lives, derived, stages } = scheduled;
  const offsets = buffers.map(() => -1);
  const kept = buffers.map(({ use }, id) => use.kind === "transient" && lives[id].kept);
  let keptBytes = 0;
  for (const { id, words } of buffers) {
    if (!kept[id]) continue;
    offsets[id] = keptBytes;
    keptBytes += bufferBytes(words);
  }
  const places = placesOf(buffers, steps, scheduled);
  const liveBytes = largestSum(places, derived.length + stages.length);
  const transientBytes = layOut(places, liveBytes);
  for (const { offset, buffers: ids } of places) for (const id of ids) offsets[id] = offset;
  return { offsets, kept, transientBytes, keptBytes, liveBytes };
}

/** Places of the buffers that share memory, in the order of their buffers. */
function placesOf(buffers: readonly Buffer[], steps: readonly PlannedStep[], { lives, derived, stages }: Schedule): Place[] {
  const over = overwritten(buffers, steps, derived.length, { lives, stages });
  const places: Place[] = [];
  const placeOf = new Map<number, Place>();
  const shared = buffers.filter(({ use, id }) => use.kind === "transient" && !lives[id].kept && lives[id].last >= 0);
  // a buffer that is written over another is written later
  for (const { id, words } of shared.sort((a, b) => lives[a.id].first - lives[b.id].first || a.id - b.id)) {
    const { first, last } = lives[id];
    const before = placeOf.get(over.get(id) ?? -1);
    const place = before ?? { bytes: bufferBytes(words), first, last, buffers: [], offset: 0 };
    if (before === undefined) places.push(place);
    place.last = Math.max(place.last, last);
    place.buffers.push(id);
    placeOf.set(id, place);
  }
  return places;
}

/** For each buffer that may lie where an operand of its step lies: that operand, which has the same type and layout and no reader left. */
function overwritten(
  buffers: readonly Buffer[],
  steps: readonly PlannedStep[],
  firstStage: number,
  { lives, stages }: Pick<Schedule, "lives" | "stages">,
): Map<number, number> {
  const over = new Map<number, number>();
  const isShared = (id: number): boolean => buffers[id].use.kind === "transient" && !lives[id].kept;
  stages.forEach((stage, index) => {
    const at = firstStage + index;
    for (const step of stage) {
      if (steps[step].inPlace !== true) continue;
      const { operands } = steps[step];
      const result = operands.find(({ access }) => access === "write")?.buffer;
      if (result === undefined || !isShared(result) || lives[result].first !== at) continue;
      const found = operands.find(
        ({ buffer, access }) =>
          access === "read" &&
          isShared(buffer) &&
          lives[buffer].last === at &&
          isAlike(buffers[buffer], buffers[result]) &&
          // steps of one stage run at the same time
          stage.every((other) => other === step || !steps[other].operands.some((operand) => operand.buffer === buffer)),
      );
      if (found !== undefined) over.set(result, found.buffer);
    }
  });
  return over;
}

const isAlike = (a: Buffer, b: Buffer): boolean =>
  a.words === b.words &&
  a.value !== null &&
  b.value !== null &&
  printType(a.value.type) === printType(b.value.type) &&
  printLayout(a.value.layout) === printLayout(b.value.layout);

function largestSum(places: readonly Place[], stages: number): number {
  const change = new Float64Array(stages + 1);
  for (const { first, last, bytes } of places) {
    change[first] += bytes;
    change[last + 1] -= bytes;
  }
  let live = 0;
  let most = 0;
  for (const bytes of change) {
    live += bytes;
    most = Math.max(most, live);
  }
  return most;
}

const span = ({ first, last }: Place): number => last - first + 1;

/** Orders in which places are laid out; none is the best for all graphs. */
const orders: readonly ((a: Place, b: Place) => number)[] = [
  (a, b) => b.bytes - a.bytes,
  (a, b) => b.bytes * span(b) - a.bytes * span(a),
  (a, b) => span(b) - span(a) || b.bytes - a.bytes,
  (a, b) => a.first - b.first || b.bytes - a.bytes,
];

/** Comparisons that may be spent on orders that are put right. */
const mostComparisons = 1e6;

/**
 * Sets the offsets, and gives the bytes of all: each place at the lowest offset that is free, in the order that takes the least. An order is put
 * right by moving what ends highest to the front. Source: Joslin and Clements 1999, squeaky wheel optimisation.
 */
function layOut(places: readonly Place[], least: number): number {
  let best = Number.POSITIVE_INFINITY;
  let offsets: number[] = [];
  const tries = Math.min(24, Math.floor(mostComparisons / (orders.length * places.length ** 2 + 1)));
  for (const order of orders) {
    const sorted = [...places].sort(order);
    for (let attempt = 0; attempt <= tries && best > least * near; attempt++) {
      const bytes = layOutInOrder(sorted);
      if (bytes < best) {
        best = bytes;
        offsets = places.map(({ offset }) => offset);
      }
      const highest = sorted.findLastIndex((place) => place.offset + place.bytes === bytes);
      if (highest <= 0) break;
      sorted.unshift(...sorted.splice(highest, 1));
    }
  }
  places.forEach((place, i) => {
    place.offset = offsets[i];
  });
  return places.length === 0 ? 0 : best;
}

function layOutInOrder(places: readonly Place[]): number {
  /** By offset. */
  const placed: Place[] = [];
  let most = 0;
  for (const place of places) {
    const { bytes, first, last } = place;
    let offset = 0;
    for (const rival of placed) {
      if (rival.first > last || first > rival.last) continue;
      if (rival.offset - offset >= bytes) break;
      offset = Math.max(offset, rival.offset + rival.bytes);
    }
    place.offset = offset;
    let at = placed.length;
    while (at > 0 && placed[at - 1].offset > offset) at--;
    placed.splice(at, 0, place);
    most = Math.max(most, offset + bytes);
  }
  return most;
}
