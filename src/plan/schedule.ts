import type { Buffer, PlannedStep } from "./buffers.ts";

/** Steps that run between two barriers, in any order and at the same time. */
export type Stage = readonly number[];

/** Steps of a run, apart from those that depend on states alone. */
export interface Schedule {
  /** Stages that give the same result until a state is written: run again only then. */
  readonly derived: readonly Stage[];
  /** Stages of every run. */
  readonly stages: readonly Stage[];
  /** For each buffer, the first and the last stage (of `derived` then `stages`) that touches it; buffers that `derived` makes live on. */
  readonly lives: readonly { readonly first: number; readonly last: number; readonly kept: boolean }[];
}

/** Parts the steps into derived and per-run ones, and both into stages. */
export function schedule(buffers: readonly Buffer[], steps: readonly PlannedStep[]): Schedule {
  const derivedSteps = findDerived(buffers, steps);
  const derived = stagesOf(
    steps,
    steps.flatMap((_, index) => (derivedSteps.has(index) ? [index] : [])),
  );
  const stages = stagesOf(
    steps,
    steps.flatMap((_, index) => (derivedSteps.has(index) ? [] : [index])),
  );
  const lives = buffers.map(() => ({ first: Number.POSITIVE_INFINITY, last: -1, kept: false }));
  [...derived, ...stages].forEach((stage, at) => {
    for (const index of stage) {
      for (const { buffer, access } of steps[index].operands) {
        const life = lives[buffer];
        life.first = Math.min(life.first, at);
        life.last = Math.max(life.last, at);
        if (at < derived.length && access !== "read") life.kept = true;
      }
    }
  });
  return { derived, stages, lives };
}

/** Steps that read nothing but constants, states that this program never writes, and results of such steps. */
function findDerived(buffers: readonly Buffer[], steps: readonly PlannedStep[]): Set<number> {
  const written = new Set(steps.flatMap((step) => step.operands.filter(({ access }) => access !== "read").map(({ buffer }) => buffer)));
  const fixed = new Set(
    buffers.filter(({ use, id }) => use.kind === "constant" || (use.kind === "state" && !written.has(id))).map(({ id }) => id),
  );
  const writers = new Map<number, number[]>();
  steps.forEach((step, index) => {
    for (const { buffer, access } of step.operands) if (access !== "read") writers.set(buffer, [...(writers.get(buffer) ?? []), index]);
  });
  const candidate = new Set(steps.keys());
  // a step falls out when it reads what is not fixed, or shares a buffer with a writer that fell out
  for (let changed = true; changed; ) {
    changed = false;
    for (const index of candidate) {
      const holds = steps[index].operands.every(
        ({ buffer }) =>
          fixed.has(buffer) ||
          (buffers[buffer].use.kind === "transient" &&
            (writers.get(buffer) ?? []).length > 0 &&
            (writers.get(buffer) ?? []).every((writer) => candidate.has(writer))),
      );
      if (holds) continue;
      candidate.delete(index);
      changed = true;
    }
  }
  return candidate;
}

/** Steps join the stage before them when they touch nothing that it writes, and write nothing that it touches. */
function stagesOf(steps: readonly PlannedStep[], order: readonly number[]): Stage[] {
  const stages: number[][] = [];
  let touched = new Set<number>();
  let written = new Set<number>();
  for (const index of order) {
    const { operands } = steps[index];
    const clash = operands.some(({ buffer, access }) => written.has(buffer) || (access !== "read" && touched.has(buffer)));
    if (clash || stages.length === 0) {
      stages.push([]);
      touched = new Set();
      written = new Set();
    }
    stages[stages.length - 1].push(index);
    for (const { buffer, access } of operands) {
      touched.add(buffer);
      if (access !== "read") written.add(buffer);
    }
  }
  return stages;
}
