import { size } from "../../../base/types.ts";
import type { Algorithm, Device } from "../../contract.ts";
import { blockedLayout, type Placement, place, preferredBlock } from "../../layout.ts";
import { refusesPhases } from "../blocked/problem.ts";
import { product, roundUp } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { mostRows } from "../tiles/outer.ts";
import type { TileEntry } from "./panels.ts";
import { emitKernelGradient, haloOfTaps, kernelTime, tapsOf, tileRows, tilesOfRows } from "./plan.ts";

/** Input channels of a group up to which a plain input is read as it is. */
const mostChannels = 7;

/** Row pointers of a tile that stay in registers. */
const mostPointers = 8;

/**
 * Kernel gradient of few input channels (first layers): dK[co, ci, tap] = sum over examples and cells of G[co, o] V[ci, o s + tap d - low],
 * V plain with a halo, G in channel blocks. A tile's rows are any channels and taps, each with a pointer of its own.
 * Source: Goodfellow et al. 2016, eq. 9.11.
 */
export const flatKernel: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-kernel-flat",
  operator: "grid-linear",
  layouts: (plan, fusion, device) => {
    if (fusion !== null || unfit(plan, device) !== null) return [];
    const halo = plan.axes.map(haloOfTaps);
    return [{ inputs: [blockedLayout(outputBlock(plan, device)), { block: 1, halo, fill: 0 }], operands: [], outputs: [1] }];
  },
  refuses: (plan, _, fusion, device) => (fusion !== null ? "nothing fuses into a kernel gradient." : unfit(plan, device)),
  estimate: (plan, choice, _, device) => {
    const types = typesOf(plan);
    const output = place(types.output, choice.inputs[0]);
    const tiles = tilesOf(plan, place(types.input, choice.inputs[1]), rowsOf(device, output.block));
    return kernelTime(plan, device, { lanes: output.block, rows: tileRows(tiles) * output.blocks });
  },
  emit: (plan, buffers, _, device) => {
    const types = typesOf(plan);
    const output = place(types.output, buffers.inputs[0]);
    const input = place(types.input, buffers.inputs[1]);
    const taps = size(plan.axes.map(({ kernel }) => kernel));
    const channels = plan.channelsIn / plan.groups;
    const rows = channels * taps;
    const rowBytes = 4 * output.block;
    const tiles = tilesOf(plan, input, rowsOf(device, output.block));
    const stored = (row: number): number => (plan.flip ? row - (row % taps) + taps - 1 - (row % taps) : row);
    return emitKernelGradient({
      plan,
      output,
      input,
      device,
      rowsAt: "table",
      inputBlocks: 1,
      splatBlock: 4 * channels * input.blockStride,
      // a tile reads few lines of V, so that G fills the cache
      splatCellBytes: 8 * plan.axes[plan.axes.length - 1].stride * plan.axes[plan.axes.length - 1].period,
      pairBytes: roundUp(rows * rowBytes, 64),
      tiles,
      lastTiles: tiles,
      places: Array.from({ length: rows }, (_, row) => ({ position: stored(row) * rowBytes, column: row })),
      rows,
      lastRows: rows,
    });
  },
};

const rowsOf = (device: Device, lanes: number): number => Math.min(mostPointers, mostRows(device, lanes));

const outputBlock = ({ channelsOut, groups }: GridLinearPlan, { wide }: Device): number =>
  groups === 1 ? preferredBlock(channelsOut, wide) : ((wide ? [16, 8] : [8]).find((block) => (channelsOut / groups) % block === 0) ?? 0);

function unfit(plan: GridLinearPlan, device: Device): string | null {
  const { role, axes, groups, channelsIn, channelsOut } = plan;
  if (role !== "kernel") return "computes role kernel only.";
  if (axes.length === 0) return "a dense layer has no axes.";
  const channels = channelsIn / groups;
  if (channels > mostChannels) return `${channels} input channels in a group are enough for channel blocks (above ${mostChannels}).`;
  if (outputBlock(plan, device) === 0) return `groups of ${channelsOut / groups} output channels are not whole channel blocks.`;
  return refusesPhases(plan);
}

/** Tiles over all channels and taps of a group, but for taps that meet nothing but padding: their sums stay zero. */
function tilesOf({ axes, channelsIn, groups }: GridLinearPlan, input: Placement, most: number): TileEntry[] {
  const taps = product(axes.map(tapsOf));
  const kernelTaps = size(axes.map(({ kernel }) => kernel));
  const rows = Array.from({ length: channelsIn / groups }, (_, channel) =>
    taps.map((tap) => ({
      position: channel * kernelTaps + tap.reduce((sum, { tap: own }, i) => sum * axes[i].kernel + own, 0),
      at: 4 * (channel * input.blockStride + tap.reduce((sum, { offset }, i) => sum + offset * input.strides[i], 0)),
    })),
  ).flat();
  return tilesOfRows(rows, most);
}
