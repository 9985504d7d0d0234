import { ModuleBuilder } from "../../src/emit/wasm/module.ts";
import { whileBelow } from "../../src/emit/wasm/vectors.ts";
import { maximalExamples } from "../../src/graph/graph.ts";
import { nodeHost } from "../../src/hosts/node-host.ts";
import { target } from "../../src/node.ts";
import { chunkCount } from "../../src/ops/contract.ts";
import { plan } from "../../src/plan/plan.ts";
import { Crew, type RoutineFunction } from "../../src/targets/wasm/crew.ts";
import { everyAlgorithm } from "../../src/targets/wasm/list.ts";
import type { WasmSession } from "../../src/targets/wasm/session.ts";
import { multiplyAdds } from "./gauges.ts";
import { type LoadedCase, readCase } from "./serve.ts";
import { load, trace } from "./toeplitz.ts";

const algorithms = await everyAlgorithm();

/*
 * How much faster more threads are: a net on one thread and on several, and beside it multiply-adds in registers, which nothing but the cores
 * can slow down, cut into chunks and shared by the same threads' code. Arguments: case, threads, rounds. Prints the samples as JSON.
 */

/** What the driver answers. */
export interface Scaling {
  readonly rounds: readonly Round[];
  /** What the chunks allow: time of all stages over the least that so many threads can take, by least times of the steps on one thread. */
  readonly limit: number;
  readonly stages: number;
}

/** Times of one round, ms a call; taken one after the other, so that what disturbs one is likely to disturb all. */
export interface Round {
  readonly net: readonly [one: number, several: number];
  readonly loop: readonly [one: number, several: number];
}

const chunks = 16;
const sampleMs = 20;
const limitMs = 1500;
const warmUps = 3;

async function openLoop(threads: number): Promise<{ one(): void; several(): void; close(): Promise<void> }> {
  const [maximum, controlAddress, scriptAddress, tableAddress] = [16, 64, 1024, 4096];
  const memory = new WebAssembly.Memory({ initial: 1, maximum, shared: true });
  const builder = new ModuleBuilder({ minimum: 1, maximum, shared: true });
  const index = builder.function(["i32", "i32", "i32", "i32"], [], (f) => {
    const [, begin, end] = f.parameters;
    whileBelow(f, begin, end, 1, () => multiplyAdds(f, 10));
  });
  builder.export("loop", index);
  nodeHost.enableWide();
  const module = await nodeHost.compile(builder.encode(), false);
  const loop = new WebAssembly.Instance(module, { env: { memory } }).exports.loop as unknown as RoutineFunction;
  const crew = new Crew(nodeHost.startWorker as NonNullable<typeof nodeHost.startWorker>, memory, controlAddress, threads);
  crew.teach(1, [{ module: { id: 1, module }, name: "loop" }]);
  await crew.settled();
  // one stage of one entry: see work.ts
  new Int32Array(memory.buffer).set([1, 0, 1, chunks, 0, 0, 0, tableAddress, chunks], scriptAddress / 4);
  return {
    one: () => loop(tableAddress, 0, chunks, 1),
    several: () => crew.run(scriptAddress / 4, 1, 1, [loop]),
    close: () => crew.close(),
  };
}

async function sample(call: () => unknown): Promise<number> {
  let calls = 0;
  let ms = 0;
  const started = performance.now();
  while (ms < sampleMs) {
    await call();
    calls++;
    ms = performance.now() - started;
  }
  return ms / calls;
}

/** Least time of every step on one thread, and from it what the chunks of the stages allow. */
async function limitOf(source: LoadedCase, threads: number): Promise<Pick<Scaling, "limit" | "stages">> {
  const { graph } = await trace(source);
  const session = (await target.open({ threads: 1 })) as WasmSession;
  const planned = plan(graph, algorithms, session.device);
  const program = await session.compile(graph);
  const least = program.timeSteps();
  for (const started = performance.now(); performance.now() - started < limitMs; )
    program.timeSteps().forEach((time, step) => {
      least[step] = Math.min(least[step], time);
    });
  let [one, several] = [0, 0];
  for (const stage of planned.schedule.stages) {
    const loads = new Float64Array(threads);
    for (const step of stage) {
      const count = chunkCount(planned.steps[step].chunks, maximalExamples(graph));
      for (let chunk = 0; chunk < count; chunk++) loads[loads.indexOf(Math.min(...loads))] += least[step] / count;
      one += least[step];
    }
    several += Math.max(...loads);
  }
  return { limit: one / several, stages: planned.schedule.stages.length };
}

async function main(path: string, threads: number, rounds: number): Promise<Scaling> {
  const source = readCase(path);
  const nets = [await load(source, 1), await load(source, threads)];
  const loop = await openLoop(threads);
  const take = async (): Promise<Round> => ({
    net: [await sample(nets[0].call), await sample(nets[1].call)],
    loop: [await sample(loop.one), await sample(loop.several)],
  });
  for (let round = 0; round < warmUps; round++) await take();
  const samples: Round[] = [];
  for (let round = 0; round < rounds; round++) samples.push(await take());
  return { rounds: samples, ...(await limitOf(source, threads)) };
}

if (process.argv[1] === import.meta.filename) {
  const [path, threads, rounds] = process.argv.slice(2);
  console.log(JSON.stringify(await main(path, Number(threads), Number(rounds))));
  process.exit(0);
}
