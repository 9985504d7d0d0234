import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { PreparedCase } from "./cases/case.ts";
import { type Contender, childrenCpuMs, Driver, timeToFirst } from "./contender.ts";
import type { Watch } from "./disturbance.ts";
import type { Gauge } from "./drivers/gauges.ts";
import type { Reply } from "./drivers/serve.ts";

/** How samples are taken. */
export interface Sampling {
  readonly threads: number;
  /** Samples of every contender, taken in turn. */
  readonly rounds: number;
  /** Length of a sample, in ms; at least one call. */
  readonly sampleMs: number;
  /** Longest wait for a contender's outputs, in ms. */
  readonly limitMs: number;
  readonly watch: Watch;
  /** Says what is going on. */
  readonly note: (text: string) => void;
}

/** What the main routine takes alone, and the multiply-add loop of its tier in turn with it in the same process: medians and least times, ms. */
export interface Routine {
  readonly algorithm: string;
  readonly median: number;
  readonly lowest: number;
  readonly loop: { readonly gauge: Gauge; readonly median: number; readonly lowest: number };
}

/** What became of one contender on one case. Times in ms. */
export interface Cell {
  readonly contender: string;
  readonly version?: string;
  readonly median?: number;
  readonly lowest?: number;
  readonly highest?: number;
  readonly samples?: number;
  /** Samples among them that stayed disturbed after repeats. */
  readonly disturbed?: number;
  /** The first call, compilation included; given where the contender came no further within the limit. */
  readonly first?: number;
  /** Why there is no time. */
  readonly refused?: string;
  /** Largest difference from the first contender's outputs, relative. */
  readonly deviation?: number;
  readonly agrees?: boolean;
  /** Absent where a contender cannot tell. */
  readonly routine?: Routine;
}

interface Running {
  readonly driver: Driver;
  readonly contender: Contender;
  readonly version: string;
  readonly samples: { ms: number; disturbed: boolean }[];
  /** Samples that this contender is given: fewer where one call takes long. */
  quota: number;
  outputs?: Float32Array;
  routine?: Routine;
  refused?: string;
}

const repeatsPerSample = 2;
const patience = 12;
const warmUpShare = 3;
const settleMs = 15;
const budgetMs = 20_000;
const routineSamples = 5;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function refusal(reply: Reply): string | undefined {
  return "refused" in reply ? reply.refused : undefined;
}

/** Drivers that stay for several cases. */
export class Drivers {
  readonly #running = new Map<string, Driver>();

  get(contender: Contender): Driver {
    const known = this.#running.get(contender.name);
    if (known !== undefined && !known.ended) return known;
    const made = new Driver(contender);
    this.#running.set(contender.name, made);
    return made;
  }

  close(): void {
    for (const driver of this.#running.values()) driver.kill();
    this.#running.clear();
  }
}

/** Loads the case and takes the outputs; a cell where that fails. */
async function begin(
  contender: Contender,
  drivers: Drivers,
  source: PreparedCase,
  sampling: Sampling,
  file: string,
): Promise<Running | Cell> {
  const driver = drivers.get(contender);
  let first: number | undefined;
  try {
    const ready = await driver.ask({ do: "load", case: source.path, threads: sampling.threads }, sampling.limitMs);
    if (!("ready" in ready)) return { contender: contender.name, refused: refusal(ready) ?? "no answer" };
    const running: Running = { driver, contender, version: ready.ready, samples: [], quota: sampling.rounds };
    if (contender.gauge === true) return running;
    let reply = await driver.ask({ do: "outputs", file }, sampling.limitMs);
    if ("first" in reply) {
      first = reply.first;
      reply = await driver.next(sampling.limitMs);
    }
    if (!("outputs" in reply)) return { contender: contender.name, version: ready.ready, refused: refusal(reply) ?? "no outputs" };
    const bytes = readFileSync(file);
    running.outputs = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
    return running;
  } catch (error) {
    const refused = error instanceof Error ? error.message : String(error);
    return { contender: contender.name, ...(first === undefined ? {} : { first }), refused };
  }
}

/** A sample: the time of one call, in ms. */
async function sample({ driver }: Running, ms: number, limitMs: number): Promise<number> {
  const reply = await driver.ask({ do: "run", ms }, limitMs);
  if (!("calls" in reply)) throw new Error(refusal(reply) ?? "no times");
  return reply.ms / reply.calls;
}

async function warmUp(running: Running, sampling: Sampling): Promise<void> {
  try {
    const ms = await sample(running, warmUpShare * sampling.sampleMs, sampling.limitMs);
    running.quota = Math.max(1, Math.min(sampling.rounds, Math.floor(budgetMs / Math.max(ms, sampling.sampleMs))));
  } catch (error) {
    running.refused = error instanceof Error ? error.message : String(error);
  }
}

/** Counts disturbed samples in a row; repeats only help while others leave the machine alone now and then. */
let inARow = 0;

async function takeSample(running: Running, sampling: Sampling): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    await pause(settleMs);
    const { result, disturbed } = await sampling.watch.watch(
      () => running.driver.cpuMs(),
      () => sample(running, sampling.sampleMs, sampling.limitMs),
    );
    inARow = disturbed ? inARow + 1 : 0;
    if (!disturbed || attempt >= repeatsPerSample || inARow > patience) {
      running.samples.push({ ms: result, disturbed });
      return;
    }
  }
}

/** The main routine alone, for contenders that can tell. */
async function takeRoutine(running: Running, { sampleMs, limitMs }: Sampling): Promise<void> {
  const { driver, contender } = running;
  if (contender.tellsRoutine !== true || running.refused !== undefined) return;
  const reply = await driver.ask({ do: "routine", ms: routineSamples * sampleMs }, limitMs);
  if (!("routine" in reply) || reply.routine === null || reply.routine.algorithm === "") return;
  const { algorithm, gauge, ms, loop } = reply.routine;
  const [own, beside] = [ms, loop].map((times) => ({ median: median(times), lowest: Math.min(...times) }));
  running.routine = { algorithm, ...own, loop: { gauge, ...beside } };
}

/** Largest difference relative to the largest of `wanted` (forward), or of each number to its own (losses). */
export function deviation(got: Float32Array, wanted: Float32Array, each: boolean): number {
  if (got.length !== wanted.length) return Number.POSITIVE_INFINITY;
  let largest = 0;
  let difference = 0;
  for (let cell = 0; cell < got.length; cell++) {
    const scale = Math.abs(wanted[cell]);
    const apart = Math.abs(got[cell] - wanted[cell]);
    // NaN compares false, and must not pass
    if (!(apart < Number.POSITIVE_INFINITY)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, scale);
    difference = Math.max(difference, each ? apart / scale : apart);
  }
  return each || difference === 0 ? difference : difference / largest;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** Median over the undisturbed samples where they are at least half, otherwise over all. */
export function summary(
  samples: readonly { ms: number; disturbed: boolean }[],
): Pick<Cell, "median" | "lowest" | "highest" | "samples" | "disturbed"> {
  const clean = samples.filter(({ disturbed }) => !disturbed);
  const used = 2 * clean.length >= samples.length ? clean : samples;
  const times = used.map(({ ms }) => ms);
  return {
    median: median(times),
    lowest: Math.min(...times),
    highest: Math.max(...times),
    samples: times.length,
    disturbed: used.filter(({ disturbed }) => disturbed).length,
  };
}

/** Runs all contenders on a case, in turn, and compares their outputs with the first one's. */
export async function measureCase(
  contenders: readonly Contender[],
  source: PreparedCase,
  sampling: Sampling,
  kept?: Drivers,
): Promise<Cell[]> {
  const drivers = kept ?? new Drivers();
  const begun: (Running | Cell)[] = [];
  const isRunning = (entry: Running | Cell): entry is Running => "driver" in entry;
  try {
    for (const contender of contenders) {
      sampling.note(`${source.source.name}: ${contender.name}`);
      begun.push(await begin(contender, drivers, source, sampling, join(source.path, "..", "outputs.bin")));
    }
    const running = begun.filter(isRunning);
    for (const entry of running) await warmUp(entry, sampling);
    for (let round = 0; round < sampling.rounds; round++) {
      sampling.note(`${source.source.name}: round ${round + 1} of ${sampling.rounds}`);
      for (const entry of running) {
        if (entry.refused !== undefined || entry.samples.length >= entry.quota) continue;
        try {
          await takeSample(entry, sampling);
        } catch (error) {
          entry.refused = error instanceof Error ? error.message : String(error);
        }
      }
    }
    for (const entry of running) await takeRoutine(entry, sampling);
    const wanted = running.find(({ outputs }) => outputs !== undefined)?.outputs;
    return begun.map((entry) => (isRunning(entry) ? cellOf(entry, wanted, source) : entry));
  } finally {
    if (kept === undefined) drivers.close();
  }
}

function cellOf(
  { contender, version, samples, outputs, routine, refused }: Running,
  wanted: Float32Array | undefined,
  { source }: PreparedCase,
): Cell {
  const head = { contender: contender.name, version };
  if (refused !== undefined && samples.length === 0) return { ...head, refused };
  const times = { ...head, ...summary(samples), ...(routine === undefined ? {} : { routine }) };
  if (outputs === undefined || wanted === undefined) return times;
  const apart = deviation(outputs, wanted, source.kind === "training");
  return { ...times, deviation: apart, agrees: apart <= source.bound };
}

/** Time from process start to the first result, contenders in turn. */
export async function measureStart(contenders: readonly Contender[], source: PreparedCase, sampling: Sampling): Promise<Cell[]> {
  const entries = contenders.map((contender) => ({
    contender,
    samples: [] as { ms: number; disturbed: boolean }[],
    refused: undefined as string | undefined,
  }));
  for (let round = 0; round < sampling.rounds; round++) {
    for (const entry of entries) {
      if (entry.refused !== undefined) continue;
      sampling.note(`${source.source.name}: ${entry.contender.name}, start ${round + 1} of ${sampling.rounds}`);
      try {
        const { result, disturbed } = await sampling.watch.watch(childrenCpuMs, () =>
          timeToFirst(entry.contender, source.path, sampling.threads, sampling.limitMs),
        );
        entry.samples.push({ ms: result, disturbed });
      } catch (error) {
        entry.refused = error instanceof Error ? error.message : String(error);
      }
    }
  }
  return entries.map(({ contender, samples, refused }) =>
    samples.length === 0
      ? { contender: contender.name, refused: refused ?? "no sample" }
      : { contender: contender.name, ...summary(samples) },
  );
}
