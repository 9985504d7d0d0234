import { fail, ToeplitzError } from "../base/errors.ts";
import { sameShape, type Tensor } from "../base/types.ts";
import type { Batch, Dataset, Split } from "../data/dataset.ts";
import { saveGraph } from "../graph/save.ts";
import type { ChoiceRecord, Program, Session } from "../graph/session.ts";
import { countCorrect } from "../nn/metrics.ts";
import { recipeOf } from "../nn/models/index.ts";
import type { Net } from "../nn/scope.ts";
import { averageName, initialise, type TracedStep, traceEvaluation, traceTraining } from "../nn/step.ts";
import type { ProgramChoices } from "./checkpoint.ts";
import { checkFrozen } from "./frozen.ts";
import type { ModelDescription } from "./model-description.ts";
import { logitsOf, type Scores, scoreSplit } from "./scores.ts";
import type { FitOptions, Settings } from "./settings.ts";
import { checkData, gridName, gridNamed, leastExtents, specsOn } from "./unequal.ts";

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
  readonly net: Pick<ModelDescription, "graph" | "layers" | "statistics" | "recipe" | "unequal">;
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

/** What a program of a run is for. */
type Role = "apply" | "accumulate" | "evaluate";

/** Traces a net for a role on a grid; `infer` is what a model file keeps. */
function tracing(net: Net, settings: Settings, whole: readonly number[]): (role: Role | "infer", grid: readonly number[]) => TracedStep {
  const { batch, loss, optimiser, clip, frozen, recompute } = settings;
  const average = settings.average > 0 ? settings.average : undefined;
  return (role, grid) => {
    const inputs = specsOn(settings.inputs, whole, grid);
    if (role === "infer") return traceEvaluation(net, { batch: 1, inputs });
    const targets = specsOn(settings.targets, whole, grid);
    if (role === "evaluate") return traceEvaluation(net, { batch, inputs, targets, loss, averaged: average !== undefined });
    const options = { batch, inputs, targets, loss, optimiser, clip, average, frozen, recompute };
    return traceTraining(net, { ...options, ...(settings.accumulate > 1 && { phase: role }) });
  };
}

/** Traces and compiles training and evaluation, and writes the first values. */
export async function openPrograms(
  session: Session,
  net: Net,
  data: Dataset,
  settings: Settings,
  { start, tune = false, frozen }: Pick<FitOptions, "start" | "tune" | "frozen">,
): Promise<Programs> {
  const { batch, seed, grids } = settings;
  const [whole] = grids.slice(-1);
  const trace = tracing(net, settings, whole);
  const inference = trace("infer", whole);
  const least = data.train.extents && leastExtents(inference, whole);
  if (least !== undefined) checkData("fit", data, least);
  const roles: readonly Role[] = settings.accumulate > 1 ? ["apply", "accumulate", "evaluate"] : ["apply", "evaluate"];
  const steps = roles.map((role) => trace(role, whole));
  checkFrozen(data.name, frozen, steps[0].parameters);
  const compiled = new Compilation(whole, (role, grid, choices) =>
    session.compile(
      (sameShape(grid, whole) ? steps[roles.indexOf(role)] : trace(role, grid)).graph,
      choices === undefined ? { tune } : { choices },
    ),
  );
  for (const role of roles) await compiled.program(role, whole);
  await initialise(session, steps, settings.seed);
  await writeStart(session, inference, start);
  await startAverages(session);
  const classes = data.classes.length;
  const { labelled } = data.train;
  const [training] = steps;
  const smaller = grids.slice(0, -1).map((grid) => [gridName(grid), saveGraph(trace("infer", grid).graph)]);
  return {
    session,
    parameters: training.parameters.map(({ name, type, frozen: isFrozen }) => ({ name, shape: type.shape, frozen: isFrozen })),
    net: describeNet(net, data.train, inference, least && { least, grids: Object.fromEntries(smaller) }),
    choices: () => compiled.choices(),
    adopt: (choices) => compiled.adopt(choices),
    async run(examples, { learningRate, step, closes }) {
      const program = await compiled.program(closes === 0 && settings.accumulate > 1 ? "accumulate" : "apply", examples.shape.slice(1));
      const feeds = { ...settings.feeds(examples), learningRate, step, seed, ids: examples.ids, batches: Math.max(1, closes) };
      const outputs = await program.run(feeds, examples.count);
      const logits = logitsOf(outputs, classes, labelled !== undefined);
      if (logits === undefined) return { loss: outputs.loss.data[0] };
      const { correct, rows } = countCorrect(logits, examples.labels, { ignore: labelled?.ignore });
      // of cells the share, so that every example counts as one
      return { loss: outputs.loss.data[0], correct: labelled === undefined ? correct : (correct / Math.max(1, rows)) * examples.count };
    },
    score: (split, breathe) =>
      scoreSplit(split, { batch, shape: data.shape, grids, breathe }, async (examples) => {
        const program = await compiled.program("evaluate", examples.shape.slice(1));
        const outputs = await program.run({ ...settings.feeds(examples), seed, step: 0, ids: examples.ids }, examples.count);
        return { losses: outputs.loss.data, logits: logitsOf(outputs, classes, labelled !== undefined) };
      }),
    ...modelAccess(session, keptNames(session, inference, settings.average > 0)),
  };
}

/** Reads and writes what the model is made of. */
function modelAccess(session: Session, kept: readonly { name: string; state: string }[]): Pick<Programs, "readModel" | "writeModel"> {
  return {
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

/** What a model file says of a net. */
function describeNet(
  net: Net,
  { labelled }: Dataset["train"],
  inference: TracedStep,
  unequal: ModelDescription["unequal"] | undefined,
): Programs["net"] {
  const recipe = recipeOf(net);
  return {
    graph: saveGraph(inference.graph),
    layers: inference.layers,
    statistics: inference.states.map(({ name }) => name),
    ...(labelled && recipe && { recipe }),
    ...(unequal && { unequal }),
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

/** The programs of a run: on the whole from the start, on grids of fewer cells when a batch comes that lies on one. */
class Compilation {
  readonly #whole: readonly number[];
  readonly #compile: (role: Role, grid: readonly number[], choices?: ChoiceRecord) => Promise<Program>;
  #programs = new Map<string, Program>();

  constructor(whole: readonly number[], compile: (role: Role, grid: readonly number[], choices?: ChoiceRecord) => Promise<Program>) {
    this.#whole = whole;
    this.#compile = compile;
  }

  async program(role: Role, grid: readonly number[]): Promise<Program> {
    const name = sameShape(grid, this.#whole) ? role : `${role} ${gridName(grid)}`;
    const known = this.#programs.get(name);
    if (known !== undefined) return known;
    const made = await this.#compile(role, grid);
    this.#programs.set(name, made);
    return made;
  }

  choices(): ProgramChoices {
    return Object.fromEntries([...this.#programs].map(([name, { choices }]) => [name, choices]));
  }

  async adopt(choices: ProgramChoices): Promise<boolean> {
    const before = this.#programs;
    const made = new Map<string, Program>();
    try {
      for (const name of new Set([...before.keys(), ...Object.keys(choices)])) {
        const [role, grid] = name.split(" ");
        made.set(name, await this.#compile(role as Role, grid === undefined ? this.#whole : gridNamed(grid), choices[name]));
      }
    } catch (error) {
      if (error instanceof ToeplitzError) return false;
      throw error;
    }
    for (const program of before.values()) program.close();
    this.#programs = made;
    return true;
  }
}
