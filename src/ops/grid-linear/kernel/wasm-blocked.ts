import { size } from "../../../base/types.ts";
import type { Algorithm, Device, Layout } from "../../contract.ts";
import { blockedLayout, type Placement, place, preferredBlock } from "../../layout.ts";
import { refusesPhases } from "../blocked/problem.ts";
import { product, roundUp } from "../gather.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { mostRows, splitEvenly } from "../tiles/outer.ts";
import type { TileEntry } from "./panels.ts";
import { emitKernelGradient, haloOfTaps, kernelTime, tapsOf, tileRows } from "./plan.ts";

const id = "wasm-grid-linear-kernel-blocked";

/**
 * Kernel gradient dK[co, ci, tap] = sum over examples and cells of G[co, o] V[ci, o s + tap d - low], both channel-blocked: tiles of
 * rows (input channel and tap, splats) by one block of output channels (lanes), in registers over a panel of cells that stays in the
 * first cache; partial sums in slots over the examples, added in slot order. Cells of each copy of the kernel (tiled convolution) have sums of their own.
 * Source: Goodfellow et al. 2016, eq. 9.11.
 */
export const kernelBlocked: Algorithm<GridLinearPlan> = {
  id,
  operator: "grid-linear",
  layouts: (plan, fusion, device) => {
    if (fusion !== null || unfit(plan, device.wide) !== null) return [];
    return [
      {
        inputs: [blockedLayout(outputBlock(plan, device.wide)), blockedLayout(inputBlock(plan, device.wide), plan.axes.map(haloOfTaps))],
        operands: [],
        outputs: [1],
      },
    ];
  },
  refuses: (plan, _, fusion, device) => (fusion !== null ? "nothing fuses into a kernel gradient." : unfit(plan, device.wide)),
  estimate: (plan, choice, _, device) => {
    const { output, input, inputBlocks, lastChannels, most } = shapeOf(plan, choice.inputs, device);
    const rows = tileRows(tilesOf(plan, input, input.block, most)) * (inputBlocks - 1) + tileRows(tilesOf(plan, input, lastChannels, most));
    return kernelTime(plan, device, { lanes: output.block, rows: rows * output.blocks });
  },
  emit: (plan, buffers, _, device) => {
    const { output, input, inputBlocks, lastChannels, most } = shapeOf(plan, buffers.inputs, device);
    const kernels = plan.axes.map(({ kernel }) => kernel);
    const taps = taken(kernels);
    const rowBytes = 4 * output.block;
    return emitKernelGradient({
      plan,
      output,
      input,
      device,
      inputBlocks,
      rowsAt: "next",
      splatBlock: 4 * input.blockStride,
      splatCellBytes: 4 * input.block * size(plan.axes.map(({ stride, period, kernel }) => Math.min(stride * period, kernel))),
      pairBytes: roundUp(size(kernels) * input.block * rowBytes, 64),
      tiles: tilesOf(plan, input, input.block, most),
      lastTiles: tilesOf(plan, input, lastChannels, most),
      places: Array.from({ length: input.block }, (_, channel) =>
        taps.map((tap) => ({
          position: ((plan.flip ? taps.length - 1 - tap : tap) * input.block + channel) * rowBytes,
          column: channel * taps.length + tap,
        })),
      ).flat(),
      rows: input.block * taps.length,
      lastRows: lastChannels * taps.length,
    });
  },
};

/** Where the operands lie, and how the input channels of a group fall into blocks. */
function shapeOf(plan: GridLinearPlan, [outputLayout, inputLayout]: readonly Layout[], device: Device) {
  const types = typesOf(plan);
  const output = place(types.output, outputLayout);
  const input = place(types.input, inputLayout);
  const perGroup = plan.channelsIn / plan.groups;
  const inputBlocks = Math.ceil(perGroup / input.block);
  return { output, input, inputBlocks, lastChannels: perGroup - (inputBlocks - 1) * input.block, most: mostRows(device, output.block) };
}

/** Every tap, as its place in K. */
const taken = (kernels: readonly number[]): number[] => Array.from({ length: size(kernels) }, (_, tap) => tap);

/** The preferred block; with groups, the largest that groups consist of, 0 when there is none. */
function blockOf(channels: number, groups: number, wide: boolean): number {
  if (groups === 1) return preferredBlock(channels, wide);
  return (wide ? [16, 8] : [8]).find((block) => (channels / groups) % block === 0) ?? 0;
}

const outputBlock = ({ channelsOut, groups }: GridLinearPlan, wide: boolean): number => blockOf(channelsOut, groups, wide);
const inputBlock = ({ channelsIn, groups }: GridLinearPlan, wide: boolean): number => blockOf(channelsIn, groups, wide);

function unfit(plan: GridLinearPlan, wide: boolean): string | null {
  const { role, axes, groups, channelsIn, channelsOut } = plan;
  if (role !== "kernel") return "computes role kernel only.";
  if (axes.length === 0) return "a dense layer has no axes.";
  const blocks = refusesPhases(plan);
  if (blocks !== null || groups === 1) return blocks;
  if (inputBlock(plan, wide) > 0 && outputBlock(plan, wide) > 0) return null;
  return `groups of ${channelsIn / groups} input and ${channelsOut / groups} output channels are not whole channel blocks.`;
}

/**
 * Tiles of one input block with so many channels. Where taps of the last axis follow each other without a gap, a run of rows goes over
 * all of them, so that tiles need not end at a tap. Taps that meet nothing but padding have no tiles: their sums stay zero.
 */
function tilesOf({ axes }: GridLinearPlan, input: Placement, channels: number, most: number): TileEntry[] {
  const live = axes.map(tapsOf);
  const last = live[axes.length - 1];
  if (last.length === 0) return [];
  const reach = last[last.length - 1].tap - last[0].tap + 1;
  const whole = splitEvenly(reach * input.block, most);
  const each = splitEvenly(channels, most);
  const joined = axes[axes.length - 1].dilation === 1 && whole.length <= each.length * last.length;
  return product([...live.slice(0, -1), joined ? last.slice(0, 1) : last]).flatMap((taps) => {
    const position = taps.reduce((sum, { tap }, i) => sum * axes[i].kernel + tap, 0) * input.block;
    const at = taps.reduce((sum, { offset }, i) => sum + offset * input.strides[i], 0);
    let row = 0;
    return (joined ? whole : each).map((count) => {
      const first = row;
      row += count;
      return { position: position + first, rows: Array.from({ length: count }, (_, i) => 4 * (at + first + i)) };
    });
  });
}
