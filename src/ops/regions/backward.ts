import { size } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Buffers } from "../contract.ts";
import { addScaled, countUp } from "../units.ts";
import {
  argument,
  bytesAlong,
  type Cursor,
  cellsAlong,
  eachChunk,
  placesOf,
  type Range,
  readRegion,
  tableStarts,
  walkRanges,
  walkResult,
} from "./code.ts";
import { Lanes } from "./lanes.ts";
import { type RegionsPlan, tableCells } from "./plan.ts";

/** Numbers by which the regions of each cell are found: the first of every cell, then one beyond the last, of every axis in turn. */
export const linkCells = ({ input }: Pick<RegionsPlan, "input">): number => 2 * input.reduce((sum, extent) => sum + extent, 0);

const linkStarts = ({ input }: RegionsPlan): number[] => input.map((_, axis) => linkCells({ input: input.slice(0, axis) }));

/** Arguments: table, links. A chunk is an example, or all of them where they share a table. */
export function emitLinks(f: FunctionBuilder, plan: RegionsPlan): void {
  const [, chunk, end] = f.parameters;
  const [given, made] = [argument(f, 0), argument(f, 1)];
  const [table, links, row, cell, limit, region, regions] = f.locals("i32", 7);
  const range: Range = { first: f.local("i32"), end: f.local("i32") };
  const [starts, linked] = [tableStarts(plan), linkStarts(plan)];
  countUp(f, chunk, end, () => {
    f.get(given);
    addScaled(f, chunk, 4 * tableCells(plan)).set(table);
    f.get(made);
    addScaled(f, chunk, 4 * linkCells(plan)).set(links);
    plan.input.forEach((extent, axis) => {
      const count = plan.output[axis];
      const own = 4 * linked[axis];
      const at = (): FunctionBuilder => f.get(cell).i32(2).op("i32.shl").get(links).op("i32.add");
      f.i32(0).set(cell).i32(extent).set(limit);
      countUp(f, cell, limit, () => {
        at().i32(count).memory("i32.store", own);
        at()
          .i32(0)
          .memory("i32.store", own + 4 * extent);
      });
      f.i32(0).set(region).i32(count).set(regions);
      countUp(f, region, regions, () => {
        f.get(region)
          .i32(2)
          .op("i32.shl")
          .get(table)
          .op("i32.add")
          .i32(4 * starts[axis])
          .op("i32.add")
          .set(row);
        readRegion(f, row, count, extent, range);
        f.get(range.first).set(cell);
        countUp(f, cell, range.end, () => {
          at().memory("i32.load", own).i32(count).op("i32.eq");
          f.if(() => void at().get(region).memory("i32.store", own));
          at()
            .get(region)
            .i32(1)
            .op("i32.add")
            .memory("i32.store", own + 4 * extent);
        });
      });
    });
  });
}

interface LinkedCell {
  readonly ranges: readonly Range[];
  /** The cell on every axis. */
  readonly cellAt: readonly Local[];
}

/** At each cell of an axis, its first region and what lies beyond its last. */
function enterLinks(
  f: FunctionBuilder,
  plan: RegionsPlan,
  { ranges, cellAt, links }: LinkedCell & { readonly links: Local },
): (axis: number, counter: Local) => void {
  const linked = linkStarts(plan);
  return (axis, counter) => {
    const at = (): FunctionBuilder => f.get(counter).i32(2).op("i32.shl").get(links).op("i32.add");
    at()
      .memory("i32.load", 4 * linked[axis])
      .set(ranges[axis].first);
    at()
      .memory("i32.load", 4 * (linked[axis] + plan.input[axis]))
      .set(ranges[axis].end);
    f.get(counter).set(cellAt[axis]);
  };
}

/** Its first and its last region hold a cell; between them there may be others. An index tells by itself. */
function insideOf(
  f: FunctionBuilder,
  plan: RegionsPlan,
  { ranges, cellAt, table }: LinkedCell & { readonly table: Local },
): (axis: number, counter: Local, body: () => void) => void {
  if (plan.role === "scatter") return (_, __, body) => body();
  const starts = tableStarts(plan);
  return (axis, counter, body) => {
    const row = (): FunctionBuilder => f.get(counter).i32(2).op("i32.shl").get(table).op("i32.add");
    f.block((outside) => {
      f.block((sure) => {
        f.get(ranges[axis].end).get(ranges[axis].first).op("i32.sub").i32(3).op("i32.lt_s").branchIf(sure);
        row()
          .memory("i32.load", 4 * starts[axis])
          .get(cellAt[axis])
          .op("i32.gt_s")
          .branchIf(outside);
        row()
          .memory("i32.load", 4 * (starts[axis] + plan.output[axis]))
          .get(cellAt[axis])
          .op("i32.le_s")
          .branchIf(outside);
      });
      body();
    });
  };
}

/** scatter and spread: cell by cell of V, the regions that it lies in are walked. Arguments: inputs, output, links. */
export function emitBackward(f: FunctionBuilder, plan: RegionsPlan, buffers: Buffers): void {
  const places = placesOf(plan, buffers);
  const scatters = plan.role === "scatter";
  const result = places.length - 1;
  const channelCells = size(plan.input);
  const { block } = places[0];
  const lanes = new Lanes(f, block, channelCells);
  const [sums, own] = [lanes.floats(), lanes.integers()];
  const made = argument(f, places.length);
  const ranges = plan.input.map((): Range => ({ first: f.local("i32"), end: f.local("i32") }));
  const [links, firstCell] = f.locals("i32", 2);
  const cellAt = plan.input.map(() => f.local("i32"));
  eachChunk(f, plan, places, ({ bases, table, example, part }) => {
    f.get(made);
    if (plan.own) addScaled(f, example, 4 * linkCells(plan));
    f.set(links);
    f.get(part)
      .i32(block * channelCells)
      .op("i32.mul")
      .set(firstCell);
    const along = (i: number): Cursor => ({ at: bases[i], steps: plan.input.map((_, axis) => bytesAlong(places[i], axis)) });
    const enter = enterLinks(f, plan, { ranges, cellAt, links });
    const inside = insideOf(f, plan, { ranges, cellAt, table });
    walkResult(f, plan.input, [along(result), { at: firstCell, steps: cellsAlong(plan) }], enter, ([to, cell]) => {
      lanes.each((v) => {
        lanes.float(0);
        f.set(sums[v]);
        if (!scatters) return;
        lanes.all(cell);
        lanes.apart(v);
        f.set(own[v]);
      });
      walkRanges(
        f,
        ranges,
        scatters ? [along(0), along(1)] : [along(0)],
        ([from, index]) =>
          lanes.each((v) => {
            f.get(sums[v]);
            if (scatters)
              lanes.whereEqual(
                () => lanes.load(from, v),
                () => lanes.load(index, v, "i32"),
                () => f.get(own[v]),
              );
            else lanes.load(from, v);
            lanes.op("add");
            f.set(sums[v]);
          }),
        inside,
      );
      lanes.store(to, sums);
    });
  });
}

/** take, channel by channel: each result reads the cell that its index says. */
export function emitTake(f: FunctionBuilder, plan: RegionsPlan, buffers: Buffers): void {
  const places = placesOf(plan, buffers);
  const channelCells = size(plan.input);
  const steps = cellsAlong(plan);
  const [cell, from] = f.locals("i32", 2);
  eachChunk(f, plan, places, ({ bases, part }) => {
    const along = (i: number): Cursor => ({ at: bases[i], steps: plan.output.map((_, axis) => bytesAlong(places[i], axis)) });
    walkResult(
      f,
      plan.output,
      [along(3), along(1)],
      () => {},
      ([to, index]) => {
        f.get(index).memory("i32.load").get(part).i32(channelCells).op("i32.mul", "i32.sub").set(cell);
        f.get(to).f32(0).memory("f32.store");
        f.get(cell).i32(channelCells).op("i32.lt_u");
        f.if(() => {
          f.get(bases[0]).set(from);
          steps.forEach((step, axis) => {
            f.get(from).get(cell).i32(step).op("i32.div_u");
            f.i32(bytesAlong(places[0], axis)).op("i32.mul", "i32.add").set(from);
            f.get(cell).i32(step).op("i32.rem_u").set(cell);
          });
          f.get(to).get(from).memory("f32.load").memory("f32.store");
        });
      },
    );
  });
}
