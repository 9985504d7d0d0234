import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { costTable } from "../../src/plan/cost-table.ts";
import { type CostEntry, predictBy } from "../../src/plan/costs.ts";
import { fitTable, judge, type Sample } from "./fit.ts";
import type { MeasuredNode } from "./measure.ts";

const usage = `npm run costs -- [options]

Times every algorithm alone on the nodes of usual nets and on the problem lines of bench/problems, fits scale and fixed cost of each to what it
predicts, and prints both; the planner's choices depend on the table. On a quiet machine it takes some minutes.

--tier T[,T]   wide, relaxed, plain (all three)
--match RE     work whose name matches
--lines        print every line, not only the summary
--write        put the table into src/plan/cost-table.ts
`;

const tiers = ["wide", "relaxed", "plain"] as const;
type Tier = (typeof tiers)[number];
const page = fileURLToPath(new URL("../../src/plan/cost-table.ts", import.meta.url));

/** Measures a tier in a process of its own: an engine's flags cannot be taken back. */
async function measure(tier: Tier, match: string): Promise<MeasuredNode[]> {
  const child = spawn(process.execPath, [fileURLToPath(new URL("./measure.ts", import.meta.url)), tier, match], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const nodes: MeasuredNode[] = [];
  for await (const line of createInterface({ input: child.stdout })) nodes.push(JSON.parse(line));
  const code = child.exitCode ?? (await new Promise((resolve) => child.on("exit", resolve)));
  if (code !== 0) throw new Error(`costs: measuring tier ${tier} ended with ${code}`);
  return nodes;
}

const micro = (ns: number): string => (ns / 1000).toFixed(1).padStart(9);
const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

function printNode({ name, line, samples }: MeasuredNode, table: Record<string, CostEntry>): void {
  console.log(`${name}: ${line}`);
  const predicted = ({ id, estimate }: Sample): number => predictBy(table[id], estimate);
  const best = Math.min(...samples.map(({ measured }) => measured));
  for (const sample of [...samples].sort((a, b) => predicted(a) - predicted(b))) {
    const mark = sample.measured === best ? "*" : " ";
    console.log(
      `  ${mark} predicted ${micro(predicted(sample))} us, measured ${micro(sample.measured)} us  ${sample.id} ${sample.layouts}`,
    );
  }
}

/** One row for each algorithm: how far its predictions are from what was measured. */
function printErrors(nodes: readonly MeasuredNode[], table: Record<string, CostEntry>): void {
  for (const [id, [scale, fixed]] of Object.entries(table)) {
    const own = nodes.flatMap(({ samples }) => samples).filter((sample) => sample.id === id);
    const ratios = own.map((sample) => sample.measured / predictBy(table[id], sample.estimate)).sort((a, b) => a - b);
    const at = (share: number): string => ratios[Math.min(ratios.length - 1, Math.floor(share * ratios.length))].toFixed(2);
    console.log(
      `  ${id.padEnd(42)} scale ${String(scale).padStart(6)}, fixed ${String(fixed).padStart(5)} ns; measured / predicted ${at(0.1)} ${at(0.5)} ${at(0.9)} (${own.length})`,
    );
  }
}

function write(tables: Partial<Record<Tier, Record<string, CostEntry>>>): void {
  const rows = tiers.map((tier) => {
    const entries = Object.entries({ ...costTable[tier], ...tables[tier] }).sort(([a], [b]) => (a < b ? -1 : 1));
    return `  ${tier}: {\n${entries.map(([id, [scale, fixed]]) => `    "${id}": [${scale}, ${fixed}],\n`).join("")}  },\n`;
  });
  const head = `/** Written by \`npm run costs -- --write\`: [scale, fixed ns] of what an algorithm or a conversion predicts, by tier. */
// biome-ignore format: one row per line
export const costTable: Readonly<Record<"wide" | "relaxed" | "plain", Readonly<Record<string, readonly [scale: number, fixed: number]>>>> = {\n`;
  writeFileSync(page, `${head}${rows.join("")}};\n`);
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      tier: { type: "string", default: tiers.join(",") },
      match: { type: "string", default: "" },
      lines: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(usage);
    return;
  }
  const chosen = values.tier.split(",").map((name) => tiers.find((tier) => tier === name) ?? name);
  const wrong = chosen.find((name) => !tiers.includes(name as Tier));
  if (wrong !== undefined) throw new Error(`costs: tier: expected ${tiers.join(", ")}; received ${wrong}.`);
  const tables: Partial<Record<Tier, Record<string, CostEntry>>> = {};
  for (const tier of chosen as Tier[]) {
    const start = performance.now();
    const nodes = await measure(tier, values.match);
    const samples = nodes.map((node) => node.samples);
    const table = fitTable(samples);
    tables[tier] = table;
    if (values.lines) for (const node of nodes) printNode(node, table);
    console.log(
      `tier ${tier}: ${nodes.length} nodes and conversions, ${samples.flat().length} times in ${((performance.now() - start) / 1000).toFixed(0)} s`,
    );
    printErrors(nodes, table);
    for (const [name, other] of [
      ["formulas alone", {}],
      ["table of before", costTable[tier]],
      ["this table", table],
    ] as const) {
      const { nodes: open, right, loss, meanLoss } = judge(other, samples);
      console.log(
        `  ${name}: cheapest predicted is cheapest measured at ${right} of ${open} nodes (${percent(right / open)}); time of the chosen over the best ${loss.toFixed(3)} in sum, ${meanLoss.toFixed(3)} per node`,
      );
    }
  }
  if (values.write) write(tables);
}

await main().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 2;
});
