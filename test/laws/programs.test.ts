import assert from "node:assert/strict";
import { test } from "node:test";
import type { Session } from "../../src/graph/session.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import { referenceTarget } from "../../src/targets/reference/session.ts";
import { everyAlgorithm, families } from "../../src/targets/wasm/list.ts";
import { wasmTarget } from "../../src/targets/wasm/session.ts";
import { isWorthSharing } from "../../src/targets/wasm/worth.ts";
import { devices } from "./judge.ts";
import { start, type Trial, trials, wide } from "./nets.ts";
import { PlannedRun } from "./planned.ts";
import { allowances, batches, copyStates, differences, evaluate, type Seen, train } from "./runs.ts";
import { smoke } from "./suite.ts";

const algorithms = await everyAlgorithm();

const wasm = wasmTarget(nodeHost, families);

async function within<T>(open: Promise<Session>, use: (session: Session) => Promise<T>): Promise<T> {
  const session = await open;
  try {
    return await use(session);
  } finally {
    await session.close();
  }
}

const trainOn = (options: Parameters<typeof wasm.open>[0], trial: Trial, interleave = false): Promise<Seen> =>
  within(wasm.open(options), (session) => train(session, trial, { interleave }));

/** The same steps on the plan with every buffer apart. */
async function trainApart(trial: Trial, device: (typeof devices)[number], reversed: boolean): Promise<{ seen: Seen; damage: string[] }> {
  const [step, evaluation] = [trial.training, trial.evaluation].map(({ graph }) => new PlannedRun(graph, algorithms, device, { reversed }));
  const first = await within(wasm.open({ threads: 1, tier: device.tier }), async (session) => {
    for (const { graph } of [trial.training, trial.evaluation]) await session.compile(graph);
    await start(session, trial);
    return Promise.all(session.states().map(async (name) => ({ name, tensor: await session.read(name) })));
  });
  for (const { name, tensor } of first) step.write(name, tensor);
  const seen: [string, Float64Array][] = [];
  const damage: string[] = [];
  const note = (run: ReturnType<PlannedRun["run"]>, name: string): void => {
    damage.push(...run.damage);
    for (const [output, cells] of Object.entries(run.outputs)) seen.push([`${output} of ${name}`, cells]);
  };
  for (const [index, examples] of batches(trial).entries()) note(step.run(trial.feeds(index + 1), examples), `step ${index + 1}`);
  for (const [name, cells] of step.states) evaluation.states.set(name, cells);
  note(evaluation.run({ input: trial.feeds(9).input }, trial.batch - 1), "evaluation");
  for (const [name, cells] of step.states) seen.push([`state ${name}`, cells]);
  return { seen: Object.fromEntries(seen), damage };
}

for (const make of smoke ? trials.slice(0, 1) : trials) {
  const trial = make();
  const reference = (shake = 0): Promise<Seen> => within(referenceTarget.open(), (session) => train(session, trial, { shake }));
  test(`training ${trial.name} agrees with the oracle on every tier, fused and not, with a short batch`, async () => {
    const oracle = await reference();
    const allowed = allowances(oracle, [await reference(1), await reference(2), await reference(3)]);
    for (const { tier } of smoke ? devices.slice(1, 2) : devices)
      assert.deepEqual(differences(await trainOn({ tier, threads: 1 }, trial), oracle, allowed), [], `${trial.name} on ${tier}`);
    const bare = await trainOn({ tier: "relaxed", threads: 1, fusion: false }, trial);
    assert.deepEqual(differences(bare, oracle, allowed), [], `${trial.name} without fusion`);
  });

  test(`training ${trial.name} has the same bits with every buffer apart, and with steps and chunks in the opposite order`, async () => {
    const device = devices[trials.indexOf(make) % devices.length];
    const together = await trainOn({ tier: device.tier, threads: 1 }, trial);
    for (const reversed of [false, true]) {
      const { seen, damage } = await trainApart(trial, device, reversed);
      assert.deepEqual(damage, []);
      assert.deepEqual(differences(together, seen), [], `${trial.name} on ${device.tier}, ${reversed ? "reversed" : "in order"}`);
    }
  });
}

test("training has the same bits for 1, 2 and 4 threads, twice, and beside another program", async () => {
  const trial = wide();
  const { plan } = new PlannedRun(trial.training.graph, algorithms, devices[0]);
  assert.ok(isWorthSharing(plan), "too small a net: one thread would do all of it");
  const one = await trainOn({ threads: 1 }, trial);
  for (const threads of smoke ? [2] : [1, 2, 4])
    assert.deepEqual(differences(await trainOn({ threads }, trial, threads === 2), one), [], `${threads} threads`);
  const { seen, damage } = await trainApart(trial, devices[0], false);
  assert.deepEqual(damage, []);
  assert.deepEqual(differences(one, seen), [], "every buffer apart");
});

test("programs of a session share its states, and see what is written to them", async () => {
  const trial = trials[0]();
  await within(wasm.open({ threads: 1 }), async (session) => {
    const step = await session.compile(trial.training.graph);
    const evaluation = await session.compile(trial.evaluation.graph);
    await start(session, trial);
    for (const [index, examples] of batches(trial).entries()) {
      await evaluate(evaluation, trial, trial.batch);
      await step.run(trial.feeds(index + 1), examples);
      const shared = Float64Array.from((await evaluate(evaluation, trial, trial.batch)).output.data);
      await within(wasm.open({ threads: 1 }), async (other) => {
        const alone = await other.compile(trial.evaluation.graph);
        await copyStates(session, other);
        const expected = Float64Array.from((await evaluate(alone, trial, trial.batch)).output.data);
        assert.deepEqual(differences({ output: shared }, { output: expected }), [], `after step ${index + 1}`);
      });
    }
    const before = Float64Array.from((await evaluate(evaluation, trial, trial.batch)).output.data);
    const name = session.states().find((state) => state.endsWith("0-conv/kernel")) ?? "";
    const { data, ...kernel } = await session.read(name);
    await session.write(name, { ...kernel, data: Float32Array.from(data, (cell) => -cell) });
    const after = Float64Array.from((await evaluate(evaluation, trial, trial.batch)).output.data);
    assert.notDeepEqual(after, before, "a written kernel changes the evaluation");
  });
});
