import { readFileSync } from "node:fs";
import { processCpuMs, tickMs } from "./contender.ts";

/** Load of others above this share of one processor during a sample disturbs it. */
export const foreignLimit = 0.15;
/** The fixed work before and after a sample may take this much longer than its best time. */
export const calibrationLimit = 1.15;

/** Busy and stolen time of all processors since the start of the system, in ms; undefined where /proc is absent. */
function busyMs(): number | undefined {
  try {
    const [user, nice, system, , , irq, softirq, steal] = readFileSync("/proc/stat", "utf8")
      .split("\n")[0]
      .split(/\s+/)
      .slice(1)
      .map(Number);
    return (user + nice + system + irq + softirq + steal) * tickMs;
  } catch {
    return undefined;
  }
}

/** About a millisecond of arithmetic that nothing can leave out. */
function fixedWork(): number {
  let value = 1;
  const started = performance.now();
  for (let step = 0; step < 400_000; step++) value = value * 1.0000001 + 1e-9;
  const ms = performance.now() - started;
  return value > 0 ? ms : 0;
}

/**
 * Watches a sample for disturbance in two ways: the processor time of others (all but the driver and this process), and a fixed piece of
 * work before and after, against its best time so far (a lower clock, a taken core).
 */
export class Watch {
  #best = Number.POSITIVE_INFINITY;

  constructor() {
    // until the loop is optimised
    for (let round = 0; round < 40; round++) this.#best = Math.min(this.#best, fixedWork());
  }

  /** Runs a sample; says whether it was disturbed. */
  async watch<T>(driverCpuMs: () => number, sample: () => Promise<T>): Promise<{ result: T; disturbed: boolean }> {
    const before = this.#calibrate();
    const [busy, own, wall] = [busyMs(), driverCpuMs() + processCpuMs(process.pid), performance.now()];
    const result = await sample();
    const [busyAfter, ownAfter, ms] = [busyMs(), driverCpuMs() + processCpuMs(process.pid), performance.now() - wall];
    const after = this.#calibrate();
    // two ticks are what the counters cannot tell apart
    const foreign = busy === undefined || busyAfter === undefined ? 0 : busyAfter - busy - (ownAfter - own);
    const loaded = foreign > Math.max(2 * tickMs, foreignLimit * ms);
    return { result, disturbed: loaded || Math.max(before, after) > calibrationLimit };
  }

  /** Time of the fixed work against its best; the better of three, since one may meet an interrupt. */
  #calibrate(): number {
    const ms = Math.min(fixedWork(), fixedWork(), fixedWork());
    this.#best = Math.min(this.#best, ms);
    return ms / this.#best;
  }
}
