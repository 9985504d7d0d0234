import { strides } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Buffers } from "../contract.ts";
import { type Placement, place } from "../layout.ts";
import { addScaled, countUp } from "../units.ts";
import { regionsOperator } from "./index.ts";
import { type RegionsPlan, tableCells } from "./plan.ts";

/** Where all operands of a routine lie, in the order of its arguments: inputs (the table is the last), then outputs. */
export function placesOf(plan: RegionsPlan, buffers: Buffers): Placement[] {
  const types = [...regionsOperator.inputs(plan), ...regionsOperator.outputs(plan)];
  const layouts = [...buffers.inputs, ...buffers.outputs];
  return types.map((type, i) => place(type, layouts[i]));
}

/** First number of every axis in the table: its starts; its ends follow them. */
export function tableStarts({ output }: RegionsPlan): number[] {
  let at = 0;
  return output.map((regions) => {
    at += 2 * regions;
    return at - 2 * regions;
  });
}

export const bytesAlong = ({ strides: words }: Placement, axis: number): number => 4 * words[axis];

/** Flat cells from one cell to the next on every axis. */
export const cellsAlong = ({ input }: RegionsPlan): number[] => strides(input);

export function argument(f: FunctionBuilder, position: number): Local {
  const local = f.local("i32");
  f.get(f.parameters[0])
    .memory("i32.load", 4 * position)
    .set(local);
  return local;
}

/** Of a chunk, one block of channels of an example: where every operand begins, the table of the example, and the block. */
export interface Chunk {
  readonly bases: readonly Local[];
  readonly table: Local;
  readonly example: Local;
  readonly part: Local;
}

/** Walks the chunks of a routine. */
export function eachChunk(f: FunctionBuilder, plan: RegionsPlan, places: readonly Placement[], body: (chunk: Chunk) => void): void {
  const [, chunk, end] = f.parameters;
  const [example, part] = f.locals("i32", 2);
  const operands = places.map((_, i) => argument(f, i));
  const bases = f.locals("i32", places.length);
  const { blocks } = places[0];
  const table = regionsOperator.inputs(plan).length - 1;
  countUp(f, chunk, end, () => {
    f.get(chunk).i32(blocks).op("i32.div_u").set(example).get(chunk).i32(blocks).op("i32.rem_u").set(part);
    places.forEach((at, i) => {
      f.get(operands[i]);
      if (i === table) {
        if (plan.own) addScaled(f, example, 4 * tableCells(plan));
      } else {
        addScaled(f, example, 4 * at.exampleStride);
        addScaled(f, part, 4 * at.blockStride)
          .i32(4 * at.origin)
          .op("i32.add");
      }
      f.set(bases[i]);
    });
    body({ bases, table: bases[table], example, part });
  });
}

/** One axis of a region, or of the regions that a cell lies in: first <= counter < end. */
export interface Range {
  readonly first: Local;
  readonly end: Local;
}

/** Reads start and end of the region at `row` of the table, cut to the input; a region without cells is 0 to 0. */
export function readRegion(f: FunctionBuilder, row: Local, regions: number, extent: number, { first, end }: Range): void {
  const some = f.local("i32");
  f.get(row).memory("i32.load").tee(first).get(first).i32(31).op("i32.shr_s").i32(-1).op("i32.xor", "i32.and").set(first);
  f.get(row)
    .memory("i32.load", 4 * regions)
    .tee(end)
    .i32(extent)
    .get(end)
    .i32(extent)
    .op("i32.lt_s", "select")
    .set(end);
  f.get(first).get(end).op("i32.lt_s").set(some);
  f.get(first).i32(0).get(some).op("select").set(first);
  f.get(end).i32(0).get(some).op("select").set(end);
}

/** A pointer or number that goes on by a step for each cell of an axis. */
export interface Cursor {
  readonly at: Local;
  /** Steps of all axes. */
  readonly steps: readonly number[];
}

/** Walks all cells of the ranges, the last axis fastest; `visit` gets the cursors there. */
export function walkRanges(
  f: FunctionBuilder,
  ranges: readonly Range[],
  cursors: readonly Cursor[],
  visit: (cursors: readonly Local[]) => void,
  inside: (axis: number, counter: Local, body: () => void) => void = (_, __, body) => body(),
): void {
  const walk = (axis: number, outer: readonly Local[]): void => {
    if (axis === ranges.length) {
      visit(outer);
      return;
    }
    const counter = f.local("i32");
    const inner = f.locals("i32", cursors.length);
    cursors.forEach(({ steps }, i) => {
      f.get(outer[i]);
      addScaled(f, ranges[axis].first, steps[axis]).set(inner[i]);
    });
    f.get(ranges[axis].first).set(counter);
    countUp(f, counter, ranges[axis].end, () => {
      inside(axis, counter, () => walk(axis + 1, inner));
      cursors.forEach(({ steps }, i) => {
        advance(f, inner[i], steps[axis]);
      });
    });
  };
  walk(
    0,
    cursors.map(({ at }) => at),
  );
}

/** Walks all cells of a result, the last axis fastest; `enter` is called at each cell of each axis. */
export function walkResult(
  f: FunctionBuilder,
  extents: readonly number[],
  cursors: readonly Cursor[],
  enter: (axis: number, counter: Local) => void,
  visit: (cursors: readonly Local[]) => void,
): void {
  const walk = (axis: number, outer: readonly Local[]): void => {
    if (axis === extents.length) {
      visit(outer);
      return;
    }
    const [counter, end] = f.locals("i32", 2);
    const inner = f.locals("i32", cursors.length);
    cursors.forEach((_, i) => {
      f.get(outer[i]).set(inner[i]);
    });
    f.i32(0).set(counter).i32(extents[axis]).set(end);
    countUp(f, counter, end, () => {
      enter(axis, counter);
      walk(axis + 1, inner);
      cursors.forEach(({ steps }, i) => {
        advance(f, inner[i], steps[axis]);
      });
    });
  };
  walk(
    0,
    cursors.map(({ at }) => at),
  );
}
