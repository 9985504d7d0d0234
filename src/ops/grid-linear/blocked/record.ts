import { size } from "../../../base/types.ts";
import type { Device, Fusion, Layout } from "../../contract.ts";
import type { Placement } from "../../layout.ts";
import { type GatherProblem, pairFloats, product, type Sweep, type SweepTap } from "../gather.ts";
import { fusedOperand, fusedPlace } from "../tiles/fused.ts";
import { type Body, type GatherCode, head, headWords, phaseHead, phaseWords, streamsOf } from "./code.ts";
import { type Cut, isHalf } from "./cut.ts";
import { type Packing, panelBytes } from "./pack.ts";

/** One combination of the axes' sweeps, with its taps in the order of rising offsets. */
export interface Phase {
  readonly sweeps: readonly Sweep[];
  readonly taps: readonly { readonly tap: number; readonly offsets: readonly number[] }[];
}

/** Phases of a problem, those with most taps first. */
export function phasesOf({ plan, sweeps }: GatherProblem): Phase[] {
  const { axes, flip } = plan;
  const place = (list: readonly SweepTap[]): number => {
    const copy = list.reduce((index, own, axis) => index * axes[axis].period + own.copy, 0);
    return list.reduce((index, { tap }, axis) => index * axes[axis].kernel + (flip ? axes[axis].kernel - 1 - tap : tap), copy);
  };
  const phases = product(sweeps).map((chosen) => ({
    sweeps: chosen,
    taps: product(chosen.map(({ taps }) => taps)).map((list) => ({
      tap: place(list),
      offsets: list.map(({ offset }) => offset),
    })),
  }));
  return phases.sort((a, b) => b.taps.length - a.taps.length);
}

/** Everything that the record needs to know, worked out once. */
export interface LaidOut {
  readonly problem: GatherProblem;
  readonly phases: readonly Phase[];
  readonly source: Placement;
  readonly result: Placement;
  /** Channels of a source block, or all of a group where the source is plain, and bytes from one of them to the next. */
  readonly unit: number;
  readonly channelStep: number;
  /** Whole source blocks of a group, and channels of a last one with spare lanes. */
  readonly full: number;
  readonly rest: number;
  /** Place of a tap within the rows that a source block has in a panel: rows go by source block, tap, channel. */
  readonly slots: ReadonlyMap<number, number>;
  readonly packing: Packing;
}

export function layOut(problem: GatherProblem, phases: readonly Phase[], source: Placement, result: Placement): LaidOut {
  const { plan, transposed } = problem;
  const [sourceChannels, resultChannels] = [source.channels / plan.groups, result.channels / plan.groups];
  const plain = source.block === 1;
  const unit = plain ? sourceChannels : source.block;
  const [full, rest] = [Math.floor(sourceChannels / unit), sourceChannels % unit];
  const slots = new Map<number, number>();
  for (const { tap } of phases.flatMap(({ taps }) => taps)) if (!slots.has(tap)) slots.set(tap, slots.size);
  const kernelTaps = pairFloats(plan);
  const position = (channel: number, tap: number): number => {
    const slot = slots.get(tap);
    if (slot === undefined) return -1;
    const [block, lane] = [Math.floor(channel / unit), channel % unit];
    return block * unit * slots.size + slot * (block < full ? unit : rest) + lane;
  };
  const row = (transposed ? resultChannels : sourceChannels) * kernelTaps;
  const packing: Packing = {
    block: result.block,
    panels: result.blocks,
    panelsPerGroup: result.blocks / plan.groups,
    rowsPerGroup: resultChannels,
    rows: slots.size * sourceChannels,
    ...(transposed
      ? { groupStride: sourceChannels * row, rowStride: kernelTaps, outer: sourceChannels, outerStride: row, columns: kernelTaps, position }
      : {
          groupStride: resultChannels * row,
          rowStride: row,
          outer: 1,
          outerStride: 0,
          columns: row,
          position: (_: number, column: number) => position(Math.floor(column / kernelTaps), column % kernelTaps),
        }),
  };
  return { problem, phases, source, result, unit, channelStep: plain ? 4 * source.blockStride : 4, full, rest, slots, packing };
}

/** What the code of the main step depends on. */
export function gatherCode(
  at: LaidOut,
  fusion: Fusion | null,
  { cells, fetch }: Pick<GatherCode, "cells" | "fetch">,
  device: Device,
): GatherCode {
  const { problem, result } = at;
  return {
    lanes: result.block,
    cells,
    sets: device.wide && result.block === 8 ? 2 : 1,
    bodies: bodiesOf(at),
    spare: result.channels % result.block !== 0,
    half: isHalf(result.channels, result.block),
    fetch,
    fma: device.fma,
    fused: (fusion?.operands ?? []).map((type) => fusedOperand(type, problem.result) ?? { splat: false, moves: true }),
    epilogue: fusion?.epilogue ?? null,
  };
}

/** Steps of a turn at most: their code should not crowd the first cache. */
const mostSteps = 32;

/** Turns of the inner loop: as many taps as every phase can take at a time, in equal steps. */
function bodiesOf(at: LaidOut): Body[] {
  const { phases, unit, channelStep, full, rest } = at;
  const body = (channels: number): Body => {
    for (let taps = Math.floor(mostSteps / channels); taps > 1; taps--) {
      const turns = phases.flatMap((phase) => turnOffsets(at, phase, taps));
      if (turns.length > 0 && turns.every((offsets) => offsets !== null && `${offsets}` === `${turns[0]}`))
        return { channels, channelStep, offsets: turns[0] as number[] };
    }
    return { channels, channelStep, offsets: [0] };
  };
  return [...(full > 0 ? [body(unit)] : []), ...(rest > 0 ? [body(rest)] : [])];
}

/** Source bytes of the taps of each turn from its first; null for a turn whose rows do not follow each other in the panel, or which lacks taps. */
function turnOffsets({ source, slots }: LaidOut, { taps }: Phase, count: number): (number[] | null)[] {
  const turns = Array.from({ length: Math.ceil(taps.length / count) }, (_, turn) => taps.slice(turn * count, (turn + 1) * count));
  return turns.map((turn) => {
    const [first] = turn;
    const slot = (tap: number): number => slots.get(tap) ?? 0;
    if (turn.length < count || turn.some(({ tap }, i) => slot(tap) !== slot(first.tap) + i)) return null;
    return turn.map(({ offsets }) => sourceBytes(source, offsets) - sourceBytes(source, first.offsets));
  });
}

/** Bytes of a source cell from that of offset 0. */
const sourceBytes = ({ strides }: Placement, offsets: readonly number[]): number =>
  4 * offsets.reduce((sum, offset, axis) => sum + offset * strides[axis], 0);

/** Where a stream's pointer starts, and its strides on the axes. */
interface Track {
  readonly origin: number;
  readonly strides: readonly number[];
}

/** Merges axes that every stream crosses without a gap, so that few rows end; innermost first, always three. */
function mergeAxes(counts: readonly number[], tracks: readonly Track[]): { extents: number[]; steps: number[][] } {
  const extents: number[] = [];
  const steps: number[][] = tracks.map(() => []);
  for (let axis = counts.length - 1; axis >= 0; axis--) {
    const last = extents.length - 1;
    if (last >= 0 && tracks.every(({ strides }, i) => strides[axis] === steps[i][last] * extents[last])) {
      extents[last] *= counts[axis];
      continue;
    }
    extents.push(counts[axis]);
    tracks.forEach(({ strides }, i) => {
      steps[i].push(strides[axis]);
    });
  }
  while (extents.length < 3) {
    extents.push(1);
    for (const list of steps) list.push(0);
  }
  return { extents, steps };
}

/** All numbers of the main step: head, phases loop tables, masks and zeros. */
export function gatherRecord(at: LaidOut, code: GatherCode, cut: Cut, layouts: readonly Layout[], fusion: Fusion | null): Int32Array {
  const { problem, phases, source, result, packing } = at;
  const { groups } = problem.plan;
  const fused = (fusion?.operands ?? []).map((type, i) => fusedPlace(type, layouts[i], problem.result, result.block));
  const moving = fused.filter((_, i) => code.fused[i].moves);
  const words = new Array<number>(headWords(code) + phases.length * phaseWords(code)).fill(0);
  const runs = Math.ceil(result.blocks / cut.run);
  words[head.each] = runs * cut.parts;
  words[head.group] = cut.group;
  words[head.runDivide] = cut.blocksInner ? 1 : cut.parts;
  words[head.runs] = runs;
  words[head.run] = cut.run;
  words[head.blocks] = result.blocks;
  words[head.partDivide] = cut.blocksInner ? runs : 1;
  words[head.parts] = cut.parts;
  words[head.phases] = phases.length;
  words[head.panel] = panelBytes(packing);
  words[head.blocksPerGroup] = result.blocks / groups;
  const groupStride = { exampleStride: source.exampleStride, blockStride: (source.blocks / groups) * source.blockStride };
  [groupStride, result, ...moving].forEach(({ exampleStride, blockStride }, i) => {
    words.splice(head.words + 2 * i, 2, exampleStride * 4, blockStride * 4);
  });
  fused.forEach(({ blockStride }, i) => {
    words[head.words + 2 * streamsOf(code) + i] = blockStride * 4;
  });
  phases.forEach((phase, i) => writePhase(words, headWords(code) + i * phaseWords(code), at, code, phase, [result, ...moving]));
  words[head.mask] = words.length * 4;
  const lanes = Array.from({ length: packing.block }, (_, lane) => lane);
  const last = result.channels - (result.blocks - 1) * packing.block;
  words.push(...lanes.map(() => -1), ...lanes.map((lane) => (lane < last ? -1 : 0)), ...lanes.map(() => 0));
  return Int32Array.from(words);
}

function writePhase(
  words: number[],
  start: number,
  at: LaidOut,
  code: GatherCode,
  phase: Phase,
  targets: readonly (Track & object)[],
): void {
  const { sweeps } = phase;
  const loops = loopsOf(at, phase, code.bodies);
  const placed = targets.map(
    ({ origin, strides }): Track => ({
      origin: origin + sweeps.reduce((sum, { first }, axis) => sum + first * strides[axis], 0),
      strides: sweeps.map(({ step }, axis) => step * strides[axis]),
    }),
  );
  const tracks = [
    { origin: at.source.origin + loops.pointer / 4, strides: sweeps.map(({ stride }, axis) => stride * at.source.strides[axis]) },
    ...placed,
  ];
  const counts = sweeps.map(({ count }) => count);
  const { extents, steps } = mergeAxes(counts, tracks);
  words[start + phaseHead.cells] = size(counts);
  words.splice(start + phaseHead.inner, 3, ...extents);
  words[start + phaseHead.panel] = loops.row;
  loops.tables.forEach(({ table, pointerStep, rowStep }, body) => {
    words.splice(start + phaseHead.loops + 3 * body, 3, table.length === 0 ? 0 : words.length * 4, pointerStep, rowStep);
    words.push(...table);
  });
  tracks.forEach(({ origin }, stream) => {
    words.splice(start + phaseHead.words + 4 * stream, 4, ...[origin, ...steps[stream]].map((value) => value * 4));
  });
}

/** Byte positions, from pointer to source and from panel row to panel row, that the turns of the inner loop visit. */
interface Turn {
  readonly pointer: number;
  readonly row: number;
}

function turnsOf({ source, unit, full, slots, result }: LaidOut, { taps }: Phase, body: Body, from: number, to: number): Turn[] {
  const starts = taps.filter((_, i) => i % body.offsets.length === 0);
  const rowBytes = result.block * 4;
  return Array.from({ length: to - from }, (_, i) => from + i).flatMap((block) =>
    starts.map(({ tap, offsets }) => ({
      pointer: block * source.blockStride * 4 + sourceBytes(source, offsets),
      row: (block * unit * slots.size + (slots.get(tap) ?? 0) * (block < full ? unit : body.channels)) * rowBytes,
    })),
  );
}

interface Loop {
  readonly table: number[];
  /** From the last turn of the body before to the first of this one. */
  readonly pointerStep: number;
  readonly rowStep: number;
}

/** The loop tables of a phase: whole blocks by the first body, a last one with spare lanes by its own. */
function loopsOf(at: LaidOut, phase: Phase, bodies: readonly Body[]): Turn & { tables: Loop[] } {
  const turns = bodies.map((body, i) => {
    const whole = i === 0 && at.full > 0;
    return whole ? turnsOf(at, phase, body, 0, at.full) : turnsOf(at, phase, body, at.full, at.full + 1);
  });
  let last = turns.flat()[0] ?? { pointer: 0, row: 0 };
  const start = last;
  const tables = turns.map((list): Loop => {
    if (list.length === 0) return { table: [], pointerStep: 0, rowStep: 0 };
    const [first, end] = [list[0], list[list.length - 1]];
    const step = { pointerStep: first.pointer - last.pointer, rowStep: first.row - last.row };
    last = end;
    return { table: [...list.slice(1).flatMap(({ pointer, row }, i) => [pointer - list[i].pointer, row - list[i].row]), 0, 0], ...step };
  });
  return { ...start, tables };
}
