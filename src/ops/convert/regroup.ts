import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Layout } from "../contract.ts";
import { type Placement, place } from "../layout.ts";
import { addScaled, divide, emitUnits } from "../units.ts";
import { coalesce, emitPointers } from "../walk.ts";
import { bases, type Conversion, copyRate, spatialWalk } from "./copy.ts";

/** Copies between blocks of 8 and of 16 channels, half a block at a time; lanes that the source lacks become zero. */
export function regroup(type: TensorType, from: Layout, to: Layout): Conversion {
  const [source, target] = [place(type, from), place(type, to)];
  const half = Math.min(source.block, target.block);
  const halves = (target.blocks * target.block) / half;
  const present = (source.blocks * source.block) / half;
  const cells = coalesce(spatialWalk(source, target));
  const rows = cells.extents.slice(0, -1);
  const run = cells.extents[cells.extents.length - 1];
  const division = divide(type.batched, halves * size(rows), 3 + (run * half) / copyRate);
  const still = { extent: 1, step: 0 };
  const emit = (f: FunctionBuilder): void => {
    const { sourceBase, targetBase, sourcePointer, targetPointer, example } = bases(f, source, target);
    const copyRow = emitRow(f, sourcePointer, targetPointer, source.block, target.block, half, run);
    emitUnits(f, division, {
      example,
      unit: (unit) => {
        const [index] = emitPointers(
          f,
          unit,
          [halves, ...rows],
          [
            { base: sourceBase, pointer: sourcePointer, moves: [still, ...cells.moves[0]] },
            { base: targetBase, pointer: targetPointer, moves: [still, ...cells.moves[1]] },
          ],
        );
        addHalf(f, targetPointer, index, target, half);
        const copyPresent = (): void => {
          addHalf(f, sourcePointer, index, source, half);
          copyRow(true);
        };
        if (present >= halves) copyPresent();
        else
          f.get(index)
            .i32(present)
            .op("i32.lt_u")
            .if(copyPresent, () => copyRow(false));
      },
    });
  };
  return { division, emit };
}

/** Moves a pointer to half a block. */
function addHalf(f: FunctionBuilder, pointer: Local, index: Local, at: Placement, half: number): void {
  const per = at.block / half;
  const part = f.local("i32");
  f.get(index).i32(per).op("i32.div_u").set(part);
  f.get(pointer);
  addScaled(f, part, 4 * at.blockStride);
  f.get(index).i32(per).op("i32.rem_u").set(part);
  addScaled(f, part, 4 * half).set(pointer);
}

/** Code that copies half of the lanes of a row of cells, or clears them. */
function emitRow(
  f: FunctionBuilder,
  source: Local,
  target: Local,
  sourceBlock: number,
  targetBlock: number,
  half: number,
  run: number,
): (present: boolean) => void {
  const left = f.local("i32");
  const vectors = f.locals("v128", half / 4);
  return (present) => {
    f.i32(run).set(left);
    f.loop((again) => {
      for (const [part, vector] of vectors.entries()) {
        if (present) f.get(source).memory("v128.load", 16 * part);
        else f.f32x4(0);
        f.set(vector);
      }
      for (const [part, vector] of vectors.entries())
        f.get(target)
          .get(vector)
          .memory("v128.store", 16 * part);
      advance(f, source, present ? 4 * sourceBlock : 0);
      advance(f, target, 4 * targetBlock);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  };
}
