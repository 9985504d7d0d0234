import type { FunctionBuilder, Local } from "../emit/wasm/function.ts";
import type { Chunks } from "./contract.ts";

/** Work of one thread that a chunk should hold, ns. */
const chunkNs = 40_000;

/**
 * Units of equal work dealt into chunks, independent of the number of threads and of examples: several whole examples to a
 * chunk where they are small, otherwise an equal share of one example's units.
 */
export interface Division {
  readonly chunks: Chunks;
  readonly batched: boolean;
  /** Units of one example. */
  readonly units: number;
  /** Units of one chunk when it is a share of an example. */
  readonly share: number;
}

/**
 * Parts for the work of so many chunks: one, or an even number, which two threads (and four, nearly) share without waiting. Four parts of half a chunk serve
 * threads better than two whole ones, and a part is taken in a tenth of a microsecond.
 */
export const evenParts = (chunks: number): number => (chunks < 0.25 ? 1 : 2 * Math.ceil(chunks));

/** Deals `units` per example, each of so many ns. `whole` keeps the units of an example together. */
export function divide(batched: boolean, units: number, unitNs: number, whole = false): Division {
  const parts = whole ? 1 : Math.max(1, Math.min(units, Math.round((units * unitNs) / chunkNs)));
  const share = Math.max(1, Math.ceil(units / parts));
  const each = Math.ceil(units / share) || 1;
  if (!batched) return { chunks: { each, group: 0 }, batched, units, share };
  const group = each > 1 ? 1 : Math.max(1, Math.min(4096, Math.round(chunkNs / Math.max(1, units * unitNs))));
  return { chunks: { each, group }, batched, units, share };
}

/** Code for the parts of a chunk; the locals hold where it is. */
export interface UnitCode {
  /** Once for every example, before its units; null when the value is not batched. */
  example?(example: Local | null): void;
  unit(unit: Local): void;
}

/** Adds local * factor to the i32 on the stack. */
export function addScaled(f: FunctionBuilder, local: Local, factor: number): FunctionBuilder {
  return f.get(local).i32(factor).op("i32.mul", "i32.add");
}

/** local = the smaller of what `a` and `b` push */
export function setMinimum(f: FunctionBuilder, into: Local, a: () => void, b: () => void): void {
  a();
  f.tee(into);
  b();
  f.get(into);
  b();
  f.op("i32.lt_u", "select").set(into);
}

/** for (counter = what stands in it; counter < end; counter++) with a run-time end. */
export function countUp(f: FunctionBuilder, counter: Local, end: Local, body: () => void): void {
  f.block((exit) => {
    f.get(counter).get(end).op("i32.ge_u").branchIf(exit);
    f.loop((again) => {
      body();
      f.get(counter).i32(1).op("i32.add").tee(counter).get(end).op("i32.lt_u").branchIf(again);
    });
  });
}

/** Walks the examples and units of the chunks [begin, end) of a routine (table, begin, end, examples). */
export function emitUnits(f: FunctionBuilder, division: Division, code: UnitCode): void {
  const [, chunk, end] = f.parameters;
  countUp(f, chunk, end, () => emitChunk(f, division, code));
}

function emitChunk(f: FunctionBuilder, { chunks, batched, units, share }: Division, code: UnitCode): void {
  const [unit, unitEnd, part] = f.locals("i32", 3);
  const shared = (): void => {
    f.get(part).i32(share).op("i32.mul").set(unit);
    setMinimum(
      f,
      unitEnd,
      () => f.get(unit).i32(share).op("i32.add"),
      () => f.i32(units),
    );
    countUp(f, unit, unitEnd, () => code.unit(unit));
  };
  if (!batched) {
    f.get(f.parameters[1]).set(part);
    code.example?.(null);
    shared();
    return;
  }
  const example = f.local("i32");
  if (chunks.each > 1) {
    f.get(f.parameters[1]).i32(chunks.each).op("i32.div_u").set(example);
    f.get(f.parameters[1]).i32(chunks.each).op("i32.rem_u").set(part);
    code.example?.(example);
    shared();
    return;
  }
  const exampleEnd = emitGroup(f, chunks.group, example);
  countUp(f, example, exampleEnd, () => {
    code.example?.(example);
    f.i32(0).set(unit).i32(units).set(unitEnd);
    countUp(f, unit, unitEnd, () => code.unit(unit));
  });
}

/** Sets the first example of the current chunk and returns the end: chunks of `group` whole examples. */
export function emitGroup(f: FunctionBuilder, group: number, first: Local): Local {
  const [, chunk, , examples] = f.parameters;
  const end = f.local("i32");
  f.get(chunk).i32(group).op("i32.mul").set(first);
  setMinimum(
    f,
    end,
    () => f.get(first).i32(group).op("i32.add"),
    () => f.get(examples),
  );
  return end;
}

/** Coordinates of a unit over the extents, the last running fastest. */
export function emitCoordinates(f: FunctionBuilder, unit: Local, extents: readonly number[]): Local[] {
  const coordinates: Local[] = [];
  const rest = f.local("i32");
  f.get(unit).set(rest);
  for (let axis = extents.length - 1; axis >= 0; axis--) {
    const own = f.local("i32");
    coordinates[axis] = own;
    if (axis === 0) f.get(rest).set(own);
    else {
      f.get(rest).i32(extents[axis]).op("i32.rem_u").set(own);
      f.get(rest).i32(extents[axis]).op("i32.div_u").set(rest);
    }
  }
  return coordinates;
}
