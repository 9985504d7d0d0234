import { size } from "../base/types.ts";
import type { ProgramStep } from "../graph/session.ts";
import { place } from "../ops/layout.ts";
import type { PlannedStep } from "./buffers.ts";
import type { Plan } from "./plan.ts";

/** Bytes of what a step reads and writes, each buffer once; of a halo fill the halo alone. */
export function bytesOf({ buffers }: Pick<Plan, "buffers">, { operands, label }: Pick<PlannedStep, "operands" | "label">): number {
  const isHalo = label.startsWith("halo ");
  return operands.reduce((sum, { buffer }) => {
    const { words, value } = buffers[buffer];
    return sum + 4 * (isHalo && value !== null ? words - interior(value) : words);
  }, 0);
}

function interior({ type, layout }: NonNullable<Plan["buffers"][number]["value"]>): number {
  const { examples, blocks, block, extents } = place(type, layout);
  return examples * blocks * block * size(extents);
}

/** The steps of a plan as a program shows them. */
export function programSteps(plan: Pick<Plan, "buffers" | "steps" | "schedule">): ProgramStep[] {
  const derived = new Set(plan.schedule.derived.flat());
  return plan.steps.map((step, index) => {
    const use = step.operands.map(({ buffer }) => plan.buffers[buffer].use).find(({ kind }) => kind === "state");
    return {
      node: step.node < 0 ? null : step.node,
      label: step.label,
      bytes: bytesOf(plan, step),
      isDerived: derived.has(index),
      ...(use?.kind === "state" && { state: use.name }),
    };
  });
}
