import type { Tensor } from "../base/types.ts";
import type { Graph } from "./graph.ts";

/** What a run is given, by the names of the graph's inputs: cells in plain order, or a number for a scalar. */
export type Feeds = Readonly<Record<string, Float32Array | Int32Array | number>>;

/** What a run returns, by the names of the graph's outputs. The cells are valid until the next run: copy what is to be kept. */
export type Outputs = Readonly<Record<string, Tensor>>;

/** What was chosen for one node of a compiled graph. */
export interface NodeChoice {
  /** Its problem line, and what is fused into it. */
  readonly node: string;
  /** Id of the algorithm; null where the result is the input, seen with another shape. */
  readonly algorithm: string | null;
  /** Of its inputs and outputs. */
  readonly layouts: string;
}

/** What was chosen for a program, as plain data: given back with the same graph it makes the same plan, hence the same bits. */
export interface ChoiceRecord {
  readonly tier: string;
  /** In the order of the nodes. */
  readonly nodes: readonly NodeChoice[];
}

/** How a graph is compiled. */
export interface CompileOptions {
  /** Measures the algorithms that every node could have on this machine, in place of predicting their time. Takes seconds; `choices` of the program keep the outcome. */
  readonly tune?: boolean;
  /** Choices of an earlier program of the same graph: taken as they are. */
  readonly choices?: ChoiceRecord;
}

/** One step of a run, as planned. */
export interface ProgramStep {
  /** Node of the planned graph that it belongs to; null for what closes a run: states updated, results handed over. */
  readonly node: number | null;
  /** Id of its algorithm, or what it does beside: `convert plain -> b16`, `halo ...`, `output loss`. */
  readonly label: string;
  /** Of what it reads and writes, each value once. */
  readonly bytes: number;
  /** Runs only when a state was written. */
  readonly isDerived: boolean;
  /** A state that it reads or writes. */
  readonly state?: string;
}

/** What a run consists of, and how long each part takes. */
export interface ProgramSteps {
  /** As planned: fused, rewritten, with the values of the graph that was compiled. */
  readonly graph: Graph;
  readonly list: readonly ProgramStep[];
  /** Runs every step once, one after another on the calling thread, on the feeds of the last run, and gives the time of each, ns. */
  time(): Float64Array;
}

/** A compiled graph. Programs of one session share its state. */
export interface Program {
  /** Tier, algorithms and layouts of this program. */
  readonly choices: ChoiceRecord;
  /**
   * Runs once. `examples` is the number of examples in this batch, the maximum when left out.
   * Throws: when a feed is missing or of the wrong length.
   */
  run(feeds: Feeds, examples?: number): Promise<Outputs>;
  /** For every node: problem line, algorithm, what refused and why, layout, fusion, bytes, predicted and measured time. */
  explain(): string;
  /** Absent where a target has no steps that can be timed. */
  readonly steps?: ProgramSteps;
  /** Bytes that the plan takes: scratch that programs share, what is kept from run to run, feeds and results. */
  readonly plannedBytes: number;
  /** Gives its memory back to the session. */
  close(): void;
}

/** Owns the state (parameters, optimiser state, running statistics) and the memory that its programs share. */
export interface Session {
  /** The target, with tier and threads: `wasm wide, 2 threads`. Recorded in checkpoints. */
  readonly description: string;
  /**
   * Plans and compiles a graph. Choices depend on the graph, the tier and the committed cost table, unless `tune` or `choices` are given.
   * Throws: when a state has another shape than in earlier programs, or the choices are of another graph, tier or version.
   */
  compile(graph: Graph, options?: CompileOptions): Promise<Program>;
  /** Names of the states that the programs compiled so far declare. */
  states(): string[];
  read(state: string): Promise<Tensor>;
  write(state: string, tensor: Tensor): Promise<void>;
  close(): Promise<void>;
}

export interface SessionOptions {
  /** Threads that compute; all cores when left out. */
  readonly threads?: number;
  /** The highest tier to use; the best that passes its self-test when left out. */
  readonly tier?: "wide" | "relaxed" | "plain";
  /**
   * The most that a sum may round, in units of a plain sum's rounding: 1 for plain sums alone; Winograd's F(2, 3) needs 2 and
   * F(4, 3) needs 4, as measured. Any of them when left out.
   */
  readonly rounding?: number;
  /** Runs every step on its own and keeps its time for `explain()`. */
  readonly profile?: boolean;
}

export interface Target {
  open(options?: SessionOptions): Promise<Session>;
}
