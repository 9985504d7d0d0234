import { mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { type Contender, nodeContenders, pytorch } from "./contender.ts";
import { Watch } from "./disturbance.ts";
import type { Group, Result } from "./groups.ts";
import { findPytorch, installPeers, pytorchCommand } from "./install.ts";
import { machine, writeSection } from "./report.ts";
import { markdownTable, printTable, type Table } from "./table.ts";

const usage = `npm run bench -- GROUP [options]

GROUP     layers    forward of single layers, from bench/problems/*.txt
          models    forward of whole nets, batch 1
          training  one training step
          peak      what one thread of this machine can do
          start     time from process start to the first result
          scaling   several threads against one, beside a loop that only cores can slow down
          all       every group

--threads N[,N]      numbers of threads (models and training: 1,2; scaling: 2; others: 1)
--match RE           cases whose name or problem line matches
--contenders A[,B]   toeplitz, toeplitz-direct (plain sums alone: no Winograd, no
                     transforms), toeplitz-128 (the 128-bit tier), onnxruntime-node,
                     onnxruntime-web, tfjs-wasm, jax-js, PyTorch
--rounds N           samples of each contender (7 or 11)
--sample MS          length of a sample (60)
--limit S            longest wait for a contender's first outputs (60)
--json               one JSON object on standard output
--write              put the tables into docs/performance.md
`;

const options = {
  threads: { type: "string" },
  match: { type: "string", default: "" },
  contenders: { type: "string" },
  rounds: { type: "string" },
  sample: { type: "string", default: "60" },
  limit: { type: "string", default: "60" },
  json: { type: "boolean", default: false },
  write: { type: "boolean", default: false },
  help: { type: "boolean", default: false },
} as const;

const page = fileURLToPath(new URL("../docs/performance.md", import.meta.url));

const say = (text: string): void => {
  process.stderr.write(`${text}\n`);
};

/** Progress on one line of a terminal; nothing elsewhere. */
const note = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`);
};

class UsageError extends Error {}

function number(text: string, what: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new UsageError(`bench: ${what}: expected a number > 0; received ${text}.`);
  return value;
}

/** The contenders that are here; says which are not, and what to do about it. */
function contendersHere(wanted: readonly string[]): Contender[] {
  const here = nodeContenders.filter(({ name }) => wanted.includes(name));
  if (!wanted.includes("PyTorch")) return here;
  const python = findPytorch();
  if (python !== undefined) return [...here, pytorch(python)];
  say(`bench: PyTorch is left out: no python3 here can \`import torch\`. On Debian or Ubuntu, as root:\n  ${pytorchCommand}`);
  return here;
}

function warnOfSlowBlas(results: readonly Result[]): void {
  const slow = results.some(({ rows }) => rows.some(({ cells }) => cells.some(({ version }) => version?.includes("reference BLAS"))));
  if (slow)
    say(
      `bench: PyTorch runs on the reference BLAS, which is slow and no fair comparison. On Debian or Ubuntu, as root:\n  ${pytorchCommand}`,
    );
}

const tablesOf = ({ table, summary }: Result): Table[] => [table, ...(summary === undefined ? [] : [summary])];

async function runGroup(
  name: string,
  group: Group,
  values: Record<string, string | boolean | undefined>,
  folder: string,
): Promise<Result[]> {
  const asked = values.contenders === undefined ? group.contenders : String(values.contenders).split(",");
  const unknown = asked.filter((contender) => !["PyTorch", ...nodeContenders.map((known) => known.name)].includes(contender));
  if (unknown.length > 0) throw new UsageError(`bench: contenders: expected names of the list in --help; received ${unknown.join(", ")}.`);
  const contenders = contendersHere(group.contenders.length === 0 ? [] : asked);
  const counts =
    values.threads === undefined
      ? group.threads.filter((count) => count <= availableParallelism())
      : String(values.threads)
          .split(",")
          .map((text) => number(text, "threads"));
  const results: Result[] = [];
  for (const threads of counts) {
    const sampling = {
      threads,
      rounds: values.rounds === undefined ? group.rounds : number(String(values.rounds), "rounds"),
      sampleMs: number(String(values.sample), "sample"),
      limitMs: 1000 * number(String(values.limit), "limit"),
      watch: new Watch(),
      note,
    };
    const result = await group.run({ sampling, contenders, match: new RegExp(String(values.match)), folder });
    note("");
    if (result.rows.length === 0) throw new UsageError(`bench: match: expected to match a case of ${name}; received ${values.match}.`);
    if (values.json !== true) for (const table of tablesOf(result)) console.log(`${printTable(table)}\n`);
    results.push(result);
  }
  return results;
}

const differs = (results: readonly Result[]): boolean =>
  results.some(({ rows }) => rows.some(({ cells }) => cells.some(({ agrees }) => agrees === false)));

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  installPeers(say);
  const { groups } = await import("./groups.ts");
  const names = positionals[0] === "all" ? Object.keys(groups) : positionals;
  if (values.help || names.length === 0 || names.some((name) => !(name in groups))) {
    console.log(usage);
    return values.help ? 0 : 2;
  }
  const folder = mkdtempSync(join(tmpdir(), "toeplitz-bench-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  process.on("SIGINT", () => process.exit(130));
  const here = machine();
  const command = `npm run bench -- ${process.argv
    .slice(2)
    .filter((word) => word !== "--write")
    .join(" ")}`;
  const about = `${here.cpu} (${here.flags}), ${here.cores} cores, ${here.memoryGiB} GiB; ${here.system}; Node ${here.node}, V8 ${here.v8}`;
  const all: Record<string, readonly Result[]> = {};
  for (const name of names) {
    if (!values.json) console.log(`${about}\n`);
    const results = await runGroup(name, groups[name], values, folder);
    all[name] = results;
    if (values.write)
      for (const result of results)
        writeSection(
          page,
          `${name} ${result.threads}`,
          `${tablesOf(result).map(markdownTable).join("\n")}\n\`${command}\` on ${about}, ${new Date().toISOString().slice(0, 10)}.`,
        );
  }
  warnOfSlowBlas(Object.values(all).flat());
  if (values.json) console.log(JSON.stringify({ command, date: new Date().toISOString(), machine: here, groups: all }));
  return differs(Object.values(all).flat()) ? 1 : 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  const asked = error instanceof UsageError || (error instanceof TypeError && "code" in error);
  say(asked ? (error as Error).message : String((error as Error).stack ?? error));
  process.exitCode = 2;
}
