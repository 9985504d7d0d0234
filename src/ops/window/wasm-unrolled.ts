import { size, strides, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import { advance } from "../../emit/wasm/vectors.ts";
import type { Algorithm, Buffers, Device, Emission, Layout, LayoutChoice } from "../contract.ts";
import { blockedLayout, type Placement, place, printLayout } from "../layout.ts";
import { emitSpareMask } from "../spare.ts";
import { countUp } from "../units.ts";
import { windowOperator } from "./index.ts";
import { linksOf, type WindowPlan, windowTypes } from "./plan.ts";
import { refuseBlocks } from "./wasm-window.ts";

/** Most cells that the code of all targets together visits: it is written out for each. */
const mostVisits = 160;

/** One position within a turn: bytes to it, and flat cells; for what is visited from it, bytes in the sources and flat cells. */
interface Item {
  readonly at: number;
  readonly cell: number;
  readonly links: readonly { readonly at: number; readonly cell: number }[];
}

/** Turns of one axis with the same visits. A turn is one output, or (scatter) as many inputs as the stride. */
interface Run {
  readonly turns: number;
  readonly items: readonly Item[];
  readonly start: Item;
  /** Bytes in the results and in the sources, and flat cells, from turn to turn. */
  readonly step: { readonly result: number; readonly source: number; readonly cell: number };
}

/**
 * Largest cells of windows, and their gradients, a block of channels at a time: what each position visits is written out, with code of
 * its own for positions at a border, so that nothing is looked up.
 */
export const unrolledWindow: Algorithm<WindowPlan> = {
  id: "wasm-window-unrolled",
  operator: "window",
  layouts: (plan, fusion) => (fusion === null && plan.role !== "take" ? [16, 8].map((block) => choiceOf(plan, block)) : []),
  refuses: (plan, choice) => {
    const blocks = refuseBlocks(plan, choice.outputs[0]);
    if (blocks !== null) return blocks;
    const visits = visitsOf(plan);
    return visits > mostVisits ? `${visits} visits are too many to write out; ${mostVisits} are taken.` : null;
  },
  estimate: (plan, { outputs: [block] }, _, device) => estimateOf(plan, block, device),
  emit: emitUnrolled,
};

function choiceOf(plan: WindowPlan, block: number): LayoutChoice {
  return {
    inputs: windowOperator.inputs(plan).map(() => blockedLayout(block)),
    operands: [],
    outputs: windowOperator.outputs(plan).map(() => block),
  };
}

/** Visits of the written-out code, all runs of all axes together. */
function visitsOf(plan: WindowPlan): number {
  const none = plan.axes.map(() => 0);
  return plan.axes
    .slice(1)
    .map((_, i) => runsOf(plan, i + 1, none, none))
    .reduce(
      (product, runs) => product * runs.reduce((sum, { items }) => sum + items.reduce((own, { links }) => own + links.length, 0), 0),
      1,
    );
}

function estimateOf(plan: WindowPlan, block: number, device: Device): number {
  const { input, output } = windowTypes(plan);
  const scatters = plan.role === "scatter";
  const taps = size(plan.axes.map(({ kernel, stride }) => (scatters ? Math.max(1, kernel / stride) : kernel)));
  const target = place(scatters ? input : output, blockedLayout(block)).words;
  const bytes = 4 * (place(input, blockedLayout(block)).words + 2 * place(output, blockedLayout(block)).words);
  const ns = scatters ? 0.4 + 0.8 * taps : 0.5 + 1.6 * taps;
  return Math.max((target / (device.wide ? 8 : 4)) * ns, bytes / 24) + 300;
}

/** Bytes from cell to cell on every axis after the examples; the channel axis is left to the blocks. */
const bytesOf = ({ strides: words }: Placement): number[] => [0, ...words.map((step) => 4 * step)];

function runsOf(plan: WindowPlan, axis: number, results: readonly number[], sources: readonly number[]): Run[] {
  const { stride, input, output } = plan.axes[axis];
  const scatters = plan.role === "scatter";
  const links = linksOf(plan.axes[axis], scatters);
  const cells = strides(plan.axes.map((own) => own.input))[axis];
  const [period, pace] = scatters ? [stride, 1] : [1, stride];
  const runs: { turns: number; items: Item[]; first: number; text: string }[] = [];
  for (let turn = 0; turn * period < (scatters ? input : output); turn++) {
    const items = links.slice(turn * period, (turn + 1) * period).map(
      (own, phase): Item => ({
        at: phase * results[axis],
        cell: phase * cells,
        links: own.map((link) => ({ at: (link - turn * pace) * sources[axis], cell: (link - turn * pace) * cells })),
      }),
    );
    const text = JSON.stringify(links.slice(turn * period, (turn + 1) * period).map((own) => own.map((link) => link - turn * pace)));
    const last = runs.at(-1);
    if (last?.text === text) last.turns++;
    else runs.push({ turns: 1, items, first: turn, text });
  }
  // flat cells are those of the input: of the sources that a maximum looks at, of the results that a gradient goes to
  const step = { result: period * results[axis], source: pace * sources[axis], cell: stride * cells };
  return runs.map(({ turns, items, first }) => ({
    turns,
    items,
    step,
    start: { at: first * step.result, cell: first * step.cell, links: [{ at: first * step.source, cell: 0 }] },
  }));
}

function emitUnrolled(plan: WindowPlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const block = buffers.outputs[0].block;
  const count = { inputs: windowOperator.inputs(plan).length, outputs: windowOperator.outputs(plan).length };
  const layouts = [...buffers.inputs, ...buffers.outputs].map((layout: Layout) => printLayout(layout)).join(" ");
  return {
    temporaries: [],
    constants: [],
    steps: [
      {
        routine: {
          key: `${unrolledWindow.id} | ${windowOperator.line(plan).replace(/ n\d+ /, " n ")} | ${layouts} | ${device.tier}`,
          build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitChunks(f, plan, buffers, block)),
        },
        operands: [
          ...Array.from({ length: count.inputs }, (_, index) => ({ of: "input", index, access: "read" }) as const),
          ...Array.from({ length: count.outputs }, (_, index) => ({ of: "output", index, access: "write" }) as const),
        ],
        chunks: { each: Math.ceil(plan.axes[0].input / block), group: 1 },
      },
    ],
  };
}

/** Pointers of one chunk. `values` and `indices` are V or G and the flat cells beside it, as they are read or written. */
interface Frame {
  readonly values: Local;
  readonly indices: Local;
  readonly map: Local;
  /** Flat cell, in the first channel of the block, that the current position is counted from. */
  readonly cell: Local;
}

function emitChunks(f: FunctionBuilder, plan: WindowPlan, buffers: Buffers, block: number): void {
  const { input, output, index } = windowTypes(plan);
  const scatters = plan.role === "scatter";
  // operands: select V -> Z, cells; scatter G, cells -> V's gradient
  const types: readonly TensorType[] = scatters ? [output, index, input] : [input, output, index];
  const places = types.map((type, i) => place(type, [...buffers.inputs, ...buffers.outputs][i]));
  const [table, chunk, end] = f.parameters;
  const bases = f.locals("i32", 3);
  const [part, cell] = f.locals("i32", 2);
  const blocks = places[0].blocks;
  const channelCells = size(plan.axes.slice(1).map((axis) => axis.input));
  const lanes = f.locals("v128", block / 4);
  lanes.forEach((lane, v) =>
    f.i32x4(4 * v * channelCells, (4 * v + 1) * channelCells, (4 * v + 2) * channelCells, (4 * v + 3) * channelCells).set(lane),
  );
  const body = new WindowBody(f, block / 4, lanes);
  const masked = !scatters && plan.axes[0].input % block !== 0;
  countUp(f, chunk, end, () => {
    f.get(chunk).i32(blocks).op("i32.rem_u").set(part);
    places.forEach((at, i) => {
      f.get(table)
        .memory("i32.load", 4 * i)
        .i32(4 * at.origin)
        .op("i32.add");
      f.get(chunk)
        .i32(blocks)
        .op("i32.div_u")
        .i32(4 * at.exampleStride)
        .op("i32.mul", "i32.add");
      f.get(part)
        .i32(4 * at.blockStride)
        .op("i32.mul", "i32.add")
        .set(bases[i]);
    });
    f.get(part)
      .i32(block * channelCells)
      .op("i32.mul")
      .set(cell);
    body.masks = masked ? emitSpareMask(f, block, plan.axes[0].input, blocks > 1 ? part : null) : [];
    const [first, second, third] = bases;
    const frame: Frame = scatters
      ? { values: first, indices: second, map: third, cell }
      : { map: first, values: second, indices: third, cell };
    emitAxes(f, plan, scatters ? { map: places[2], pooled: places } : { map: places[0], pooled: places.slice(1) }, frame, body);
  });
}

/** Walks all runs of all axes; at the last, does the items of all axes together. */
function emitAxes(
  f: FunctionBuilder,
  plan: WindowPlan,
  { map, pooled }: { readonly map: Placement; readonly pooled: readonly Placement[] },
  frame: Frame,
  body: WindowBody,
): void {
  const scatters = plan.role === "scatter";
  const [mapBytes, valueBytes, indexBytes] = [map, pooled[0], pooled[1]].map(bytesOf);
  const walk = (axis: number, at: Frame, items: readonly Visit[]): void => {
    if (axis === plan.axes.length) {
      for (const item of items) {
        if (scatters) body.scatter(at, item);
        else body.select(at, item);
      }
      return;
    }
    const [forValues, forIndices] = [valueBytes, indexBytes].map((own) =>
      scatters ? runsOf(plan, axis, mapBytes, own) : runsOf(plan, axis, own, mapBytes),
    );
    forValues.forEach((run, r) => {
      const beside = forIndices[r];
      const inner: Frame = { values: f.local("i32"), indices: f.local("i32"), map: f.local("i32"), cell: f.local("i32") };
      const [result, source] = scatters ? [inner.map, inner.values] : [inner.values, inner.map];
      const begin = (to: Local, from: Local, by: number): void => void f.get(from).i32(by).op("i32.add").set(to);
      begin(inner.values, at.values, scatters ? run.start.links[0].at : run.start.at);
      begin(inner.indices, at.indices, scatters ? beside.start.links[0].at : beside.start.at);
      begin(inner.map, at.map, scatters ? run.start.at : run.start.links[0].at);
      begin(inner.cell, at.cell, run.start.cell);
      const together = items.flatMap((item) => run.items.map((own, i) => joinVisits(item, own, beside.items[i])));
      const turn = (): void => {
        walk(axis + 1, inner, together);
        advance(f, result, run.step.result);
        advance(f, source, run.step.source);
        advance(f, inner.indices, scatters ? beside.step.source : beside.step.result);
        advance(f, inner.cell, run.step.cell);
      };
      if (run.turns === 1) turn();
      else {
        const left = f.local("i32");
        f.i32(run.turns).set(left);
        f.loop((again) => {
          turn();
          f.get(left).i32(1).op("i32.sub").tee(left).branchIf(again);
        });
      }
    });
  };
  walk(1, frame, [{ at: 0, besideAt: 0, cell: 0, links: [{ at: 0, besideAt: 0, cell: 0 }] }]);
}

/** A position of all axes together; `besideAt` counts in the buffer of flat cells. */
interface Visit {
  readonly at: number;
  readonly besideAt: number;
  readonly cell: number;
  readonly links: readonly { readonly at: number; readonly besideAt: number; readonly cell: number }[];
}

const joinVisits = (outer: Visit, own: Item, beside: Item): Visit => ({
  at: outer.at + own.at,
  besideAt: outer.besideAt + beside.at,
  cell: outer.cell + own.cell,
  links: outer.links.flatMap((link) =>
    own.links.map((inner, i) => ({
      at: link.at + inner.at,
      besideAt: link.besideAt + beside.links[i].at,
      cell: link.cell + inner.cell,
    })),
  ),
});

/** What is done at one position, on the lanes of a block. */
class WindowBody {
  masks: readonly Local[] = [];
  readonly #f: FunctionBuilder;
  readonly #lanes: readonly Local[];
  /** The same cell in every lane, less what lies between lanes. */
  readonly #first: Local;
  readonly #best: readonly Local[];
  readonly #cells: readonly Local[];
  readonly #value: readonly Local[];
  readonly #mask: readonly Local[];

  constructor(f: FunctionBuilder, vectors: number, lanes: readonly Local[]) {
    this.#f = f;
    this.#lanes = lanes;
    this.#first = f.local("v128");
    [this.#best, this.#cells, this.#value, this.#mask] = Array.from({ length: 4 }, () => f.locals("v128", vectors));
  }

  /** The larger cell of each, or the first NaN, and which it is; of equals the first. */
  select({ map, values, indices, cell }: Frame, { at, besideAt, links }: Visit): void {
    const f = this.#f;
    const each = (body: (v: number) => void): void => this.#lanes.forEach((_, v) => body(v));
    links.forEach((link, i) => {
      each((v) => {
        const [best, cells, value, mask] = [this.#best[v], this.#cells[v], this.#value[v], this.#mask[v]];
        const load = (): FunctionBuilder => addressed(f, map, link.at).memory("v128.load", Math.max(0, link.at) + 16 * v);
        const number = (): FunctionBuilder => f.i32x4(link.cell, link.cell, link.cell, link.cell);
        if (i === 0) {
          load().set(best);
          number().set(cells);
          return;
        }
        load().set(value);
        f.get(best).get(best).op("f32x4.eq").get(value).get(best).op("f32x4.le", "v128.andnot").set(mask);
        f.get(value).get(best).get(mask).op("v128.bitselect").set(best);
        number().get(cells).get(mask).op("v128.bitselect").set(cells);
      });
    });
    each((v) =>
      f
        .get(values)
        .get(this.#best[v])
        .memory("v128.store", at + 16 * v),
    );
    f.get(cell).op("i32x4.splat").set(this.#first);
    each((v) => {
      f.get(indices).get(this.#cells[v]).get(this.#first).op("i32x4.add").get(this.#lanes[v]).op("i32x4.add");
      if (this.masks.length > 0) f.get(this.masks[v]).op("v128.and");
      f.memory("v128.store", besideAt + 16 * v);
    });
  }

  /** Sum of G where the cell beside it is this one. */
  scatter({ map, values, indices, cell }: Frame, { at, cell: own, links }: Visit): void {
    const f = this.#f;
    f.get(cell).i32(own).op("i32.add", "i32x4.splat").set(this.#first);
    this.#lanes.forEach((lane, v) => f.get(this.#first).get(lane).op("i32x4.add").set(this.#cells[v]));
    this.#lanes.forEach((_, v) => {
      if (links.length === 0) f.f32x4(0);
      links.forEach((link, i) => {
        addressed(f, values, link.at).memory("v128.load", Math.max(0, link.at) + 16 * v);
        addressed(f, indices, link.besideAt).memory("v128.load", Math.max(0, link.besideAt) + 16 * v);
        f.get(this.#cells[v]).op("i32x4.eq", "v128.and");
        if (i > 0) f.op("f32x4.add");
      });
      f.set(this.#best[v]);
    });
    // a load between two stores would keep them from being one of 256 bits
    this.#lanes.forEach((_, v) =>
      f
        .get(map)
        .get(this.#best[v])
        .memory("v128.store", at + 16 * v),
    );
  }
}

/** Pushes an address; offsets of loads cannot be negative. */
const addressed = (f: FunctionBuilder, pointer: Local, at: number): FunctionBuilder =>
  at < 0 ? f.get(pointer).i32(at).op("i32.add") : f.get(pointer);
