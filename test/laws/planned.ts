import { size, type Tensor } from "../../src/base/types.ts";
import { type Graph, inputsOf, maximalExamples } from "../../src/graph/graph.ts";
import type { Feeds } from "../../src/graph/session.ts";
import { type Algorithm, chunkCount, type Device } from "../../src/ops/contract.ts";
import type { Buffer, PlannedStep } from "../../src/plan/buffers.ts";
import { type Plan, plan } from "../../src/plan/plan.ts";
import { arena } from "./arena.ts";

const guardWords = 64;
const guardBits = 0x7fc0dead;
const table = 16;
const firstWord = 256;

export interface PlannedOptions {
  readonly fusion?: boolean;
  /** Steps of a stage and chunks of a step in the opposite order. */
  readonly reversed?: boolean;
  /** Planted bugs: steps that are left out, all stages run as one, buffers that lie where others lie. */
  readonly drop?: (step: PlannedStep, plan: Plan) => boolean;
  readonly merged?: boolean;
  readonly share?: (plan: Plan) => ReadonlyMap<number, number>;
}

export interface PlannedResult {
  readonly outputs: Readonly<Record<string, Float64Array>>;
  /** Words between the buffers that changed. */
  readonly damage: readonly string[];
}

/**
 * A planned graph, run with every buffer in a place of its own between guards, filled with NaN before each run: what a
 * session does in memory that it shares out must have the same bits.
 */
export class PlannedRun {
  readonly plan: Plan;
  readonly states = new Map<string, Float64Array>();
  readonly #device: Device;
  readonly #options: PlannedOptions;
  readonly #addresses: readonly number[];
  readonly #end: number;

  constructor(graph: Graph, algorithms: readonly Algorithm[], device: Device, options: PlannedOptions = {}) {
    this.plan = plan(graph, algorithms, device, { fusion: options.fusion ?? true });
    this.#device = device;
    this.#options = options;
    let next = firstWord;
    const apart = this.plan.buffers.map(({ words }) => {
      const address = next + guardWords;
      next = address + Math.ceil(words / 16) * 16 + guardWords;
      return address;
    });
    const shared = options.share?.(this.plan) ?? new Map<number, number>();
    this.#addresses = apart.map((address, id) => apart[shared.get(id) ?? id] ?? address);
    this.#end = next;
    for (const { use, words } of this.plan.buffers) if (use.kind === "state") this.states.set(use.name, new Float64Array(words));
  }

  write(state: string, { data }: Pick<Tensor, "data">): void {
    if (this.states.has(state)) this.states.set(state, Float64Array.from(data));
  }

  #view({ id, words }: Buffer, integer: boolean): Float32Array | Int32Array {
    const at = this.#addresses[id];
    return (integer ? arena.words : arena.floats).subarray(at, at + words);
  }

  run(feeds: Feeds, examples = maximalExamples(this.plan.graph)): PlannedResult {
    arena.reserve(this.#end);
    arena.words.fill(guardBits, 0, this.#end);
    for (const buffer of this.plan.buffers) this.#fill(buffer, feeds, examples);
    const { schedule, steps } = this.plan;
    const reversed = this.#options.reversed === true;
    const stages = [...schedule.derived, ...schedule.stages];
    for (const stage of this.#options.merged === true ? [stages.flat()] : stages) {
      for (const index of reversed ? [...stage].reverse() : stage)
        if (this.#options.drop?.(steps[index], this.plan) !== true) this.#step(steps[index], examples);
    }
    const outputs: Record<string, Float64Array> = {};
    for (const buffer of this.plan.buffers) {
      const { use, value } = buffer;
      if (use.kind === "state") this.states.set(use.name, Float64Array.from(this.#view(buffer, value?.type.dtype !== "f32")));
      if (use.kind !== "output" || value === null) continue;
      const { type } = value;
      const cells = type.batched ? (size(type.shape) / type.shape[0]) * examples : size(type.shape);
      outputs[use.name] = Float64Array.from(this.#view(buffer, type.dtype !== "f32").subarray(0, cells));
    }
    return { outputs, damage: this.#damage() };
  }

  #fill(buffer: Buffer, feeds: Feeds, examples: number): void {
    const { use, value } = buffer;
    if (use.kind === "examples") this.#view(buffer, false)[0] = examples;
    if (use.kind === "state") this.#view(buffer, value?.type.dtype !== "f32").set(this.states.get(use.name) ?? []);
    if (use.kind === "constant") this.#constant(buffer, use.content);
    if (use.kind !== "input") return;
    const { type } = inputsOf(this.plan.graph).find(({ name }) => name === use.name) ?? { type: null };
    const given = feeds[use.name];
    const view = this.#view(buffer, type?.dtype !== "f32");
    if (typeof given === "number") view[0] = given;
    else view.set(given.subarray(0, type?.batched === true ? (size(type.shape) / type.shape[0]) * examples : given.length));
  }

  #constant(buffer: Buffer, content: Extract<Buffer["use"], { kind: "constant" }>["content"]): void {
    if (ArrayBuffer.isView(content)) this.#view(buffer, true).set(new Int32Array(content.buffer, content.byteOffset, content.length));
    else if ("fill" in content) this.#view(buffer, false).fill(content.fill);
    else this.#view(buffer, content.dtype !== "f32").set(content.data);
  }

  #step({ routine, operands, chunks, label }: PlannedStep, examples: number): void {
    const call = arena.routine(routine, this.#device, label);
    operands.forEach(({ buffer }, i) => {
      arena.words[table + i] = 4 * this.#addresses[buffer];
    });
    const total = chunkCount(chunks, examples);
    if (this.#options.reversed !== true) call(4 * table, 0, total, examples);
    else for (let chunk = total - 1; chunk >= 0; chunk--) call(4 * table, chunk, chunk + 1, examples);
  }

  /** Words outside of all buffers that do not hold what stood there. */
  #damage(): string[] {
    const found: string[] = [];
    let from = firstWord;
    const check = (to: number, before: string): void => {
      for (let word = from; word < to && found.length < 5; word++)
        if (arena.words[word] !== guardBits) found.push(`word ${to - word} before ${before} was changed`);
    };
    this.plan.buffers.forEach(({ id, words, use }) => {
      check(this.#addresses[id], `buffer ${id} (${use.kind})`);
      from = this.#addresses[id] + words;
    });
    check(this.#end, "the end");
    return found;
  }
}
