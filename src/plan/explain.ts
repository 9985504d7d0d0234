import { printExpression } from "../ops/expression/print.ts";
import { printLayout } from "../ops/layout.ts";
import type { Plan } from "./plan.ts";

const kibibytes = (bytes: number): string =>
  bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 1024).toFixed(1)} KiB`;
const time = (ns: number): string => (ns >= 1e6 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e3).toFixed(1)} us`);

/** The plan in words. `measured` gives the mean ns of each step where the session was opened with `profile`. */
export function explain(plan: Plan, measured: readonly number[] | null): string {
  const { graph, choices, steps, schedule, memory, device } = plan;
  const derived = new Set(schedule.derived.flat());
  const lines = [
    `tier ${device.tier}: ${graph.nodes.length} nodes, ${steps.length} steps in ${schedule.stages.length} stages (${schedule.derived.length} more when a state was written)`,
  ];
  lines.push(
    `memory: ${kibibytes(memory.transientBytes)} shared scratch (least possible ${kibibytes(memory.liveBytes)}), ${kibibytes(memory.keptBytes)} derived from states`,
  );
  const stepLines = (node: number): string[] =>
    steps.flatMap((step, index) => {
      if (step.node !== node) return [];
      const bytes = step.operands.reduce((sum, { buffer }) => sum + plan.buffers[buffer].words * 4, 0);
      return [
        `      ${step.label}: ${kibibytes(bytes)}, ${step.chunks.each}${step.chunks.group > 0 ? ` per ${step.chunks.group} examples` : ""} chunks${derived.has(index) ? ", derived" : ""}${measured === null ? "" : `, measured ${time(measured[index])}`}`,
      ];
    });
  graph.nodes.forEach((node, index) => {
    const { algorithm, layout, estimate, refusals } = choices[index];
    const layouts = `${[...layout.inputs, ...layout.operands].map(printLayout).join(", ")} -> ${layout.outputs.map((block) => (block === 1 ? "plain" : `b${block}`)).join(", ")}`;
    lines.push(`${String(index).padStart(4)} ${node.path === "" ? "" : `${node.path}: `}${node.operator.line(node.plan)}`);
    if (node.fusion !== null) lines.push(`      fused: ${printExpression(node.fusion.epilogue)}`);
    lines.push(
      algorithm === null
        ? "      alias: the same cells under another shape, no work"
        : `      ${algorithm.id}: ${layouts}, predicted ${time(estimate)}`,
    );
    lines.push(...refusals.map(({ algorithm: id, why }) => `      refused ${id}: ${why}`), ...stepLines(index));
  });
  const closing = stepLines(-1);
  if (closing.length > 0) lines.push("     updates and outputs", ...closing);
  return lines.join("\n");
}
