import { printChoice, printFusion, type Refusal } from "./candidates.ts";
import type { Choice } from "./choose.ts";
import { predictMove } from "./costs.ts";
import type { Plan } from "./plan.ts";
import { bytesOf } from "./steps.ts";

const kibibytes = (bytes: number): string =>
  bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 1024).toFixed(1)} KiB`;
const time = (ns: number): string => (ns >= 1e6 ? `${(ns / 1e6).toFixed(2)} ms` : `${(ns / 1e3).toFixed(1)} us`);

/** The plan in words. `measured` gives the mean ns of each step where the session was opened with `profile`. */
export function explain(plan: Plan, measured: readonly number[] | null): string {
  const { graph, choices, steps, schedule, memory, device } = plan;
  const derived = new Set(schedule.derived.flat());
  const lines = [
    `tier ${device.tier}: ${graph.nodes.length} nodes, ${steps.length} steps in ${schedule.stages.length} stages (${schedule.derived.length} more when a state was written)`,
    `memory: ${kibibytes(memory.transientBytes)} shared scratch (least possible ${kibibytes(memory.liveBytes)}), ${kibibytes(memory.keptBytes)} derived from states`,
  ];
  const stepLines = (node: number): string[] =>
    steps.flatMap((step, index) => {
      if (step.node !== node) return [];
      const { chunks, label, move } = step;
      const parts = [kibibytes(bytesOf(plan, step)), `${chunks.each}${chunks.group > 0 ? ` per ${chunks.group} examples` : ""} chunks`];
      if (derived.has(index)) parts.push("derived");
      else if (move !== undefined) parts.push(`predicted ${time(predictMove(move, device))}`);
      if (measured !== null) parts.push(`measured ${time(measured[index])}`);
      return [`      ${label}: ${parts.join(", ")}`];
    });
  graph.nodes.forEach((node, index) => {
    lines.push(`${String(index).padStart(4)} ${node.path === "" ? "" : `${node.path}: `}${node.operator.line(node.plan)}`);
    if (node.fusion !== null) lines.push(`      fused: ${printFusion(node.fusion)}`);
    lines.push(...choiceLines(choices[index]), ...stepLines(index));
  });
  const closing = stepLines(-1);
  if (closing.length > 0) lines.push("     updates and outputs", ...closing);
  return [...lines, ...totalLines(plan, measured, derived)].join("\n");
}

/** What was chosen, what the others would have taken, and why some were none. */
function choiceLines({ algorithm, layout, estimate, others, refusals }: Choice): string[] {
  if (algorithm === null) return ["      alias: the same cells under another shape, no work"];
  const lines = [`      ${algorithm.id}: ${printChoice(layout)}, predicted ${time(estimate)}`];
  if (others.length > 0) lines.push(`      instead: ${others.map((other) => `${other.algorithm?.id} ${time(other.estimate)}`).join(", ")}`);
  // one that takes some layouts is no refusal to a reader
  const candidates = new Set([algorithm.id, ...others.map((other) => other.algorithm?.id)]);
  return [...lines, ...refusalLines(refusals.filter(({ algorithm: id }) => !candidates.has(id)))];
}

/** One line for each reason; what refuses many (the algorithms of another role) is counted. */
function refusalLines(refusals: readonly Refusal[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const { algorithm, why } of refusals) reasons.set(why, [...(reasons.get(why) ?? []), algorithm]);
  return [...reasons].map(([why, ids]) => `      refused ${ids.length > mostNamed ? `${ids.length} others` : ids.join(", ")}: ${why}`);
}

/** Algorithms that a line names. */
const mostNamed = 2;

interface Total {
  steps: number;
  bytes: number;
  predicted: number;
  measured: number;
}

/** Sums by algorithm, and of conversions, halo fills and copies; steps that are derived from states apart, since they do not run every time. */
function totalLines(plan: Plan, measured: readonly number[] | null, derived: ReadonlySet<number>): string[] {
  const { steps, choices, device } = plan;
  const totals = new Map<string, Total>();
  const counted = new Set<number>();
  steps.forEach((step, index) => {
    const { label, move, node } = step;
    const isDerived = derived.has(index);
    const kind = isDerived
      ? "derived from states"
      : move === undefined
        ? label
        : label.startsWith("convert ")
          ? "conversions"
          : label.startsWith("halo ")
            ? "halo fills"
            : "updates and outputs";
    const total = totals.get(kind) ?? { steps: 0, bytes: 0, predicted: 0, measured: 0 };
    totals.set(kind, total);
    total.steps++;
    total.bytes += bytesOf(plan, step);
    total.measured += measured?.[index] ?? 0;
    if (isDerived) return;
    if (move !== undefined) total.predicted += predictMove(move, device);
    else if (!counted.has(node)) {
      total.predicted += choices[node].estimate;
      counted.add(node);
    }
  });
  const rows = [...totals].sort(([, a], [, b]) => b.predicted - a.predicted);
  const width = Math.max(0, ...rows.map(([kind]) => kind.length));
  return [
    "totals",
    ...rows.map(([kind, { steps: count, bytes, predicted, measured: spent }]) => {
      const parts = [`${String(count).padStart(4)} steps`, kibibytes(bytes).padStart(10), `predicted ${time(predicted).padStart(9)}`];
      if (measured !== null) parts.push(`measured ${time(spent).padStart(9)}`);
      return `      ${kind.padEnd(width)} ${parts.join(", ")}`;
    }),
  ];
}
