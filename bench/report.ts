import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem } from "node:os";
import { dirname } from "node:path";
import { calibrationLimit, foreignLimit } from "./disturbance.ts";
import { callWork } from "./drivers/gauges.ts";
import type { Cell, Routine } from "./measure.ts";
import { digits, type Table } from "./table.ts";

/** One row of results. */
export interface Row {
  readonly name: string;
  readonly line?: string;
  readonly threads: number;
  readonly multiplyAdds: number;
  /** Least traffic, for layers that are bound by memory. */
  readonly traffic?: Traffic;
  readonly cells: readonly Cell[];
}

/** What was measured of the machine in the same run: GFLOP/s and GB/s of one thread. */
export interface Peak {
  readonly fma128: number;
  readonly fma256: number;
  readonly read: number;
  readonly write: number;
}

/** Bytes that a problem reads and writes at least. */
export interface Traffic {
  readonly read: number;
  readonly written: number;
}

/** Share of a time that the traffic alone takes at the measured speeds. */
export const memoryShare = ({ read, written }: Traffic, peak: Peak, ms: number): number =>
  (read / peak.read + written / peak.write) / ms / 1e6;

export function machine(): Record<string, string | number> {
  const [cpu] = cpus();
  return {
    cpu: cpu?.model ?? "unknown",
    flags: processorFlags(),
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${release()} ${process.arch}`,
    node: process.version,
    v8: process.versions.v8,
  };
}

function processorFlags(): string {
  try {
    const flags = new Set(/^flags\s*:(.*)$/m.exec(readFileSync("/proc/cpuinfo", "utf8"))?.[1].split(" "));
    return ["avx2", "fma", "avx512f", "amx_tile"].filter((flag) => flags.has(flag)).join(" ");
  } catch {
    return "unknown";
  }
}

/** GFLOP/s of a time in ms. */
export const gflops = (multiplyAdds: number, ms: number): number => (2 * multiplyAdds) / ms / 1e6;

/** Share of the loop's speed that a routine reaches, by medians and by least times. */
export function routineShares({ multiplyAdds }: Row, { median, lowest, loop }: Routine): [middle: number, best: number] {
  const work = 2 * multiplyAdds;
  const loopWork = callWork[loop.gauge];
  return [(work / median) * (loop.median / loopWork), (work / lowest) * (loop.lowest / loopWork)];
}

const mark = ({ disturbed = 0 }: Cell): string => (disturbed > 0 ? "~" : "");

const cellWidth = 22;

/** Breaks a sentence into lines of a cell. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + word.length < cellWidth) lines[lines.length - 1] = `${last} ${word}`;
    else for (let at = 0; at < word.length; at += cellWidth) lines.push(word.slice(at, at + cellWidth));
  }
  return lines;
}

/** How a cell stands to the first contender's: as a ratio, or as ms beyond it. */
export type Relation = "ratio" | "beyond";

function related(cell: Cell, base: Cell | undefined, relation: Relation): string {
  if (cell.median === undefined || base?.median === undefined || base === cell) return "";
  return relation === "ratio" ? ` ${(cell.median / base.median).toFixed(2)}x` : ` +${digits(cell.median - base.median)}`;
}

/** Lines of a cell: median and relation to the first contender, then the spread. */
export function timeLines(cell: Cell, base: Cell | undefined, row: Row, relation: Relation, peak?: Peak): string[] {
  const { median, lowest, highest, refused, first } = cell;
  if (median === undefined || lowest === undefined || highest === undefined)
    return first === undefined ? wrap(refused ?? "no time") : [`${digits(first)} ms first call`, ...wrap(refused ?? "")];
  const ratio = related(cell, base, relation);
  const wrong = cell.agrees === false ? [`DIFFERS by ${cell.deviation?.toExponential(1)}`] : [];
  const spread = `${digits(lowest)}..${digits(highest)}`;
  if (peak === undefined) return [`${mark(cell)}${digits(median)} ms${ratio}`, spread, ...wrong];
  const speed = gflops(row.multiplyAdds, median);
  const share =
    row.traffic === undefined
      ? `${Math.round((100 * speed) / peak.fma256)} % peak`
      : `${Math.round(100 * memoryShare(row.traffic, peak, median))} % memory`;
  return [`${mark(cell)}${digits(median)} ms${ratio}`, `${digits(speed)} GF/s ${share}`, ...wrong];
}

/** Lines of a routine's cell: time and share of the peak by medians, then by least times, then what it is. */
function routineLines(row: Row, cell: Cell | undefined, peak: Peak | undefined): string[] {
  const { routine } = cell ?? {};
  if (routine === undefined) return [""];
  const shares =
    row.traffic === undefined || peak === undefined
      ? routineShares(row, routine)
      : [routine.median, routine.lowest].map((ms) => memoryShare(row.traffic as Traffic, peak, ms));
  const [middle, best] = shares.map((share) => Math.round(100 * share));
  const of = row.traffic === undefined ? "%" : "% memory";
  const names = routine.algorithm.replaceAll("wasm-grid-linear-", "");
  return [`${digits(routine.median)} ms ${middle} ${of}`, `${digits(routine.lowest)} ms ${best} ${of}`, names];
}

/** Geometric mean, over the rows that both have, of a contender's time over the base's. */
export function meanRatio(rows: readonly Row[], column: number, base: number): { ratio: number; count: number } | undefined {
  const logs = rows.flatMap(({ cells }) => {
    const [time, against] = [cells[column].median, cells[base].median];
    return time === undefined || against === undefined ? [] : [Math.log(time / against)];
  });
  if (logs.length === 0) return undefined;
  return { ratio: Math.exp(logs.reduce((sum, value) => sum + value, 0) / logs.length), count: logs.length };
}

/** Table of one group at one number of threads. */
export function tableOf(
  title: string,
  names: readonly string[],
  rows: readonly Row[],
  { peak, relation = "ratio" }: { peak?: (row: Row) => Peak | undefined; relation?: Relation } = {},
): Table {
  const versions = new Map<string, string>();
  for (const { cells } of rows) for (const cell of cells) if (cell.version !== undefined) versions.set(cell.contender, cell.version);
  const baseColumn = Math.max(
    0,
    names.findIndex((_, column) => rows.some(({ cells }) => cells[column].median !== undefined)),
  );
  const told = names.filter((name) => rows.some(({ cells }) => cells.some(({ contender, routine }) => contender === name && routine)));
  const body = rows.map((row) => {
    const base = row.cells[baseColumn];
    const alone = told.map((name) =>
      routineLines(
        row,
        row.cells.find(({ contender }) => contender === name),
        peak?.(row),
      ),
    );
    return [[row.name], ...row.cells.map((cell) => timeLines(cell, base, row, relation, peak?.(row))), ...alone];
  });
  if (rows.length > 1 && relation === "ratio")
    body.push([["geometric mean"], ...names.map((_, column) => meanLines(rows, column, baseColumn)), ...told.map(() => [""])]);
  const deviations = rows.flatMap(({ cells }) => cells.flatMap(({ deviation }) => (deviation === undefined ? [] : [deviation])));
  const notes = [
    `Median of samples taken in turn, lowest..highest; ${relation === "ratio" ? `x = time over ${names[baseColumn]}'s` : `+ = ms beyond ${names[baseColumn]}`}; ~ = samples that stayed disturbed (load of others above ${foreignLimit} core, or fixed work ${calibrationLimit} times slower than its best).`,
    ...(deviations.length === 0
      ? []
      : [`Largest difference of outputs or losses from the first contender's, relative: ${Math.max(...deviations).toExponential(1)}.`]),
    ...(versions.size === 0 ? [] : [`Versions: ${[...new Set(versions.values())].join(", ")}.`]),
  ];
  const header = ["", ...names, ...told.map((name) => `${name}: routine, % of peak`)];
  return { title, header, rows: body, notes };
}

function meanLines(rows: readonly Row[], column: number, base: number): string[] {
  const mean = column === base ? undefined : meanRatio(rows, column, base);
  return mean === undefined ? [""] : [`${mean.ratio.toFixed(2)}x`, `${mean.count} of ${rows.length} rows`];
}

const marker = (key: string, edge: "begin" | "end"): string => `<!-- bench ${key} ${edge} -->`;

/** Puts a section into the page of results; a section of the same key is replaced. */
export function writeSection(path: string, key: string, text: string): void {
  const page = existsSync(path)
    ? readFileSync(path, "utf8")
    : "# Performance\n\nEvery section is written by the command it names; times hold for the machine it names.\n\n";
  const section = `${marker(key, "begin")}\n${text.trimEnd()}\n${marker(key, "end")}\n`;
  const [begin, end] = [page.indexOf(marker(key, "begin")), page.indexOf(marker(key, "end"))];
  const known = begin >= 0 && end > begin;
  const whole = known
    ? page.slice(0, begin) + section.trimEnd() + page.slice(end + marker(key, "end").length)
    : `${page.trimEnd()}\n\n${section}`;
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, whole);
}
