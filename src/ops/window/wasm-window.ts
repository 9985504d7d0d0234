import { size, strides, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { whileBelow } from "../../emit/wasm/vectors.ts";
import type { Algorithm, Buffers, Emission, Layout, LayoutChoice, OperandRef, Routine } from "../contract.ts";
import { blockedLayout, type Placement, place, plainLayout, printLayout } from "../layout.ts";
import { dimension, firstPair, readRow, rowBytes, type Target, tablesOf, walkPairs, walkTargets } from "../pair-lists.ts";
import { windowOperator } from "./index.ts";
import { linksOf, type WindowPlan, windowTypes } from "./plan.ts";

/** One visited cell at a time, as a scalar, or as the lanes of a channel block. */
interface Leaf {
  readonly vectors: number;
}

/** Bytes from one cell to the next on every axis after the example axis; a blocked channel axis is left to the blocks. */
function stepsOf(type: TensorType, layout: Layout): { steps: number[]; at: Placement } {
  const at = place(type, layout);
  const axes = [at.blockStride, ...at.strides].map((words) => 4 * words);
  return { steps: axes.slice(0, type.batched ? type.shape.length - 1 : type.shape.length), at };
}

/** Rows of every axis: `at` and `also` for the result (its second buffer, or its own flat cell), pairs for what is read. */
function targetsOf(plan: WindowPlan, buffers: Buffers, blocked: boolean): Target[][] {
  const { input, output, index } = windowTypes(plan);
  const cells = strides(plan.axes.map((axis) => axis.input));
  const [first, second] =
    plan.role === "select"
      ? [stepsOf(input, buffers.inputs[0]).steps, cells]
      : [stepsOf(plan.role === "take" ? input : output, buffers.inputs[0]).steps, stepsOf(index, buffers.inputs[1]).steps];
  const result = stepsOf(plan.role === "scatter" ? input : output, buffers.outputs[0]).steps;
  const also = { select: () => stepsOf(index, buffers.outputs[1]).steps, scatter: () => cells, take: () => second }[plan.role]();
  const axes = plan.axes.map((axis, i): Target[] =>
    linksOf(axis, plan.role === "scatter").map((links, target) => ({
      at: target * result[i],
      also: target * also[i],
      pairs: links.map((link) => [link * first[i], plan.role === "take" ? link * cells[i] : link * second[i]] as const),
    })),
  );
  return blocked ? axes.slice(1) : axes;
}

/** What is done with each visited cell, on lanes or on one cell. Offsets are bytes; `also` and `second` as `targetsOf` gives them. */
class Body {
  readonly #f: FunctionBuilder;
  readonly #vectors: number;
  readonly #sums: Local[];
  readonly #cells: Local[];
  readonly #values: Local[];
  readonly #masks: Local[];
  /** Flat cell of lane i of the block, less that of lane 0. */
  readonly #lanes: Local[];

  constructor(f: FunctionBuilder, leaf: Leaf, laneCells: number) {
    this.#f = f;
    this.#vectors = leaf.vectors;
    const count = Math.max(1, leaf.vectors);
    const type = leaf.vectors === 0 ? "f32" : "v128";
    this.#sums = f.locals(type, count);
    this.#values = f.locals(type, count);
    this.#cells = f.locals(leaf.vectors === 0 ? "i32" : "v128", count);
    this.#masks = f.locals(leaf.vectors === 0 ? "i32" : "v128", count);
    this.#lanes = f.locals("v128", leaf.vectors);
    this.#lanes.forEach((lane, v) =>
      f.i32x4(4 * v * laneCells, (4 * v + 1) * laneCells, (4 * v + 2) * laneCells, (4 * v + 3) * laneCells).set(lane),
    );
  }

  #each(body: (v: number) => void): void {
    for (let v = 0; v < Math.max(1, this.#vectors); v++) body(v);
  }

  get #scalar(): boolean {
    return this.#vectors === 0;
  }

  /** Flat cells of the lanes from that of lane 0. */
  #spread(cell: Local, v: number): void {
    if (this.#scalar) this.#f.get(cell);
    else this.#f.get(cell).op("i32x4.splat").get(this.#lanes[v]).op("i32x4.add");
  }

  #load(address: Local, v: number): void {
    this.#f.get(address).memory(this.#scalar ? "f32.load" : "v128.load", 16 * v);
  }

  #loadCell(address: Local, v: number): void {
    this.#f.get(address).memory(this.#scalar ? "i32.load" : "v128.load", 16 * v);
  }

  startSelect(first: Local, cell: Local): void {
    this.#each((v) => {
      this.#load(first, v);
      this.#f.set(this.#sums[v]);
      this.#spread(cell, v);
      this.#f.set(this.#cells[v]);
    });
  }

  /** Takes a cell that is larger, or the first NaN. */
  select(first: Local, cell: Local): void {
    const f = this.#f;
    this.#each((v) => {
      const [best, index, value, mask] = [this.#sums[v], this.#cells[v], this.#values[v], this.#masks[v]];
      this.#load(first, v);
      if (this.#scalar) {
        f.tee(value)
          .get(best)
          .op("f32.gt")
          .get(value)
          .get(value)
          .op("f32.ne")
          .get(best)
          .get(best)
          .op("f32.eq")
          .op("i32.and", "i32.or")
          .set(mask);
        f.get(value).get(best).get(mask).op("select").set(best).get(cell).get(index).get(mask).op("select").set(index);
        return;
      }
      f.tee(value)
        .get(best)
        .op("f32x4.gt")
        .get(value)
        .get(value)
        .op("f32x4.ne")
        .get(best)
        .get(best)
        .op("f32x4.eq")
        .op("v128.and", "v128.or")
        .set(mask);
      f.get(value).get(best).get(mask).op("v128.bitselect").set(best);
      this.#spread(cell, v);
      f.get(index).get(mask).op("v128.bitselect").set(index);
    });
  }

  storeSelect(at: Local, also: Local, mask: Local | null): void {
    this.#store(at, this.#sums, mask);
    this.#store(also, this.#cells, mask);
  }

  #store(at: Local, from: readonly Local[], mask: Local | null): void {
    const f = this.#f;
    this.#each((v) => {
      f.get(at).get(from[v]);
      if (mask !== null)
        f.get(mask)
          .memory("v128.load", 16 * v)
          .op("v128.and");
      f.memory(this.#scalar ? (from === this.#cells ? "i32.store" : "f32.store") : "v128.store", 16 * v);
    });
  }

  startSum(): void {
    this.#each((v) => {
      if (this.#scalar) this.#f.f32(0).set(this.#sums[v]);
      else this.#f.f32x4(0).set(this.#sums[v]);
    });
  }

  /** Adds G[first] where the index there is the own cell. */
  scatter(first: Local, index: Local, own: Local): void {
    const f = this.#f;
    this.#each((v) => {
      if (this.#scalar) {
        f.get(this.#sums[v]);
        this.#load(first, v);
        f.f32(0);
        this.#loadCell(index, v);
        f.get(own).op("i32.eq", "select", "f32.add").set(this.#sums[v]);
        return;
      }
      f.get(this.#sums[v]);
      this.#load(first, v);
      this.#loadCell(index, v);
      this.#spread(own, v);
      f.op("i32x4.eq", "v128.and", "f32x4.add").set(this.#sums[v]);
    });
  }

  /** Takes V[first] where the index says so. */
  take(first: Local, cell: Local, index: Local): void {
    const f = this.#f;
    this.#each((v) => {
      this.#load(first, v);
      f.get(this.#sums[v]);
      this.#spread(cell, v);
      this.#loadCell(index, v);
      f.op(...((this.#scalar ? ["i32.eq", "select"] : ["i32x4.eq", "v128.bitselect"]) as ("select" | "i32x4.eq")[])).set(this.#sums[v]);
    });
  }

  storeSum(at: Local, mask: Local | null): void {
    this.#store(at, this.#sums, mask);
  }
}

/** Arguments: operands in order, table of sizes, then two tables per dimension; blocked also lane masks (all, last block). */
function emitWindow(f: FunctionBuilder, plan: WindowPlan, dimensions: number, buffers: Buffers, block: number): void {
  const { input, output, index } = windowTypes(plan);
  const roles = { select: [[input], [output, index]], scatter: [[output, index], [input]], take: [[input, index], [output]] } as const;
  const [reads, writes] = roles[plan.role];
  const places = [...reads.map((type, i) => place(type, buffers.inputs[i])), ...writes.map((type, i) => place(type, buffers.outputs[i]))];
  const [table, begin, end] = f.parameters;
  const argument = (position: number): Local => {
    const local = f.local("i32");
    f.get(table)
      .memory("i32.load", 4 * position)
      .set(local);
    return local;
  };
  const operands = places.map((_, i) => argument(i));
  const lists = Array.from({ length: dimensions }, (_, d) =>
    dimension(f, argument(places.length + 2 * d), argument(places.length + 1 + 2 * d)),
  );
  const masks = argument(places.length + 2 * dimensions);
  const blocked = block > 1;
  const outer = blocked ? places[0].blocks : 1;
  const cellsPerChannel = size(plan.axes.slice(1).map((axis) => axis.input));
  const body = new Body(f, { vectors: blocked ? block / 4 : 0 }, cellsPerChannel);
  const [chunk, example, part, mask] = f.locals("i32", 4);
  const bases = f.locals("i32", places.length);
  const bytes = lists.map(() => f.local("i32"));
  const counts = countsOf(plan, blocked);
  counts.forEach((count, d) => f.i32(rowBytes * count).set(bytes[d]));
  f.get(begin).set(chunk);
  whileBelow(f, chunk, end, 1, () => {
    const each = blocked ? outer : (counts[0] ?? 1);
    f.get(chunk).i32(each).op("i32.div_s").set(example).get(chunk).i32(each).op("i32.rem_s").set(part);
    places.forEach((at, i) => {
      f.get(example)
        .i32(4 * at.exampleStride)
        .op("i32.mul")
        .get(operands[i])
        .op("i32.add")
        .i32(4 * at.origin)
        .op("i32.add");
      if (blocked)
        f.get(part)
          .i32(4 * at.blockStride)
          .op("i32.mul")
          .op("i32.add");
      f.set(bases[i]);
    });
    if (blocked)
      f.get(masks)
        .get(part)
        .i32(outer - 1)
        .op("i32.eq")
        .i32(4 * block)
        .op("i32.mul")
        .op("i32.add")
        .set(mask);
    emitChunk(f, plan, { lists, bytes, bases, part, body, mask: blocked ? mask : null, firstCell: block * cellsPerChannel });
  });
}

/** Targets of each walked dimension. */
function countsOf({ role, axes }: WindowPlan, blocked: boolean): number[] {
  return axes.slice(blocked ? 1 : 0).map((axis) => (role === "scatter" ? axis.input : axis.output));
}

interface ChunkFrame {
  readonly lists: ReturnType<typeof dimension>[];
  readonly bytes: readonly Local[];
  readonly bases: readonly Local[];
  readonly part: Local;
  readonly body: Body;
  readonly mask: Local | null;
  /** Flat cells of a block of channels. */
  readonly firstCell: number;
}

function emitChunk(f: FunctionBuilder, plan: WindowPlan, { lists, bytes, bases, part, body, mask, firstCell }: ChunkFrame): void {
  const [at, also, blockCell, a, b] = f.locals("i32", 5);
  const blocked = mask !== null;
  const [result, second] = plan.role === "select" ? [bases[1], bases[2]] : [bases[2], bases[1]];
  if (blocked) f.get(part).i32(firstCell).op("i32.mul").set(blockCell);
  else f.i32(0).set(blockCell);
  f.get(result)
    .set(at)
    .get(plan.role === "scatter" ? blockCell : second)
    .set(also);
  let walked = lists;
  let rows = bytes;
  if (!blocked && lists.length > 0) {
    const row = f.local("i32");
    f.get(part).i32(rowBytes).op("i32.mul").get(lists[0].targets).op("i32.add").set(row);
    readRow(f, row, lists[0]);
    f.get(row).memory("i32.load", 0).get(at).op("i32.add").set(at).get(row).memory("i32.load", 4).get(also).op("i32.add").set(also);
    [walked, rows] = [lists.slice(1), bytes.slice(1)];
  }
  walkTargets(f, walked, rows, at, also, (target, own) => {
    f.get(bases[0]).set(a);
    if (plan.role === "select") {
      f.get(blockCell).set(b);
      firstPair(f, lists, a, b);
      body.startSelect(a, b);
      f.get(bases[0]).set(a).get(blockCell).set(b);
      walkPairs(f, lists, a, b, (value, cell) => body.select(value, cell));
      body.storeSelect(target, own, mask);
      return;
    }
    body.startSum();
    f.get(plan.role === "scatter" ? bases[1] : blockCell).set(b);
    walkPairs(f, lists, a, b, (value, other) => (plan.role === "scatter" ? body.scatter(value, other, own) : body.take(value, other, own)));
    body.storeSum(target, mask);
  });
}

function layoutsOf(plan: WindowPlan, layout: Layout): LayoutChoice {
  return {
    inputs: windowOperator.inputs(plan).map(() => layout),
    operands: [],
    outputs: windowOperator.outputs(plan).map(() => layout.block),
  };
}

/** Why channel blocks do not suit the plan. */
export function refuseBlocks(plan: WindowPlan, block: number): string | null {
  const [channel] = plan.axes;
  if (!plan.batched || plan.axes.length < 2) return "it needs examples, channels and at least one more axis.";
  if (channel.kernel !== 1 || channel.stride !== 1 || channel.low + channel.high > 0) return "windows over channels cut through blocks.";
  const empty = channel.input % block !== 0 && channel.input < block / 2;
  return empty ? `${channel.input} channels would leave most of a block of ${block} empty.` : null;
}

/** Predicted ns of one cell at a time; a vector does several. */
function scalarTime(plan: WindowPlan): number {
  const { input, output } = windowTypes(plan);
  const scatters = plan.role === "scatter";
  const taps = size(plan.axes.map(({ kernel, stride }) => (scatters ? Math.max(1, kernel / stride) : kernel)));
  return size((scatters ? input : output).shape) * (2 + taps * 2.5);
}

function emit(id: string, plan: WindowPlan, buffers: Buffers, blocked: boolean): Emission {
  const targets = targetsOf(plan, buffers, blocked);
  const block = buffers.outputs[0].block;
  const channels = plan.axes[0]?.input ?? 1;
  const inLast = channels - block * (Math.ceil(channels / block) - 1);
  const lanes = Int32Array.from({ length: 2 * block }, (_, i) => (i < block || i - block < inLast ? -1 : 0));
  const constants = [...targets.flatMap(tablesOf), lanes];
  const all = (of: OperandRef["of"], count: number, access: OperandRef["access"]): OperandRef[] =>
    Array.from({ length: count }, (_, index) => ({ of, index, access }));
  const layouts = [...buffers.inputs, ...buffers.outputs].map(printLayout).join(" ");
  const routine: Routine = {
    key: `${id} | ${windowOperator.line(plan).replace(/ n\d+ /, " n ")} | ${layouts}`,
    build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitWindow(f, plan, targets.length, buffers, block)),
  };
  const operands = [
    ...all("input", windowOperator.inputs(plan).length, "read"),
    ...all("output", windowOperator.outputs(plan).length, "write"),
    ...all("constant", constants.length, "read"),
  ];
  const each = blocked ? Math.ceil(channels / block) : (countsOf(plan, false)[0] ?? 1);
  return { temporaries: [], constants, steps: [{ routine, operands, chunks: { each, group: plan.batched ? 1 : 0 } }] };
}

/** Windows along spatial axes, a block of channels at a time. */
export const blockedWindow: Algorithm<WindowPlan> = {
  id: "wasm-window-blocked",
  operator: "window",
  layouts: (plan, fusion) => (fusion === null ? [16, 8].map((block) => layoutsOf(plan, blockedLayout(block))) : []),
  refuses: (plan, choice) => refuseBlocks(plan, choice.outputs[0]),
  estimate: (plan) => 2000 + 0.12 * scalarTime(plan),
  emit: (plan, buffers) => emit("wasm-window-blocked", plan, buffers, true),
};

/** Windows on any axes, one cell at a time. */
export const plainWindow: Algorithm<WindowPlan> = {
  id: "wasm-window-plain",
  operator: "window",
  layouts: (plan, fusion) => (fusion === null ? [layoutsOf(plan, plainLayout)] : []),
  refuses: () => null,
  estimate: (plan) => 2000 + scalarTime(plan),
  emit: (plan, buffers) => emit("wasm-window-plain", plan, buffers, false),
};
