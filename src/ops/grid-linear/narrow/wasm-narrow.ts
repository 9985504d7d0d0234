import { size, type TensorType } from "../../../base/types.ts";
import type { FunctionBuilder } from "../../../emit/wasm/function.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type { Algorithm, Buffers, Device, Emission, Fusion, Layout, LayoutChoice, OperandRef, Routine } from "../../contract.ts";
import { printExpression } from "../../expression/print.ts";
import { blockedLayout, type Placement, place, plainLayout, preferredBlock } from "../../layout.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { forwardSweeps, haloOf, product, roundUp } from "../gather.ts";
import { gridLinear } from "../index.ts";
import { rate } from "../kernel/plan.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { fusedOperand } from "../tiles/fused.ts";
import { splitEvenly } from "../tiles/outer.ts";
import { countDown } from "../tiles/panel.ts";
import { type NarrowCode, type NarrowOperand, narrowRecord, narrowRoutine, type Segment, sumBytes } from "./tile.ts";

/** Output channels up to which lanes of output channels would mostly be spare. */
const mostChannels = 4;
/** Cells of a long line that are one segment. */
const segmentCells = 256;
/** Multiply-adds of a chunk. */
const chunkWork = 1_500_000;

/**
 * Convolution to few output channels (last layers): Z[co, o] = sum over ci, tap of K[co, ci, tap] V[ci, o s + tap d - low], from channel blocks to a
 * plain result. The lanes are input channels, added up at the end, so that none is spent on output channels that are not there.
 */
export const narrowForward: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-forward-narrow",
  operator: "grid-linear",
  layouts: layoutsOf,
  refuses: unfit,
  estimate: (plan, choice, _, device, programs) => {
    const { channelsIn, channelsOut, examples } = plan;
    const padded = (gridLinear.cost(plan).multiplyAdds * roundUp(channelsIn, choice.inputs[1].block)) / channelsIn;
    return (
      2500 +
      (programs === "inference" ? 0 : size(typesOf(plan).kernel.shape) * 2) +
      padded / (0.7 * rate(device)) +
      examples * channelsOut * size(plan.axes.map(({ output }) => output)) * 1.5
    );
  },
  emit,
};

function unfit(plan: GridLinearPlan): string | null {
  const { role, axes, groups, channelsIn, channelsOut } = plan;
  if (role !== "forward") return "computes role forward only.";
  if (axes.length === 0) return "a dense layer has no axes.";
  if (groups > 1) return "groups of few output channels are not gathered.";
  if (channelsOut > mostChannels) return `${channelsOut} output channels are enough for channel blocks (above ${mostChannels}).`;
  if (channelsIn < 8) return `${channelsIn} input channels do not fill a channel block.`;
  return refusesBlocks(plan);
}

/** Does the operand have every cell of the result? Otherwise it must be one value, or one for each channel. */
function moves(type: TensorType, result: TensorType): boolean | null {
  const operand = fusedOperand(type, result);
  if (operand === null) return null;
  if (!operand.moves) return false;
  const shape = type.batched ? type.shape : [result.shape[0], ...type.shape];
  return shape.length === result.shape.length && shape.every((extent, axis) => extent === result.shape[axis]) ? true : null;
}

function layoutsOf(plan: GridLinearPlan, fusion: Fusion | null, device: Device): LayoutChoice[] {
  const operands = fusion?.operands ?? [];
  if (unfit(plan) !== null || operands.some((type) => moves(type, typesOf(plan).output) === null)) return [];
  const halo = plan.axes.map((axis) => haloOf(forwardSweeps(axis), axis.input));
  const input = blockedLayout(preferredBlock(plan.channelsIn, device.wide), halo);
  return [{ inputs: [plainLayout, input], operands: operands.map(() => plainLayout), outputs: [1] }];
}

/** Taps that meet some input, and the K of each. */
function tapsOf({ axes, flip }: GridLinearPlan, input: Placement): { tap: number; at: number }[] {
  return product(axes.map((axis) => forwardSweeps(axis)[0].taps)).map((list) => ({
    tap: list.reduce((index, { tap }, i) => index * axes[i].kernel + (flip ? axes[i].kernel - 1 - tap : tap), 0),
    at: 4 * list.reduce((sum, { offset }, i) => sum + offset * input.strides[i], 0),
  }));
}

function emit(plan: GridLinearPlan, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const types = typesOf(plan);
  const input = place(types.input, buffers.inputs[1]);
  const output = place(types.output, buffers.outputs[0]);
  const taps = tapsOf(plan, input);
  const turns = Array.from({ length: input.blocks }, (_, block) => taps.map(({ at }) => 4 * block * input.blockStride + at)).flat();
  const operands = (fusion?.operands ?? []).map((type, i) => operandOf(type, buffers.operands[i], types.output));
  const code = codeOf(plan, input, fusion, device);
  const segments = segmentsOf(plan, input, output, operands);
  const exampleWork = (gridLinear.cost(plan).multiplyAdds / plan.examples) * 1.2;
  const group = Math.max(1, Math.min(plan.examples, Math.round(chunkWork / exampleWork)));
  const parts = group > 1 ? 1 : Math.max(1, Math.min(segments.length, Math.round(exampleWork / chunkWork)));
  const scratchBytes = roundUp(sumBytes(code), 64);
  const numbers = {
    parts,
    group,
    scratchBytes,
    inputExample: 4 * input.exampleStride,
    resultExample: 4 * output.exampleStride,
    resultChannel: 4 * output.blockStride,
  };
  const read = (of: "input" | "constant", index: number): OperandRef => ({ of, index, access: "read" });
  const temporary = (index: number, access: OperandRef["access"]): OperandRef => ({ of: "temporary", index, access });
  return {
    temporaries: [Math.max(64, 4 * turns.length * plan.channelsOut * input.block), Math.ceil(plan.examples / group) * parts * scratchBytes],
    constants: [packRecord(plan, input, taps), narrowRecord(numbers, operands, turns, segments)],
    steps: [
      { routine: packRoutine, operands: [read("input", 0), temporary(0, "write"), read("constant", 0)], chunks: { each: 1, group: 0 } },
      {
        routine: narrowRoutine(code, device),
        operands: [
          read("input", 1),
          temporary(0, "read"),
          { of: "output", index: 0, access: "write" },
          temporary(1, "write"),
          read("constant", 1),
          ...operands.map((_, index): OperandRef => ({ of: "operand", index, access: "read" })),
        ],
        chunks: { each: parts, group },
      },
    ],
  };
}

function codeOf(plan: GridLinearPlan, input: Placement, fusion: Fusion | null, device: Device): NarrowCode {
  const { channelsOut, axes } = plan;
  const last = axes[axes.length - 1];
  // registers: the sums, a vector of K for each channel, one of V, and a product where it is not fused
  const most = Math.min(12, Math.floor((14 - channelsOut - (device.fma ? 0 : 1)) / channelsOut));
  const fused = (fusion?.operands ?? []).map((type) => ({ splat: false, moves: moves(type, typesOf(plan).output) === true }));
  return {
    channels: channelsOut,
    cells: splitEvenly(last.output, most)[0],
    lanes: device.wide ? 8 : 4,
    block: input.block,
    cellStep: 4 * last.stride * input.strides[input.strides.length - 1],
    fma: device.fma,
    spare: 0,
    epilogue: fusion?.epilogue ?? null,
    fused,
    key: fusion === null ? "-" : `${printExpression(fusion.epilogue)} ${fused.map((operand) => (operand.moves ? "m" : "c")).join("")}`,
  };
}

/** Where a fused operand lies: its steps, and words to its cells. */
interface PlacedOperand extends NarrowOperand {
  readonly origin: number;
  readonly strides: readonly number[];
}

function operandOf(type: TensorType, layout: Layout, result: TensorType): PlacedOperand {
  if (moves(type, result) !== true) {
    return {
      origin: 0,
      strides: result.shape.slice(2).map(() => 0),
      example: 0,
      channel: fusedOperand(type, result)?.splat === true ? 0 : 4,
    };
  }
  const { origin, strides, exampleStride, blockStride } = place(type, layout);
  return { origin, strides, example: type.batched ? 4 * exampleStride : 0, channel: 4 * blockStride };
}

/** The lines of the result, cut into parts of at most so many cells. */
function segmentsOf({ axes }: GridLinearPlan, input: Placement, output: Placement, operands: readonly PlacedOperand[]): Segment[] {
  const inner = axes.length - 1;
  const cells = splitEvenly(axes[inner].output, segmentCells);
  const starts = cells.map((_, i) => cells.slice(0, i).reduce((sum, count) => sum + count, 0));
  const lines = product(axes.slice(0, -1).map(({ output: extent }) => Array.from({ length: extent }, (_, cell) => cell)));
  return lines.flatMap((line) =>
    cells.map((count, part) => {
      const cell = [...line, starts[part]];
      const offset = ({ origin, strides }: { origin: number; strides: readonly number[] }, strided = false): number =>
        4 * cell.reduce((sum, position, axis) => sum + position * (strided ? axes[axis].stride : 1) * strides[axis], origin);
      return { input: offset(input, true), result: offset(output), cells: count, operands: operands.map((operand) => offset(operand)) };
    }),
  );
}

/** For each float of a row of K (one output channel), where it goes: rows of a block by block, tap, output channel. */
function packRecord(
  { channelsIn, channelsOut, axes }: GridLinearPlan,
  { block, blocks }: Placement,
  taps: readonly { tap: number }[],
): Int32Array {
  const kernelTaps = size(axes.map(({ kernel }) => kernel));
  const slots = new Map(taps.map(({ tap }, slot) => [tap, slot]));
  const rowBytes = 4 * block;
  const bytes = blocks * taps.length * channelsOut * rowBytes;
  const places = Array.from({ length: channelsIn * kernelTaps }, (_, column) => {
    const [channel, slot] = [Math.floor(column / kernelTaps), slots.get(column % kernelTaps)];
    const row = slot === undefined ? -1 : (Math.floor(channel / block) * taps.length + slot) * channelsOut;
    return row < 0 ? -1 : row * rowBytes + 4 * (channel % block);
  });
  return Int32Array.from([channelsOut, places.length, rowBytes, bytes / 16, ...places]);
}

const packRoutine: Routine = {
  key: "grid-linear narrow pack kernel",
  build: (module) => module.function(["i32", "i32", "i32", "i32"], [], emitPack),
};

/** One chunk: sets all to zero, for spare lanes, then every float of K in its place. */
function emitPack(f: FunctionBuilder): void {
  const [table] = f.parameters;
  const [kernel, packed, record, channel, left, at, target] = f.locals("i32", 7);
  loadWords(f, table, [kernel, packed, record]);
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", 4 * index);
  f.get(packed).set(target);
  word(3)
    .tee(left)
    .if(() =>
      countDown(f, left, () => {
        f.get(target).f32x4(0).memory("v128.store");
        advance(f, target, 16);
      }),
    );
  word(0).set(channel);
  countDown(f, channel, () => {
    f.get(record).set(at);
    word(1).set(left);
    countDown(f, left, () => {
      f.get(at).memory("i32.load", 16).tee(target).i32(0).op("i32.ge_s");
      f.if(() => f.get(packed).get(target).op("i32.add").get(kernel).memory("f32.load").memory("f32.store"));
      advance(f, at, 4);
      advance(f, kernel, 4);
    });
    // the next output channel's row follows
    f.get(packed);
    word(2).op("i32.add").set(packed);
  });
}
