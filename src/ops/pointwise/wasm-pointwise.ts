import type { Algorithm, Buffers, Device, Emission, Layout, LayoutChoice } from "../contract.ts";
import { operandsOf } from "../expression/simplify.ts";
import { blockedLayout, plainLayout, preferredBlock, printLayout } from "../layout.ts";
import { operandLayout, readingOf } from "../reading.ts";
import { cellTime, estimatePointwise } from "./estimate.ts";
import { type PointwisePlan, printPointwise } from "./plan.ts";
import { prepareRun, runRoutine } from "./run.ts";

/**
 * Pointwise formulas on plain and on channel-blocked layouts, four cells or channels at a time.
 * Every cell is read before it is written and at the same place, so the output may lie in the buffer of an operand that has its
 * type and layout.
 */
export const wasmPointwise: Algorithm<PointwisePlan> = {
  id: "wasm-pointwise-vectors",
  operator: "pointwise",
  layouts: (plan, fusion, device) => (fusion === null ? layoutsOf(plan, device) : []),
  refuses: (plan, choice) => {
    const { output } = plan;
    const read = new Set(operandsOf(plan.expression));
    const problems = plan.operands.flatMap((type, i) =>
      read.has(i) ? [readingOf(type, choice.inputs[i], output, choice.outputs[0])] : [],
    );
    return problems.find((problem) => typeof problem === "string") ?? null;
  },
  estimate: estimatePointwise,
  emit: emitPointwise,
};

/** Plain, and the blocks of channels that convolutions use; operands that are not read may lie anywhere. */
function layoutsOf(plan: PointwisePlan, device: Device): LayoutChoice[] {
  const { operands, output } = plan;
  const read = new Set(operandsOf(plan.expression));
  const preferred = preferredBlock(output.shape[1] ?? 1, device.wide);
  const blocks = output.batched && output.shape.length >= 2 ? [preferred, 24 - preferred] : [];
  const unread = operands.some((_, i) => !read.has(i)) && blocks.length > 0 ? [1, 8, 16] : [1];
  const channelLayouts = (block: number): (Layout | null)[][] => {
    const best = operands.map((type, i) => (read.has(i) ? operandLayout(type, output, block) : plainLayout));
    const perChannel = operands.map(
      (type, i) => read.has(i) && best[i]?.block === 1 && typeof readingOf(type, blockedLayout(block), output, block) !== "string",
    );
    const allBlocked = best.map((layout, i) => (perChannel[i] ? blockedLayout(block) : layout));
    const choices = perChannel.some(Boolean) ? [best, allBlocked] : [best];
    // one cell per channel: blocks are worth it only for a result of what is blocked already
    return output.shape.slice(2).every((extent) => extent === 1)
      ? choices.filter((layouts) => layouts.some((layout) => layout !== null && layout.block > 1))
      : choices;
  };
  const choices: LayoutChoice[] = [];
  for (const block of [...blocks, 1]) {
    for (const inputs of block === 1 ? [operands.map(() => plainLayout)] : channelLayouts(block)) {
      if (inputs.some((layout) => layout === null)) continue;
      for (const other of unread) {
        const layouts = (inputs as Layout[]).map((layout, i) => (read.has(i) ? layout : other === 1 ? plainLayout : blockedLayout(other)));
        choices.push({ inputs: layouts, operands: [], outputs: [block] });
      }
    }
  }
  return choices;
}

function emitPointwise(plan: PointwisePlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const run = prepareRun(plan, buffers, device, cellTime(plan, buffers.outputs[0].block, device));
  const key = [
    wasmPointwise.id,
    printPointwise({ ...plan, operands: plan.operands.map(anyExamples) }),
    ...[...buffers.inputs, ...buffers.outputs].map(printLayout),
    device.tier,
  ].join(" | ");
  return {
    temporaries: [],
    constants: [],
    inPlace: true,
    steps: [
      {
        routine: runRoutine(key, run),
        operands: [
          ...run.read.map((index) => ({ of: "input" as const, index, access: "read" as const })),
          { of: "output", index: 0, access: "write" },
        ],
        chunks: run.division.chunks,
      },
    ],
  };
}

/** The code depends on the strides between examples, never on their number. */
const anyExamples = (type: PointwisePlan["output"]): PointwisePlan["output"] =>
  type.batched ? { ...type, shape: [1, ...type.shape.slice(1)] } : type;
