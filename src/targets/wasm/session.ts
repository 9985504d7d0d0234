import { fail, Problems } from "../../base/errors.ts";
import { printType, sameShape, size, type Tensor, type TensorType } from "../../base/types.ts";
import { type Graph, statesOf } from "../../graph/graph.ts";
import type { CompileOptions, Session, SessionOptions, Target } from "../../graph/session.ts";
import type { Device, Family } from "../../ops/contract.ts";
import type { Measured } from "../../plan/candidates.ts";
import { algorithmsFor } from "../../plan/families.ts";
import { alignment, bufferBytes } from "../../plan/memory.ts";
import { type Plan, type PlanOptions, type Prepared, plan, prepare } from "../../plan/plan.ts";
import { Crew, type RoutineFunction, type RoutinePlace } from "./crew.ts";
import { detectDevice } from "./device.ts";
import type { Host } from "./host.ts";
import { type Parts, SessionMemory, smallerBatch } from "./memory.ts";
import { type ProgramHome, WasmProgram } from "./program.ts";
import { RoutineCache } from "./routines.ts";
import { measureNodes } from "./tune.ts";
import { isWorthSharing, predictedTime } from "./worth.ts";

/** Address 0 stays free, so that a zero address is always a bug; the threads' control words follow it. */
const controlAddress = 64;
const reservedBytes = 4096;

/** The wasm target on one host. Compiled routines are kept for the whole process. */
export function wasmTarget(
  host: Host,
  families: readonly Family[],
): Target & { open(options?: SessionOptions & PlanOptions): Promise<WasmSession> } {
  const cache = new RoutineCache();
  return {
    async open(options = {}) {
      checkOptions(options);
      const device = detectDevice(host, options.tier);
      return new WasmSession(host, families, device, cache, options);
    },
  };
}

const tiers = ["wide", "relaxed", "plain"] as const satisfies readonly SessionOptions["tier"][];
const mostThreads = 1024;

function checkOptions({ threads = 1, tier = "wide", rounding = 1 }: SessionOptions): void {
  const problems = new Problems("session", "open");
  problems.check(
    Number.isInteger(threads) && threads >= 1 && threads <= mostThreads,
    "threads",
    `an integer from 1 to ${mostThreads}`,
    threads,
  );
  problems.check(tiers.includes(tier), "tier", tiers.join(", "), tier);
  problems.check(rounding >= 1, "rounding", "a number >= 1 (1 for plain sums alone)", rounding);
  problems.throwIfAny();
}

interface StateSlot {
  readonly type: TensorType;
  readonly address: number;
  version: number;
}

/** One memory, its state, its threads, and the programs that share them. */
export class WasmSession implements Session, ProgramHome {
  readonly memory: SessionMemory;
  readonly device: Device;
  readonly crew: Crew | null;
  readonly profile: boolean;
  readonly #host: Host;
  readonly #families: readonly Family[];
  readonly #cache: RoutineCache;
  readonly #options: SessionOptions & PlanOptions;
  readonly #states = new Map<string, StateSlot>();
  readonly #programs = new Set<WasmProgram>();
  readonly #instances = new Map<number, WebAssembly.Instance>();
  #scratch = { address: 0, bytes: 0 };
  #words: Int32Array;
  #floats: Float32Array;
  #closed = false;

  constructor(host: Host, families: readonly Family[], device: Device, cache: RoutineCache, options: SessionOptions & PlanOptions) {
    this.#host = host;
    this.#families = families;
    this.device = device;
    this.#cache = cache;
    this.#options = options;
    this.profile = options.profile ?? false;
    this.memory = new SessionMemory(reservedBytes);
    this.#words = new Int32Array(this.memory.memory.buffer);
    this.#floats = new Float32Array(this.memory.memory.buffer);
    const threads = options.threads ?? Math.max(1, host.cores);
    this.crew =
      threads > 1 && this.memory.shared && host.startWorker !== undefined
        ? new Crew(host.startWorker, this.memory.memory, controlAddress, threads)
        : null;
  }

  get description(): string {
    const threads = this.crew?.threads ?? 1;
    return `wasm ${this.device.tier}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  }

  /** The memory as 32-bit words; made anew after it has grown. */
  words(): Int32Array {
    this.#refresh();
    return this.#words;
  }

  /** The memory as 32-bit floats; made anew after it has grown. */
  floats(): Float32Array {
    this.#refresh();
    return this.#floats;
  }

  #refresh(): void {
    if (this.#words.byteLength === this.memory.bytes) return;
    this.#words = new Int32Array(this.memory.memory.buffer);
    this.#floats = new Float32Array(this.memory.memory.buffer);
  }

  async compile(graph: Graph, { tune = false, choices }: CompileOptions = {}): Promise<WasmProgram> {
    this.#open();
    const algorithms = await algorithmsFor(graph, this.#families);
    const measured =
      tune && choices === undefined ? await this.#measure(prepare(graph, algorithms, this.device, this.#options)) : undefined;
    this.#open();
    const planned = plan(graph, algorithms, this.device, { ...this.#options, choices, measured });
    this.#reserve(planned);
    const predicted = predictedTime(planned);
    const sharing = this.profile || !isWorthSharing(planned) ? null : this.crew;
    // they start while the routines are written
    sharing?.hire();
    for (const { name, type } of statesOf(planned.graph)) this.#declare(name, type);
    for (const { state, value } of planned.graph.updates) this.#declare(state, planned.graph.values[value].type);
    const places = await this.#cache.compile(
      planned.steps.map(({ routine }) => routine),
      { shared: this.memory.shared, maximum: this.memory.maximumPages },
      this.#host,
      this.profile ? Number.POSITIVE_INFINITY : predicted,
    );
    const program = new WasmProgram(
      this,
      planned,
      places.map((place) => this.#function(place)),
      sharing,
    );
    this.#programs.add(program);
    sharing?.teach(program.id, places);
    if (program.scratchBytes > this.#scratch.bytes) this.#moveScratch(program.scratchBytes);
    else program.relocate(this.#scratch.address);
    return program;
  }

  #measure(prepared: Prepared): Promise<Measured> {
    return measureNodes(prepared, this.device, (plans) => this.openTrials(plans));
  }

  /** Programs to be timed, which the workers need not know and which no state belongs to. */
  async openTrials(plans: readonly Plan[]): Promise<WasmProgram[]> {
    const routines = plans.flatMap(({ steps }) => steps.map(({ routine }) => routine));
    const kind = { shared: this.memory.shared, maximum: this.memory.maximumPages };
    const places = await this.#cache.compile(routines, kind, this.#host, Number.POSITIVE_INFINITY);
    const home: ProgramHome = {
      memory: this.memory,
      profile: false,
      words: () => this.words(),
      floats: () => this.floats(),
      stateAddress: (name) => this.stateAddress(name),
      version: () => 0,
      touch: () => {},
      forget: () => {},
    };
    let first = 0;
    const programs = plans.map((planned) => {
      const own = places.slice(first, first + planned.steps.length);
      first += planned.steps.length;
      return new WasmProgram(
        home,
        planned,
        own.map((place) => this.#function(place)),
        null,
      );
    });
    const scratch = Math.max(0, ...programs.map(({ scratchBytes }) => scratchBytes));
    if (scratch > this.#scratch.bytes) this.#moveScratch(scratch);
    for (const program of programs) {
      program.relocate(this.#scratch.address);
      program.fillInputs();
    }
    return programs;
  }

  #open(): void {
    if (this.#closed) fail("session", "", "session", "open", "closed");
  }

  #function({ module, name }: RoutinePlace): RoutineFunction {
    let instance = this.#instances.get(module.id);
    if (instance === undefined) {
      instance = new WebAssembly.Instance(module.module, { env: { memory: this.memory.memory } });
      this.#instances.set(module.id, instance);
    }
    return instance.exports[name] as unknown as RoutineFunction;
  }

  /** Room for all that a program takes, or an error before any of it is taken. */
  #reserve({ graph, buffers, memory, steps }: Plan): void {
    const declared = new Set(this.#states.keys());
    const bytes = (...kinds: readonly string[]): number =>
      buffers.reduce((sum, { use, words }) => {
        const isNew = use.kind !== "state" || !declared.has(use.name);
        return sum + (kinds.includes(use.kind) && isNew ? bufferBytes(words) : 0);
      }, 0);
    const isLarger = memory.transientBytes > this.#scratch.bytes;
    const parts: Parts = {
      states: bytes("state"),
      "derived from states": memory.keptBytes,
      scratch: isLarger ? memory.transientBytes : 0,
      "feeds and results": bytes("input", "output", "examples"),
      tables: bytes("constant") + steps.reduce((sum, { operands }) => sum + alignment + 4 * operands.length, 0),
    };
    const hint =
      graph.updates.length > 0
        ? `${smallerBatch} In training, recompute: true (--recompute) keeps less for the backward pass.`
        : smallerBatch;
    this.memory.reserve(parts, isLarger ? this.#scratch.bytes : 0, hint);
  }

  #declare(name: string, type: TensorType): void {
    const known = this.#states.get(name);
    if (known === undefined) {
      this.#states.set(name, { type, address: this.memory.allocate(bufferBytes(size(type.shape)), `state ${name}`), version: 0 });
    } else if (!sameShape(known.type.shape, type.shape) || known.type.dtype !== type.dtype) {
      fail(
        "session",
        "compile",
        `state ${name}`,
        `${printType(known.type)} as other programs of this session have it`,
        printType(type),
        "Open another session for another net.",
      );
    }
  }

  /** Programs run one at a time, so they share their scratch: as much as the largest needs. */
  #moveScratch(bytes: number): void {
    if (this.#scratch.bytes > 0) this.memory.release(this.#scratch.address, this.#scratch.bytes);
    this.#scratch = { address: this.memory.allocate(bytes, "scratch"), bytes };
    for (const program of this.#programs) program.relocate(this.#scratch.address);
  }

  stateAddress(name: string): number {
    return this.#slot(name).address;
  }

  #slot(name: string): StateSlot {
    const slot = this.#states.get(name);
    if (slot === undefined)
      fail("session", "state", "name of a state", [...this.#states.keys()].join(", ") || "none yet: compile a program first", name);
    return slot;
  }

  /** A number that grows with every write of these states. */
  version(names: readonly string[]): number {
    return names.reduce((sum, name) => sum + this.#slot(name).version, 0);
  }

  /** Notes that states were written by a program. */
  touch(names: readonly string[]): void {
    for (const name of names) this.#slot(name).version++;
  }

  states(): string[] {
    return [...this.#states.keys()];
  }

  async read(state: string): Promise<Tensor> {
    const { type, address } = this.#slot(state);
    const cells = size(type.shape);
    const view = type.dtype === "f32" ? this.floats() : this.words();
    return { dtype: type.dtype, shape: type.shape, data: view.slice(address / 4, address / 4 + cells) };
  }

  async write(state: string, { shape, data }: Tensor): Promise<void> {
    const slot = this.#slot(state);
    if (!sameShape(slot.type.shape, shape) || data.length !== size(shape))
      fail("session", "write", `state ${state}`, printType(slot.type), `[${shape.join(",")}] with ${data.length} cells`);
    const view = slot.type.dtype === "f32" ? this.floats() : this.words();
    view.set(data, slot.address / 4);
    slot.version++;
  }

  /** A program was closed. */
  forget(program: WasmProgram): void {
    this.#programs.delete(program);
    this.crew?.forget(program.id);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#programs.clear();
    this.#instances.clear();
    await this.crew?.close();
  }
}
