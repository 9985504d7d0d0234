import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Expression } from "../contract.ts";
import { type Constants, emitExpressions, hoistConstants } from "../expression/print-wasm.ts";
import { operandsOf } from "../expression/simplify.ts";
import { addScaled, countUp, type Division, emitGroup, emitUnits } from "../units.ts";
import { emitLength, emitPointers } from "../walk.ts";
import { copyIn, copyOut, gather, type RowPointers, scatter, setRowPointers, storeLanes } from "./lanes.ts";
import type { Pass, Passes } from "./passes.ts";
import type { RowWalk, Side } from "./sides.ts";

/** Everything that the code of a routine depends on. Sides are the operands that are read, then the results. */
export interface RowsCode {
  readonly rows: RowWalk;
  readonly passes: Passes;
  readonly operations: readonly ("sum" | "max")[];
  /** Side of each operand, and of each result. */
  readonly sideOfOperand: ReadonlyMap<number, number>;
  readonly sideOfResult: readonly number[];
  readonly length: number;
  /** Vectors of rows that are done together: 4, or 1 where cells of a row are gathered first. */
  readonly width: 1 | 4;
  /** Slots of scratch by side, positions of each, and the first slot of kept values. */
  readonly slots: ReadonlyMap<number, number>;
  readonly firstKept: number;
  readonly slotCount: number;
  readonly positions: number;
  readonly division: Division;
  readonly fma: boolean;
}

/** Bytes of scratch of one chunk. */
export const scratchBytes = ({ slotCount, positions, width }: Pick<RowsCode, "slotCount" | "positions" | "width">): number =>
  slotCount * positions * 16 * width;

/** Where a routine is: a pointer for each side, the scratch of the chunk, what is known of the rows at hand. */
interface Place {
  readonly f: FunctionBuilder;
  readonly code: RowsCode;
  readonly constants: Constants;
  readonly pointers: readonly Local[];
  readonly scratch: Local;
  readonly lanes: Local;
  readonly rowPointers: RowPointers;
  /** Numbers of each row by operand number, a local for each vector of rows. */
  readonly numbers: Map<number, readonly Local[]>;
  readonly locals: Local[];
  /** Positions that are still to be done, and where their scratch is. */
  readonly left: Local;
  readonly at: Local;
}

export function emitRows(f: FunctionBuilder, code: RowsCode): void {
  const { rows, passes, division } = code;
  const every = [...passes.passes.flatMap(({ held, made }) => [...held, ...made.map(({ formula }) => formula)])];
  const constants = hoistConstants(f, [...every, ...passes.rows.map(({ formula }) => formula)], code.fma);
  const { sides } = rows;
  const [scratch, lanes, length, left, at] = f.locals("i32", 5);
  const pointers = f.locals("i32", sides.length);
  const rowPointers = f.locals("i32", sides.some(({ kind }) => kind === "apart") ? 4 : 0);
  const place: Place = { f, code, constants, pointers, scratch, lanes, rowPointers, numbers: new Map(), locals: [], left, at };
  const base = (side: Side, index: number, example: Local | null): FunctionBuilder => {
    f.get(f.parameters[0])
      .memory("i32.load", 4 * index)
      .i32(4 * side.origin)
      .op("i32.add");
    return example === null ? f : addScaled(f, example, 4 * side.exampleStep);
  };
  if (rows.alongExamples) {
    const [, chunk, end] = f.parameters;
    const first = f.local("i32");
    countUp(f, chunk, end, () => {
      const beyond = emitGroup(f, division.chunks.group, first);
      sides.forEach((side, index) => {
        base(side, index, first).set(pointers[index]);
      });
      f.get(beyond).get(first).op("i32.sub").set(length);
      emitScratch(place);
      emitTiles(place, length);
    });
    return;
  }
  const bases = f.locals("i32", sides.length);
  emitUnits(f, division, {
    example: (example) => {
      sides.forEach((side, index) => {
        base(side, index, example).set(bases[index]);
      });
      emitScratch(place);
    },
    unit: (unit) => {
      const walkers = sides.map((_, index) => ({ base: bases[index], pointer: pointers[index], moves: rows.walk.moves[index] }));
      const own = emitLength(f, rows.walk, emitPointers(f, unit, rows.walk.extents.slice(0, -1), walkers));
      if (typeof own === "number") f.i32(own).set(length);
      else f.get(own).set(length);
      emitTiles(place, length);
    },
  });
}

/** Sets the chunk's scratch; positions of blocks beyond the last one are 0 in it. */
function emitScratch({ f, code, scratch }: Place): void {
  if (code.slotCount === 0) return;
  f.get(f.parameters[0]).memory("i32.load", 4 * code.rows.sides.length);
  addScaled(f, f.parameters[1], scratchBytes(code)).set(scratch);
  for (const side of code.sideOfResult) {
    const slot = code.slots.get(side);
    if (slot === undefined) continue;
    for (let position = code.length; position < code.positions; position++)
      f.get(scratch)
        .i32x4(0)
        .memory("v128.store", 16 * (slot * code.positions + position));
  }
}

/** All rows of a run, `length` of them. */
function emitTiles(place: Place, length: Local): void {
  const { f, code, pointers, lanes } = place;
  const move = (rows: number): void => {
    code.rows.sides.forEach(({ laneStep }, index) => {
      advance(f, pointers[index], 4 * laneStep * rows);
    });
  };
  const loop = (rows: number, body: () => void): void => {
    f.block((exit) => {
      f.loop((again) => {
        f.get(length)
          .i32(rows === 4 ? 1 : rows)
          .op("i32.lt_s")
          .branchIf(exit);
        body();
        move(rows);
        f.get(length).i32(rows).op("i32.sub").set(length).branch(again);
      });
    });
  };
  if (code.width === 4) loop(16, () => emitTile(place, 4));
  loop(4, () => {
    f.i32(4).get(length).i32(4).get(length).op("i32.lt_s", "select").set(lanes);
    emitTile(place, 1);
  });
}

function numbersOf(place: Place, index: number): readonly Local[] {
  const known = place.numbers.get(index) ?? place.f.locals("v128", place.code.width);
  place.numbers.set(index, known);
  return known;
}

/** Rows of `width` vectors, from the pointers on. */
function emitTile(place: Place, width: number): void {
  const { f, code, pointers, lanes, rowPointers } = place;
  const { sides } = code.rows;
  for (const [operand, index] of code.sideOfOperand) {
    const side = sides[index];
    if (side.ofRow) emitNumbers(place, side, pointers[index], numbersOf(place, operand).slice(0, width));
    else if (side.kind === "apart") {
      setRowPointers(f, rowPointers, side, pointers[index], lanes);
      copyIn(f, side, code.length, rowPointers, slotAt(place, index));
    }
  }
  for (const pass of code.passes.passes) emitPass(place, pass, width);
  emitRowResults(place, width);
  for (const index of code.sideOfResult) {
    if (!code.slots.has(index)) continue;
    setRowPointers(f, rowPointers, sides[index], pointers[index], lanes);
    copyOut(f, sides[index], code.length, rowPointers, slotAt(place, index));
  }
}

/** Sets a local to the scratch of a side. */
function slotAt({ f, code, scratch, at }: Place, side: number): Local {
  const slot = code.slots.get(side) ?? 0;
  f.get(scratch)
    .i32(16 * slot * code.positions)
    .op("i32.add")
    .set(at);
  return at;
}

function emitNumbers({ f, lanes, rowPointers }: Place, side: Side, pointer: Local, into: readonly Local[]): void {
  into.forEach((vector, w) => {
    if (side.kind === "splat") f.get(pointer).memory("v128.load32_splat");
    else if (side.kind === "vector") f.get(pointer).memory("v128.load", 16 * w);
    else {
      setRowPointers(f, rowPointers, side, pointer, lanes);
      gather(f, rowPointers, null, vector);
    }
    if (side.integer) f.op("f32x4.convert_i32x4_s");
    f.set(vector);
  });
}

/** Pushes an operand of a formula for vector `w` of the rows. */
function pushOperand(place: Place, moving: ReadonlyMap<number, Local>, index: number, w: number): void {
  const { f, code, at } = place;
  const { firstKept } = code.passes;
  const number = place.numbers.get(index);
  if (number !== undefined) f.get(number[w]);
  else if (index >= firstKept) f.get(at).memory("v128.load", keptOffset(code, index, w));
  else {
    const side = code.sideOfOperand.get(index) ?? 0;
    const pointer = moving.get(side);
    const slot = code.slots.get(side);
    const { kind, integer } = code.rows.sides[side];
    if (slot !== undefined) f.get(at).memory("v128.load", 16 * slot * code.positions);
    else if (pointer !== undefined)
      f.get(pointer).memory(kind === "splat" ? "v128.load32_splat" : "v128.load", kind === "splat" ? 0 : 16 * w);
    if (integer && slot === undefined) f.op("f32x4.convert_i32x4_s");
  }
}

const keptOffset = (code: RowsCode, index: number, w: number): number =>
  16 * ((code.firstKept + index - code.passes.firstKept) * code.positions * code.width + w);

function formulasInto(place: Place, moving: ReadonlyMap<number, Local>, formulas: readonly Expression[], w: number, into: Local[]): void {
  const { f, code, constants, locals } = place;
  const vector = (index: number): void => pushOperand(place, moving, index, w);
  emitExpressions(f, formulas, { vector, fma: code.fma, constants, scratch: locals }, into);
}

function emitPass(place: Place, pass: Pass, width: number): void {
  const { f, code, scratch, at, left } = place;
  const { passes, operations, sideOfResult, rows } = code;
  const folds = foldsOf(code, pass);
  for (let w = 0; w < width; w++) {
    const held = pass.held.map((_, i) => numbersOf(place, heldBefore(passes, pass) + i)[w]);
    formulasInto(place, new Map(), pass.held, w, held);
    if (folds)
      for (const { index } of pass.made)
        f.f32x4(operations[index] === "sum" ? 0 : Number.NEGATIVE_INFINITY).set(numbersOf(place, passes.firstFold + index)[w]);
  }
  const moving = new Map<number, Local>();
  const steps: { local: Local; bytes: number }[] = [];
  const read = pass.made.flatMap(({ formula }) => operandsOf(formula));
  const sides = [
    ...read.flatMap((index) => code.sideOfOperand.get(index) ?? []),
    ...(folds ? [] : pass.made.map(({ index }) => sideOfResult[index])),
  ];
  for (const side of new Set(sides)) {
    if (rows.sides[side].ofRow && !sideOfResult.includes(side)) continue;
    if (code.slots.has(side)) continue;
    const local = f.local("i32");
    f.get(place.pointers[side]).set(local);
    moving.set(side, local);
    steps.push({ local, bytes: 4 * rows.sides[side].step });
  }
  if (code.slotCount > 0) {
    f.get(scratch).set(at);
    steps.push({ local: at, bytes: 16 * code.width });
  }
  const formulas = [...pass.made.map(({ formula }) => formula), ...pass.kept];
  const values = Array.from({ length: width }, () => f.locals("v128", formulas.length));
  f.i32(code.length).set(left);
  f.loop((again) => {
    values.forEach((own, w) => {
      formulasInto(place, moving, formulas, w, own);
    });
    values.forEach((own, w) => {
      emitMade(place, pass, folds, moving, own, w, width);
    });
    for (const { local, bytes } of steps) advance(f, local, bytes);
    f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
  });
}

/** Adds values to their folds, or writes them as results; keeps what later passes read. */
function emitMade(
  place: Place,
  pass: Pass,
  folds: boolean,
  moving: ReadonlyMap<number, Local>,
  values: readonly Local[],
  w: number,
  width: number,
): void {
  const { f, code, at, lanes } = place;
  pass.made.forEach(({ index }, i) => {
    if (folds) {
      const number = numbersOf(place, code.passes.firstFold + index)[w];
      f.get(number)
        .get(values[i])
        .op(code.operations[index] === "sum" ? "f32x4.add" : "f32x4.max")
        .set(number);
      return;
    }
    const side = code.sideOfResult[index];
    const slot = code.slots.get(side);
    const pointer = moving.get(side);
    if (slot !== undefined)
      f.get(at)
        .get(values[i])
        .memory("v128.store", 16 * slot * code.positions);
    else if (pointer !== undefined && width === 4)
      f.get(pointer)
        .get(values[i])
        .memory("v128.store", 16 * w);
    else if (pointer !== undefined) storeLanes(f, pointer, values[i], lanes);
  });
  pass.kept.forEach((_, i) => {
    const first = code.passes.passes.slice(0, code.passes.passes.indexOf(pass)).reduce((sum, { kept }) => sum + kept.length, 0);
    f.get(at)
      .get(values[pass.made.length + i])
      .memory("v128.store", keptOffset(code, code.passes.firstKept + first + i, w));
  });
}

const foldsOf = ({ passes, operations }: RowsCode, pass: Pass): boolean => {
  const before = passes.passes.slice(0, passes.passes.indexOf(pass)).reduce((sum, { made }) => sum + made.length, 0);
  return before < operations.length;
};

const heldBefore = ({ passes, firstHeld }: Passes, pass: Pass): number =>
  firstHeld + passes.slice(0, passes.indexOf(pass)).reduce((sum, { held }) => sum + held.length, 0);

function emitRowResults(place: Place, width: number): void {
  const { f, code, pointers, lanes, rowPointers } = place;
  const { rows } = code.passes;
  const values = Array.from({ length: width }, () => f.locals("v128", rows.length));
  values.forEach((own, w) => {
    formulasInto(
      place,
      new Map(),
      rows.map(({ formula }) => formula),
      w,
      own,
    );
  });
  rows.forEach(({ index }, i) => {
    const side = code.sideOfResult[index];
    const { kind } = code.rows.sides[side];
    values.forEach((own, w) => {
      if (width === 4)
        f.get(pointers[side])
          .get(own[i])
          .memory("v128.store", 16 * w);
      else if (kind === "apart") {
        setRowPointers(f, rowPointers, code.rows.sides[side], pointers[side], lanes);
        scatter(f, rowPointers, null, own[i]);
      } else storeLanes(f, pointers[side], own[i], lanes);
    });
  });
}
