import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { nodeHost } from "../../src/hosts/node-host.ts";
import type { Packed } from "./routines.ts";

/** Routines in which not every function packs, by their key, and why that is meant. */
const unpacked: readonly (readonly [key: RegExp, why: string])[] = [
  [/^(convert|halo) /, "moves lanes: shuffles and single stores"],
  [/^grid-linear pack kernel/, "gathers the words of a kernel; run when a kernel is written"],
  [/^grid-linear padded groups widen kernel/, "gathers the words of a kernel; run when a kernel is written"],
  [/^grid-linear kernel sum of slots/, "adds slots as they come from memory"],
  [/^grid-linear free slots/, "writes integers"],
  [
    /^grid-linear fft (kernel|values|slopes|results)/,
    "parts even and odd cells, and clears what tiles lack, in functions beside the butterflies",
  ],
  [/^grid-linear local fold/, "adds single cells"],
  [/^grid-linear local /, "the ends of runs are done lane by lane, in functions of their own"],
  [/^grid-linear dense (dot|copy)/, "adds the lanes of a finished sum, in a function of its own"],
  [/^wasm-grid-linear-general/, "walks over a list of pairs"],
  [/^wasm-window-plain/, "walks over a list of cells"],
  [/^wasm-window-blocked \| window (select|scatter)/, "compares positions, which are integers, beside values"],
  [
    /^wasm-(pointwise|formulas)-vectors \| (pointwise|formulas)( n1)? \| ((n|nx1|nx10|\.|6x1x1)[, ]+)+\|/,
    "has fewer cells in a run than a pair of vectors",
  ],
  [/^wasm-(reduce|sums)-slots .*\| plain \|/, "adds the lanes of a row of a plain layout"],
];

const flags = [
  "--experimental-wasm-revectorize",
  "--trace-wasm-revectorize",
  "--no-liftoff",
  "--no-wasm-lazy-compilation",
  "--single-threaded",
];

/** Functions that the engine looked at (they have stores in pairs) and whether it packed them. */
async function readTrace(lines: AsyncIterable<string>): Promise<Map<number, boolean>> {
  const packs = new Map<number, boolean>();
  let current = -1;
  for await (const line of lines) {
    const begin = /^Begin revec function wasm-function#(\d+)/.exec(line);
    if (begin !== null) {
      current = Number(begin[1]);
      packs.set(current, packs.get(current) ?? false);
    }
    const decision = /DecideVectorize \d+: Save: (\d+), cost: (\d+)/.exec(line);
    if (decision !== null && Number(decision[1]) > Number(decision[2])) packs.set(current, true);
  }
  return packs;
}

test("every routine of the wide tier packs into 256-bit code, with all that nets fuse into it", {
  skip: !nodeHost.enableWide() && "no 256-bit code here",
}, async () => {
  const folder = mkdtempSync(join(tmpdir(), "packing-"));
  try {
    const list = join(folder, "routines.json");
    const child = spawn(process.execPath, [...flags, fileURLToPath(new URL("./routines.ts", import.meta.url)), list], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
    const packs = await readTrace(createInterface({ input: child.stdout }));
    assert.equal(await ended, 0);
    const routines = JSON.parse(readFileSync(list, "utf8")) as Packed[];
    assert.ok(
      routines.length > 300 && packs.size > routines.length / 2,
      `${routines.length} routines, ${packs.size} functions in the trace`,
    );
    const isPacked = ({ functions }: Packed): boolean => {
      const seen = functions.map((index) => packs.get(index)).filter((one) => one !== undefined);
      return seen.length > 0 && seen.every(Boolean);
    };
    const failing = routines.filter((routine) => !isPacked(routine));
    const unknown = failing.filter(({ key }) => !unpacked.some(([pattern]) => pattern.test(key)));
    assert.deepEqual(
      unknown.map(({ key }) => key),
      [],
    );
    // a reason that no routine needs any more goes
    const idle = unpacked.filter(([pattern]) => !failing.some(({ key }) => pattern.test(key)));
    assert.deepEqual(
      idle.map(([pattern]) => pattern.source),
      [],
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
