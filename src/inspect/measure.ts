import { fail } from "../base/errors.ts";
import { random } from "../base/random.ts";
import { size, type Tensor, type TensorType } from "../base/types.ts";
import { inputsOf, maximalExamples } from "../graph/graph.ts";
import type { CompileOptions, Feeds, Program, Session, SessionOptions, Target } from "../graph/session.ts";
import { initialise, type TracedStep } from "../nn/step.ts";
import { attribute, type LayerCost, type PhaseCost } from "./attribute.ts";
import type { TracedNet } from "./summary.ts";

export interface MeasureOptions extends Pick<SessionOptions, "threads" | "tier" | "rounding">, Pick<CompileOptions, "tune"> {
  /** Parameters and statistics of a net that was loaded; one that was traced from layers begins with its initialisers. */
  readonly tensors?: ReadonlyMap<string, Tensor>;
  /** About how long it is measured, ms; at least 5 runs. Default 1000. */
  readonly budget?: number;
}

/** What the layers of a net cost on this machine. */
export interface NetCost {
  /** Examples of one run, which all counts and times are for. */
  readonly batch: number;
  /** Tier and threads of the whole run. */
  readonly session: string;
  readonly layers: readonly LayerCost[];
  /** Sum over the layers, on one thread. */
  readonly total: PhaseCost;
  /** A whole run on all threads of the session, ns. */
  readonly runNs: number;
}

/**
 * Measures what every layer of a net costs: multiply-adds, bytes that its steps read and write, and time on one thread, step by step; of a training step
 * forward, backward and update apart. What is fused into the routines of another layer is counted there, and named. Kernels that are packed when
 * parameters are written are not counted.
 *
 * Units: ns, the middle one of several runs on random cells; bytes of every value that a step touches, once a step.
 * Throws: ToeplitzError where the target has no steps that can be timed.
 * Example: `(await measureLayers(traceEvaluation(net, { batch: 8, inputs: { input: { shape: [3, 32, 32] } } }), target)).layers[0].total.ns`
 */
export async function measureLayers(traced: TracedNet | TracedStep, target: Target, options: MeasureOptions = {}): Promise<NetCost> {
  const { budget = 1000, tune = false, threads, tier, rounding } = options;
  const feeds = randomFeeds(traced);
  const measure = async <T>(session: SessionOptions, compile: CompileOptions, body: (opened: Opened) => T | Promise<T>): Promise<T> => {
    const open = await target.open({ tier, rounding, ...session });
    try {
      const program = await open.compile(traced.graph, compile);
      await writeStates(open, traced, options.tensors);
      await program.run(feeds);
      return await body({ session: open, program });
    } finally {
      await open.close();
    }
  };
  const { choices, costs } = await measure({ threads: 1, profile: true }, { tune }, async ({ program, session }) => {
    const { steps } = program;
    if (steps === undefined) return fail("inspect", session.description, "target", "one whose steps can be timed", "none");
    const runs = await repeat(budget / 2, () => steps.time());
    const times = steps.list.map((step, index) => ({ ...step, ns: middle(runs.map((run) => run[index])) }));
    return { choices: program.choices, costs: attribute(traced, steps.graph, times) };
  });
  return measure({ threads }, { choices }, async ({ program, session }) => {
    const runs = await repeat(budget / 2, async () => {
      const start = performance.now();
      await program.run(feeds);
      return 1e6 * (performance.now() - start);
    });
    return { batch: maximalExamples(traced.graph), session: session.description, ...costs, runNs: middle(runs) };
  });
}

interface Opened {
  readonly session: Session;
  readonly program: Program;
}

const middle = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1];

const [fewestRuns, mostRuns] = [5, 200];

/** What a body gives, run again and again for so many ms; the first two runs fill caches and do not count. */
async function repeat<T>(budget: number, body: () => T | Promise<T>): Promise<T[]> {
  for (let run = 0; run < 2; run++) await body();
  const results: T[] = [];
  const end = performance.now() + budget;
  while (results.length < fewestRuns || (results.length < mostRuns && performance.now() < end)) results.push(await body());
  return results;
}

async function writeStates(session: Session, traced: TracedNet | TracedStep, tensors: MeasureOptions["tensors"]): Promise<void> {
  if ("states" in traced) await initialise(session, [traced], 0);
  for (const name of session.states()) {
    const tensor = tensors?.get(name);
    if (tensor !== undefined) await session.write(name, tensor);
  }
}

/** Normal cells, whole extents, class 0; the learning rate 0 leaves parameters as they are. */
function randomFeeds({ graph }: TracedNet): Feeds {
  const draws = random(1);
  const inputs = inputsOf(graph);
  const feed = (name: string, { dtype, shape }: TensorType): Feeds[string] => {
    if (shape.length === 0) return name === "step" ? 1 : 0;
    if (dtype === "f32") return Float32Array.from({ length: size(shape) }, () => draws.normal());
    const whole = inputs.find((input) => name === `${input.name}.extents`)?.type.shape.slice(2) ?? [0];
    return Int32Array.from({ length: size(shape) }, (_, at) => whole[at % whole.length]);
  };
  return Object.fromEntries(inputs.map(({ name, type }) => [name, feed(name, type)]));
}
