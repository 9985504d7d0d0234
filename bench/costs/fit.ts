import { type CostEntry, predictBy } from "../../src/plan/costs.ts";

/** One measured time, and what was predicted by formula alone. */
export interface Sample {
  /** Algorithm, or method of a conversion. */
  readonly id: string;
  readonly estimate: number;
  readonly measured: number;
}

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const round = (value: number, digits: number): number => Number(value.toPrecision(digits));

/** Fixed parts that are tried, ns. */
const fixedParts = [-2000, -1000, -500, 0, 250, 500, 1000, 2000, 4000];

/**
 * measured = fixed + scale * estimate with the least mean error of the logarithm, so that small and large problems count alike.
 * The median scale is not moved by a sample that a busy moment spoilt.
 */
export function fitEntry(samples: readonly Pick<Sample, "estimate" | "measured">[]): CostEntry {
  let best: { entry: CostEntry; error: number } | null = null;
  // few samples say nothing about a fixed part
  for (const fixed of samples.length < 4 ? [0] : fixedParts) {
    const scales = samples.map(({ estimate, measured }) => (measured - fixed) / estimate);
    const scale = median(scales);
    if (scale <= 0) continue;
    const predicted = samples.map(({ estimate }) => predictBy([scale, fixed], estimate));
    const error = samples.reduce((sum, { measured }, i) => sum + Math.abs(Math.log(measured / predicted[i])), 0);
    if (best === null || error < best.error * 0.98) best = { entry: [round(scale, 3), fixed], error };
  }
  return best?.entry ?? [1, 0];
}

/** Fewer say more about a busy moment than about the algorithm, which is then taken at its word. */
const leastSamples = 3;

/** An entry for everything that was measured, in order of name. Of the layouts of one algorithm for one node the fastest counts. */
export function fitTable(nodes: readonly (readonly Sample[])[]): Record<string, CostEntry> {
  const samples = nodes.flatMap((own) => {
    const best = new Map<string, Sample>();
    for (const sample of own)
      if (!(sample.measured >= (best.get(sample.id)?.measured ?? Number.POSITIVE_INFINITY))) best.set(sample.id, sample);
    return [...best.values()];
  });
  const table: Record<string, CostEntry> = {};
  for (const id of [...new Set(samples.map((sample) => sample.id))].sort()) {
    const own = samples.filter((sample) => sample.id === id && sample.measured > 0);
    if (own.length >= leastSamples) table[id] = fitEntry(own);
  }
  return table;
}

/** How the choices of a table compare with the best possible ones, over nodes with more than one candidate. */
export interface Verdict {
  readonly nodes: number;
  /** Nodes where the cheapest predicted is the cheapest measured. */
  readonly right: number;
  /** Measured time of the chosen over that of the best, summed over nodes. */
  readonly loss: number;
  /** Geometric mean of the same per node. */
  readonly meanLoss: number;
}

export function judge(table: Readonly<Record<string, CostEntry>>, nodes: readonly (readonly Sample[])[]): Verdict {
  const open = nodes.filter((samples) => samples.length > 1);
  let [right, chosen, best, logs] = [0, 0, 0, 0];
  for (const samples of open) {
    const taken = samples.reduce((a, b) => (predictBy(table[b.id], b.estimate) < predictBy(table[a.id], a.estimate) ? b : a));
    const least = Math.min(...samples.map(({ measured }) => measured));
    // a tie within what repeated measurements differ by
    if (taken.measured <= 1.03 * least) right++;
    chosen += taken.measured;
    best += least;
    logs += Math.log(taken.measured / least);
  }
  return { nodes: open.length, right, loss: best === 0 ? 1 : chosen / best, meanLoss: Math.exp(logs / Math.max(1, open.length)) };
}
