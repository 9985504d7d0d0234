import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Layout } from "../contract.ts";
import { channelAxis, type Placement, place } from "../layout.ts";
import { divide, emitUnits } from "../units.ts";
import { coalesce, cut, emitLength, emitPointers, emitRun, type Run } from "../walk.ts";
import { bases, type Conversion, spatialWalk } from "./copy.ts";

/** Words moved in a ns. */
export const transposeRate = 2;
const piece = 1024;

/** Where the two sides of a transposition are: the plain one by channel, the blocked one by cell. */
interface Sides {
  readonly plain: Local;
  readonly blocked: Local;
  /** Words from channel to channel on the plain side. */
  readonly channelStep: number;
  readonly block: number;
  /** Channels of this block; the other lanes are spare. */
  readonly channels: number;
}

/**
 * The type of a value whose lanes are groups of so many channels: block j * G + b, lane l is channel j of group b * block + l,
 * where G blocks hold one channel of every group. `held` channels of a group are there at all.
 */
export function groupLanes(type: TensorType, perGroup: number, block: number, held = perGroup): TensorType {
  const axis = channelAxis(type);
  return { ...type, shape: type.shape.with(axis, Math.ceil(type.shape[axis] / perGroup / block) * block * held) };
}

/** The type of a value whose groups of so many channels are filled up to whole blocks each. */
export function paddedGroups(type: TensorType, perGroup: number, block: number): TensorType {
  const axis = channelAxis(type);
  return { ...type, shape: type.shape.with(axis, (type.shape[axis] / perGroup) * Math.ceil(perGroup / block) * block) };
}

/** Which channels become which lanes: those of a channel axis as it is; groups as lanes, of which `only` one channel may be wanted; groups filled up to whole blocks. */
export type LaneOrder =
  | { readonly kind: "channels" }
  | { readonly kind: "groups"; readonly perGroup: number; readonly only: number | null }
  | { readonly kind: "padded"; readonly perGroup: number };

/** Blocks in two nested counts: where they begin (in channels of the plain side, in blocks of the other), channels from lane to lane, channels of the last block of the inner count. */
interface BlockOrder {
  readonly type: TensorType;
  readonly outer: { readonly count: number; readonly channels: number; readonly blocks: number };
  readonly inner: { readonly count: number; readonly channels: number };
  readonly lane: number;
  readonly last: number;
  readonly first: number;
}

function blockOrder(type: TensorType, order: LaneOrder, block: number): BlockOrder {
  const channels = type.shape[channelAxis(type)] ?? 1;
  if (order.kind === "padded") {
    const { perGroup } = order;
    const count = Math.ceil(perGroup / block);
    return {
      type: paddedGroups(type, perGroup, block),
      outer: { count: channels / perGroup, channels: perGroup, blocks: count },
      inner: { count, channels: block },
      lane: 1,
      last: perGroup - block * (count - 1),
      first: 0,
    };
  }
  const perGroup = order.kind === "groups" ? order.perGroup : 1;
  const only = order.kind === "groups" ? order.only : null;
  const count = Math.ceil(channels / perGroup / block);
  return {
    type: order.kind === "groups" ? groupLanes(type, perGroup, block, only === null ? perGroup : 1) : type,
    outer: { count: only === null ? perGroup : 1, channels: 1, blocks: count },
    inner: { count, channels: perGroup * block },
    lane: perGroup,
    last: channels / perGroup - block * (count - 1),
    first: only ?? 0,
  };
}

/** Between plain and channel-blocked: 4 x 4 transpositions of channels and cells; spare lanes become zero. */
export function transpose(type: TensorType, from: Layout, to: Layout, order: LaneOrder = { kind: "channels" }): Conversion {
  const blocks = blockOrder(type, order, Math.max(from.block, to.block));
  const placed = (layout: Layout): Placement => {
    if (layout.block > 1) return place(blocks.type, layout);
    const at = place(type, layout);
    return { ...at, origin: at.origin + blocks.first * at.blockStride };
  };
  const [source, target] = [placed(from), placed(to)];
  const [plain, blocked] = from.block === 1 ? [source, target] : [target, source];
  const walk = cut(coalesce(spatialWalk(source, target)), piece);
  const groupMove = (at: Placement) => ({
    extent: blocks.outer.count,
    step: at === plain ? plain.blockStride * blocks.outer.channels : blocked.blockStride * blocks.outer.blocks,
  });
  const blockMove = (at: Placement) => ({
    extent: blocks.inner.count,
    step: at === plain ? plain.blockStride * blocks.inner.channels : blocked.blockStride,
  });
  const outer = [blocks.outer.count, blocks.inner.count, ...walk.extents.slice(0, -1)];
  const division = divide(type.batched, size(outer), 5 + (walk.piece * blocked.block) / transposeRate);
  const emit = (f: FunctionBuilder): void => {
    const { sourceBase, targetBase, sourcePointer, targetPointer, example } = bases(f, source, target);
    const [plainPointer, blockedPointer] = from.block === 1 ? [sourcePointer, targetPointer] : [targetPointer, sourcePointer];
    const sides = (channels: number): Sides => ({
      plain: plainPointer,
      blocked: blockedPointer,
      channelStep: blocks.lane * plain.blockStride,
      block: blocked.block,
      channels,
    });
    const make = from.block === 1 ? toBlocked : toPlain;
    emitUnits(f, division, {
      example,
      unit: (unit) => {
        const coordinates = emitPointers(f, unit, outer, [
          { base: sourceBase, pointer: sourcePointer, moves: [groupMove(source), blockMove(source), ...walk.moves[0]] },
          { base: targetBase, pointer: targetPointer, moves: [groupMove(target), blockMove(target), ...walk.moves[1]] },
        ]);
        const length = emitLength(f, walk, coordinates);
        const whole = (): void => emitRun(f, length, make(f, sides(blocked.block)));
        const last = (): void => emitRun(f, length, make(f, sides(blocks.last)));
        if (blocks.last === blocked.block) whole();
        else if (blocks.inner.count === 1) last();
        else
          f.get(coordinates[1])
            .i32(blocks.inner.count - 1)
            .op("i32.eq")
            .if(last, whole);
      },
    });
  };
  return { division, emit };
}

const pointersOf = ({ plain, blocked, block }: Sides) => [
  { local: plain, bytes: 4 },
  { local: blocked, bytes: 4 * block },
];

function toBlocked(f: FunctionBuilder, sides: Sides): Run {
  const { plain, blocked, channelStep, block, channels } = sides;
  /** Four lanes of up to four cells. */
  const tile = (lane: number, firstCell: number, cells: number): void => {
    const rows = f.locals("v128", 4);
    rows.forEach((row, i) => {
      if (lane + i < channels)
        f.get(plain)
          .memory("v128.load", 4 * ((lane + i) * channelStep + firstCell))
          .set(row);
      else f.f32x4(0).set(row);
    });
    if (lane < channels) transpose4(f, rows);
    for (let cell = 0; cell < cells; cell++)
      f.get(blocked)
        .get(rows[cell])
        .memory("v128.store", 4 * ((firstCell + cell) * block + lane));
  };
  return {
    pointers: pointersOf(sides),
    // all cells of a cache line for four channels before the next four: planes a power of two apart share few cache sets
    vectors: (count) => {
      for (let lane = 0; lane < block; lane += 4) for (let cell = 0; cell < 4 * count; cell += 4) tile(lane, cell, 4);
    },
    rest: (cells) => {
      for (let lane = 0; lane < block; lane += 4) tile(lane, 0, cells);
    },
  };
}

function toPlain(f: FunctionBuilder, sides: Sides): Run {
  const { plain, blocked, channelStep, block, channels } = sides;
  const tile = (lane: number, firstCell: number, cells: number): void => {
    const rows = f.locals("v128", 4);
    for (let cell = 0; cell < 4; cell++)
      f.get(blocked)
        .memory("v128.load", 4 * ((firstCell + Math.min(cell, cells - 1)) * block + lane))
        .set(rows[cell]);
    transpose4(f, rows);
    for (let i = 0; i < 4 && lane + i < channels; i++) {
      const offset = 4 * ((lane + i) * channelStep + firstCell);
      f.get(plain).get(rows[i]);
      if (cells === 4) f.memory("v128.store", offset);
      else f.laneMemory(cells === 2 ? "v128.store64_lane" : "v128.store32_lane", 0, offset);
    }
  };
  return {
    pointers: pointersOf(sides),
    vectors: (count) => {
      for (let lane = 0; lane < channels; lane += 4) for (let cell = 0; cell < 4 * count; cell += 4) tile(lane, cell, 4);
    },
    rest: (cells) => {
      for (let lane = 0; lane < channels; lane += 4) tile(lane, 0, cells);
    },
  };
}

const words = (...lanes: readonly number[]): number[] => lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => 4 * lane + byte));
const lowPairs = words(0, 4, 1, 5);
const highPairs = words(2, 6, 3, 7);
const lowHalves = words(0, 1, 4, 5);
const highHalves = words(2, 3, 6, 7);

/** Transposes a 4 x 4 matrix held in four vectors. */
export function transpose4(f: FunctionBuilder, rows: readonly Local[]): void {
  const [a, b, c, d] = rows;
  const [ab, abHigh, cd, cdHigh] = f.locals("v128", 4);
  f.get(a).get(b).shuffle(lowPairs).set(ab);
  f.get(a).get(b).shuffle(highPairs).set(abHigh);
  f.get(c).get(d).shuffle(lowPairs).set(cd);
  f.get(c).get(d).shuffle(highPairs).set(cdHigh);
  f.get(ab).get(cd).shuffle(lowHalves).set(a);
  f.get(ab).get(cd).shuffle(highHalves).set(b);
  f.get(abHigh).get(cdHigh).shuffle(lowHalves).set(c);
  f.get(abHigh).get(cdHigh).shuffle(highHalves).set(d);
}
