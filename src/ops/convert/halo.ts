import type { TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Layout } from "../contract.ts";
import { type Placement, place } from "../layout.ts";
import { type Division, divide, emitUnits } from "../units.ts";
import { copyRate } from "./copy.ts";

/** Runs of more vectors than this are filled in a loop. */
const inlineVectors = 16;

/** Fills the halo of every block of every example, lane for lane; the pointer walks over each block once. */
export function fillHalo(type: TensorType, layout: Layout): { division: Division; emit(f: FunctionBuilder): void } {
  const at = place(type, layout);
  const haloWords = at.blockStride - at.extents.reduce((product, extent) => product * extent, at.block);
  const division = divide(type.batched, at.blocks, 3 + haloWords / copyRate);
  const emit = (f: FunctionBuilder): void => {
    const [base, pointer] = f.locals("i32", 2);
    const fill = f.local("v128");
    if (type.dtype === "f32") f.f32x4(layout.fill).set(fill);
    else f.i32x4(layout.fill).set(fill);
    emitUnits(f, division, {
      example: (example) => {
        f.get(f.parameters[0]).memory("i32.load");
        if (example !== null)
          f.get(example)
            .i32(4 * at.exampleStride)
            .op("i32.mul", "i32.add");
        f.set(base);
      },
      unit: (block) => {
        f.get(base)
          .get(block)
          .i32(4 * at.blockStride)
          .op("i32.mul", "i32.add")
          .set(pointer);
        emitFill(f, pointer, fill, at.origin);
        emitAxis(f, at, 0, pointer, fill);
        emitFill(
          f,
          pointer,
          fill,
          at.strides.reduce((sum, stride, axis) => sum + stride * at.halo[axis].high, 0),
        );
      },
    });
  };
  return { division, emit };
}

/** Walks the interior along an axis; what lies between two of its positions is halo of the axes within. */
function emitAxis(f: FunctionBuilder, at: Placement, axis: number, pointer: Local, fill: Local): void {
  const extent = at.extents[axis];
  // within this axis everything is interior: one jump
  if (at.halo.slice(axis + 1).every(({ low, high }) => low + high === 0)) {
    advance(f, pointer, 4 * extent * at.strides[axis]);
    return;
  }
  if (extent > 1) {
    const left = f.local("i32");
    f.i32(extent - 1).set(left);
    f.loop((again) => {
      emitAxis(f, at, axis + 1, pointer, fill);
      emitFill(
        f,
        pointer,
        fill,
        at.strides.reduce((sum, stride, inner) => (inner > axis ? sum + stride * (at.halo[inner].low + at.halo[inner].high) : sum), 0),
      );
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  }
  emitAxis(f, at, axis + 1, pointer, fill);
}

/** Stores a constant number of words and moves the pointer behind them. */
function emitFill(f: FunctionBuilder, pointer: Local, fill: Local, words: number): void {
  const vectors = Math.floor(words / 4);
  const store = (offset: number): void => void f.get(pointer).get(fill).memory("v128.store", offset);
  const inline = vectors > inlineVectors ? vectors % 4 : vectors;
  if (vectors > inlineVectors) {
    const left = f.local("i32");
    f.i32(Math.floor(vectors / 4)).set(left);
    f.loop((again) => {
      for (let i = 0; i < 4; i++) store(16 * i);
      advance(f, pointer, 64);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  }
  for (let i = 0; i < inline; i++) store(16 * i);
  for (let i = 0; i < words % 4; i++)
    f.get(pointer)
      .get(fill)
      .laneMemory("v128.store32_lane", 0, 16 * inline + 4 * i);
  advance(f, pointer, 16 * inline + 4 * (words % 4));
}
