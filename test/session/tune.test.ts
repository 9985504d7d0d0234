import assert from "node:assert/strict";
import { test } from "node:test";
import { random } from "../../src/base/random.ts";
import { size } from "../../src/base/types.ts";
import type { Outputs } from "../../src/graph/session.ts";
import { resnet20 } from "../../src/nn/models/index.ts";
import { traceEvaluation } from "../../src/nn/step.ts";
import { open, target } from "../../src/node.ts";

const { graph, parameters, states } = traceEvaluation(resnet20(10), { batch: 2, inputs: { input: { shape: [3, 32, 32] } } });

/** The bits of a program's outputs on seeded weights. */
async function bitsOf(
  make: (session: Awaited<ReturnType<typeof open>>) => Promise<{ run(feeds: object): Promise<Outputs> }>,
): Promise<string> {
  const session = await open({ threads: 1 });
  try {
    const program = await make(session);
    const draw = random(4);
    for (const { name, type } of [...parameters, ...states]) {
      const data = Float32Array.from({ length: size(type.shape) }, () => (name.includes("variance") ? 1 : 0.1 * draw.normal()));
      if (session.states().includes(name)) await session.write(name, { dtype: "f32", shape: type.shape, data });
    }
    const outputs = await program.run({ input: Float32Array.from({ length: 2 * 3 * 32 * 32 }, () => draw.normal()) });
    return Object.values(outputs)
      .map(({ data }) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex"))
      .join(" ");
  } finally {
    await session.close();
  }
}

test("choices that are given back make the same plan and the same bits, tuned or not", async () => {
  const session = await open({ threads: 1 });
  const tuned = await session.compile(graph, { tune: true });
  const plain = await session.compile(graph);
  const record = JSON.parse(JSON.stringify(tuned.choices));
  assert.ok(record.nodes.length > 20 && record.nodes.some(({ algorithm }: { algorithm: string }) => /blocked|winograd/.test(algorithm)));
  assert.deepEqual((await session.compile(graph)).choices, plain.choices);
  await session.close();
  const bits = [0, 1].map(() =>
    bitsOf(async (own) => {
      const program = await own.compile(graph, { choices: record });
      assert.deepEqual(program.choices, record);
      return program;
    }),
  );
  assert.equal(await bits[0], await bits[1]);
});

test("a record of choices is taken as it is: an algorithm that would not be chosen runs", async () => {
  const session = await target.open({ threads: 1, fusion: false });
  const { choices } = await session.compile(graph);
  const at = choices.nodes.findIndex(({ node }) => node.startsWith("grid-linear"));
  const slow = { algorithm: "wasm-grid-linear-general", layouts: "plain, plain -> plain" };
  assert.notEqual(choices.nodes[at].algorithm, slow.algorithm);
  const program = await session.compile(graph, {
    choices: { ...choices, nodes: choices.nodes.with(at, { ...choices.nodes[at], ...slow }) },
  });
  assert.deepEqual(program.choices.nodes[at], { ...choices.nodes[at], ...slow });
  await session.close();
});

test("a record of another graph, tier or version is refused with what differs", async () => {
  const session = await open({ threads: 1 });
  const { choices } = await session.compile(graph);
  const refused = (changed: object): Promise<void> =>
    assert.rejects(session.compile(graph, { choices: { ...choices, ...changed } }), /session\(compile\)/);
  await refused({ tier: "other" });
  await refused({ nodes: choices.nodes.slice(1) });
  const [first, ...rest] = choices.nodes;
  await assert.rejects(
    session.compile(graph, { choices: { ...choices, nodes: [{ ...first, algorithm: "wasm-none" }, ...rest] } }),
    /choice of node 0: expected an algorithm and layouts of .*; received wasm-none/,
  );
  await assert.rejects(
    session.compile(graph, { choices: { ...choices, nodes: [{ ...first, node: "other" }, ...rest] } }),
    /received other/,
  );
  await session.close();
});
