import { size, type TensorType } from "../../base/types.ts";
import type { FunctionBuilder, Local } from "../../emit/wasm/function.ts";
import type { Algorithm, Buffers, Device, Emission, LayoutChoice } from "../contract.ts";
import { place, plainLayout, preferredBlock, printLayout } from "../layout.ts";
import { printNumbers } from "../line.ts";
import { resultAxes, resultReading } from "../reading.ts";
import { emitSpareMask } from "../spare.ts";
import { divide, emitUnits } from "../units.ts";
import { coalesce, cut, emitLength, emitPointers, emitRun, type Run, type Walk } from "../walk.ts";
import { type RandomPlan, randomOperator } from "./index.ts";

/** Cells of a run that are one unit of work. */
const piece = 4096;
/** Draws that a thread makes in a ns. */
const rate = 1.1;

/** Uniform draws, four at a time, with the bits of `base/random.ts`; on plain and on channel-blocked layouts. */
export const wasmRandom: Algorithm<RandomPlan> = {
  id: "wasm-random-vectors",
  operator: "random",
  layouts: (plan, fusion, device) => (fusion === null ? layoutsOf(plan, device) : []),
  refuses: () => null,
  estimate: (plan, choice) => place(outputType(plan), { block: choice.outputs[0], halo: [], fill: 0 }).words / rate + 500,
  emit: emitRandom,
};

const outputType = (plan: RandomPlan): TensorType => randomOperator.outputs(plan)[0];

function layoutsOf(plan: RandomPlan, device: Device): LayoutChoice[] {
  const inputs = [plainLayout, plainLayout, plainLayout];
  const preferred = preferredBlock(plan.shape[0] ?? 1, device.wide);
  return [1, ...(plan.shape.length > 1 ? [preferred, 24 - preferred] : [])].map((block) => ({ inputs, operands: [], outputs: [block] }));
}

function emitRandom(plan: RandomPlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const walk = walkDraws(plan, buffers);
  const { block } = buffers.outputs[0];
  const division = divide(true, size(walk.extents.slice(0, -1)), (walk.piece * block) / rate);
  const key = [wasmRandom.id, `salt${plan.salt} ${printNumbers(plan.shape)}`, printLayout(buffers.outputs[0]), device.tier].join(" | ");
  return {
    temporaries: [],
    constants: [],
    steps: [
      {
        routine: {
          key,
          build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitDraws(f, plan, buffers, walk, division)),
        },
        operands: [
          ...[0, 1, 2].map((index) => ({ of: "input" as const, index, access: "read" as const })),
          { of: "output", index: 0, access: "write" },
        ],
        chunks: division.chunks,
      },
    ],
  };
}

/** The result, and beside it the number of each cell in plain order: what a draw counts by. */
function walkDraws(plan: RandomPlan, { outputs: [layout] }: Buffers): Walk & { readonly piece: number } {
  const type = outputType(plan);
  const at = place(type, layout);
  const counters = place(type, plainLayout);
  const counted = [
    { extent: at.blocks, step: at.block * counters.blockStride },
    ...counters.extents.map((extent, axis) => ({ extent, step: counters.strides[axis] })),
  ];
  return cut(
    coalesce(
      { extents: resultAxes(at), moves: [resultReading(type, at).moves, counted], runSteps: [at.block, 1] },
      at.block > 1 ? [0] : [],
    ),
    piece,
  );
}

/** What a chunk works with. */
interface Draws {
  readonly block: number;
  /** Cells of a channel. */
  readonly cells: number;
  readonly pointer: Local;
  /** Number of the first cell in plain order. */
  readonly counter: Local;
  readonly keys: Local;
  readonly mixing: Mixing;
}

function emitDraws(
  f: FunctionBuilder,
  plan: RandomPlan,
  { outputs: [layout] }: Buffers,
  walk: ReturnType<typeof walkDraws>,
  division: ReturnType<typeof divide>,
): void {
  const at = place(outputType(plan), layout);
  const { block } = at;
  const [base, pointer, counter, zero, key] = f.locals("i32", 5);
  const keys = f.local("v128");
  const draws: Draws = { block, cells: place(outputType(plan), plainLayout).blockStride, pointer, counter, keys, mixing: emitMixing(f) };
  emitUnits(f, division, {
    example: (example) => {
      f.get(f.parameters[0])
        .memory("i32.load", 12)
        .i32(4 * at.origin)
        .op("i32.add");
      if (example !== null)
        f.get(example)
          .i32(4 * at.exampleStride)
          .op("i32.mul", "i32.add");
      f.set(base);
      emitKey(f, plan.salt, example, key);
      f.get(key).op("i32x4.splat").set(keys);
    },
    unit: (unit) => {
      const coordinates = emitPointers(f, unit, walk.extents.slice(0, -1), [
        { base, pointer, moves: walk.moves[0] },
        { base: zero, pointer: counter, moves: walk.moves[1] },
      ]);
      // pointers count bytes
      f.get(counter).i32(2).op("i32.shr_u").set(counter);
      const spare = at.channels % block !== 0;
      const masks = spare ? emitSpareMask(f, block, at.channels, at.blocks > 1 ? coordinates[0] : null) : [];
      const length = emitLength(f, walk, coordinates);
      if (typeof length !== "number" && block > 1) f.get(length).i32(block).op("i32.mul").set(length);
      emitRun(f, typeof length === "number" ? length * block : length, drawRun(f, draws, masks));
    },
  });
}

function drawRun(f: FunctionBuilder, { block, cells, pointer, counter, keys, mixing }: Draws, masks: readonly Local[]): Run {
  const results = f.locals("v128", 4);
  const draw = (index: number): void => {
    const lane = block === 1 ? 4 * index : 4 * (index % (block / 4));
    const step = block === 1 ? 1 : cells;
    const first = block === 1 ? 4 * index : lane * cells + Math.floor((4 * index) / block);
    f.get(counter)
      .op("i32x4.splat")
      .i32x4(first, first + step, first + 2 * step, first + 3 * step)
      .op("i32x4.add")
      .set(results[index]);
    emitMix(f, results[index], mixing);
    f.get(results[index]).get(keys).op("v128.xor").set(results[index]);
    emitMix(f, results[index], mixing);
    f.get(results[index]).i32(8).op("i32x4.shr_u", "f32x4.convert_i32x4_s").get(mixing.scale).op("f32x4.mul");
    if (masks.length > 0) f.get(masks[lane / 4]).op("v128.and");
    f.set(results[index]);
  };
  return {
    pointers: [
      { local: pointer, bytes: 4 },
      { local: counter, bytes: 1 / block },
    ],
    vectors: (count) => {
      for (let index = 0; index < count; index++) draw(index);
      for (let index = 0; index < count; index++)
        f.get(pointer)
          .get(results[index])
          .memory("v128.store", 16 * index);
    },
    rest: (count) => {
      draw(0);
      f.get(pointer)
        .get(results[0])
        .laneMemory(count === 2 ? "v128.store64_lane" : "v128.store32_lane", 0);
    },
  };
}

/** key = keyOf(seed, step, salt, id of the example) */
function emitKey(f: FunctionBuilder, salt: number, example: Local | null, key: Local): void {
  const part = f.local("i32");
  const operand = (position: number): void =>
    void f
      .get(f.parameters[0])
      .memory("i32.load", 4 * position)
      .memory("i32.load");
  const id = (): void => {
    f.get(f.parameters[0]).memory("i32.load", 8);
    if (example !== null) f.get(example).i32(4).op("i32.mul", "i32.add");
    f.memory("i32.load");
  };
  f.i32(0).set(key);
  for (const push of [() => operand(0), () => operand(1), () => void f.i32(salt), id]) {
    push();
    f.i32(0x9e3779b9 | 0)
      .op("i32.add")
      .set(part);
    emitMix(f, part);
    f.get(key).get(part).op("i32.xor").set(key);
    emitMix(f, key);
  }
}

/** Source: `mix32` of `base/random.ts`: x ^= x >>> shift, x *= factor, in turn. */
const shifts = [17, 11, 15, 14];
const factors = [0xed5ad4bb, 0xac4c1b51, 0x31848bab];

/** Vector constants, set before the loops: in a loop the engine would make them anew. */
interface Mixing {
  readonly factors: readonly Local[];
  /** 2^-24 in each lane. */
  readonly scale: Local;
}

function emitMixing(f: FunctionBuilder): Mixing {
  const mixing = { factors: f.locals("v128", factors.length), scale: f.local("v128") };
  factors.forEach((factor, i) => f.i32x4(factor | 0).set(mixing.factors[i]));
  f.f32x4(2 ** -24).set(mixing.scale);
  return mixing;
}

/** Mixes one integer, or four when the constants are given, in place. */
function emitMix(f: FunctionBuilder, x: Local, mixing?: Mixing): void {
  shifts.forEach((shift, i) => {
    f.get(x).get(x).i32(shift);
    if (mixing === undefined) f.op("i32.shr_u", "i32.xor").set(x);
    else f.op("i32x4.shr_u", "v128.xor").set(x);
    if (i === factors.length) return;
    f.get(x);
    if (mixing === undefined)
      f.i32(factors[i] | 0)
        .op("i32.mul")
        .set(x);
    else f.get(mixing.factors[i]).op("i32x4.mul").set(x);
  });
}
