import { fail } from "../../base/errors.ts";
import type { CrewWorker } from "./host.ts";
import { work } from "./work.ts";

/** An emitted routine, as JavaScript sees it. */
export type RoutineFunction = (table: number, begin: number, end: number, examples: number) => void;

/** A compiled module and the names of its exports. */
export interface RoutineModule {
  readonly id: number;
  readonly module: WebAssembly.Module;
}

/** Where a routine is: its module, and its export there. */
export interface RoutinePlace {
  readonly module: RoutineModule;
  readonly name: string;
}

/** Turns without work before a thread goes to sleep: about 20 us between stages, 60 us between runs. */
const stageSpins = 3000;
const runSpins = 10000;

/**
 * Program of a worker: instantiates what it is sent, then takes part in every run until it is called back. It is sent as text, as `work` is, so
 * it must not refer to anything outside of itself; functions inside it stay without names, which some bundlers would pass to a helper of theirs.
 */
function crewMain(
  port: { on: (listener: (message: unknown) => void) => void; post: (message: unknown) => void },
  workStages: typeof work,
  spins: { stage: number; run: number },
): void {
  let memory: WebAssembly.Memory;
  let control = 0;
  let read = 0;
  const modules = new Map<number, WebAssembly.Instance>();
  const programs = new Map<number, RoutineFunction[]>();
  port.on((message) => {
    const { start, load, drop, routines, program } = message as {
      start?: { memory: WebAssembly.Memory; control: number };
      load?: RoutineModule[];
      drop?: number;
      routines?: { module: number; name: string }[];
      program?: number;
    };
    if (start !== undefined) ({ memory, control } = start);
    for (const { id, module } of load ?? []) modules.set(id, new WebAssembly.Instance(module, { env: { memory } }));
    if (drop !== undefined) programs.delete(drop);
    if (program !== undefined) {
      programs.set(
        program,
        (routines ?? []).map(({ module, name }) => modules.get(module)?.exports[name] as unknown as RoutineFunction),
      );
    }
    read++;
    port.post("read");
    // a run may have begun and ended while this thread was busy here: what counts is what is going on now
    let words = new Int32Array(memory.buffer);
    let seen = Atomics.load(words, control);
    while (Atomics.load(words, control + 4) === read) {
      for (let spin = 0; Atomics.load(words, control) === seen && spin < spins.run; spin++);
      while (Atomics.load(words, control) === seen) Atomics.wait(words, control, seen);
      seen = Atomics.load(words, control);
      if (words.length * 4 !== memory.buffer.byteLength) words = new Int32Array(memory.buffer);
      if (Atomics.load(words, control + 4) !== read) return;
      const functions = programs.get(words[control + 2]);
      if (functions !== undefined) workStages(words, control, seen, functions, spins.stage);
    }
  });
}

const workerSource = `
const main = ${crewMain.toString()};
const workStages = ${work.toString()};
const spins = { stage: ${stageSpins}, run: ${runSpins} };
if (typeof self !== "undefined" && typeof self.postMessage === "function") {
  main({ on: (listener) => { self.onmessage = (event) => listener(event.data); }, post: (message) => self.postMessage(message) }, workStages, spins);
} else {
  const open = (node) => main({ on: (listener) => node.parentPort.on("message", listener), post: (message) => node.parentPort.postMessage(message) }, workStages, spins);
  if (typeof require === "function") open(require("node:worker_threads")); else import("node:worker_threads").then(open);
}`;

interface Hired {
  readonly worker: CrewWorker;
  /** Modules that it has been sent. */
  readonly loaded: Set<number>;
  /** Messages that it has read. */
  read: number;
}

/** The threads of one session: the caller's own and its workers. A run does the work of workers that are still starting. */
export class Crew {
  readonly threads: number;
  readonly #memory: WebAssembly.Memory;
  readonly #control: number;
  readonly #start: (source: string) => CrewWorker;
  readonly #workers: Hired[] = [];
  #words: Int32Array;
  #failure: Error | null = null;
  #sent = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(start: (source: string) => CrewWorker, memory: WebAssembly.Memory, controlAddress: number, threads: number) {
    this.#start = start;
    this.#memory = memory;
    this.#control = controlAddress / 4;
    this.#words = new Int32Array(memory.buffer);
    this.threads = threads;
  }

  /** Starts the workers, unless it has been done: when the first program that they help with is compiled. */
  hire(): void {
    if (this.#workers.length > 0) return;
    for (let i = 1; i < this.threads; i++) {
      const hired: Hired = { worker: this.#start(workerSource), loaded: new Set(), read: 0 };
      hired.worker.onMessage(() => {
        hired.read++;
        this.#tell();
      });
      hired.worker.onError((error) => {
        this.#failure ??= error;
        this.#tell();
      });
      this.#workers.push(hired);
    }
    this.#send(() => ({ start: { memory: this.#memory, control: this.#control } }));
  }

  /** Gives every worker a message: the count of messages, and then the number of the run, call it back to its event loop. */
  #send(messageFor: (hired: Hired) => unknown): void {
    if (this.#workers.length === 0) return;
    this.#refresh();
    this.#sent++;
    Atomics.add(this.#words, this.#control + 4, 1);
    Atomics.add(this.#words, this.#control, 1);
    Atomics.notify(this.#words, this.#control);
    for (const hired of this.#workers) hired.worker.post(messageFor(hired));
  }

  #refresh(): void {
    if (this.#words.length * 4 !== this.#memory.buffer.byteLength) this.#words = new Int32Array(this.#memory.buffer);
  }

  /** Makes a program's routines known to every worker. */
  teach(program: number, routines: readonly RoutinePlace[]): void {
    this.hire();
    const modules = [...new Set(routines.map(({ module }) => module))];
    const places = routines.map(({ module, name }) => ({ module: module.id, name }));
    this.#send((hired) => {
      const load = modules.filter(({ id }) => !hired.loaded.has(id));
      for (const { id } of load) hired.loaded.add(id);
      return { load, routines: places, program };
    });
  }

  /** Lets the workers forget a program. */
  forget(program: number): void {
    this.#send(() => ({ drop: program }));
  }

  /** True when every worker has read all that it was sent, or one has failed. */
  get isSettled(): boolean {
    return this.#failure !== null || this.#workers.every(({ read }) => read === this.#sent);
  }

  /** Waits for that; the caller's event loop turns meanwhile, from which some platforms start workers. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#tell();
    });
  }

  #tell(): void {
    if (this.isSettled) for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Runs the stages of a script with every thread; returns when all is done. */
  run(scriptWord: number, program: number, examples: number, functions: readonly RoutineFunction[]): void {
    if (this.#failure !== null) {
      const { message } = this.#failure;
      fail("session", "threads", "worker thread", "to start and to load its routines", message, "Try threads: 1.");
    }
    this.#refresh();
    const words = this.#words;
    const run = (Atomics.load(words, this.#control) + 1) | 0;
    words[this.#control + 1] = scriptWord;
    words[this.#control + 2] = program;
    words[this.#control + 3] = examples;
    const stages = words[scriptWord];
    for (let stage = 0; stage < stages; stage++) {
      const at = scriptWord + 1 + 5 * stage;
      Atomics.store(words, at + 4, 0);
      Atomics.store(words, at + 3, (run & 0x7ff) << 20);
    }
    Atomics.store(words, this.#control, run);
    Atomics.notify(words, this.#control);
    work(words, this.#control, run, functions, stageSpins);
  }

  /** Ends the workers; resolves when they have gone and their memory can be collected. */
  async close(): Promise<void> {
    const workers = this.#workers.splice(0);
    this.#tell();
    await Promise.all(workers.map(({ worker }) => worker.terminate()));
  }
}
