import type { Graph } from "../../src/graph/graph.ts";
import type { Program, Session, SessionOptions } from "../../src/index.ts";
import { plan } from "../../src/plan/plan.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import type { WasmProgram } from "../../src/targets/wasm/program.ts";
import type { WasmSession } from "../../src/targets/wasm/session.ts";
import { build, type Gauge } from "./gauges.ts";

const algorithms = await everyAlgorithm();

/**
 * Times of the routines that compute one operator, without the conversions to and from plain layouts around them, and of the multiply-add loop
 * in turn with them. A routine of several steps counts them all; what is derived from the kernel once counts in none.
 */
export interface RoutineSamples {
  readonly algorithm: string;
  /** The loop: that of the tier's width. */
  readonly gauge: Gauge;
  /** ms of each run. */
  readonly ms: readonly number[];
  /** ms of a call of the loop after each run. */
  readonly loop: readonly number[];
}

const leastRuns = 12;
const mostRuns = 400;

/** Ids of the algorithms that a graph is computed by. */
const chosenFor = (graph: Graph, { device }: WasmSession, options: SessionOptions): string[] =>
  plan(graph, algorithms, device, options).choices.flatMap(({ algorithm }) => (algorithm === null ? [] : [algorithm.id]));

/** Whether a limit of rounding leaves the choice as it is without one. */
export function isUnchanged(graph: Graph, session: Session, options: SessionOptions): boolean {
  const [own, free] = [options, {}].map((limits) => chosenFor(graph, session as WasmSession, limits));
  return `${own}` === `${free}`;
}

/** Runs a program that has run before, for at least so many ms. */
export function timeRoutine(graph: Graph, session: Session, program: Program, options: SessionOptions, ms: number): RoutineSamples {
  const { device } = session as WasmSession;
  const planned = plan(graph, algorithms, device, options);
  const derived = new Set(planned.schedule.derived.flat());
  const own = planned.steps.flatMap(({ node, label }, step) =>
    planned.choices[node]?.algorithm?.id === label && !derived.has(step) ? [step] : [],
  );
  const gauge = device.wide ? "fma256" : "fma128";
  const loop = build(gauge);
  const samples = { ms: [] as number[], loop: [] as number[] };
  const started = performance.now();
  while (samples.ms.length < leastRuns || (samples.ms.length < mostRuns && performance.now() - started < ms)) {
    const times = (program as WasmProgram).timeSteps();
    samples.ms.push(own.reduce((sum, step) => sum + times[step], 0) / 1e6);
    const begun = performance.now();
    loop();
    samples.loop.push(performance.now() - begun);
  }
  return { algorithm: [...new Set(own.map((step) => planned.steps[step].label))].join(", "), gauge, ...samples };
}
