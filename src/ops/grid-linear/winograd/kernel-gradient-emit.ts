import { size } from "../../../base/types.ts";
import type { Buffers, Device, Emission, Layout, LayoutChoice, Margin, OperandRef, StepSpec } from "../../contract.ts";
import { blockedLayout, type Placement, place, preferredBlock } from "../../layout.ts";
import { refusesBlocks } from "../blocked/problem.ts";
import { roundUp } from "../gather.ts";
import { type KernelSum, sumRecord, sumStep } from "../kernel/sum.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { freeSlots, markBytes, mostSlots } from "../tiles/slots.ts";
import { oddLines } from "./emit.ts";
import { sumsRoutine, valuesRoutine } from "./kernel-gradient-chunks.ts";
import { type GradientCode, planesOf, type Side, tapsOf } from "./kernel-gradient-code.ts";
import { cutGradient, type GradientCut, type GradientWork } from "./kernel-gradient-cut.ts";
import { lineBytes } from "./kernel-gradient-transform.ts";
import { type Form, tileOf } from "./lines.ts";
import { refusesWinograd, tilesOn } from "./problem.ts";

/** Axes with transforms; a third one before them is summed directly. */
const rankOf = ({ axes }: GridLinearPlan): number => Math.min(2, axes.length);
const inner = (plan: GridLinearPlan): GridLinearPlan["axes"] => plan.axes.slice(-rankOf(plan));
const outerAxis = ({ axes }: GridLinearPlan): GridLinearPlan["axes"][number] | null => (axes.length === 3 ? axes[0] : null);

/** Why the kernel gradient of the plan is not computed by Winograd's form; null when it is. */
export function refusesGradient(plan: GridLinearPlan): string | null {
  if (plan.role !== "kernel") return "computes role kernel only.";
  if (plan.axes.length > 3) return "takes one to three axes.";
  const outer = outerAxis(plan);
  if (outer !== null && (outer.stride !== 1 || outer.dilation !== 1)) return "takes stride 1 and dilation 1 on the first of three axes.";
  const cells = plan.examples * size(plan.axes.map(({ output }) => output));
  if (cells < fewestTerms) return `${cells} cells are too few for sums that even out the rounding of a tile (below ${fewestTerms}).`;
  return refusesBlocks(plan) ?? refusesWinograd({ ...plan, axes: inner(plan) });
}

const fewestTerms = 64;

/** Whole tiles on both sides: cells beyond the last one are halo. */
export function gradientLayouts(plan: GridLinearPlan, form: Form, device: Device): LayoutChoice[] {
  const tile = tileOf(form);
  const margins = (axis: GridLinearPlan["axes"][number], whole: boolean): { input: Margin; output: Margin } => {
    const cells = whole ? tilesOn(axis.output, form) * tile : axis.output;
    const reach = cells + axis.kernel - 1 - axis.low;
    return { input: { low: axis.low, high: Math.max(0, reach - axis.input) }, output: { low: 0, high: cells - axis.output } };
  };
  const all = plan.axes.map((axis, i) => margins(axis, plan.axes.length - i <= 2));
  const layout = (channels: number, halo: Margin[]): Layout => blockedLayout(preferredBlock(channels, device.wide), halo);
  return [
    {
      inputs: [
        layout(
          plan.channelsOut,
          all.map(({ output }) => output),
        ),
        layout(
          plan.channelsIn,
          all.map(({ input }) => input),
        ),
      ],
      operands: [],
      outputs: [1],
    },
  ];
}

function workOf(plan: GridLinearPlan, form: Form, [outputLayout, inputLayout]: readonly Layout[]): GradientWork {
  const rank = rankOf(plan);
  const outer = outerAxis(plan);
  return {
    planes: planesOf({ form, rank }),
    taps: tapsOf(rank),
    outer: outer?.kernel ?? 1,
    sliceTiles: size(inner(plan).map(({ output }) => tilesOn(output, form))),
    slices: outer?.output ?? 1,
    examples: plan.examples,
    inputBlocks: Math.ceil(plan.channelsIn / inputLayout.block),
    from: inputLayout.block,
    outputBlocks: Math.ceil(plan.channelsOut / outputLayout.block),
    lanes: outputLayout.block,
  };
}

/** Predicted ns of one thread. */
export const gradientTime = (plan: GridLinearPlan, form: Form, choice: LayoutChoice, device: Device): number =>
  cutGradient(workOf(plan, form, choice.inputs), device).ns;

/** Where the tiles of a side lie; its values are laid out for so many tiles. */
function sideOf(plan: GridLinearPlan, form: Form, at: Placement, transform: Side["transform"], run: number, tiles: number): Side {
  const tile = tileOf(form);
  const outer = outerAxis(plan);
  const bytes = at.strides
    .map((stride) => 4 * stride)
    .slice(-rankOf(plan))
    .reverse();
  const low = transform === "source" ? plan.axes.reduce((sum, axis, i) => sum + axis.low * at.strides[i], 0) : 0;
  const slices = outer === null ? [] : [outer.output + (transform === "source" ? outer.kernel - 1 : 0)];
  return {
    transform,
    lanes: at.block,
    run,
    origin: 4 * (at.origin - low),
    example: 4 * at.exampleStride,
    block: 4 * at.blockStride,
    row: bytes[1] ?? 0,
    cell: bytes[0],
    counts: [
      ...inner(plan)
        .map(({ output }) => tilesOn(output, form))
        .reverse(),
      ...slices,
    ],
    steps: [...bytes.map((step) => tile * step), ...(outer === null ? [] : [4 * at.strides[0]])],
    plane: oddLines(4 * run * at.block * tiles),
    tile: 4 * run * at.block,
  };
}

function codeOf(
  plan: GridLinearPlan,
  form: Form,
  places: { output: Placement; input: Placement },
  device: Device,
  work: GradientWork,
  cut: GradientCut,
): GradientCode {
  const rank = rankOf(plan);
  const { outer, sliceTiles, slices, examples } = work;
  const extra = (outer - 1) * sliceTiles;
  const [outputTiles, inputTiles] = cut.shared
    ? [examples * slices * sliceTiles, examples * (slices + outer - 1) * sliceTiles]
    : [cut.itemTiles, cut.itemTiles + extra];
  const input = sideOf(plan, form, places.input, "source", cut.inputRun, inputTiles);
  const output = sideOf(plan, form, places.output, "spread", cut.outputRun, outputTiles);
  const sumPlane = oddLines(4 * cut.inputRun * input.lanes * cut.outputRun * output.lanes);
  const planes = planesOf({ form, rank });
  const outputAt = cut.shared ? 0 : planes * input.plane;
  const sumsAt = cut.shared ? 0 : outputAt + planes * output.plane;
  const linesAt = sumsAt + outer * planes * sumPlane;
  const chunks = cut.slots * (work.inputBlocks / cut.inputRun) * (work.outputBlocks / cut.outputRun);
  const code = { form, rank };
  return {
    form,
    rank,
    outer,
    fma: device.fma,
    wide: device.wide,
    input,
    output,
    inputRuns: work.inputBlocks / cut.inputRun,
    inputBlocks: work.inputBlocks,
    outputRuns: work.outputBlocks / cut.outputRun,
    slotItems: cut.slotItems,
    itemTiles: cut.itemTiles,
    exampleItems: outer === 1 ? 0 : (slices * sliceTiles) / cut.itemTiles,
    exampleTiles: slices * sliceTiles,
    sliceTiles,
    sumPlane,
    sumTap: planes * sumPlane,
    pairBytes: roundUp(outer * tapsOf(rank) * work.from * 4 * work.lanes, 64),
    scratchBytes: roundUp(linesAt + Math.max(lineBytes(code, input), lineBytes(code, output)), 64),
    scratchSlots: Math.min(mostSlots, chunks),
    outputAt,
    sumsAt,
    linesAt,
  };
}

function sumOf(plan: GridLinearPlan, { input, output, inputBlocks, pairBytes }: GradientCode, slots: number, pairs: number): KernelSum {
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const last = plan.channelsIn - (inputBlocks - 1) * input.lanes;
  const lists = Array.from({ length: input.lanes }, (_, channel) =>
    Array.from({ length: taps }, (_, tap) => ({
      position: ((plan.flip ? taps - 1 - tap : tap) * input.lanes + channel) * 4 * output.lanes,
      column: channel * taps + tap,
    })),
  );
  const sizes = { rows: input.lanes * taps, lastRows: last * taps, channels: plan.channelsOut, channelWords: plan.channelsIn * taps };
  return { lanes: output.lanes, slots, pairs, inputBlocks, pairBytes, places: lists.flat(), ...sizes };
}

const temporary = { slots: 0, scratch: 1, marks: 2, output: 3, input: 4 } as const;

export function emitGradient(plan: GridLinearPlan, form: Form, buffers: Buffers, device: Device): Emission {
  const types = typesOf(plan);
  const places = { output: place(types.output, buffers.inputs[0]), input: place(types.input, buffers.inputs[1]) };
  const work = workOf(plan, form, buffers.inputs);
  const cut = cutGradient(work, device);
  const code = codeOf(plan, form, places, device, work, cut);
  const pairs = work.inputBlocks * work.outputBlocks;
  const sum = sumOf(plan, code, cut.slots, pairs);
  const ref = (of: OperandRef["of"], index: number, access: OperandRef["access"] = "read"): OperandRef => ({ of, index, access });
  const scratch = [ref("temporary", temporary.scratch, "update"), ref("temporary", temporary.marks, "update")];
  const values = (side: Side, runs: number, given: number, into: number): StepSpec => {
    const parts = Math.max(1, Math.min(16, Math.round((work.examples * work.sliceTiles * work.slices) / 16)));
    return {
      routine: valuesRoutine(code, side, parts, device),
      operands: [ref("input", given), ref("temporary", into, "write"), ...scratch],
      chunks: { each: runs * parts, group: 0 },
    };
  };
  const shared = cut.shared
    ? [values(code.output, code.outputRuns, 0, temporary.output), values(code.input, code.inputRuns, 1, temporary.input)]
    : [];
  const sides = cut.shared ? [ref("temporary", temporary.output), ref("temporary", temporary.input)] : [ref("input", 0), ref("input", 1)];
  const planes = planesOf(code);
  return {
    temporaries: [
      cut.slots * pairs * code.pairBytes,
      code.scratchSlots * code.scratchBytes,
      mostSlots * markBytes,
      ...(cut.shared ? [code.outputRuns * planes * code.output.plane, code.inputRuns * planes * code.input.plane] : []),
    ],
    constants: [new Float32Array(6 * 16), sumRecord(sum)],
    steps: [
      { routine: freeSlots, operands: [ref("temporary", temporary.marks, "write")], chunks: { each: 1, group: 0 } },
      ...shared,
      {
        routine: sumsRoutine(code, cut.shared, device),
        operands: [...sides, ref("temporary", temporary.slots, "write"), ...scratch, ref("constant", 0)],
        chunks: { each: cut.slots * code.inputRuns * code.outputRuns, group: 0 },
      },
      sumStep(sum, ref("temporary", temporary.slots), ref("output", 0, "write"), ref("constant", 1)),
    ],
  };
}
