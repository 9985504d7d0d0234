import { fail, ToeplitzError } from "../base/errors.ts";
import type { Tensor } from "../base/types.ts";
import type { Batch, Dataset, Split } from "../data/dataset.ts";
import type { Graph } from "../graph/graph.ts";
import { saveGraph } from "../graph/save.ts";
import type { Program, Session } from "../graph/session.ts";
import { countCorrect } from "../nn/metrics.ts";
import { recipeOf } from "../nn/models/index.ts";
import type { Net } from "../nn/scope.ts";
import { averageName, initialise, type TracedStep, traceEvaluation, traceTraining } from "../nn/step.ts";
import type { ProgramChoices } from "./checkpoint.ts";
import type { ModelDescription } from "./model.ts";
import { logitsOf, type Scores, scoreSplit } from "./scores.ts";
import type { FitOptions, Settings } from "./settings.ts";

/** What one batch gave. */
export interface BatchResult {
  /** Mean over the batch. */
  readonly loss: number;
  /** Right ones, where the net classifies. */
  readonly correct?: number;
}

/** The scalars of one update. */
export interface StepFeeds {
  readonly learningRate: number;
  /** Counts updates from 1. */
  readonly step: number;
  /** 0 adds the gradient to the kept sum; otherwise the number of batches in this update, of which this is the last. */
  readonly closes: number;
}

/** The compiled programs of a run. They share the session's state. */
export interface Programs {
  readonly session: Session;
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[]; readonly frozen: boolean }[];
  /** What a model file says of the net. */
  readonly net: Pick<ModelDescription, "graph" | "layers" | "statistics" | "recipe">;
  /** Algorithms and layouts in use. */
  choices(): ProgramChoices;
  /** Compiles the programs again with the choices of an earlier run; false, and nothing changes, where these do not fit. */
  adopt(choices: ProgramChoices): Promise<boolean>;
  run(batch: Batch, feeds: StepFeeds): Promise<BatchResult>;
  score(split: Split, breathe: () => Promise<void> | undefined): Promise<Scores>;
  /** Parameters (their averages, where there are) and statistics, as a model has them. */
  readModel(): Promise<Map<string, Tensor>>;
  /** Makes the model's tensors what the session evaluates. */
  writeModel(tensors: ReadonlyMap<string, Tensor>): Promise<void>;
}

/** Traces and compiles training and evaluation, and writes the first values. */
export async function openPrograms(
  session: Session,
  net: Net,
  data: Dataset,
  settings: Settings,
  { start, tune = false }: Pick<FitOptions, "start" | "tune">,
): Promise<Programs> {
  const { batch, inputs, targets, loss, optimiser, clip, frozen, seed, recompute } = settings;
  const average = settings.average > 0 ? settings.average : undefined;
  const options = { batch, inputs, targets, loss, optimiser, clip, average, frozen, recompute };
  const isAccumulating = settings.accumulate > 1;
  const training = traceTraining(net, { ...options, ...(isAccumulating && { phase: "apply" as const }) });
  const accumulating = isAccumulating ? traceTraining(net, { ...options, phase: "accumulate" }) : undefined;
  const evaluation = traceEvaluation(net, { batch, inputs, targets, loss, averaged: average !== undefined });
  const inference = traceEvaluation(net, { batch: 1, inputs });
  const steps = [training, ...(accumulating === undefined ? [] : [accumulating]), evaluation];
  const graphs = { apply: training.graph, accumulate: accumulating?.graph, evaluate: evaluation.graph };
  const compiled = new Compilation(session, graphs);
  await compiled.make((graph) => session.compile(graph, { tune }));
  await initialise(session, steps, settings.seed);
  await writeStart(session, inference, start);
  await startAverages(session);
  const kept = keptNames(session, inference, average !== undefined);
  const classes = data.classes.length;
  const { labelled } = data.train;
  const recipe = recipeOf(net);
  return {
    session,
    parameters: training.parameters.map(({ name, type, frozen: isFrozen }) => ({ name, shape: type.shape, frozen: isFrozen })),
    net: {
      graph: saveGraph(inference.graph),
      layers: inference.layers,
      statistics: inference.states.map(({ name }) => name),
      ...(labelled && recipe && { recipe }),
    },
    choices: () => compiled.choices(),
    adopt: (choices) => compiled.adopt(choices),
    async run(examples, { learningRate, step, closes }) {
      const { apply, accumulate = apply } = compiled.programs;
      const program = closes === 0 ? accumulate : apply;
      const feeds = { ...settings.feeds(examples), learningRate, step, seed, ids: examples.ids, batches: Math.max(1, closes) };
      const outputs = await program.run(feeds, examples.count);
      const logits = logitsOf(outputs, classes, labelled !== undefined);
      if (logits === undefined) return { loss: outputs.loss.data[0] };
      const { correct, rows } = countCorrect(logits, examples.labels, { ignore: labelled?.ignore });
      // of cells the share, so that every example counts as one
      return { loss: outputs.loss.data[0], correct: labelled === undefined ? correct : (correct / Math.max(1, rows)) * examples.count };
    },
    score: (split, breathe) =>
      scoreSplit(split, { batch, shape: data.shape, breathe }, async (examples) => {
        const outputs = await compiled.programs.evaluate.run(
          { ...settings.feeds(examples), seed, step: 0, ids: examples.ids },
          examples.count,
        );
        return { losses: outputs.loss.data, logits: logitsOf(outputs, classes, labelled !== undefined) };
      }),
    async readModel() {
      const tensors = new Map<string, Tensor>();
      for (const { name, state } of kept) tensors.set(name, await session.read(state));
      return tensors;
    },
    async writeModel(tensors) {
      for (const { name, state } of kept) {
        const tensor = tensors.get(name);
        if (tensor !== undefined) await session.write(state, tensor);
      }
    },
  };
}

/** Which state holds each tensor of the model. */
function keptNames(session: Session, inference: TracedStep, averaged: boolean): { name: string; state: string }[] {
  const declared = new Set(session.states());
  const parameters = inference.parameters.map(({ name }) => ({ name, state: averaged ? averageName(name) : name }));
  const statistics = inference.states.map(({ name }) => ({ name, state: name }));
  return [...parameters, ...statistics].filter(({ state }) => declared.has(state));
}

/** Averages begin as their parameters; those of frozen ones stay there. */
async function startAverages(session: Session): Promise<void> {
  const declared = session.states();
  for (const name of declared) {
    const average = averageName(name);
    if (declared.includes(average)) await session.write(average, await session.read(name));
  }
}

/** Writes given first values. Throws: ToeplitzError when one is of no parameter or statistic of the net, or of another shape. */
async function writeStart(session: Session, { parameters, states }: TracedStep, start: FitOptions["start"]): Promise<void> {
  if (start === undefined) return;
  const known = new Map([...parameters, ...states].map(({ name, type }) => [name, type.shape.join("x")]));
  for (const [name, tensor] of start instanceof Map ? start : Object.entries<Tensor>(start as Record<string, Tensor>)) {
    const hint = "Leave it out of `start`, or name the layers as they were named.";
    const shape = known.get(name);
    if (shape === undefined)
      fail("fit", "start", `tensor ${name}`, `one of the net's: ${[...known.keys()].join(", ")}`, "none of that name", hint);
    if (shape !== tensor.shape.join("x")) fail("fit", "start", `tensor ${name}`, shape, tensor.shape.join("x"), hint);
    await session.write(name, tensor);
  }
}

interface Each<T> {
  readonly apply: T;
  readonly accumulate?: T;
  readonly evaluate: T;
}

/** The graphs of a run, compiled. */
class Compilation {
  readonly #session: Session;
  readonly #graphs: Each<Graph>;
  programs!: Each<Program>;

  constructor(session: Session, graphs: Each<Graph>) {
    this.#session = session;
    this.#graphs = graphs;
  }

  async make(compile: (graph: Graph, name: keyof Each<Graph>) => Promise<Program>): Promise<void> {
    const { apply, accumulate, evaluate } = this.#graphs;
    this.programs = {
      apply: await compile(apply, "apply"),
      ...(accumulate && { accumulate: await compile(accumulate, "accumulate") }),
      evaluate: await compile(evaluate, "evaluate"),
    };
  }

  choices(): ProgramChoices {
    return Object.fromEntries(Object.entries(this.programs).map(([name, { choices }]) => [name, choices]));
  }

  async adopt(choices: ProgramChoices): Promise<boolean> {
    const before = Object.values(this.programs);
    try {
      await this.make((graph, name) => this.#session.compile(graph, { choices: choices[name] }));
    } catch (error) {
      if (error instanceof ToeplitzError) return false;
      throw error;
    }
    for (const program of before) program.close();
    return true;
  }
}
