import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, OperandRef, StepSpec } from "../../contract.ts";
import { type Placement, place } from "../../layout.ts";
import { type Packing, packRecord, packStep, panelBytes } from "../blocked/pack.ts";
import { roundUp } from "../gather.ts";
import { lineBytes } from "../tiles/fetch.ts";
import { fusedOperand, fusedPlace } from "../tiles/fused.ts";
import { mostRows } from "../tiles/outer.ts";
import { freeSlots, markBytes, mostSlots } from "../tiles/slots.ts";
import { type Stage, winogradRoutine } from "./chunks.ts";
import { planesOf, type StreamRecord, spanRows, tileRows, type WinogradCode, winogradRecord } from "./code.ts";
import { blocksOf, type Cut, cutOf } from "./cut.ts";
import { kernelLineBytes, kernelRecord, kernelStep } from "./kernel.ts";
import { spanOf, tileOf } from "./lines.ts";
import { type Pool, sourceSlices, tilesOf, tilesOn, type WinogradProblem } from "./problem.ts";

/** Everything that was worked out about one emission. */
interface LaidOut {
  readonly problem: WinogradProblem;
  readonly code: WinogradCode;
  readonly cut: Cut;
  readonly source: Placement;
  readonly result: Placement;
  readonly packing: Packing;
  readonly slot: Slot;
  /** Slots of the scratch, groups of examples, chunks of a group. */
  readonly slots: number;
  readonly groups: number;
  readonly each: number;
  /** Bytes of the transformed kernel for one plane and one result block. */
  readonly panel: number;
}

function layOut(problem: WinogradProblem, buffers: Buffers, fusion: Fusion | null, device: Device): LaidOut {
  const [source, result] = [place(problem.source, buffers.inputs[1]), place(problem.kept, buffers.outputs[0])];
  const cut = cutOf(problem, blocksOf(problem, source.block, result.block), device);
  const code: WinogradCode = {
    form: problem.form,
    rank: problem.rank,
    from: source.block,
    lanes: result.block,
    rows: mostRows(device, result.block),
    rest: (problem.result.shape.at(-1) ?? 0) % tileOf(problem.form),
    pool: problem.pool,
    own: cut.ownBlocks > 0,
    spare: result.channels % result.block !== 0,
    fetch: fetchOf(problem, cut, source.block * result.block * 4, device),
    fma: device.fma,
    wide: device.wide,
    fused: (fusion?.operands ?? []).map((type) => fusedOperand(type, problem.whole) ?? { splat: false, moves: true }),
    epilogue: fusion?.epilogue ?? null,
  };
  const groups = Math.ceil(problem.plan.examples / cut.group);
  const panel = oddLines(4 * problem.slices.taps * (cut.ownBlocks || source.blocks) * source.block * result.block);
  const each = cut.parts * Math.ceil(result.blocks / cut.chunkBlocks);
  return {
    problem,
    code,
    cut,
    source,
    result,
    packing: packingOf(problem, source, result),
    slot: slotOf(problem, code, cut, { source, panel }),
    slots: Math.min(mostSlots, Math.max(each, cut.valueParts) * groups),
    groups,
    each,
    panel,
  };
}

/** Register tiles of a chunk up to which the next panel is worth fetching ahead: with more, the first waits little beside the others. */
const fetchTiles = 12;

/** Lines of the next panel that each source block of a register tile fetches, so that together they fetch it all. */
function fetchOf({ slices }: WinogradProblem, cut: Cut, blockBytes: number, device: Device): number {
  const tiles = Math.ceil((cut.tiles * slices.count) / mostRows(device, 16));
  return cut.ownBlocks > 0 || tiles > fetchTiles ? 0 : Math.ceil(blockBytes / lineBytes / tiles);
}

/** Bytes rounded up to an odd number of cache lines, so that neighbours do not fall on the same sets of a cache. */
export const oddLines = (bytes: number): number => 64 * (2 * Math.ceil((bytes / 64 - 1) / 2) + 1);

/** K as rows of tap and source channel, the taps in the order in which they meet the source. */
function packingOf({ plan }: WinogradProblem, source: Placement, result: Placement): Packing {
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const rows = source.blocks * source.block;
  const turned = (plan.role === "input") !== plan.flip;
  const position = (channel: number, tap: number): number => (turned ? taps - 1 - tap : tap) * rows + channel;
  const order =
    plan.role === "input"
      ? { rowStride: taps, outer: source.channels, outerStride: result.channels * taps, columns: taps, position }
      : {
          rowStride: source.channels * taps,
          outer: 1,
          outerStride: 0,
          columns: source.channels * taps,
          position: (_: number, column: number) => position(Math.floor(column / taps), column % taps),
        };
  const blocks = { block: result.block, panels: result.blocks, panelsPerGroup: result.blocks };
  return { ...blocks, ...order, rowsPerGroup: result.channels, groupStride: 0, rows: taps * rows };
}

/** Bytes of a slot of the scratch, and where things lie in it. */
interface Slot {
  readonly bytes: number;
  readonly productsAt: number;
  readonly linesAt: number;
  readonly kernelAt: number;
  readonly valuePlane: number;
  readonly valueBlock: number;
  readonly productPlane: number;
  /** All values: of a part, at the start of the slot; or of a group, where chunks share them. */
  readonly groupBytes: number;
}

function slotOf(problem: WinogradProblem, code: WinogradCode, cut: Cut, { source, panel }: Pick<LaidOut, "source" | "panel">): Slot {
  const shared = cut.valueParts > 0;
  // register tiles may run over by less than one of them
  const over = code.rows - 1;
  const planes = planesOf(code);
  const { slices } = problem;
  const valueBlock = 4 * code.from * (over + sourceSlices(slices) * (shared ? cut.group * tilesOf(problem) : cut.tiles));
  const valuePlane = oddLines(source.blocks * valueBlock);
  const productPlane = oddLines(4 * code.lanes * (over + slices.count * cut.tiles));
  const groupBytes = planes * valuePlane;
  const productsAt = shared ? 0 : groupBytes;
  const linesAt = productsAt + cut.passBlocks * planes * productPlane;
  const lines = 4 * spanOf(code.form) * Math.max(spanRows(code) * code.from, tileRows(code) * code.lanes);
  const kernelAt = roundUp(linesAt + (code.own ? Math.max(lines, kernelLineBytes(code)) : lines), 64);
  const bytes = kernelAt + (code.own ? planes * cut.passBlocks * panel : 0);
  return { bytes, productsAt, linesAt, kernelAt, valuePlane, valueBlock, productPlane, groupBytes };
}

/** Where the tiles lie in source, result and fused operands. */
function streamsOf({ problem, source, result }: LaidOut, buffers: Buffers, fusion: Fusion | null): StreamRecord[] {
  const tile = tileOf(problem.form);
  const every: Pool = { slices: 1, rows: 1, cells: 1 };
  const stream = (origin: number, strides: readonly number[], example: number, block: number, pool = every): StreamRecord => {
    const [slice, row, cell] = [0, 0, ...strides].slice(-3).map((stride) => 4 * stride);
    const [outer, down] = problem.rank === 1 ? [row, 0] : [slice, row];
    return {
      origin: 4 * origin,
      across: (tile / pool.cells) * cell,
      down: (tile / pool.rows) * down,
      example: 4 * example,
      row: down,
      cell,
      block: 4 * block,
      slice: strides.length > problem.rank ? outer : 0,
    };
  };
  const origin = problem.low.reduce((sum, cells, axis) => sum - cells * source.strides[axis], source.origin);
  return [
    stream(origin, source.strides, source.exampleStride, source.blockStride),
    stream(result.origin, result.strides, result.exampleStride, result.blockStride, problem.pool),
    ...(fusion?.operands ?? []).map((type, i) => {
      const at = fusedPlace(type, buffers.operands[i], problem.whole, result.block);
      return stream(at.origin, at.strides, at.exampleStride, at.blockStride);
    }),
  ];
}

function recordOf(at: LaidOut, streams: readonly StreamRecord[], each: number, parts: number): Int32Array {
  const { problem, code, cut, source, result, packing, slot, slots, panel } = at;
  const [before, last] = problem.result.shape.slice(-2);
  const down = problem.rank === 1 ? 1 : tilesOn(before, problem.form);
  return winogradRecord(
    code,
    {
      each,
      parts,
      group: cut.group,
      chunkBlocks: cut.chunkBlocks,
      passBlocks: cut.passBlocks,
      blocks: result.blocks,
      across: tilesOn(last, problem.form),
      down,
      tiles: tilesOf(problem),
      lastRows: problem.rank === 1 ? 1 : before - (down - 1) * tileOf(problem.form),
      sourceBlocks: source.blocks,
      slices: problem.slices.count,
      sourceSlices: sourceSlices(problem.slices),
      taps: problem.slices.taps,
      dilation: problem.slices.dilation,
      slots,
      slotBytes: slot.bytes,
      productsAt: slot.productsAt,
      linesAt: slot.linesAt,
      valuePlane: slot.valuePlane,
      valueBlock: slot.valueBlock,
      productPlane: slot.productPlane,
      groupBytes: slot.groupBytes,
      panel,
      ownBlocks: cut.ownBlocks,
      kernelAt: slot.kernelAt,
      packedBytes: panelBytes(packing),
      channels: source.channels,
    },
    streams,
    result.channels - (result.blocks - 1) * result.block,
  );
}

const read = (of: OperandRef["of"], index: number): OperandRef => ({ of, index, access: "read" });
const write = (of: OperandRef["of"], index: number): OperandRef => ({ of, index, access: "write" });
const update = (of: OperandRef["of"], index: number): OperandRef => ({ of, index, access: "update" });

/** Numbers of the temporaries and of the constants. */
const temporary = { packed: 0, kernel: 1, scratch: 2, marks: 3, lines: 4, values: 5 } as const;
const table = { packing: 0, kernel: 1, chunks: 2, values: 3 } as const;

export function emitWinograd(problem: WinogradProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const at = layOut(problem, buffers, fusion, device);
  const { code, cut, source, result, packing, slot, slots, groups, each, panel } = at;
  const streams = streamsOf(at, buffers, fusion);
  const shared = cut.valueParts > 0;
  const transform = kernelStep(code, device.tier, result.blocks, {
    packed: read("temporary", temporary.packed),
    transformed: write("temporary", temporary.kernel),
    record: read("constant", table.kernel),
    lines: update("temporary", temporary.lines),
  });
  const geometry = {
    taps: problem.slices.taps,
    blocks: result.blocks,
    passBlocks: cut.passBlocks,
    channels: source.channels,
    rows: source.blocks * source.block,
  };
  return {
    temporaries: [
      packing.panels * panelBytes(packing),
      // one more, which is fetched behind the last
      code.own ? 0 : (planesOf(code) * result.blocks + 1) * panel,
      slots * slot.bytes,
      mostSlots * markBytes,
      code.own ? 0 : result.blocks * kernelLineBytes(code),
      ...(shared ? [groups * slot.groupBytes] : []),
    ],
    constants: [
      packRecord(packing),
      kernelRecord({ ...geometry, packedBytes: panelBytes(packing), panel }),
      recordOf(at, streams, each, cut.parts),
      ...(shared ? [recordOf(at, streams, cut.valueParts, cut.valueParts)] : []),
    ],
    steps: [
      packStep(packing, read("input", 0), write("temporary", temporary.packed), read("constant", table.packing)),
      ...(code.own ? [] : [transform]),
      { routine: freeSlots, operands: [write("temporary", temporary.marks)], chunks: { each: 1, group: 0 } },
      ...(shared ? [chunkStep(at, "values", device), chunkStep(at, "products", device)] : [chunkStep(at, "whole", device)]),
    ],
  };
}

function chunkStep({ code, cut, each }: LaidOut, stage: Stage, device: Device): StepSpec {
  const values = {
    whole: update("temporary", temporary.scratch),
    values: write("temporary", temporary.values),
    products: read("temporary", temporary.values),
  }[stage];
  const kernel = code.own ? temporary.packed : temporary.kernel;
  const after = [read("temporary", kernel), write("output", 0), ...code.fused.map((_, index) => read("operand", index))];
  return {
    routine: winogradRoutine(code, stage, device.tier),
    chunks: { each: stage === "values" ? cut.valueParts : each, group: cut.group },
    operands: [
      read("input", 1),
      read("constant", stage === "values" ? table.values : table.chunks),
      update("temporary", temporary.scratch),
      update("temporary", temporary.marks),
      values,
      ...(stage === "values" ? [] : after),
    ],
  };
}
