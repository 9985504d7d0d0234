import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Layout } from "../contract.ts";
import { type Placement, place } from "../layout.ts";
import { addScaled, type Division, divide, emitUnits } from "../units.ts";
import { coalesce, cut, emitLength, emitPointers, emitRun, type Run, type Walk } from "../walk.ts";

/** Words copied in a ns, in and out of cache. */
export const copyRate = 2;
const piece = 8192;

export interface Conversion {
  readonly division: Division;
  emit(f: FunctionBuilder): void;
}

/** Copies rows between layouts of one block: equal words, other halos. */
export function copy(type: TensorType, from: Layout, to: Layout): Conversion {
  const [source, target] = [place(type, from), place(type, to)];
  const { block, blocks, extents } = target;
  const movesOf = (at: Placement) => [
    { extent: blocks, step: at.blockStride },
    ...extents.map((extent, axis) => ({ extent, step: at.strides[axis] })),
    { extent: block, step: 1 },
  ];
  const walk = cut(coalesce({ extents: [blocks, ...extents, block], moves: [movesOf(source), movesOf(target)], runSteps: [1, 1] }), piece);
  const outer = walk.extents.slice(0, -1);
  const division = divide(type.batched, size(outer), 3 + walk.piece / copyRate);
  const emit = (f: FunctionBuilder): void => {
    const { sourceBase, targetBase, sourcePointer, targetPointer, example } = bases(f, source, target);
    emitUnits(f, division, {
      example,
      unit: (unit) => {
        const coordinates = emitPointers(f, unit, outer, [
          { base: sourceBase, pointer: sourcePointer, moves: walk.moves[0] },
          { base: targetBase, pointer: targetPointer, moves: walk.moves[1] },
        ]);
        emitRun(f, emitLength(f, walk, coordinates), copyRun(f, sourcePointer, targetPointer));
      },
    });
  };
  return { division, emit };
}

/** Walk over the cells of one block. */
export const spatialWalk = (source: Placement, target: Placement): Walk => ({
  extents: target.extents,
  moves: [source, target].map((at) => target.extents.map((extent, axis) => ({ extent, step: at.strides[axis] }))),
  runSteps: [source.block, target.block],
});

/** Locals of a conversion, and the code that sets the bases to the first interior cell of an example. */
export function bases(f: FunctionBuilder, source: Placement, target: Placement) {
  const [sourceBase, targetBase, sourcePointer, targetPointer] = f.locals("i32", 4);
  const set = (base: Local, operand: number, at: Placement, example: Local | null): void => {
    f.get(f.parameters[0])
      .memory("i32.load", 4 * operand)
      .i32(4 * at.origin)
      .op("i32.add");
    if (example !== null) addScaled(f, example, 4 * at.exampleStride);
    f.set(base);
  };
  const example = (index: Local | null): void => {
    set(sourceBase, 0, source, index);
    set(targetBase, 1, target, index);
  };
  return { sourceBase, targetBase, sourcePointer, targetPointer, example };
}

function copyRun(f: FunctionBuilder, source: Local, target: Local): Run {
  return {
    pointers: [
      { local: source, bytes: 4 },
      { local: target, bytes: 4 },
    ],
    vectors: (count) => {
      const vectors = f.locals("v128", count);
      vectors.forEach((vector, i) =>
        f
          .get(source)
          .memory("v128.load", 16 * i)
          .set(vector),
      );
      vectors.forEach((vector, i) =>
        f
          .get(target)
          .get(vector)
          .memory("v128.store", 16 * i),
      );
    },
    rest: (cells) => {
      for (let i = 0; i < cells; i++)
        f.get(target)
          .get(source)
          .memory("i32.load", 4 * i)
          .memory("i32.store", 4 * i);
    },
  };
}
