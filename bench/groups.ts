import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Case, type PreparedCase, prepareCase } from "./cases/case.ts";
import { layerCases, leastTraffic } from "./cases/layers.ts";
import { modelCases, startCases } from "./cases/models.ts";
import { trainingCases } from "./cases/training.ts";
import { type Contender, floor, gauges } from "./contender.ts";
import { callWork, type Gauge } from "./drivers/gauges.ts";
import type { Round, Scaling } from "./drivers/scaling.ts";
import { goalTable } from "./goals.ts";
import { buildPackage } from "./install.ts";
import { type Cell, Drivers, measureCase, measureStart, median, type Sampling } from "./measure.ts";
import { onnxBytes } from "./onnx.ts";
import { type Peak, type Row, tableOf } from "./report.ts";
import { digits, type Table } from "./table.ts";

/** What a group gives: rows for --json, a table for people. */
export interface Result {
  readonly threads: number;
  readonly rows: readonly Row[];
  readonly peaks?: Readonly<Record<string, Peak>>;
  readonly table: Table;
  /** What the rows reach together. */
  readonly summary?: Table;
}

/** What a group is run with. */
export interface Setting {
  readonly sampling: Sampling;
  readonly contenders: readonly Contender[];
  readonly match: RegExp;
  /** Temporary folder of this run. */
  readonly folder: string;
}

/** A group of measurements; `contenders` are those that run unless others are asked for, in the order of the columns. */
export interface Group {
  readonly threads: readonly number[];
  readonly rounds: number;
  readonly contenders: readonly string[];
  run(setting: Setting): Promise<Result>;
}

const chosen = (cases: readonly Case[], { match }: Setting): Case[] =>
  cases.filter(({ name, line }) => match.test(name) || (line !== undefined && match.test(line)));

/** Writes the files of one case, runs `use`, removes them: ResNet-18 alone takes 90 MB. */
async function prepared<T>(source: Case, { folder }: Setting, use: (prepared: PreparedCase) => Promise<T>): Promise<T> {
  const place = join(folder, "case");
  try {
    return await use(prepareCase(source, place, onnxBytes));
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

async function compare(title: string, cases: readonly Case[], setting: Setting): Promise<Result> {
  const rows: Row[] = [];
  const { threads } = setting.sampling;
  for (const source of chosen(cases, setting)) {
    await prepared(source, setting, async (ready) => {
      const cells = await measureCase(setting.contenders, ready, setting.sampling);
      rows.push({ name: source.name, threads, multiplyAdds: ready.multiplyAdds, cells });
    });
  }
  const names = setting.contenders.map(({ name }) => name);
  return { threads, rows, table: tableOf(`${title}, ${threads} thread${threads === 1 ? "" : "s"}`, names, rows) };
}

const isGauge = (cell: Cell): boolean => gauges.some(({ name }) => name === cell.contender);

/** Speed of a gauge: 1e9 operations or bytes a second. */
const speedOf = (cells: readonly Cell[], gauge: Gauge): number => {
  const median = cells.find(({ contender }) => contender === gauge)?.median;
  return median === undefined ? Number.NaN : callWork[gauge] / median / 1e6;
};
const peakOf = (cells: readonly Cell[]): Peak => ({
  fma128: speedOf(cells, "fma128"),
  fma256: speedOf(cells, "fma256"),
  read: speedOf(cells, "read"),
  write: speedOf(cells, "write"),
});

function peakNote(peaks: readonly Peak[]): string {
  const middle = (gauge: Gauge): string => digits(median(peaks.map((entry) => entry[gauge])));
  return `One thread, medians over the rows: ${middle("fma128")} GFLOP/s with 128 bits, ${middle("fma256")} with 256; reading ${middle("read")} GB/s, writing ${middle("write")}.`;
}

async function layers(setting: Setting): Promise<Result> {
  const rows: Row[] = [];
  const peaks: Record<string, Peak> = {};
  const drivers = new Drivers();
  const { threads } = setting.sampling;
  try {
    for (const source of chosen(layerCases(), setting)) {
      await prepared(source, setting, async (ready) => {
        const cells = await measureCase([...setting.contenders, ...gauges], ready, setting.sampling, drivers);
        peaks[source.name] = peakOf(cells);
        const copies = source.line !== undefined && !/ t1 | -$/.test(source.line);
        const least = copies ? leastTraffic(source.line) : { read: 0, written: 0 };
        // with few multiply-adds for a byte, memory is what bounds it
        const traffic = ready.multiplyAdds < 2 * (least.read + least.written) ? { traffic: least } : {};
        rows.push({
          name: source.name,
          line: source.line,
          threads,
          multiplyAdds: ready.multiplyAdds,
          ...traffic,
          cells: cells.filter((cell) => !isGauge(cell)),
        });
      });
    }
  } finally {
    drivers.close();
  }
  const names = setting.contenders.map(({ name }) => name);
  const peak = ({ name }: Row): Peak | undefined => peaks[name];
  const table = tableOf(`layers, ${threads} thread${threads === 1 ? "" : "s"}`, names, rows, { peak });
  const note =
    "GF/s counts two operations for each multiply-add, taps on padding included; % peak = share of the 256-bit FMA peak of one thread, % memory = what the least traffic takes at the reading and writing speeds of one thread, all measured beside each row. Routine: the steps of the algorithm alone, without conversions, by medians and by least times, of the loop's in the same process.";
  const notes = [note, peakNote(Object.values(peaks)), ...table.notes];
  return { threads, rows, peaks, table: { ...table, notes }, summary: goalTable(rows, peak) };
}

async function peak(setting: Setting): Promise<Result> {
  const empty: Case = { name: "peak", kind: "forward", net: { inputs: [], parameters: [], nodes: [], output: "" }, bound: 0 };
  const cells = await measureCase(gauges, { source: empty, path: join(setting.folder, "none"), multiplyAdds: 0 }, setting.sampling);
  const values = peakOf(cells);
  const line = (gauge: Gauge, what: string, unit: string): string[][] => {
    const cell = cells.find(({ contender }) => contender === gauge);
    const speed = (ms: number | undefined): string => (ms === undefined ? "-" : digits(callWork[gauge] / ms / 1e6));
    return [
      [what],
      [`${(cell?.disturbed ?? 0) > 0 ? "~" : ""}${speed(cell?.median)} ${unit}`],
      [`${speed(cell?.highest)}..${speed(cell?.lowest)}`],
    ];
  };
  const table: Table = {
    title: "peak of one thread, emitted wasm",
    header: ["", "median", "lowest..highest"],
    rows: [
      line("fma128", "fused multiply-add, 128 bits", "GFLOP/s"),
      line("fma256", "fused multiply-add, 256 bits (V8 revectorisation)", "GFLOP/s"),
      line("read", "reading 64 MiB", "GB/s"),
      line("write", "writing 64 MiB", "GB/s"),
    ],
    notes: [],
  };
  return { threads: 1, rows: [{ name: "peak", threads: 1, multiplyAdds: 0, cells }], peaks: { peak: values }, table };
}

async function start(setting: Setting): Promise<Result> {
  const rows: Row[] = [];
  const environment = { TOEPLITZ_BENCH_ROOT: await buildPackage() };
  const ours = (contender: Contender): Contender =>
    contender.name.startsWith("toeplitz") ? { ...contender, environment: { ...contender.environment, ...environment } } : contender;
  const contenders = [floor, ...setting.contenders.map(ours)];
  const { threads } = setting.sampling;
  for (const source of chosen(startCases(), setting)) {
    await prepared(source, setting, async (ready) => {
      rows.push({
        name: source.name,
        threads,
        multiplyAdds: ready.multiplyAdds,
        cells: await measureStart(contenders, ready, setting.sampling),
      });
    });
  }
  const table = tableOf(
    "process start to first result, 1 thread",
    contenders.map(({ name }) => name),
    rows,
    { relation: "beyond" },
  );
  return {
    threads,
    rows,
    table: { ...table, notes: ["node alone: the process, and reading the same weights. toeplitz: the built package.", ...table.notes] },
  };
}

/** Cores that others leave alone give the loop at least this share of the number of threads. */
const idleShare = 0.95;
const scalingNames = /^(LeNet|ResNet)/;

async function scaling(setting: Setting): Promise<Result> {
  const { threads, rounds, note } = setting.sampling;
  const script = fileURLToPath(new URL("drivers/scaling.ts", import.meta.url));
  const rows: Row[] = [];
  const lines: string[][][] = [];
  for (const source of chosen([...modelCases(), ...trainingCases()], setting).filter(({ name }) => scalingNames.test(name))) {
    note(`${source.name}: scaling`);
    await prepared(source, setting, async ({ path, multiplyAdds }) => {
      const answer = execFileSync(process.execPath, [script, path, String(threads), String(rounds)], { encoding: "utf8" });
      const { rounds: samples, limit, stages } = JSON.parse(answer) as Scaling;
      const middle = (of: (round: Round) => number): number => median(samples.map(of));
      const [net, loop] = [middle((round) => round.net[0] / round.net[1]), middle((round) => round.loop[0] / round.loop[1])];
      const share = middle((round) => (round.net[0] * round.loop[1]) / (round.net[1] * round.loop[0]));
      const times = [0, 1].map((column) => middle((round) => round.net[column]));
      lines.push(
        [
          `${loop < idleShare * threads ? "~" : ""}${source.name}, ${source.kind}`,
          ...times.map((ms) => `${digits(ms)} ms`),
          net.toFixed(2),
          loop.toFixed(2),
        ].map((text) => [text]),
      );
      lines[lines.length - 1].push([`${Math.round(100 * share)} %`], [`${limit.toFixed(2)} in ${stages} stages`]);
      const cells = times.map((ms, column) => ({ contender: `toeplitz, ${column === 0 ? 1 : threads} threads`, median: ms }));
      rows.push({ name: source.name, threads, multiplyAdds, cells });
    });
  }
  const table: Table = {
    title: `${threads} threads against one`,
    header: ["", "1 thread", `${threads} threads`, "scaling", "of the FMA loop", "share", "chunks allow"],
    rows: lines,
    notes: [
      "Medians over rounds in which net and multiply-add loop take turns on 1 thread and on several; share = scaling of the net over that of the loop; ~ = others had the cores: the loop itself scaled by less than 95 %.",
    ],
  };
  return { threads, rows, table };
}

const forward = ["toeplitz", "onnxruntime-node", "onnxruntime-web", "tfjs-wasm", "jax-js", "PyTorch"];

/** The groups by name. */
export const groups: Readonly<Record<string, Group>> = {
  layers: {
    threads: [1],
    rounds: 7,
    contenders: ["toeplitz", "toeplitz-direct", "onnxruntime-node", "onnxruntime-web", "PyTorch"],
    run: layers,
  },
  models: { threads: [1, 2], rounds: 11, contenders: forward, run: (setting) => compare("forward, batch 1", modelCases(), setting) },
  training: {
    threads: [1, 2],
    rounds: 11,
    contenders: ["toeplitz", "jax-js", "PyTorch"],
    run: (setting) => compare("training step (forward, cross-entropy, backward, SGD with momentum)", trainingCases(), setting),
  },
  peak: { threads: [1], rounds: 11, contenders: [], run: peak },
  start: { threads: [1], rounds: 7, contenders: forward, run: start },
  scaling: { threads: [2], rounds: 21, contenders: [], run: scaling },
};
