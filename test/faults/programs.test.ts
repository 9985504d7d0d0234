import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeHost } from "../../src/hosts/node-host.ts";
import type { Plan } from "../../src/plan/plan.ts";
import { everyAlgorithm, families } from "../../src/targets/wasm/list.ts";
import { wasmTarget } from "../../src/targets/wasm/session.ts";
import { devices } from "../laws/judge.ts";
import { start, trials } from "../laws/nets.ts";
import { type PlannedOptions, PlannedRun } from "../laws/planned.ts";
import { differences, type Seen } from "../laws/runs.ts";

const algorithms = await everyAlgorithm();

const trial = trials[0]();
const [, relaxed] = devices;

const session = await wasmTarget(nodeHost, families).open({ threads: 1, tier: relaxed.tier });
await session.compile(trial.training.graph);
await start(session, trial);
const states = await Promise.all(session.states().map(async (name) => ({ name, tensor: await session.read(name) })));
await session.close();

function step(options: PlannedOptions): { seen: Seen; damage: readonly string[] } {
  const run = new PlannedRun(trial.training.graph, algorithms, relaxed, options);
  for (const { name, tensor } of states) run.write(name, tensor);
  const { outputs, damage } = run.run(trial.feeds(1));
  return { seen: { ...outputs, ...Object.fromEntries([...run.states].map(([name, cells]) => [`state ${name}`, cells])) }, damage };
}

/** Two scratch buffers that are in use at the same time, the larger for the smaller. */
function overlapping({ buffers, schedule, steps }: Plan): Map<number, number> {
  const written = buffers.filter(({ id, use }) => use.kind === "transient" && steps.some((own) => own.operands[0].buffer === id));
  for (const { id, words } of written) {
    const other = written.find(
      (own) =>
        own.id !== id &&
        own.words >= words &&
        schedule.lives[own.id].first < schedule.lives[id].first &&
        schedule.lives[own.id].last > schedule.lives[id].last,
    );
    if (other !== undefined) return new Map([[id, other.id]]);
  }
  return new Map();
}

const faults: readonly (readonly [name: string, options: PlannedOptions])[] = [
  ["a stale halo: no halo is filled", { drop: ({ label }) => label.startsWith("halo") }],
  ["a value is not converted", { drop: ({ label }) => label.startsWith("convert") }],
  [
    "a state keeps its old value",
    {
      drop: ({ operands }, { buffers }) => operands.some(({ buffer, access }) => access !== "read" && buffers[buffer].use.kind === "state"),
    },
  ],
  ["no barrier between the stages", { merged: true, reversed: true }],
  ["two values in one place", { share: overlapping }],
];

const sound = step({});

test("a planned step gives the same bits again", () => {
  assert.deepEqual(sound.damage, []);
  assert.deepEqual(differences(step({ reversed: true }).seen, sound.seen), []);
});

for (const [name, options] of faults) {
  test(`the laws see it: ${name}`, () => {
    const { seen, damage } = step(options);
    assert.ok(differences(seen, sound.seen).length + damage.length > 0, "nothing differs");
  });
}
