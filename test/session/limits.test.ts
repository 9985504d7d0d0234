import assert from "node:assert/strict";
import { test } from "node:test";
import type { ToeplitzError } from "../../src/base/errors.ts";
import type { Graph } from "../../src/graph/graph.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import { conv, crossEntropy, dense, globalPool, relu, resnet18, sequential, sgd, traceEvaluation, traceTraining } from "../../src/index.ts";
import { families } from "../../src/targets/wasm/list.ts";
import { type WasmSession, wasmTarget } from "../../src/targets/wasm/session.ts";

const target = wasmTarget(nodeHost, families);
const open = (): Promise<WasmSession> => target.open({ threads: 1, fusion: true });

/** The error of a program that does not fit; the session holds no more than before. */
async function refusal(graph: Graph, prepare: (session: WasmSession) => void = () => {}): Promise<string> {
  const session = await open();
  try {
    prepare(session);
    const before = session.memory.bytes;
    const error: ToeplitzError = await session.compile(graph).then(
      () => assert.fail("it fits"),
      (reason) => reason,
    );
    assert.equal(session.memory.bytes, before, "nothing is allocated");
    assert.deepEqual(session.states(), []);
    return error.message;
  } finally {
    await session.close();
  }
}

const training = (batch: number, recompute: boolean): Graph =>
  traceTraining(resnet18(1000), {
    batch,
    inputs: { input: { shape: [3, 224, 224] } },
    targets: { label: { shape: [], dtype: "i32" } },
    loss: crossEntropy(),
    optimiser: sgd({ momentum: 0.9 }),
    recompute,
  }).graph;

test("a training step beyond 4 GiB: what it takes, the limit, and what to do, before anything is allocated", async () => {
  const message = await refusal(training(256, false));
  const expected = new RegExp(
    "^session\\(memory\\): memory of the session: expected at most 4096 MiB, all that its addresses reach; received [5-9]\\d{3} MiB: states 89.\\d MiB, " +
      "scratch [5-9]\\d{3} MiB, feeds and results \\d{3} MiB, tables [\\d.]+ MiB, in use before 0\\.0 MiB\\. " +
      "Use a smaller batch or smaller inputs\\. In training, recompute: true \\(--recompute\\) keeps less for the backward pass\\.$",
  );
  assert.match(message, expected);
});

test("what recomputing leaves of it is less", async () => {
  const bytes = (message: string): number => Number(/received (\d+) MiB/.exec(message)?.[1]);
  const [plain, again] = [await refusal(training(512, false)), await refusal(training(512, true))];
  assert.ok(bytes(again) < 0.8 * bytes(plain), `${plain}\n${again}`);
});

test("an evaluation beyond 4 GiB is not told of the backward pass", async () => {
  const net = sequential(conv(64, { kernel: 3 }), relu(), globalPool("average"), dense(2));
  const { graph } = traceEvaluation(net, { batch: 40_000, inputs: { input: { shape: [3, 64, 64] } } });
  assert.match(await refusal(graph), /received \d{5} MiB: .*scratch .* Use a smaller batch or smaller inputs\.$/);
});

test("a machine that gives no more memory gives the same error", async () => {
  const net = sequential(conv(8, { kernel: 3 }), globalPool("average"), dense(2));
  const { graph } = traceEvaluation(net, { batch: 8, inputs: { input: { shape: [3, 64, 64] } } });
  const message = await refusal(graph, ({ memory }) => {
    memory.memory.grow = () => {
      throw new RangeError("failed to grow memory");
    };
  });
  assert.match(
    message,
    /^session\(memory\): memory of the session: expected no more than the machine gives; received [\d.]+ MiB: states 0\.0 MiB, .*scratch [\d.]+ MiB, .* Use a smaller batch/,
  );
});

test("a second program says what the first has taken", async () => {
  const net = sequential(conv(64, { kernel: 3 }), relu(), globalPool("average"), dense(2));
  const graphOf = (batch: number): Graph => traceEvaluation(net, { batch, inputs: { input: { shape: [3, 64, 64] } } }).graph;
  const session = await open();
  try {
    await session.compile(graphOf(8));
    const before = session.memory.bytes;
    await assert.rejects(session.compile(graphOf(40_000)), /scratch \d{5} MiB, .*in use before 0\.[3-9] MiB\. Use/);
    assert.equal(session.memory.bytes, before);
    await session.compile(graphOf(2));
  } finally {
    await session.close();
  }
});
