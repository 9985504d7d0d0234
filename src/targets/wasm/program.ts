import { fail, invariant } from "../../base/errors.ts";
import type { ChoiceRecord, Feeds, Outputs, Program, ProgramSteps } from "../../graph/session.ts";
import { chunkCount } from "../../ops/contract.ts";
import { explain } from "../../plan/explain.ts";
import { bufferBytes } from "../../plan/memory.ts";
import type { Plan } from "../../plan/plan.ts";
import { recordOf } from "../../plan/record.ts";
import type { Stage } from "../../plan/schedule.ts";
import { programSteps } from "../../plan/steps.ts";
import type { Crew, RoutineFunction } from "./crew.ts";
import type { SessionMemory } from "./memory.ts";
import { type Cells, Ports } from "./ports.ts";
import { Sharing } from "./sharing.ts";

/** Chunks of a stage that one word of the script can count (see work.ts). */
const mostChunks = 2 ** 20 - 1;

/** Programs of the process are numbered, so that workers can tell them apart. */
let programs = 0;

/** What a program needs of its session. */
export interface ProgramHome extends Cells {
  readonly memory: SessionMemory;
  readonly profile: boolean;
  stateAddress(name: string): number;
  /** A number that grows with every write of these states. */
  version(names: readonly string[]): number;
  /** Notes that states were written by a program. */
  touch(names: readonly string[]): void;
  forget(program: WasmProgram): void;
}

/** Stages of a program as the threads read them: see work.ts. */
interface Script {
  readonly stages: readonly Stage[];
  readonly word: number;
}

/** A plan with its memory, ready to run. */
export class WasmProgram implements Program {
  readonly id = ++programs;
  readonly plannedBytes: number;
  readonly #session: ProgramHome;
  readonly #plan: Plan;
  readonly #functions: readonly RoutineFunction[];
  readonly #owned: { readonly address: number; readonly bytes: number }[] = [];
  /** Address of each buffer; transient ones are offsets until the session says where scratch begins. */
  readonly #addresses: number[];
  readonly #tables: readonly number[];
  readonly #derived: Script;
  readonly #main: Script;
  readonly #names: { readonly updated: readonly string[]; readonly derivedFrom: readonly string[] };
  readonly #ports: Ports;
  /** The threads that it runs on beside the caller's; null where they are not worth their waking. */
  readonly #crew: Crew | null;
  readonly #sharing = new Sharing();
  readonly #times: Float64Array;
  #runs = 0;
  #countsFor = -1;
  #derivedAt = -1;
  #closed = false;

  constructor(session: ProgramHome, plan: Plan, functions: readonly RoutineFunction[], crew: Crew | null) {
    this.#session = session;
    this.#plan = plan;
    this.#functions = functions;
    const { buffers, steps, schedule, memory, graph } = plan;
    const kept = this.#own(memory.keptBytes, "derived values");
    this.#addresses = buffers.map(({ id, words, use }) => {
      if (use.kind === "transient") return memory.kept[id] ? kept + memory.offsets[id] : -1;
      return use.kind === "state" ? session.stateAddress(use.name) : this.#own(bufferBytes(words), use.kind);
    });
    this.#tables = steps.map((step) => this.#own(4 * step.operands.length, "tables"));
    this.#derived = this.#script(schedule.derived);
    this.#main = this.#script(schedule.stages);
    this.plannedBytes = memory.transientBytes + this.#owned.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#names = {
      updated: graph.updates.map(({ state }) => state),
      derivedFrom: [
        ...new Set(
          schedule.derived.flat().flatMap((step) =>
            steps[step].operands.flatMap(({ buffer }) => {
              const { use } = buffers[buffer];
              return use.kind === "state" ? [use.name] : [];
            }),
          ),
        ),
      ],
    };
    this.#crew = crew;
    this.#times = new Float64Array(steps.length);
    this.#ports = new Ports(plan, this.#addresses, session);
    this.#writeConstants();
  }

  #own(bytes: number, what: string): number {
    const address = this.#session.memory.allocate(bytes, what);
    this.#owned.push({ address, bytes });
    return address;
  }

  #script(stages: readonly Stage[]): Script {
    const entries = stages.reduce((sum, stage) => sum + stage.length, 0);
    const word = this.#own(4 * (1 + 5 * stages.length + 3 * entries), "script") / 4;
    const words = this.#session.words();
    words[word] = stages.length;
    let entry = 0;
    stages.forEach((stage, index) => {
      words.set([entry, stage.length], word + 1 + 5 * index);
      for (const step of stage) {
        words.set([step, this.#tables[step]], word + 1 + 5 * stages.length + 3 * entry);
        entry++;
      }
    });
    return { stages, word };
  }

  #writeConstants(): void {
    const words = this.#session.words();
    const floats = this.#session.floats();
    this.#plan.buffers.forEach(({ use, id, words: count }) => {
      if (use.kind !== "constant") return;
      const at = this.#addresses[id] / 4;
      const { content } = use;
      if (ArrayBuffer.isView(content)) words.set(new Int32Array(content.buffer, content.byteOffset, content.length), at);
      else if ("fill" in content) floats.fill(content.fill, at, at + count);
      else if (content.dtype === "f32") floats.set(content.data, at);
      else words.set(content.data, at);
    });
  }

  /** Writes the tables of addresses; called when the session's scratch has moved. */
  relocate(scratch: number): void {
    const words = this.#session.words();
    const { memory, steps } = this.#plan;
    steps.forEach((step, index) => {
      step.operands.forEach(({ buffer }, i) => {
        const own = this.#addresses[buffer];
        words[this.#tables[index] / 4 + i] = own >= 0 ? own : scratch + memory.offsets[buffer];
      });
    });
  }

  get scratchBytes(): number {
    return this.#plan.memory.transientBytes;
  }

  async run(feeds: Feeds, examples = this.#ports.maximum): Promise<Outputs> {
    // the first result does not wait for the workers
    if (this.#crew !== null && this.#runs > 0 && !this.#crew.isSettled) await this.#crew.settled();
    return this.runNow(feeds, examples);
  }

  get choices(): ChoiceRecord {
    const { graph, choices, device } = this.#plan;
    return recordOf(graph, choices, device.tier);
  }

  get steps(): ProgramSteps {
    return { graph: this.#plan.graph, list: programSteps(this.#plan), time: () => this.timeSteps() };
  }

  /** Writes zeros to every input: memory that was never written is one page again and again, which is read faster than any other. */
  fillInputs(): void {
    const floats = this.#session.floats();
    this.#plan.buffers.forEach(({ use, words }, id) => {
      if (use.kind === "input") floats.fill(0, this.#addresses[id] / 4, this.#addresses[id] / 4 + words);
    });
  }

  /** Runs every step once on the calling thread, and gives the time of each, ns. The feeds are what they were. */
  timeSteps(): Float64Array {
    const times = new Float64Array(this.#plan.steps.length);
    const examples = this.#ports.maximum;
    this.#setCounts(examples);
    if (this.#derivedAt < 0) this.#runSteps(this.#derived.stages, examples, times);
    this.#derivedAt = 0;
    this.#runSteps(this.#main.stages, examples, times);
    return times.map((ms) => ms * 1e6);
  }

  /** Runs on the calling thread and the session's workers, and returns when it is done. */
  runNow(feeds: Feeds, examples = this.#ports.maximum): Outputs {
    if (this.#closed) fail("program", "run", "program", "open", "closed");
    this.#ports.write(feeds, examples);
    this.#setCounts(examples);
    const version = this.#session.version(this.#names.derivedFrom);
    if (version !== this.#derivedAt) {
      this.#execute(this.#derived, examples, true);
      this.#derivedAt = version;
    }
    if (this.#crew === null || examples < this.#ports.maximum) this.#execute(this.#main, examples, true);
    else {
      const start = performance.now();
      this.#execute(this.#main, examples, this.#sharing.isOn);
      if (this.#runs > 0) this.#sharing.note(performance.now() - start);
    }
    this.#runs++;
    this.#session.touch(this.#names.updated);
    return this.#ports.read(examples);
  }

  #setCounts(examples: number): void {
    if (examples === this.#countsFor) return;
    this.#countsFor = examples;
    const words = this.#session.words();
    for (const { stages, word } of [this.#derived, this.#main]) {
      let entry = word + 1 + 5 * stages.length;
      stages.forEach((stage, index) => {
        let total = 0;
        for (const step of stage) {
          const count = chunkCount(this.#plan.steps[step].chunks, examples);
          words[entry + 2] = count;
          total += count;
          entry += 3;
        }
        invariant(total <= mostChunks, () => `${total} chunks in one stage`);
        words[word + 1 + 5 * index + 2] = total;
      });
    }
  }

  #execute({ stages, word }: Script, examples: number, isShared: boolean): void {
    if (this.#crew !== null && isShared) this.#crew.run(word, this.id, examples, this.#functions);
    else this.#runSteps(stages, examples, this.#session.profile ? this.#times : null);
  }

  /** Runs the steps on the calling thread; adds the time of each, ms. */
  #runSteps(stages: readonly Stage[], examples: number, times: Float64Array | null): void {
    for (const stage of stages) {
      for (const step of stage) {
        const start = times === null ? 0 : performance.now();
        this.#functions[step](this.#tables[step], 0, chunkCount(this.#plan.steps[step].chunks, examples), examples);
        if (times !== null) times[step] += performance.now() - start;
      }
    }
  }

  explain(): string {
    const measured = this.#session.profile && this.#runs > 0 ? Array.from(this.#times, (ms) => (ms * 1e6) / this.#runs) : null;
    return explain(this.#plan, measured);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { address, bytes } of this.#owned) this.#session.memory.release(address, bytes);
    this.#session.forget(this);
  }
}
