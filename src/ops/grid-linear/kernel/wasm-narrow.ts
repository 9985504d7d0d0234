import { size } from "../../../base/types.ts";
import type { Algorithm, Device, Margin } from "../../contract.ts";
import { blockedLayout, type Placement, place, preferredBlock } from "../../layout.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { product, roundUp } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { mostRows } from "../tiles/outer.ts";
import type { TileEntry } from "./panels.ts";
import { emitKernelGradient, kernelTime, tileRows, tilesOfRows } from "./plan.ts";

/** Output channels up to which a plain output gradient is read as it is. */
const mostChannels = 4;

/** Row pointers of a tile that stay in registers. */
const mostPointers = 8;

/**
 * Kernel gradient of few output channels (last layers) at stride 1, with the two sides of the sum changed over: dK[co, ci, tap] = sum over
 * examples and input cells i of V[ci, i] G[co, i - tap d + low]. The lanes are input channels, so that none is spent on output channels
 * that are not there; G is plain, with a halo.
 * Source: Goodfellow et al. 2016, eq. 9.11.
 */
export const narrowKernel: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-kernel-narrow",
  operator: "grid-linear",
  layouts: (plan, fusion, device) => {
    if (fusion !== null || unfit(plan) !== null) return [];
    return [
      {
        inputs: [{ block: 1, halo: halo(plan), fill: 0 }, blockedLayout(preferredBlock(plan.channelsIn, device.wide))],
        operands: [],
        outputs: [1],
      },
    ];
  },
  refuses: (plan, _, fusion) => (fusion !== null ? "nothing fuses into a kernel gradient." : unfit(plan)),
  estimate: (plan, choice, _, device) => {
    const types = typesOf(plan);
    const input = place(types.input, choice.inputs[1]);
    const tiles = tilesOf(plan, place(types.output, choice.inputs[0]), rowsOf(device, input.block));
    return kernelTime(mirrored(plan), device, { lanes: input.block, rows: tileRows(tiles) * input.blocks });
  },
  emit: (plan, buffers, _, device) => {
    const types = typesOf(plan);
    const output = place(types.output, buffers.inputs[0]);
    const input = place(types.input, buffers.inputs[1]);
    const taps = size(plan.axes.map(({ kernel }) => kernel));
    const rows = plan.channelsOut * taps;
    const rowBytes = 4 * input.block;
    const tiles = tilesOf(plan, output, rowsOf(device, input.block));
    const placeOf = (row: number): { position: number; column: number } => {
      const [channel, tap] = [Math.floor(row / taps), row % taps];
      return { position: row * rowBytes, column: channel * plan.channelsIn * taps + (plan.flip ? taps - 1 - tap : tap) };
    };
    return emitKernelGradient({
      plan: mirrored(plan),
      swapped: true,
      output: input,
      input: output,
      device,
      rowsAt: "table",
      inputBlocks: 1,
      splatBlock: 0,
      splatCellBytes: 8,
      pairBytes: roundUp(rows * rowBytes, 64),
      tiles,
      lastTiles: tiles,
      places: Array.from({ length: rows }, (_, row) => placeOf(row)),
      rows,
      lastRows: rows,
    });
  },
};

const rowsOf = (device: Device, lanes: number): number => Math.min(mostPointers, mostRows(device, lanes));

/** The problem with V in the place of G: one term for each input cell. */
const mirrored = (plan: GridLinearPlan): GridLinearPlan => ({
  ...plan,
  channelsIn: plan.channelsOut,
  channelsOut: plan.channelsIn,
  axes: plan.axes.map((axis) => ({ ...axis, input: axis.output, output: axis.input })),
});

function unfit(plan: GridLinearPlan): string | null {
  const { role, axes, groups, channelsIn, channelsOut } = plan;
  if (role !== "kernel") return "computes role kernel only.";
  if (axes.length === 0) return "a dense layer has no axes.";
  if (groups > 1) return "groups of few output channels are not gathered.";
  if (channelsOut > mostChannels) return `${channelsOut} output channels are enough for channel blocks (above ${mostChannels}).`;
  if (channelsIn < 8) return `${channelsIn} input channels do not fill a channel block.`;
  if (axes.some(({ stride }) => stride > 1)) return "a stride leaves input cells without a term.";
  return refusesBlocks(plan);
}

/** Offsets from input cell to output cell, with the taps that meet some cell. */
const offsets = ({ axes }: GridLinearPlan): { tap: number; offset: number }[][] =>
  axes.map(({ kernel, dilation, low, input, output }) =>
    Array.from({ length: kernel }, (_, tap) => ({ tap, offset: low - tap * dilation })).filter(
      ({ offset }) => offset < output && input - 1 + offset >= 0,
    ),
  );

const halo = (plan: GridLinearPlan): Margin[] =>
  offsets(plan).map((list, axis) => ({
    low: Math.max(0, ...list.map(({ offset }) => -offset)),
    high: Math.max(0, ...list.map(({ offset }) => plan.axes[axis].input - 1 + offset - (plan.axes[axis].output - 1))),
  }));

/** Tiles over all output channels and taps, but for taps that meet nothing but padding: their sums stay zero. */
function tilesOf(plan: GridLinearPlan, output: Placement, most: number): TileEntry[] {
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const rows = Array.from({ length: plan.channelsOut }, (_, channel) =>
    product(offsets(plan)).map((list) => ({
      position: channel * taps + list.reduce((sum, { tap }, i) => sum * plan.axes[i].kernel + tap, 0),
      at: 4 * (channel * output.blockStride + list.reduce((sum, { offset }, i) => sum + offset * output.strides[i], 0)),
    })),
  ).flat();
  return tilesOfRows(rows, most);
}
