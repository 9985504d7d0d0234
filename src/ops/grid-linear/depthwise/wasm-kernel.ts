import { size } from "../../../base/types.ts";
import type { Algorithm, Buffers, Device, Emission, LayoutChoice } from "../../contract.ts";
import { blockedLayout, type Placement, place, preferredBlock, printLayout } from "../../layout.ts";
import { forwardSweeps, haloOf, product } from "../gather.ts";
import { printLine } from "../line.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { buildSums, type DepthwiseKernelCode, emitTotals, slotBytes } from "./kernel.ts";
import { refusesDepthwise } from "./problem.ts";

const id = "wasm-grid-linear-kernel-depthwise";

/**
 * Kernel gradient of a depthwise convolution over channel blocks: dK[c, tap] = sum over n, o of G[n, c, o] V[n, c, o s + tap d - low].
 * Sums of up to 12 taps stay in registers over all cells of a chunk; slots of the chunks are added in order.
 */
export const kernelDepthwise: Algorithm<GridLinearPlan> = {
  id,
  operator: "grid-linear",
  layouts: (plan, fusion, device) =>
    plan.role === "kernel" && fusion === null && refusesDepthwise(plan) === null ? layouts(plan, device) : [],
  refuses: (plan, _choice, fusion) => {
    if (plan.role !== "kernel") return "computes role kernel only.";
    return fusion === null ? refusesDepthwise(plan) : "nothing can be fused into a kernel gradient of slots.";
  },
  estimate: (plan, { inputs: [{ block }] }, _, device) => {
    const work = plan.examples * roundedChannels(plan, block) * size(plan.axes.map(({ output, kernel }) => output * kernel));
    return 2500 + work / (device.wide ? 30 : device.fma ? 18 : 14);
  },
  emit: emitDepthwiseKernel,
};

const roundedChannels = (plan: GridLinearPlan, block: number): number => Math.ceil(plan.groups / block) * block;

function layouts(plan: GridLinearPlan, device: Device): LayoutChoice[] {
  const block = preferredBlock(plan.groups, device.wide);
  const halo = plan.axes.map((axis) => haloOf(forwardSweeps(axis), axis.input));
  return [{ inputs: [blockedLayout(block), blockedLayout(block, halo)], operands: [], outputs: [1] }];
}

/** Multiply-adds of one chunk, some 40 us. */
const chunkWork = (device: Device): number => (device.wide ? 1_200_000 : 600_000);

/** Everything that the code depends on. Taps that meet nothing but padding are left out of the sums. */
function codeOf(plan: GridLinearPlan, gradient: Placement, source: Placement, device: Device): DepthwiseKernelCode {
  const sweeps = plan.axes.map((axis) => forwardSweeps(axis)[0]);
  const extents = plan.axes.map(({ output }) => output);
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const starts = sweeps.map((sweep) => sweep.taps[0]?.offset ?? 0);
  const kept = product(sweeps.map((sweep) => sweep.taps)).map((list) => ({
    tap: list.reduce((index, { tap }, axis) => index * plan.axes[axis].kernel + tap, 0),
    offset: list.reduce((sum, { offset }, axis) => sum + (offset - starts[axis]) * source.strides[axis], 0) * 4,
  }));
  const work = (size(extents) * taps * source.block) / chunkWork(device);
  const stream = (at: Placement, origin: number, strides: readonly number[]): DepthwiseKernelCode["source"] => ({
    origin: origin * 4,
    example: at.exampleStride * 4,
    block: at.blockStride * 4,
    steps: at.strides.map((step, axis) => step * strides[axis] * 4),
  });
  return {
    lanes: source.block,
    blocks: source.blocks,
    channels: source.channels,
    taps,
    kept,
    flip: plan.flip,
    extents,
    gradient: stream(
      gradient,
      gradient.origin,
      extents.map(() => 1),
    ),
    source: stream(
      source,
      starts.reduce((sum, start, axis) => sum + start * source.strides[axis], source.origin),
      plan.axes.map(({ stride }) => stride),
    ),
    group: Math.max(1, Math.min(plan.examples, Math.floor(1 / work))),
    parts: extents.length > 1 ? Math.max(1, Math.min(extents[0], Math.round(work))) : 1,
    fma: device.fma,
    vectors: device.wide ? 2 : 1,
  };
}

function emitDepthwiseKernel(plan: GridLinearPlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const types = typesOf(plan);
  const source = place(types.input, buffers.inputs[1]);
  const code = codeOf(plan, place(types.output, buffers.inputs[0]), source, device);
  const { group, parts } = code;
  const key = `${id} | ${printLine({ ...plan, examples: 1 })} | ${buffers.inputs.map(printLayout).join(" ")} group ${group} parts ${parts} | ${device.tier}`;
  const slots = Math.ceil(plan.examples / group) * parts * source.blocks;
  return {
    temporaries: [slots * slotBytes(code)],
    constants: [],
    steps: [
      {
        routine: { key: `${key} sums`, build: (module) => buildSums(module, code) },
        operands: [
          { of: "input", index: 0, access: "read" },
          { of: "input", index: 1, access: "read" },
          { of: "temporary", index: 0, access: "write" },
        ],
        chunks: { each: source.blocks * parts, group },
      },
      {
        routine: { key: `${key} totals`, build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitTotals(f, code)) },
        operands: [
          { of: "temporary", index: 0, access: "read" },
          { of: "output", index: 0, access: "write" },
        ],
        chunks: { each: source.blocks, group: 0 },
      },
    ],
  };
}
