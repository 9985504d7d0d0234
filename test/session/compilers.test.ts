import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { nodeHost } from "../../src/hosts/node-host.ts";
import { conv, dense, flatten, initialise, maxPool, relu, sequential, sgd, traceTraining } from "../../src/index.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { families } from "../../src/targets/wasm/list.ts";
import { wasmTarget } from "../../src/targets/wasm/session.ts";

const net = sequential(conv(8, { kernel: 3, padding: "same" }), relu(), maxPool(2), conv(20, { kernel: 3 }), relu(), flatten(), dense(10));
const step = traceTraining(net, {
  batch: 5,
  inputs: { image: { shape: [3, 14, 14] } },
  targets: { labels: { shape: [], dtype: "i32" } },
  loss: crossEntropy(),
  optimiser: sgd({ momentum: 0.9 }),
});
const image = Float32Array.from({ length: 5 * 3 * 14 * 14 }, (_, i) => Math.sin(i * 1.7) * 3);
const labels = Int32Array.of(3, 1, 4, 1, 5);

setFlagsFromString("--allow-natives-syntax");
const isBaseline = new Function("f", "return %IsLiftoffFunction(f)") as (f: unknown) => boolean;

type Compile = typeof nodeHost.compile;

/** A target with this compiler, and the modules that it makes. */
function targetWith(compile: Compile): { target: ReturnType<typeof wasmTarget>; modules: WebAssembly.Module[] } {
  const modules: WebAssembly.Module[] = [];
  const host = {
    ...nodeHost,
    compile: async (...words: Parameters<Compile>) => {
      const module = await compile(...words);
      modules.push(module);
      return module;
    },
  };
  return { target: wasmTarget(host, families), modules };
}

/** The same module with an empty section: an engine hands out what it has made of equal bytes before. */
function salted(bytes: Uint8Array, salt: number): Uint8Array<ArrayBuffer> {
  const longer = new Uint8Array(bytes.length + 4);
  longer.set(bytes);
  longer.set([0, 2, 1, salt], bytes.length);
  return longer;
}

async function lossBits(target: ReturnType<typeof wasmTarget>, tier: "wide" | "relaxed" | "plain"): Promise<number[]> {
  const session = await target.open({ threads: 1, tier });
  const program = await session.compile(step.graph);
  await initialise(session, [step], 1);
  const bits: number[] = [];
  for (let count = 1; count <= 4; count++) {
    const { loss } = await program.run({ image, labels, learningRate: 0.1, step: count });
    bits.push(new Int32Array(Float32Array.of(loss.data[0]).buffer)[0]);
  }
  await session.close();
  return bits;
}

function baselineExports(module: WebAssembly.Module): number {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
  return Object.values(new WebAssembly.Instance(module, { env: { memory } }).exports).filter(isBaseline).length;
}

for (const tier of ["wide", "relaxed", "plain"] as const) {
  test(`the engine's quick compiler and its optimising one give the same bits: ${tier}`, async () => {
    const full = targetWith((bytes) => nodeHost.compile(salted(bytes, 1), false));
    const quick = targetWith(async (bytes) => new WebAssembly.Module(salted(bytes, 2)));
    const [expected, found] = [await lossBits(full.target, tier), await lossBits(quick.target, tier)];
    assert.deepEqual(found, expected);
    assert.equal(baselineExports(full.modules[0]), 0);
    assert.ok(baselineExports(quick.modules[0]) > 5, "the quick compiler made no code: nothing was compared");
  });
}

test("what a small net runs first is compiled again behind its back", async () => {
  const { target, modules } = targetWith(nodeHost.compile);
  const session = await target.open({ threads: 1 });
  const program = await session.compile(step.graph);
  await initialise(session, [step], 1);
  const isOptimised = async (): Promise<boolean> => {
    await program.run({ image, labels, learningRate: 0.1, step: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    return baselineExports(modules[0]) === 0;
  };
  let rounds = 0;
  while (!(await isOptimised()) && rounds < 500) rounds++;
  assert.ok(rounds < 500, "still the quick compiler's code after 10 s");
  await session.close();
});

test("nothing is compiled twice in a process, by whatever session", async () => {
  const { target, modules } = targetWith(nodeHost.compile);
  const first = await lossBits(target, "relaxed");
  assert.equal(modules.length, 1);
  assert.deepEqual(await lossBits(target, "relaxed"), first);
  assert.equal(modules.length, 1);
});
