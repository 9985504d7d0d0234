import { size } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Buffers } from "../contract.ts";
import type { Placement } from "../layout.ts";
import { emitSpareMask } from "../spare.ts";
import {
  bytesAlong,
  type Chunk,
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
import type { RegionsPlan } from "./plan.ts";

/** select, sum and draw: region by region, its cells are walked. */
export function emitForward(f: FunctionBuilder, plan: RegionsPlan, buffers: Buffers): void {
  const places = placesOf(plan, buffers);
  const channelCells = size(plan.input);
  const block = places[0].block;
  const lanes = new Lanes(f, block, channelCells);
  const ranges = plan.input.map((): Range => ({ first: f.local("i32"), end: f.local("i32") }));
  const body = new RegionBody(f, lanes, ranges);
  const firstCell = f.local("i32");
  eachChunk(f, plan, places, (chunk) => {
    f.get(chunk.part)
      .i32(block * channelCells)
      .op("i32.mul")
      .set(firstCell);
    const masked = plan.role !== "sum" && plan.channels % block !== 0;
    body.masks = masked ? emitSpareMask(f, block, plan.channels, places[0].blocks > 1 ? chunk.part : null) : [];
    emitRegions(f, plan, places, { chunk, ranges, body, firstCell });
  });
}

interface Frame {
  readonly chunk: Chunk;
  readonly ranges: readonly Range[];
  readonly body: RegionBody;
  /** Flat cell at which the first channel of the block begins. */
  readonly firstCell: Local;
}

function emitRegions(f: FunctionBuilder, plan: RegionsPlan, places: readonly Placement[], { chunk, ranges, body, firstCell }: Frame): void {
  const starts = tableStarts(plan);
  const [row, zero] = f.locals("i32", 2);
  const along = (i: number): Cursor => ({ at: chunk.bases[i], steps: plan.input.map((_, axis) => bytesAlong(places[i], axis)) });
  const enter = (axis: number, counter: Local): void => {
    f.get(counter)
      .i32(2)
      .op("i32.shl")
      .get(chunk.table)
      .op("i32.add")
      .i32(4 * starts[axis])
      .op("i32.add")
      .set(row);
    readRegion(f, row, plan.output[axis], plan.input[axis], ranges[axis]);
  };
  f.i32(0).set(zero);
  const cells: Cursor = { at: zero, steps: cellsAlong(plan) };
  if (plan.role === "sum") {
    walkResult(f, plan.output, [along(2)], enter, ([at]) => {
      body.startSum();
      walkRanges(f, ranges, [along(0)], ([from]) => body.sum(from));
      body.storeSum(at);
    });
    return;
  }
  if (plan.role === "select") {
    walkResult(f, plan.output, [along(2), along(3)], enter, ([at, also]) => {
      body.startFirst(along(0), cells);
      walkRanges(f, ranges, [along(0), cells], ([from, cell]) => body.select(from, cell));
      body.storeChosen(at, also, firstCell, false);
    });
    return;
  }
  walkResult(f, plan.output, [along(3), along(4), along(1)], enter, ([at, also, draws]) => {
    body.startSum();
    walkRanges(f, ranges, [along(0)], ([from]) => body.sumPositive(from));
    body.startFirst(along(0), cells);
    body.startDraw(draws);
    walkRanges(f, ranges, [along(0), cells], ([from, cell]) => body.draw(from, cell));
    body.storeChosen(at, also, firstCell, true);
  });
}

/** What is done at every cell of a region. */
class RegionBody {
  masks: readonly Local[] = [];
  readonly #f: FunctionBuilder;
  readonly #lanes: Lanes;
  readonly #ranges: readonly Range[];
  readonly #best: readonly Local[];
  readonly #sums: readonly Local[];
  readonly #limits: readonly Local[];
  readonly #value: readonly Local[];
  readonly #cells: readonly Local[];
  readonly #mask: readonly Local[];

  constructor(f: FunctionBuilder, lanes: Lanes, ranges: readonly Range[]) {
    this.#f = f;
    this.#lanes = lanes;
    this.#ranges = ranges;
    [this.#best, this.#sums, this.#limits, this.#value] = Array.from({ length: 4 }, () => lanes.floats());
    [this.#cells, this.#mask] = [lanes.integers(), lanes.integers()];
  }

  startSum(): void {
    this.#lanes.each((v) => {
      this.#lanes.float(0);
      this.#f.set(this.#sums[v]);
    });
  }

  #add(v: number, value: () => void): void {
    this.#f.get(this.#sums[v]);
    value();
    this.#lanes.op("add");
    this.#f.set(this.#sums[v]);
  }

  sum(from: Local): void {
    this.#lanes.each((v) => this.#add(v, () => this.#lanes.load(from, v)));
  }

  #positive(value: () => void): void {
    value();
    this.#lanes.positive();
  }

  sumPositive(from: Local): void {
    this.#lanes.each((v) => this.#add(v, () => this.#positive(() => this.#lanes.load(from, v))));
  }

  storeSum(at: Local): void {
    this.#lanes.store(at, this.#sums);
  }

  /** Begins with the first cell of the region; one without cells begins with cell 0, which does not count. */
  startFirst(values: Cursor, cells: Cursor): void {
    const f = this.#f;
    const [from, cell] = f.locals("i32", 2);
    for (const [{ at, steps }, to] of [[values, from] as const, [cells, cell] as const]) {
      f.get(at);
      this.#ranges.forEach(({ first }, axis) => {
        f.get(first).i32(steps[axis]).op("i32.mul", "i32.add");
      });
      f.set(to);
    }
    this.#lanes.each((v) => {
      this.#lanes.load(from, v);
      f.set(this.#best[v]);
      this.#lanes.all(cell);
      f.set(this.#cells[v]);
    });
  }

  #choose(v: number, cell: Local): void {
    const f = this.#f;
    f.get(this.#value[v]).get(this.#best[v]).get(this.#mask[v]);
    this.#lanes.select();
    f.set(this.#best[v]);
    this.#lanes.all(cell);
    f.get(this.#cells[v]).get(this.#mask[v]);
    this.#lanes.select();
    f.set(this.#cells[v]);
  }

  /** Takes a cell that is larger, or the first NaN. */
  select(from: Local, cell: Local): void {
    this.#lanes.each((v) => {
      this.#lanes.load(from, v);
      this.#f.set(this.#value[v]);
      this.#lanes.better(this.#value[v], this.#best[v]);
      this.#f.set(this.#mask[v]);
      this.#choose(v, cell);
    });
  }

  /** What the running sum has to pass; the sum begins anew. */
  startDraw(draws: Local): void {
    this.#lanes.each((v) => {
      this.#f.get(this.#sums[v]);
      this.#lanes.load(draws, v);
      this.#lanes.op("mul");
      this.#f.set(this.#limits[v]);
    });
    this.startSum();
  }

  /** Takes a cell as long as the running sum before it has not passed the limit. */
  draw(from: Local, cell: Local): void {
    this.#lanes.each((v) => {
      this.#lanes.load(from, v);
      this.#f.set(this.#value[v]).get(this.#sums[v]).get(this.#limits[v]);
      this.#lanes.op("le");
      this.#f.set(this.#mask[v]);
      this.#choose(v, cell);
      this.#add(v, () => this.#positive(() => this.#f.get(this.#value[v])));
    });
  }

  /** Stores value and flat cell; with `limited`, NaN where the limit is NaN. */
  storeChosen(at: Local, also: Local, firstCell: Local, limited: boolean): void {
    const f = this.#f;
    const lanes = this.#lanes;
    lanes.each((v) => {
      if (limited) {
        f.get(this.#best[v]).get(this.#limits[v]).get(this.#limits[v]).get(this.#limits[v]);
        lanes.op("eq");
        lanes.select();
        f.set(this.#best[v]);
      }
      f.get(this.#cells[v]);
      lanes.all(firstCell);
      lanes.addIntegers();
      lanes.apart(v);
      f.set(this.#cells[v]);
    });
    this.#ranges.forEach(({ first, end }, axis) => {
      f.get(first).get(end).op("i32.ge_s");
      if (axis > 0) f.op("i32.or");
    });
    f.if(() =>
      lanes.each((v) => {
        lanes.float(0);
        f.set(this.#best[v]);
        lanes.integer(-1);
        f.set(this.#cells[v]);
      }),
    );
    this.masks.forEach((mask, v) => {
      f.get(this.#cells[v]).get(mask).op("v128.and").set(this.#cells[v]);
    });
    lanes.store(at, this.#best);
    lanes.store(also, this.#cells, "i32");
  }
}
