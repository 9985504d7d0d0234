import { fail } from "../../base/errors.ts";
import { printType, size, type Tensor, type TensorType } from "../../base/types.ts";
import { maximalExamples } from "../../graph/graph.ts";
import type { Feeds, Outputs } from "../../graph/session.ts";
import type { Plan } from "../../plan/plan.ts";

/** A named value that crosses the border of a program. */
interface Port {
  readonly name: string;
  readonly type: TensorType;
  /** Of its first cell, in words. */
  readonly word: number;
  /** Cells of one example, or of all when there are no examples. */
  readonly cells: number;
}

/** The memory of a session as cells; both views are of one buffer. */
export interface Cells {
  words(): Int32Array;
  floats(): Float32Array;
}

/** Feeds and results of a program: checks and copies the ones, shows the others. A run makes nothing anew unless the number of examples or the memory changes. */
export class Ports {
  readonly maximum: number;
  readonly #cells: Cells;
  readonly #inputs: readonly Port[];
  /** Inputs of the graph that no node reads: they are asked for all the same, so that a slip does not go unseen. */
  readonly #unread: readonly Pick<Port, "name" | "type">[];
  readonly #outputs: readonly Port[];
  readonly #examples: number | null;
  #shown: { readonly examples: number; readonly memory: ArrayBufferLike; readonly outputs: Outputs } | null = null;

  constructor(plan: Plan, addresses: readonly number[], cells: Cells) {
    this.#cells = cells;
    this.maximum = maximalExamples(plan.graph);
    const ports = (kind: "input" | "output"): Port[] =>
      plan.buffers.flatMap(({ use, id, value }) => {
        if (use.kind !== kind || value === null) return [];
        const { type } = value;
        return [{ name: use.name, type, word: addresses[id] / 4, cells: size(type.batched ? type.shape.slice(1) : type.shape) }];
      });
    this.#inputs = ports("input");
    this.#outputs = ports("output");
    const read = new Set(this.#inputs.map(({ name }) => name));
    this.#unread = plan.graph.values.flatMap(({ source, type }) =>
      source.kind === "input" && !read.has(source.name) ? [{ name: source.name, type }] : [],
    );
    const counter = plan.buffers.find(({ use }) => use.kind === "examples");
    this.#examples = counter === undefined ? null : addresses[counter.id] / 4;
  }

  /** Copies the feeds of a run. Throws: when one is missing or too short, or when there are too many examples. */
  write(feeds: Feeds, examples: number): void {
    if (!(Number.isInteger(examples) && examples >= 1 && examples <= this.maximum))
      fail("program", "run", "examples", `an integer from 1 to ${this.maximum}`, examples, "The maximum is fixed when the graph is made.");
    for (const port of this.#unread) given(feeds, port);
    const floats = this.#cells.floats();
    const words = this.#cells.words();
    for (const port of this.#inputs) {
      const { name, type, word } = port;
      const cells = type.batched ? port.cells * examples : port.cells;
      const feed = given(feeds, port);
      const target = type.dtype === "f32" ? floats : words;
      if (typeof feed === "number") {
        if (cells !== 1) fail("program", "run", `feed ${name}`, `${cells} cells for ${printType(type)}`, "a number");
        target[word] = feed;
        continue;
      }
      if (feed.length < cells)
        fail("program", "run", `feed ${name}`, `${cells} cells for ${printType(type)} with ${examples} examples`, feed.length);
      target.set(feed.length === cells ? feed : feed.subarray(0, cells), word);
    }
    if (this.#examples !== null) floats[this.#examples] = examples;
  }

  /** The results of a run, as views of the session's memory. */
  read(examples: number): Outputs {
    const floats = this.#cells.floats();
    if (this.#shown?.examples === examples && this.#shown.memory === floats.buffer) return this.#shown.outputs;
    const outputs: Record<string, Tensor> = {};
    for (const { name, type, word, cells } of this.#outputs) {
      const shape = type.batched ? [examples, ...type.shape.slice(1)] : type.shape;
      const view = type.dtype === "f32" ? floats : this.#cells.words();
      outputs[name] = { dtype: type.dtype, shape, data: view.subarray(word, word + (type.batched ? cells * examples : cells)) };
    }
    this.#shown = { examples, memory: floats.buffer, outputs };
    return outputs;
  }
}

function given(feeds: Feeds, { name, type }: Pick<Port, "name" | "type">): Feeds[string] {
  const feed = feeds[name];
  if (feed === undefined)
    fail("program", "run", `feed ${name}`, printType(type), "nothing", `Fed were ${Object.keys(feeds).join(", ") || "none"}.`);
  return feed;
}
