import type { FunctionBuilder, Local } from "../emit/wasm/function.ts";
import { advance } from "../emit/wasm/vectors.ts";
import { emitCoordinates } from "./units.ts";

/** How a tensor moves along one axis of a walk: position mod `extent`, `step` words apart. */
export interface Move {
  readonly extent: number;
  readonly step: number;
}

/** Axes (extents) that several tensors are walked over together; `moves[tensor][axis]`. */
export interface Walk {
  readonly extents: readonly number[];
  readonly moves: readonly (readonly Move[])[];
  /** Words from cell to cell of each tensor in a run, which is what the last axis of the walk is. */
  readonly runSteps: readonly number[];
}

const still: Move = { extent: 1, step: 0 };

/**
 * The same walk with fewer, longer axes: those of extent 1 are left out, neighbours are joined where every tensor goes straight
 * on (or stands still on both). Axes in `apart` are not joined to the next inner one. The last axis of the result is a run:
 * every tensor stands still on it or moves by its run step.
 */
export function coalesce({ extents, moves, runSteps }: Walk, apart: readonly number[] = []): Walk {
  const joined: { extent: number; last: number; moves: Move[] }[] = [];
  extents.forEach((extent, axis) => {
    if (extent === 1) return;
    const own = moves.map((tensor) => (tensor[axis].extent === 1 || tensor[axis].step === 0 ? still : tensor[axis]));
    const outer = joined.at(-1);
    if (
      outer === undefined ||
      apart.includes(outer.last) ||
      !own.every((move, tensor) => goesOn(outer.moves[tensor], outer.extent, move, extent))
    ) {
      joined.push({ extent, last: axis, moves: own });
      return;
    }
    outer.extent *= extent;
    outer.last = axis;
    outer.moves = own.map((move) => (move === still ? still : { extent: outer.extent, step: move.step }));
  });
  const run = joined.at(-1);
  if (run === undefined || apart.includes(run.last) || run.moves.some((move, tensor) => move !== still && move.step !== runSteps[tensor]))
    joined.push({ extent: 1, last: extents.length, moves: moves.map(() => still) });
  return {
    runSteps,
    extents: joined.map(({ extent }) => extent),
    moves: moves.map((_, tensor) => joined.map((axis) => axis.moves[tensor])),
  };
}

function goesOn(outer: Move, outerExtent: number, inner: Move, innerExtent: number): boolean {
  if (inner === still || outer === still) return inner === outer;
  return inner.extent === innerExtent && outer.extent === outerExtent && outer.step === inner.step * innerExtent;
}

/** The last axis cut into pieces of at most `piece` cells, as an axis of their number before it. */
export function cut({ extents, moves, runSteps }: Walk, piece: number): Walk & { readonly piece: number } {
  const last = extents.length - 1;
  const run = extents[last];
  if (run <= piece || moves.some((tensor) => tensor[last].extent > 1 && tensor[last].extent < run))
    return { extents, moves, runSteps, piece: run };
  const pieces = Math.ceil(run / piece);
  return {
    extents: [...extents.slice(0, last), pieces, run],
    moves: moves.map((tensor) => [
      ...tensor.slice(0, last),
      tensor[last].extent === 1 ? still : { extent: pieces, step: piece * tensor[last].step },
      tensor[last],
    ]),
    runSteps,
    piece,
  };
}

export interface Walker {
  /** Where the tensor begins, in bytes. */
  readonly base: Local;
  readonly pointer: Local;
  readonly moves: readonly Move[];
}

/** Sets pointers for a unit of the outer axes: base + 4 * sum of (coordinate mod extent) * step. Returns the coordinates. */
export function emitPointers(f: FunctionBuilder, unit: Local, outer: readonly number[], walkers: readonly Walker[]): Local[] {
  const coordinates = emitCoordinates(f, unit, outer);
  for (const { base, pointer, moves } of walkers) {
    f.get(base);
    coordinates.forEach((coordinate, axis) => {
      const { extent, step } = moves[axis];
      if (extent === 1 || step === 0) return;
      f.get(coordinate);
      if (extent < outer[axis]) f.i32(extent).op("i32.rem_u");
      f.i32(4 * step).op("i32.mul", "i32.add");
    });
    f.set(pointer);
  }
  return coordinates;
}

/** Cells of the last axis in a unit of a cut walk: a number, or a local where the last piece is shorter. */
export function emitLength(
  f: FunctionBuilder,
  { extents, piece }: Walk & { readonly piece: number },
  coordinates: readonly Local[],
): number | Local {
  const run = extents[extents.length - 1];
  const rest = run % piece;
  if (rest === 0) return piece;
  const length = f.local("i32");
  f.i32(rest).i32(piece);
  f.get(coordinates[coordinates.length - 1])
    .i32(Math.floor(run / piece))
    .op("i32.eq", "select")
    .set(length);
  return length;
}

/** A run of consecutive cells, done by vectors of four and then by one or two. */
export interface Run {
  /** Does the next 4 * count cells at the pointers; count is 4, 2 or 1. */
  vectors(count: number): void;
  /** Does the next one or two cells. */
  rest(cells: number): void;
  /** What moves, and by how many bytes per cell (a fraction where several cells share a word). */
  readonly pointers: readonly { readonly local: Local; readonly bytes: number }[];
}

/** Emits a run of a constant or run-time number of cells. */
export function emitRun(f: FunctionBuilder, cells: number | Local, run: Run): void {
  const go = (count: number): void => {
    if (count >= 4) run.vectors(count / 4);
    else run.rest(count);
    for (const { local, bytes } of run.pointers) advance(f, local, bytes * count);
  };
  if (typeof cells !== "number") {
    emitDynamicRun(f, cells, go);
    return;
  }
  const tiles = Math.floor(cells / 16);
  if (tiles === 1) go(16);
  else if (tiles > 1) {
    const left = f.local("i32");
    f.i32(tiles).set(left);
    f.loop((again) => {
      go(16);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    });
  }
  for (const count of [8, 4, 2, 1]) if ((cells & count) !== 0) go(count);
}

function emitDynamicRun(f: FunctionBuilder, cells: Local, go: (count: number) => void): void {
  const left = f.local("i32");
  f.get(cells).i32(4).op("i32.shr_u").tee(left);
  f.if(() =>
    f.loop((again) => {
      go(16);
      f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
    }),
  );
  for (const count of [8, 4, 2, 1])
    f.get(cells)
      .i32(count)
      .op("i32.and")
      .if(() => go(count));
}
