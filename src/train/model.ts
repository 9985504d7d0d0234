import { fail, invariant, Problems } from "../base/errors.ts";
import { printType, sameShape, size, type Tensor } from "../base/types.ts";
import type { Split } from "../data/dataset.ts";
import { readSafetensors, writeSafetensors } from "../formats/safetensors.ts";
import { type Graph, inputsOf, statesOf } from "../graph/graph.ts";
import { loadGraph } from "../graph/save.ts";
import type { Feeds, Outputs, Program, Session, SessionOptions, Target } from "../graph/session.ts";
import type { TracedNet } from "../inspect/summary.ts";
import { predictions } from "../nn/metrics.ts";
import { netOf } from "../nn/models/index.ts";
import type { LayerInfo } from "../nn/scope.ts";
import { traceEvaluation } from "../nn/step.ts";
import { logitsOfCells, normalised, scorePictures } from "./cells.ts";
import { exampleRuns, gridsOfModel, onGrid } from "./example-runs.ts";
import type { ModelDescription } from "./model-description.ts";
import { logitsOf, probabilitiesOf, type Scores, scoreSplit } from "./scores.ts";
import { gridName } from "./unequal.ts";

export type { ModelDescription } from "./model-description.ts";

const format = "toeplitz model 1";

/** What a net says of one example. */
export interface Prediction {
  readonly class: string;
  readonly index: number;
  readonly probability: number;
  /** In the order of the classes. */
  readonly probabilities: Float64Array;
}

/** Classes of the cells of one picture. */
export interface CellLabels {
  readonly extents: readonly number[];
  /** Class of every cell [...extents]. */
  readonly labels: Int32Array;
}

/** Programs for pictures of other extents that are kept. */
const mostWide = 4;

/** Examples that a program for several at a time takes. */
const manyExamples = 32;

/**
 * A trained net: classifies, and is kept as one safetensors file that holds the net's description, so that nothing else is needed.
 * It opens a session of its own at the first prediction; `close` gives its threads and memory back.
 * Example: `const { class: name } = (await model.predict(cells))[0]`
 */
export class Model {
  readonly description: ModelDescription;
  /** Parameters and running statistics by name. */
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly #target: Target;
  readonly #options: SessionOptions;
  #session: Promise<Session> | undefined;
  #input: { readonly name: string } | undefined;
  readonly #programs = new Map<string, Promise<Program>>();

  constructor(description: ModelDescription, tensors: ReadonlyMap<string, Tensor>, target: Target, options: SessionOptions = {}) {
    this.description = description;
    this.tensors = tensors;
    this.#target = target;
    this.#options = options;
  }

  get classes(): readonly string[] {
    return this.description.classes;
  }

  /** Shape of one example: [channels, ...extents]; the largest extents where the net takes unequal ones. */
  get shape(): readonly number[] {
    return this.description.shape;
  }

  /** The net as `inspect` reads it. */
  traced(): TracedNet {
    const { graph: text, layers, statistics } = this.description;
    const graph = loadGraph(text, 1);
    const parameters = statesOf(graph).filter(({ name }) => !statistics.includes(name));
    return { graph, parameters, layers };
  }

  /**
   * Runs the net on examples of any number of inputs.
   * Shapes: feeds by name, [count, ...] (with `<name>.extents` where examples are of unequal extents); outputs by name, valid until the next run.
   */
  async run(feeds: Feeds, count: number): Promise<Outputs> {
    if (count > manyExamples) fail("model", "run", "examples", `1 to ${manyExamples}`, count, "Run them in parts.");
    return this.#run(feeds, count, this.shape);
  }

  async #run(feeds: Feeds, count: number, shape: readonly number[]): Promise<Outputs> {
    const program = await this.#program(count === 1 ? 1 : manyExamples, shape);
    return program.run(feeds, count);
  }

  /**
   * Classifies examples. Those of unequal extents are computed together with others of like extents, on the first grid that holds them.
   * Shapes: input [count, channels, ...extents], or a tensor [channels, ...extents] of each example; normalised as `description.normalisation` says.
   * Throws: ToeplitzError when the cells do not fit the shape, or the net does not classify.
   */
  async predict(input: Float32Array | readonly Tensor[]): Promise<Prediction[]> {
    const { name } = this.#onlyInput();
    const result: Prediction[] = [];
    for (const { places, cells, extents, shape } of exampleRuns(this.description, input, manyExamples)) {
      const outputs = await this.#run({ [name]: cells, ...(extents && { [`${name}.extents`]: extents }) }, places.length, shape);
      const logits = this.#logits(outputs);
      places.forEach((place, row) => {
        result[place] = this.#prediction(probabilitiesOf(logits.data, row, this.classes.length));
      });
    }
    return result;
  }

  /**
   * Gives every cell of a picture its class. A net of `unet` or `recurrentLabelling` runs at the picture's own extents, others in overlapping tiles of the
   * extents that they were trained at; so are pictures of more than 2^20 cells.
   * Shapes: input [channels, ...extents], normalised -> labels [...extents].
   * Throws: ToeplitzError when the cells do not fit the shape, or the net does not label cells.
   */
  async labelCells(input: Float32Array, shape: readonly number[]): Promise<CellLabels> {
    const logits = await this.#cellLogits(input, shape);
    return { extents: shape.slice(1), labels: predictions(logits) };
  }

  async #cellLogits(input: Float32Array, shape: readonly number[]): Promise<Tensor> {
    const { labels, recipe } = this.description;
    const [channels, ...extents] = this.shape;
    const problems = new Problems("model", "labelCells");
    problems.check(labels === "cells", "net", "one that gives a class to every cell", "one of whole examples", "Use predict.");
    const fits = shape[0] === channels && shape.length === extents.length + 1 && size(shape) === input.length;
    problems.check(fits, "input", `[${channels}, ${extents.length} extents] and its cells`, `[${shape.join(", ")}], ${input.length} cells`);
    problems.throwIfAny();
    const { name } = this.#onlyInput();
    const classes = this.classes.length;
    const only = recipe === undefined || netOf(recipe) === undefined ? extents : undefined;
    const run = async (cells: Float32Array, at: readonly number[]): Promise<Tensor> => {
      const outputs = await (await this.#program(1, at)).run({ [name]: cells }, 1);
      return logitsOf(outputs, classes, true) ?? this.#logits(outputs);
    };
    return logitsOfCells(input, shape, run, { classes, only });
  }

  /** Accuracy and cross-entropy on a part of a set, of cells at the full size of its pictures; its `normalisation` must be the model's. */
  async score(split: Split): Promise<Scores> {
    const { name } = this.#onlyInput();
    const classes = this.classes.length;
    if (split.labelled !== undefined) {
      const { normalisation } = this.description;
      return scorePictures(split.labelled, classes, (picture) => this.#cellLogits(normalised(picture, normalisation), picture.shape));
    }
    const { description } = this;
    const grids = gridsOfModel(description);
    // a set whose examples are all alike may lie between the grids
    return scoreSplit(
      split,
      { batch: manyExamples, shape: this.shape, grids: split.extents && grids.map(([, ...extents]) => extents) },
      async (batch) => {
        const { count, labels } = batch;
        const { shape, cells, extents } = onGrid(description, batch);
        const logits = this.#logits(await this.#run({ [name]: cells, ...(extents && { [`${name}.extents`]: extents }) }, count, shape));
        const losses = Float64Array.from({ length: count }, (_, row) => -Math.log(probabilitiesOf(logits.data, row, classes)[labels[row]]));
        return { losses, logits };
      },
    );
  }

  #onlyInput(): { name: string } {
    if (this.#input !== undefined) return this.#input;
    const inputs = inputsOf(loadGraph(this.description.graph, 1)).filter(({ name }) => !name.endsWith(".extents"));
    if (inputs.length !== 1) {
      fail("model", "predict", "inputs of the net", "1", `${inputs.length} (${inputs.map(({ name }) => name).join(", ")})`, "Use run.");
    }
    this.#input = inputs[0];
    return this.#input;
  }

  #logits(outputs: Outputs): Tensor {
    const logits = logitsOf(outputs, this.classes.length);
    const shapes = Object.entries(outputs).map(([name, { shape }]) => `${name} [${shape.join(",")}]`);
    if (logits !== undefined) return logits;
    return fail("model", "predict", "output", `[N,${this.classes.length}], one for each class`, shapes.join(", "), "Use run.");
  }

  #prediction(probabilities: Float64Array): Prediction {
    const index = probabilities.reduce((best, value, at) => (value > probabilities[best] ? at : best), 0);
    return { class: this.classes[index] ?? String(index), index, probability: probabilities[index], probabilities };
  }

  #program(examples: number, shape: readonly number[] = this.shape): Promise<Program> {
    const key = `${examples} x ${shape.join(" x ")}`;
    const { graph, unequal } = this.description;
    const text = sameShape(shape, this.shape) ? graph : unequal?.grids[gridName(shape.slice(1))];
    const known = this.#programs.get(key);
    if (known !== undefined) return known;
    if (text === undefined) this.#forgetOldest();
    const made = (async () => {
      this.#session ??= this.#target.open(this.#options);
      const session = await this.#session;
      const program = await session.compile(text === undefined ? this.#graphAt(shape) : loadGraph(text, examples));
      for (const name of session.states()) {
        const tensor = this.tensors.get(name);
        if (tensor !== undefined) await session.write(name, tensor);
      }
      return program;
    })();
    this.#programs.set(key, made);
    return made;
  }

  /** The inference graph for one example of other extents. */
  #graphAt(shape: readonly number[]): Graph {
    const { recipe } = this.description;
    const net = recipe && netOf(recipe);
    invariant(net !== undefined, () => "another graph of a net that cannot be made again");
    return traceEvaluation(net, { batch: 1, inputs: { [this.#onlyInput().name]: { shape } } }).graph;
  }

  #forgetOldest(): void {
    const own = this.shape.join(" x ");
    const others = [...this.#programs].filter(([key]) => !key.endsWith(` x ${own}`));
    if (others.length < mostWide) return;
    const [key, program] = others[0];
    this.#programs.delete(key);
    void program.then((old) => old.close());
  }

  /** The model file's bytes: equal models give equal bytes. */
  encode(): Uint8Array<ArrayBuffer> {
    const { graph, layers, ...rest } = this.description;
    return writeSafetensors(this.tensors, { format, graph, layers: JSON.stringify(layers), description: JSON.stringify(rest) });
  }

  /** Writes the model file, whole or not at all. Throws: in a page, which has no files. */
  async save(path: string): Promise<void> {
    if (typeof process === "undefined")
      fail("model", path, "place to save to", "a file of Node", "a page", "Offer the bytes of encode() as a download.");
    const { writeFileWhole } = await import("../formats/write-file.ts");
    await writeFileWhole(path, this.encode());
  }

  /** Gives threads and memory back; a later prediction opens them again. */
  async close(): Promise<void> {
    const session = await this.#session;
    this.#session = undefined;
    this.#programs.clear();
    await session?.close();
  }
}

/**
 * Reads a model file.
 * Throws: ToeplitzError when it is cut short, no model file, or its tensors are not those of its net.
 */
export function decodeModel(bytes: Uint8Array, where: string, target: Target, options: SessionOptions = {}): Model {
  const { tensors, metadata } = readSafetensors(bytes, where);
  const hint = "The file holds tensors, but no net to run them.";
  if (metadata.format !== format) fail("model", where, "format", `"${format}" in the metadata`, metadata.format ?? "none", hint);
  const description = readDescription(metadata, where);
  const graph = loadGraph(description.graph, 1);
  checkTensors(graph, tensors, where);
  return new Model(description, tensors, target, options);
}

function readDescription(metadata: Readonly<Record<string, string>>, where: string): ModelDescription {
  const parse = (key: string): unknown => {
    try {
      return JSON.parse(metadata[key] ?? "");
    } catch {
      return fail("model", where, `metadata ${key}`, "JSON", (metadata[key] ?? "none").slice(0, 60), "The file is damaged.");
    }
  };
  const rest = parse("description") as Omit<ModelDescription, "graph" | "layers">;
  const layers = parse("layers") as readonly LayerInfo[];
  const whole =
    typeof rest === "object" &&
    rest !== null &&
    Array.isArray(rest.classes) &&
    Array.isArray(rest.shape) &&
    Array.isArray(layers) &&
    Array.isArray(rest.statistics) &&
    Array.isArray(rest.normalisation?.mean);
  if (!whole)
    fail(
      "model",
      where,
      "metadata",
      "classes, shape, normalisation, statistics and layers",
      Object.keys(rest ?? {}).join(", "),
      "The file is damaged.",
    );
  return { ...rest, layers, graph: metadata.graph ?? "" };
}

/** The tensors must be the states of the graph: none missing, none of another shape, none too many. */
function checkTensors(graph: Graph, tensors: ReadonlyMap<string, Tensor>, where: string): void {
  const problems = new Problems("model", where);
  const hint = "The file was put together from two nets.";
  const states = new Map(statesOf(graph).map(({ name, type }) => [name, type]));
  for (const [name, type] of states) {
    const tensor = tensors.get(name);
    const received = tensor === undefined ? "none" : printType({ ...tensor, batched: false });
    problems.check(
      tensor !== undefined && tensor.dtype === type.dtype && sameShape(tensor.shape, type.shape),
      `tensor ${name}`,
      printType(type),
      received,
      hint,
    );
  }
  for (const name of tensors.keys()) problems.check(states.has(name), "tensor", "one that the net reads", name, hint);
  problems.throwIfAny();
}
