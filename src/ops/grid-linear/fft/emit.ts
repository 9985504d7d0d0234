import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Fusion, OperandRef, StepSpec } from "../../contract.ts";
import { type Placement, place } from "../../layout.ts";
import { type Packing, packRecord, packStep, panelBytes } from "../blocked/pack.ts";
import { fusedOperand, fusedPlace } from "../tiles/fused.ts";
import { freeSlots, markBytes, mostSlots } from "../tiles/slots.ts";
import { oddLines } from "../winograd/emit.ts";
import { fftRoutine, type Stage } from "./chunks.ts";
import { type FftCode, fftRecord, type Stream, type Tile } from "./code.ts";
import { rootsOf } from "./lines.ts";
import { type Cut, cutOf, type FftProblem, lanesOf, partsOf } from "./problem.ts";
import { pairCount, pairsOf } from "./split.ts";
import { tileOf, tilesOf, wholePart } from "./tiles.ts";

/** Chunks of the products at most, and channels of a chunk of the kernel's transform. */
export const mostFrequencyChunks = 64;
const kernelRun = 8;

export type Three = readonly [number, number, number];
/** The last axes of three. */
export const three = (list: readonly number[], otherwise: number): Three => {
  const [a, b, c] = [otherwise, otherwise, otherwise, ...list].slice(-3);
  return [a, b, c];
};

/** Everything that was worked out about one emission. */
interface LaidOut {
  readonly problem: FftProblem;
  readonly code: FftCode;
  readonly cut: Cut;
  readonly source: Placement;
  readonly result: Placement;
  readonly packing: Packing;
  readonly pairs: Int32Array;
  readonly tiles: readonly Tile[];
  /** Parts of the channels, and channels that a product sums over. */
  readonly sources: number;
  readonly results: number;
  readonly channels: number;
  readonly slots: number;
}

function layOut(problem: FftProblem, buffers: Buffers, fusion: Fusion | null, device: Device): LaidOut {
  const { plan, depthwise } = problem;
  const [source, result] = [place(problem.source, buffers.inputs[1]), place(problem.result, buffers.outputs[0])];
  const cut = cutOf(problem, device);
  const lanes = lanesOf(device);
  const code: FftCode = {
    lanes,
    fma: device.fma,
    sizes: three(cut.sizes, 1),
    spread: three(problem.spread, 1),
    keep: three(problem.keep, 1),
    from: source.block,
    to: result.block,
    depthwise,
    spare: result.channels % result.block !== 0,
    fused: (fusion?.operands ?? []).map((type) => fusedOperand(type, problem.result) ?? { splat: false, moves: true }),
    epilogue: fusion?.epilogue ?? null,
  };
  const tiles = tilesOf(problem, cut, source);
  const [sources, results] = [Math.ceil(source.channels / lanes), partsOf(result.channels, device)];
  return {
    problem,
    code,
    cut,
    source,
    result,
    packing: packingOf(problem, lanes, results),
    pairs: pairsOf(cut.sizes, 8 * lanes),
    tiles,
    // a depthwise product has a value for every part of the result
    sources: depthwise ? results : sources,
    results,
    channels: depthwise ? 1 : source.channels,
    slots: Math.min(mostSlots, plan.examples * tiles.length * Math.max(sources, results)),
  };
}

/** K as [source channel][tap], the taps turned against the order in which they meet the source, as a product of transforms convolves. */
function packingOf({ plan, depthwise }: FftProblem, block: number, panels: number): Packing {
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const turned = (plan.role === "input") === plan.flip;
  const position = (channel: number, tap: number): number => channel * taps + (turned ? taps - 1 - tap : tap);
  const [from, to] = plan.role === "input" ? [plan.channelsOut, plan.channelsIn] : [plan.channelsIn, plan.channelsOut];
  const channels = depthwise ? 1 : from;
  const order =
    plan.role === "input" && !depthwise
      ? { rowStride: taps, outer: channels, outerStride: to * taps, columns: taps, position }
      : {
          rowStride: channels * taps,
          outer: 1,
          outerStride: 0,
          columns: channels * taps,
          position: (_: number, column: number) => position(Math.floor(column / taps), column % taps),
        };
  return { block, panels, panelsPerGroup: panels, ...order, rowsPerGroup: to, groupStride: 0, rows: taps * channels };
}

/** Where a value lies whose cells a transform takes `apart` cells of it apart. */
export function streamOf(
  at: { origin: number; exampleStride: number; blockStride: number; strides: readonly number[] },
  apart: readonly number[],
): Stream {
  const [plane, row, cell] = three(at.strides, 0).map((stride) => 4 * stride);
  const [nextPlane, nextRow, nextCell] = three(
    at.strides.map((stride, axis) => 4 * stride * apart[axis]),
    0,
  );
  return {
    origin: 4 * at.origin,
    example: 4 * at.exampleStride,
    block: 4 * at.blockStride,
    plane,
    row,
    cell,
    nextPlane,
    nextRow,
    nextCell,
  };
}

/** Where source, result and fused operands lie. */
function streamsOf({ problem, source, result }: LaidOut, buffers: Buffers, fusion: Fusion | null): Stream[] {
  const operands = (fusion?.operands ?? []).map((type, i) => fusedPlace(type, buffers.operands[i], problem.result, result.block));
  return [source, result, ...operands].map((at) => streamOf(at, problem.apart));
}

/** Bytes of the transformed source, result and kernel, and of the parts of each. */
function bytesOf({ problem, code, pairs, tiles, sources, results, channels }: LaidOut) {
  const cell = 8 * code.lanes;
  const frequencies = 2 * pairCount(pairs);
  const row = problem.plan.examples * tiles.length * cell;
  const [valueFrequency, productFrequency] = [oddLines(sources * row), oddLines(results * row)];
  const kernelPart = frequencies * channels * cell;
  return {
    frequencies,
    row,
    valueFrequency,
    productFrequency,
    kernelPart,
    values: frequencies * valueFrequency,
    products: frequencies * productFrequency,
    kernel: results * kernelPart,
  };
}

function recordOf(at: LaidOut, streams: readonly Stream[]): Int32Array {
  const { problem, code, result, packing, pairs, tiles, sources, results, channels, slots } = at;
  const { plan } = problem;
  const { frequencies, row, valueFrequency, productFrequency, kernelPart } = bytesOf(at);
  const [cell, kernels] = [
    4 * code.lanes,
    three(
      plan.axes.map(({ kernel }) => kernel),
      1,
    ),
  ];
  const last = result.channels - (result.blocks - 1) * result.block;
  const lanes = Array.from({ length: result.block }, (_, lane) => lane);
  return fftRecord(
    {
      slots,
      slotBytes: slotBytes(code),
      pairCount: pairCount(pairs),
      tileCount: tiles.length,
      valueFrequency,
      valuePart: row,
      productFrequency,
      productPart: row,
      sources,
      results,
      channels,
      frequencies,
      frequencyChunks: Math.min(frequencies, mostFrequencyChunks),
      kernelFrequency: channels * 2 * cell,
      kernelPart,
      packedPart: panelBytes(packing),
      packedChannel: size(kernels) * cell,
      packedRow: kernels[2] * cell,
      packedPlane: kernels[1] * kernels[2] * cell,
      kernelRun,
      kernelRuns: Math.ceil(channels / kernelRun),
      firstPlane: (kernels[0] - 1) * code.sizes[1] * code.sizes[2] * cell,
      firstRow: (kernels[1] - 1) * code.sizes[2] * cell,
      firstCell: (kernels[2] - 1) * cell,
      resultBlocks: result.blocks,
    },
    streams,
    {
      roots: code.sizes.map((length, axis) => rootsOf(axis === 2 ? length / 2 : length)),
      pairs,
      tiles,
      kernelTile: tileOf([wholePart(kernels[0]), wholePart(kernels[1]), wholePart(kernels[2])], size(code.sizes)),
      mask: [...lanes.map(() => -1), ...lanes.map((lane) => (lane < last ? -1 : 0))],
    },
  );
}

export const slotBytes = ({ sizes, lanes }: FftCode): number => oddLines(4 * lanes * size(sizes));

const read = (of: OperandRef["of"], index: number): OperandRef => ({ of, index, access: "read" });
const write = (of: OperandRef["of"], index: number): OperandRef => ({ of, index, access: "write" });
const update = (of: OperandRef["of"], index: number): OperandRef => ({ of, index, access: "update" });

/** Numbers of the temporaries and of the constants. */
const temporary = { packed: 0, kernel: 1, values: 2, products: 3, scratch: 4, marks: 5, kernelScratch: 6, kernelMarks: 7 } as const;
const table = { packing: 0, record: 1 } as const;

/** Kernel, source, products of each frequency, result: a step each. */
export function emitFft(problem: FftProblem, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const at = layOut(problem, buffers, fusion, device);
  const { code, packing, pairs, tiles, sources, results, channels, slots } = at;
  const bytes = bytesOf(at);
  const marks = mostSlots * markBytes;
  const step = (stage: Stage, each: number, group: number, operands: readonly OperandRef[]): StepSpec => ({
    routine: fftRoutine(code, stage, device.tier),
    chunks: { each, group },
    operands,
  });
  const free = (index: number): StepSpec => ({ routine: freeSlots, operands: [write("temporary", index)], chunks: { each: 1, group: 0 } });
  const [record, scratch, kernelScratch] = [
    read("constant", table.record),
    [update("temporary", temporary.scratch), update("temporary", temporary.marks)],
    [update("temporary", temporary.kernelScratch), update("temporary", temporary.kernelMarks)],
  ];
  return {
    temporaries: [
      packing.panels * panelBytes(packing),
      bytes.kernel,
      bytes.values,
      bytes.products,
      slots * slotBytes(code),
      marks,
      slots * slotBytes(code),
      marks,
    ],
    constants: [packRecord(packing), recordOf(at, streamsOf(at, buffers, fusion))],
    steps: [
      packStep(packing, read("input", 0), write("temporary", temporary.packed), read("constant", table.packing)),
      free(temporary.kernelMarks),
      step("kernel", results * Math.ceil(channels / kernelRun), 0, [
        read("temporary", temporary.packed),
        record,
        write("temporary", temporary.kernel),
        ...kernelScratch,
      ]),
      free(temporary.marks),
      step("values", tiles.length * sources, 1, [read("input", 1), record, write("temporary", temporary.values), ...scratch]),
      step("products", Math.min(2 * pairCount(pairs), mostFrequencyChunks), 0, [
        read("temporary", temporary.values),
        record,
        write("temporary", temporary.products),
        read("temporary", temporary.kernel),
      ]),
      step("results", tiles.length * results, 1, [
        read("temporary", temporary.products),
        record,
        write("output", 0),
        ...scratch,
        ...code.fused.map((_, index) => read("operand", index)),
      ]),
    ],
  };
}
