import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, OperandRef, StepSpec } from "../../contract.ts";
import { type Placement, place } from "../../layout.ts";
import { type KernelSum, sumRecord, sumStep } from "../kernel/sum.ts";
import type { GridLinearPlan } from "../plan.ts";
import { freeSlots, markBytes, mostSlots } from "../tiles/slots.ts";
import { oddLines } from "../winograd/emit.ts";
import { fftRoutine, type Stage } from "./chunks.ts";
import { type FftCode, fftRecord, type Stream, type Tile } from "./code.ts";
import { mostFrequencyChunks, slotBytes, streamOf, three } from "./emit.ts";
import { rootsOf } from "./lines.ts";
import { cutOf, type FftProblem, lanesOf } from "./problem.ts";
import { pairCount, pairsOf } from "./split.ts";
import { slopeTilesOf, tileOf, tilesOf, wholePart } from "./tiles.ts";

/** Everything that was worked out about a kernel gradient; parts are groups of lanes of channels. */
interface Gradient {
  readonly plan: GridLinearPlan;
  readonly code: FftCode;
  readonly pairs: Int32Array;
  readonly tiles: { readonly input: readonly Tile[]; readonly output: readonly Tile[] };
  readonly parts: { readonly input: number; readonly output: number };
  /** Input channels of one output channel. */
  readonly channels: number;
  readonly streams: { readonly input: Stream; readonly output: Stream; readonly sums: Stream };
  readonly slots: number;
}

function layOut(problem: FftProblem, output: Placement, input: Placement, device: Device): Gradient {
  const { plan, depthwise } = problem;
  const cut = cutOf(problem, device);
  const lanes = lanesOf(device);
  const taps = plan.axes.map(({ kernel }) => kernel);
  const channels = depthwise ? 1 : plan.channelsIn;
  const parts = { input: Math.ceil(plan.channelsIn / lanes), output: Math.ceil(plan.channelsOut / lanes) };
  const tiles = { input: tilesOf(problem, cut, input), output: slopeTilesOf(problem, cut, output) };
  const tapStrides = taps.map((_, axis) => lanes * size(taps.slice(axis + 1)));
  const sums = { origin: 0, exampleStride: lanes * size(taps), blockStride: channels * lanes * size(taps), strides: tapStrides };
  return {
    plan,
    code: {
      lanes,
      fma: device.fma,
      sizes: three(cut.sizes, 1),
      spread: [1, 1, 1],
      keep: [1, 1, 1],
      from: input.block,
      to: lanes,
      depthwise,
      spare: false,
      fused: [],
      epilogue: null,
    },
    pairs: pairsOf(cut.sizes, 8 * lanes),
    tiles,
    parts,
    channels,
    streams: {
      input: streamOf(input, problem.apart),
      output: streamOf(output, problem.apart),
      sums: streamOf(
        sums,
        taps.map(() => 1),
      ),
    },
    slots: Math.min(mostSlots, Math.max(plan.examples * tiles.input.length * Math.max(parts.input, parts.output), parts.output * channels)),
  };
}

/** Bytes from a frequency to the next, and of all of them; and bytes of a part of one frequency. */
function bytesOf({ plan, code, pairs, tiles, parts, channels }: Gradient) {
  const cell = 8 * code.lanes;
  const frequencies = 2 * pairCount(pairs);
  const row = plan.examples * tiles.input.length * cell;
  const of = (count: number, part: number): { frequency: number; part: number; all: number } => {
    const frequency = oddLines(count * part);
    return { frequency, part, all: frequencies * frequency };
  };
  return { frequencies, input: of(parts.input, row), output: of(parts.output, row), sums: of(parts.output, channels * cell) };
}

function recordOf(at: Gradient, side: "input" | "output" | "sums"): Int32Array {
  const { plan, code, pairs, tiles, parts, channels, streams, slots } = at;
  const bytes = bytesOf(at);
  const values = bytes[side === "sums" ? "input" : side];
  const kernels = three(
    plan.axes.map(({ kernel }) => kernel),
    1,
  );
  const kernelTile = tileOf([wholePart(kernels[0]), wholePart(kernels[1]), wholePart(kernels[2])], size(code.sizes));
  const own = side === "sums" ? [kernelTile] : tiles[side];
  return fftRecord(
    {
      slots,
      slotBytes: slotBytes(code),
      pairCount: pairCount(pairs),
      tileCount: own.length,
      valueFrequency: values.frequency,
      valuePart: values.part,
      kernelFrequency: bytes.output.frequency,
      kernelPart: bytes.output.part,
      productFrequency: bytes.sums.frequency,
      productPart: bytes.sums.part,
      sources: parts[side === "sums" ? "input" : side],
      results: parts.output,
      channels,
      frequencies: bytes.frequencies,
      frequencyChunks: Math.min(bytes.frequencies, mostFrequencyChunks),
    },
    [streams[side === "sums" ? "input" : side], streams.sums],
    { roots: code.sizes.map((length, axis) => rootsOf(axis === 2 ? length / 2 : length)), pairs, tiles: own, kernelTile, mask: [] },
  );
}

/** K[output channel][input channel][tap] out of sums[part][input channel][tap][lane]. */
function sumOf({ plan, code, parts, channels }: Gradient): KernelSum {
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const rows = channels * taps;
  const rowBytes = 4 * code.lanes;
  return {
    lanes: code.lanes,
    slots: 1,
    pairs: parts.output,
    inputBlocks: 1,
    pairBytes: rows * rowBytes,
    channels: plan.channelsOut,
    channelWords: rows,
    rows,
    lastRows: rows,
    places: Array.from({ length: rows }, (_, row) => {
      const tap = row % taps;
      return { position: (plan.flip ? row - tap + taps - 1 - tap : row) * rowBytes, column: row };
    }),
  };
}

const temporary = { input: 0, output: 1, products: 2, sums: 3, scratch: 4, marks: 5 } as const;
const record = { input: 0, output: 1, sums: 2, kernel: 3 } as const;

/** Input, output gradient, the sum of their products over all tiles and examples for each frequency, the taps, K as it lies: a step each. */
export function emitFftGradient(problem: FftProblem, buffers: Buffers, device: Device): Emission {
  const [output, input] = [place(problem.result, buffers.inputs[0]), place(problem.source, buffers.inputs[1])];
  const at = layOut(problem, output, input, device);
  const { code, tiles, parts, channels, slots } = at;
  const bytes = bytesOf(at);
  const ref = (of: OperandRef["of"], index: number, access: OperandRef["access"] = "read"): OperandRef => ({ of, index, access });
  const step = (stage: Stage, own: FftCode, each: number, group: number, operands: readonly OperandRef[]): StepSpec => ({
    routine: fftRoutine(own, stage, device.tier),
    chunks: { each, group },
    operands,
  });
  const free = (index: number): StepSpec => ({
    routine: freeSlots,
    operands: [ref("temporary", index, "write")],
    chunks: { each: 1, group: 0 },
  });
  const scratch = [ref("temporary", temporary.scratch, "update"), ref("temporary", temporary.marks, "update")];
  const sum = sumOf(at);
  const slopes: FftCode = { ...code, from: output.block, spread: three(problem.keep, 1) };
  return {
    temporaries: [
      bytes.input.all,
      bytes.output.all,
      bytes.sums.all,
      sum.pairs * sum.pairBytes,
      slots * slotBytes(code),
      mostSlots * markBytes,
    ],
    constants: [recordOf(at, "input"), recordOf(at, "output"), recordOf(at, "sums"), sumRecord(sum)],
    steps: [
      free(temporary.marks),
      step("values", code, tiles.input.length * parts.input, 1, [
        ref("input", 1),
        ref("constant", record.input),
        ref("temporary", temporary.input, "write"),
        ...scratch,
      ]),
      step("slopes", slopes, tiles.output.length * parts.output, 1, [
        ref("input", 0),
        ref("constant", record.output),
        ref("temporary", temporary.output, "write"),
        ...scratch,
      ]),
      step("gradients", code, Math.min(bytes.frequencies, mostFrequencyChunks), 0, [
        ref("temporary", temporary.input),
        ref("constant", record.input),
        ref("temporary", temporary.products, "write"),
        ref("temporary", temporary.output),
      ]),
      step("results", code, parts.output * channels, 0, [
        ref("temporary", temporary.products),
        ref("constant", record.sums),
        ref("temporary", temporary.sums, "write"),
        ...scratch,
      ]),
      sumStep(sum, ref("temporary", temporary.sums), ref("output", 0, "write"), ref("constant", record.kernel)),
    ],
  };
}
