import type { Algorithm, Buffers, Device, Emission, Layout, LayoutChoice } from "../contract.ts";
import { blockedLayout, plainLayout, preferredBlock, printLayout } from "../layout.ts";
import { operandLayout, readingOf } from "../reading.ts";
import { cellTime, estimatePointwise } from "./estimate.ts";
import { type FormulasPlan, printFormulas } from "./formulas.ts";
import { type PointwisePlan, printPointwise } from "./plan.ts";
import { type Formulas, prepareRun, readBy, runRoutine } from "./run.ts";

const asFormulas = ({ operands, expression, output }: PointwisePlan): Formulas => ({ operands, expressions: [expression], output });

/**
 * Pointwise formulas on plain and on channel-blocked layouts, four cells or channels at a time.
 * Every cell is read before it is written and at the same place, so the output may lie in the buffer of an operand that has its
 * type and layout.
 */
export const wasmPointwise: Algorithm<PointwisePlan> = {
  id: "wasm-pointwise-vectors",
  operator: "pointwise",
  layouts: (plan, fusion, device) => (fusion === null ? layoutsOf(asFormulas(plan), device) : []),
  refuses: (plan, choice) => refuse(asFormulas(plan), choice),
  estimate: (plan, choice, _, device) => estimatePointwise(asFormulas(plan), choice, device),
  emit: (plan, buffers, _, device) =>
    emitFormulas(
      asFormulas(plan),
      printPointwise({ ...plan, operands: plan.operands.map(anyExamples) }),
      wasmPointwise.id,
      buffers,
      device,
    ),
};

/** Several formulas in one pass: what they have in common is read and worked out once. */
export const wasmFormulas: Algorithm<FormulasPlan> = {
  id: "wasm-formulas-vectors",
  operator: "formulas",
  layouts: (plan, fusion, device) => (fusion === null ? layoutsOf(plan, device) : []),
  refuses: refuse,
  estimate: (plan, choice, _, device) => estimatePointwise(plan, choice, device),
  emit: (plan, buffers, _, device) =>
    emitFormulas(plan, printFormulas({ ...plan, operands: plan.operands.map(anyExamples) }), wasmFormulas.id, buffers, device),
};

function refuse({ operands, expressions, output }: Formulas, choice: LayoutChoice): string | null {
  const problems = readBy(expressions).map((i) => readingOf(operands[i], choice.inputs[i], output, choice.outputs[0]));
  return problems.find((problem) => typeof problem === "string") ?? null;
}

/** Plain, and the blocks of channels that convolutions use; operands that are not read may lie anywhere. */
function layoutsOf({ operands, expressions, output }: Formulas, device: Device): LayoutChoice[] {
  const read = new Set(readBy(expressions));
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
        choices.push({ inputs: layouts, operands: [], outputs: expressions.map(() => block) });
      }
    }
  }
  return choices;
}

function emitFormulas(plan: Formulas, line: string, id: string, buffers: Buffers, device: Device): Emission {
  const run = prepareRun(plan, buffers, device, cellTime(plan, buffers.outputs[0].block, device));
  const key = [id, line, ...[...buffers.inputs, ...buffers.outputs].map(printLayout), device.tier].join(" | ");
  return {
    temporaries: [],
    constants: [],
    inPlace: true,
    steps: [
      {
        routine: runRoutine(key, run),
        operands: [
          ...run.read.map((index) => ({ of: "input" as const, index, access: "read" as const })),
          ...plan.expressions.map((_, index) => ({ of: "output" as const, index, access: "write" as const })),
        ],
        chunks: run.division.chunks,
      },
    ],
  };
}

/** The code depends on the strides between examples, never on their number. */
const anyExamples = (type: PointwisePlan["output"]): PointwisePlan["output"] =>
  type.batched ? { ...type, shape: [1, ...type.shape.slice(1)] } : type;
