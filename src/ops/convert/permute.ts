import { invariant } from "../../base/errors.ts";
import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Layout } from "../contract.ts";
import { place } from "../layout.ts";
import { divide, emitUnits } from "../units.ts";
import { coalesce, cut, emitLength, emitPointers } from "../walk.ts";
import { bases, type Conversion, spatialWalk } from "./copy.ts";
import { groupLanes } from "./transpose.ts";

/** Words moved in a ns. */
export const permuteRate = 2;
const piece = 256;

/** One word of every cell, in bytes from where the block of groups begins; without a source it is set to zero. */
interface Move {
  readonly from: number | null;
  readonly to: number;
}

/** Do as many groups as a block has lanes consist of whole blocks of channels? */
export const permutes = (perGroup: number, lanes: number, block: number): boolean => (perGroup * lanes) % block === 0;

/** Between channel blocks and blocks whose lanes are groups, word by word; lanes without a channel become zero. */
export function permute(type: TensorType, blocks: Layout, lanes: Layout, perGroup: number, toLanes: boolean): Conversion {
  const [cells, groups] = [place(type, blocks), place(groupLanes(type, perGroup, lanes.block), lanes)];
  invariant(permutes(perGroup, groups.block, cells.block), () => `groups of ${perGroup} in blocks of ${cells.block}`);
  const [source, target] = toLanes ? [cells, groups] : [groups, cells];
  const walk = cut(coalesce(spatialWalk(source, target)), piece);
  const count = groups.blocks / perGroup;
  const cellBlocks = (groups.block * perGroup) / cells.block;
  const outer = [count, ...walk.extents.slice(0, -1)];
  const words = groups.block * perGroup;
  const division = divide(type.batched, size(outer), 5 + (walk.piece * words) / permuteRate);
  const atCell = (channel: number): number => 4 * (Math.floor(channel / cells.block) * cells.blockStride + (channel % cells.block));
  const atLane = (lane: number, channel: number): number => 4 * (channel * count * groups.blockStride + lane);
  const moves = (block: number): Move[] => {
    const left = cells.channels - block * words;
    const list = Array.from({ length: words }, (_, i) => {
      const [lane, channel] = [Math.floor(i / perGroup), i % perGroup];
      const [cell, group] = [i < left ? atCell(i) : null, atLane(lane, channel)];
      return toLanes ? [{ from: cell, to: group }] : cell === null ? [] : [{ from: group, to: cell }];
    }).flat();
    const spare = toLanes || left > words ? 0 : (cells.block - (left % cells.block)) % cells.block;
    return [...list, ...Array.from({ length: spare }, (_, i) => ({ from: null, to: atCell(left + i) }))];
  };
  const blockMove = (at: typeof source) => ({ extent: count, step: at === cells ? cellBlocks * cells.blockStride : groups.blockStride });
  const emit = (f: FunctionBuilder): void => {
    const { sourceBase, targetBase, sourcePointer, targetPointer, example } = bases(f, source, target);
    emitUnits(f, division, {
      example,
      unit: (unit) => {
        const coordinates = emitPointers(f, unit, outer, [
          { base: sourceBase, pointer: sourcePointer, moves: [blockMove(source), ...walk.moves[0]] },
          { base: targetBase, pointer: targetPointer, moves: [blockMove(target), ...walk.moves[1]] },
        ]);
        const length = emitLength(f, walk, coordinates);
        const run = (block: number): void =>
          emitCells(f, length, moves(block), [
            { pointer: sourcePointer, step: 4 * source.block },
            { pointer: targetPointer, step: 4 * target.block },
          ]);
        if (count === 1) run(0);
        else
          f.get(coordinates[0])
            .i32(count - 1)
            .op("i32.eq")
            .if(
              () => run(count - 1),
              () => run(0),
            );
      },
    });
  };
  return { division, emit };
}

/** All moves of one cell after the other. */
function emitCells(
  f: FunctionBuilder,
  length: number | Local,
  moves: readonly Move[],
  [source, target]: readonly { readonly pointer: Local; readonly step: number }[],
): void {
  const left = f.local("i32");
  if (typeof length === "number") f.i32(length);
  else f.get(length);
  f.set(left);
  f.loop((again) => {
    for (const { from, to } of moves) {
      f.get(target.pointer);
      if (from === null) f.i32(0);
      else f.get(source.pointer).memory("i32.load", from);
      f.memory("i32.store", to);
    }
    for (const { pointer, step } of [source, target]) advance(f, pointer, step);
    f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
  });
}
