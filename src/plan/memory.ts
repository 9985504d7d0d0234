import type { Buffer } from "./buffers.ts";
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

/** Lays transient buffers out so that those which live at the same time do not overlap: largest first, at the lowest offset that is free. */
export function planMemory(buffers: readonly Buffer[], { lives, derived, stages }: Schedule): MemoryPlan {
  const offsets = buffers.map(() => -1);
  const kept = buffers.map(({ use }, id) => use.kind === "transient" && lives[id].kept);
  let keptBytes = 0;
  const transient = buffers.filter(({ use, id }) => use.kind === "transient" && lives[id].last >= 0);
  for (const { id, words } of transient) {
    if (!kept[id]) continue;
    offsets[id] = keptBytes;
    keptBytes += bufferBytes(words);
  }
  const placed: { offset: number; end: number; first: number; last: number }[] = [];
  const sharing = transient.filter(({ id }) => !kept[id]).sort((a, b) => b.words - a.words || a.id - b.id);
  for (const { id, words } of sharing) {
    const { first, last } = lives[id];
    const bytes = bufferBytes(words);
    const rivals = placed.filter((other) => other.first <= last && first <= other.last).sort((a, b) => a.offset - b.offset);
    let offset = 0;
    for (const rival of rivals) {
      if (rival.offset - offset >= bytes) break;
      offset = Math.max(offset, rival.end);
    }
    offsets[id] = offset;
    placed.push({ offset, end: offset + bytes, first, last });
  }
  const live = new Float64Array(derived.length + stages.length + 1);
  for (const { id, words } of sharing) for (let at = lives[id].first; at <= lives[id].last; at++) live[at] += bufferBytes(words);
  return {
    offsets,
    kept,
    transientBytes: placed.reduce((most, { end }) => Math.max(most, end), 0),
    keptBytes,
    liveBytes: live.reduce((most, bytes) => Math.max(most, bytes), 0),
  };
}
