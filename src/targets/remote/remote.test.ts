import assert from "node:assert/strict";
import { after, test } from "node:test";
import { ToeplitzError } from "../../base/errors.ts";
import { tensorType } from "../../base/types.ts";
import type { Graph } from "../../graph/graph.ts";
import type { Outputs, Session, SessionOptions, Target } from "../../graph/session.ts";
import { GraphTracer, tensor } from "../../graph/trace.ts";
import { nodeHost } from "../../hosts/node-host.ts";
import { add, convolve, multiply } from "../../ops.ts";
import { referenceTarget } from "../reference/session.ts";
import { families } from "../wasm/list.ts";
import { wasmTarget } from "../wasm/session.ts";
import type { Port, RemoteWorker } from "./calls.ts";
import { serve } from "./serve.ts";
import { openRemote } from "./session.ts";

const lines: MessagePort[] = [];
after(() => lines.forEach((port) => port.close()));

/** A line whose far end is in this thread; what crosses it is cloned and moved as between threads. */
function connect(target: Target): { worker: RemoteWorker; breakDown: (error: Error) => void; ended: () => boolean } {
  const { port1, port2 } = new MessageChannel();
  const portOf = (port: typeof port1): Port => ({
    post: (message, transfer) => port.postMessage(message, [...transfer]),
    onMessage: (listener) => {
      port.onmessage = ({ data }) => listener(data);
    },
  });
  lines.push(port1);
  let ended = false;
  let breakDown: (error: Error) => void = () => {};
  serve(portOf(port2), target);
  const worker: RemoteWorker = {
    ...portOf(port1),
    onError: (listener) => {
      breakDown = listener;
    },
    terminate: () => {
      ended = true;
      port1.close();
    },
  };
  return { worker, breakDown: (error) => breakDown(error), ended: () => ended };
}

async function openOver(target: Target, options?: SessionOptions): Promise<Session> {
  const session = await openRemote(connect(target).worker, options);
  assert.ok(!(session instanceof Error));
  return session;
}

/** Z = K * V by channels; the kernel grows by `rate` of itself in each run. */
function example(): Graph {
  const tracer = new GraphTracer();
  const input = tracer.input("input", tensorType([4, 2, 9], true));
  const kernel = tracer.state("kernel", tensorType([3, 2, 3]));
  const rate = tracer.input("rate", tensorType([]));
  tracer.output("output", convolve({ kernel: [3], padding: "same" }, kernel, input));
  tracer.output("counts", tracer.input("counts", tensorType([4], true, "i32")));
  tracer.update(kernel, add(kernel, multiply(kernel, rate)));
  return tracer.finish();
}

const cells = Float32Array.from({ length: 100 }, (_, i) => ((i * 37) % 11) - 5);
const kernel = tensor(
  [3, 2, 3],
  Array.from({ length: 18 }, (_, i) => ((i * 5) % 7) - 3),
);

/** Outputs with cells of their own: a clone of shared cells would share them still. */
const copyOf = (outputs: Outputs): Outputs =>
  Object.fromEntries(Object.entries(outputs).map(([name, one]) => [name, { ...one, data: one.data.slice() }]));

async function results(session: Session): Promise<unknown> {
  const program = await session.compile(example());
  await session.write("kernel", kernel);
  // a view of something larger, and a whole buffer
  const feeds = { input: cells.subarray(10, 82), counts: Int32Array.of(4, 5, 6, 7), rate: 0.5, other: cells };
  const whole = await program.run(feeds);
  const kept = copyOf(whole);
  const short = copyOf(await program.run({ ...feeds, input: cells.subarray(0, 54) }, 3));
  assert.equal(cells.length, 100, "a feed was moved away");
  return { kept, short, kernel: await session.read("kernel"), states: session.states(), description: session.description };
}

for (const [name, target, options] of [
  ["the reference target", referenceTarget, {}],
  ["the wasm target", wasmTarget(nodeHost, families), { threads: 2 }],
] as const) {
  test(`a remote session of ${name} gives the same bits as one at hand`, async () => {
    const [near, far] = [await target.open(options), await openOver(target, options)];
    assert.deepEqual(await results(far), await results(near));
    await Promise.all([near.close(), far.close()]);
  });
}

test("outputs of a remote run stay as they are when the program runs again", async () => {
  const session = await openOver(wasmTarget(nodeHost, families), { threads: 1 });
  const program = await session.compile(example());
  await session.write("kernel", kernel);
  const feeds = { input: cells.subarray(0, 72), counts: Int32Array.of(1, 2, 3, 4), rate: 0 };
  const first = await program.run(feeds);
  const copy = copyOf(first);
  await program.run({ ...feeds, input: new Float32Array(72), counts: new Int32Array(4) });
  assert.deepEqual(first, copy);
  await session.close();
});

test("what a program says of itself crosses the line, with times when it is profiled", async () => {
  const target = wasmTarget(nodeHost, families);
  const near = await target.open({ threads: 1 });
  const nearProgram = await near.compile(example());
  const far = await openOver(target, { threads: 1, profile: true });
  const program = await far.compile(example());
  assert.equal(program.plannedBytes, nearProgram.plannedBytes);
  assert.equal(program.explain(), nearProgram.explain());
  await program.run({ input: cells.subarray(0, 72), counts: new Int32Array(4), rate: 0 });
  assert.notEqual(program.explain(), nearProgram.explain());
  await Promise.all([near.close(), far.close()]);
});

/** The error of a promise that must fail. */
const failure = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => assert.fail("no error"),
    (error: unknown) => error,
  );

test("errors keep class, message and fields", async () => {
  const [near, far] = [await referenceTarget.open(), await openOver(referenceTarget)];
  const [nearProgram, program] = [await near.compile(example()), await far.compile(example())];
  const calls: readonly ((session: Session, run: typeof program.run) => Promise<unknown>)[] = [
    (_, run) => run({ input: cells, counts: new Int32Array(4), raet: 1, more: cells }),
    (_, run) => run({ input: cells.subarray(0, 5), counts: new Int32Array(4), rate: 1 }),
    (session) => session.read("nothing"),
    (session) => session.write("kernel", tensor([2], [1, 2])),
  ];
  for (const call of calls) {
    const expected = (await failure(call(near, (...given) => nearProgram.run(...given)))) as ToeplitzError;
    const found = (await failure(call(far, (...given) => program.run(...given)))) as ToeplitzError;
    assert.ok(found instanceof ToeplitzError && expected instanceof ToeplitzError);
    assert.deepEqual(
      { message: found.message, name: found.name, room: found.room, where: found.where, problems: found.problems },
      { message: expected.message, name: expected.name, room: expected.room, where: expected.where, problems: expected.problems },
    );
  }
  await far.close();
  for (const [error, kind] of [
    [new RangeError("too far"), RangeError],
    [Object.assign(new Error("own"), { name: "OwnError" }), Error],
  ] as const) {
    const open = (): Promise<never> => Promise.reject(error);
    const { worker, ended } = connect({ open });
    const found = (await failure(openRemote(worker))) as Error;
    assert.ok(found instanceof kind && ended());
    assert.deepEqual([found.name, found.message, found.stack], [error.name, error.message, error.stack]);
  }
});

test("closing ends the worker and all calls after it", async () => {
  const { worker, ended } = connect(referenceTarget);
  const session = await openRemote(worker);
  assert.ok(!(session instanceof Error));
  const program = await session.compile(example());
  const feeds = { input: cells.subarray(0, 72), counts: new Int32Array(4), rate: 0 };
  const running = program.run(feeds);
  program.close();
  program.close();
  assert.match(String(await failure(program.run(feeds))), /program\(run\): program: expected open; received closed/);
  await session.close();
  assert.equal((await running).output.shape[0], 4, "a run that had begun is finished");
  assert.ok(ended());
  await session.close();
  assert.match(String(await failure(session.read("kernel"))), /session: session: expected open; received closed/);
  assert.match(String(await failure(session.compile(example()))), /session: session: expected open; received closed/);
});

test("a worker that cannot start gives no session; one that breaks down fails its calls", async () => {
  const never: RemoteWorker = {
    post: () => {},
    onMessage: () => {},
    onError: (listener) => setTimeout(() => listener(new Error("404"))),
    terminate: () => {},
  };
  assert.match(String(await openRemote(never)), /404/);
  const { worker, breakDown } = connect({ open: async () => ({ ...(await referenceTarget.open()), read: () => new Promise(() => {}) }) });
  const session = await openRemote(worker);
  assert.ok(!(session instanceof Error));
  const reading = failure(session.read("kernel"));
  breakDown(new Error("out of memory"));
  assert.match(String(await reading), /out of memory/);
  assert.match(String(await failure(session.read("kernel"))), /out of memory/);
  await failure(session.close());
});
