import { setFlagsFromString } from "node:v8";
import type { FunctionBuilder, Local } from "../../src/emit/wasm/function.ts";
import { ModuleBuilder } from "../../src/emit/wasm/module.ts";

/*
 * Loops that tell what one thread of this machine can do: fused multiply-adds in registers, 128 or 256 bits wide, and reading or writing memory that
 * no cache holds.
 */

export type Gauge = "fma128" | "fma256" | "read" | "write";

const steps = 200_000;
const unroll = 4;
/** Registers: 10 accumulators of either width beside two operands; fewer do not hide the latency of 4 cycles at two a cycle. */
const accumulators = { fma128: 5, fma256: 10 } as const;
const memoryBytes = 64 * 2 ** 20;
const pairsATurn = 8;
const pageBytes = 65536;
const pairBytes = 32;

/** Work of one call. */
export const callWork: Readonly<Record<Gauge, number>> = {
  fma128: steps * unroll * accumulators.fma128 * 8 * 2,
  fma256: steps * unroll * accumulators.fma256 * 8 * 2,
  read: memoryBytes,
  write: memoryBytes,
};

type Pair = readonly [Local, Local];

const pair = (f: FunctionBuilder): Pair => [f.local("v128"), f.local("v128")];

/** The two halves lie side by side: V8 makes one 256-bit operation of each pair when told to. */
function loadPair(f: FunctionBuilder, base: Local, index: number, target: Pair): void {
  for (const [half, local] of target.entries())
    f.get(base)
      .memory("v128.load", index * pairBytes + 16 * half)
      .set(local);
}

function storePair(f: FunctionBuilder, base: Local, index: number, source: Pair): void {
  for (const [half, local] of source.entries())
    f.get(base)
      .get(local)
      .memory("v128.store", index * pairBytes + 16 * half);
}

/** counter = end; do { body } while (--counter). */
function countDown(f: FunctionBuilder, times: number, body: () => void): void {
  const counter = f.local("i32");
  f.i32(times).set(counter);
  f.loop((again) => {
    body();
    f.get(counter).i32(1).op("i32.sub").tee(counter).branchIf(again);
  });
}

/** `count` sums in registers, over and over; reads and writes them at the address that is the first parameter. */
export function multiplyAdds(f: FunctionBuilder, count: number): void {
  const [base] = f.parameters;
  const sums = Array.from({ length: count }, () => pair(f));
  const [a, b] = [pair(f), pair(f)];
  for (const [index, target] of [...sums, a, b].entries()) loadPair(f, base, index, target);
  countDown(f, steps, () => {
    for (let turn = 0; turn < unroll; turn++)
      for (const sum of sums) for (const half of [0, 1]) f.get(sum[half]).get(a[half]).get(b[half]).op("f32x4.relaxed_madd").set(sum[half]);
  });
  for (const [index, sum] of sums.entries()) storePair(f, base, index, sum);
}

function reads(f: FunctionBuilder): void {
  const [base] = f.parameters;
  const sums = Array.from({ length: pairsATurn }, () => pair(f));
  const cursor = f.local("i32");
  f.get(base).set(cursor);
  for (const [index, target] of sums.entries()) loadPair(f, base, index, target);
  countDown(f, memoryBytes / (pairsATurn * pairBytes), () => {
    for (const [index, sum] of sums.entries())
      for (const half of [0, 1])
        f.get(sum[half])
          .get(cursor)
          .memory("v128.load", index * pairBytes + 16 * half)
          .op("f32x4.add")
          .set(sum[half]);
    f.get(cursor)
      .i32(pairsATurn * pairBytes)
      .op("i32.add")
      .set(cursor);
  });
  for (const [index, sum] of sums.entries()) storePair(f, base, index, sum);
}

/** Stores of what a pair holds, side by side. */
function writes(f: FunctionBuilder): void {
  const [base] = f.parameters;
  const source = pair(f);
  const cursor = f.local("i32");
  f.get(base).set(cursor);
  loadPair(f, base, 0, source);
  countDown(f, memoryBytes / (pairsATurn * pairBytes), () => {
    for (let index = 0; index < pairsATurn; index++) storePair(f, cursor, index, source);
    f.get(cursor)
      .i32(pairsATurn * pairBytes)
      .op("i32.add")
      .set(cursor);
  });
}

/** The loop of a gauge; a call is `callWork` of it. */
export function build(gauge: Gauge): () => void {
  // must come before the first compilation: V8 keeps what it has compiled
  if (gauge !== "fma128") setFlagsFromString("--experimental-wasm-revectorize");
  const inMemory = gauge === "read" || gauge === "write";
  const pages = inMemory ? memoryBytes / pageBytes + 1 : 1;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  new Float32Array(memory.buffer).fill(0.5);
  const builder = new ModuleBuilder({ minimum: pages, maximum: pages, shared: false });
  const body = (f: FunctionBuilder): void => {
    if (gauge === "read") reads(f);
    else if (gauge === "write") writes(f);
    else multiplyAdds(f, accumulators[gauge]);
  };
  builder.export("run", builder.function(["i32"], [], body));
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(builder.encode()), { env: { memory } });
  const run = exports.run as (base: number) => void;
  return () => run(0);
}
