import type { TensorType } from "../../base/types.ts";
import type { FunctionBuilder } from "../../emit/wasm/function.ts";
import type { Algorithm, Buffers, Device, Emission, Layout, LayoutChoice, OperandRef, StepSpec } from "../contract.ts";
import { conversion } from "../convert/index.ts";
import { blockedLayout, place, plainLayout, preferredBlock, printLayout } from "../layout.ts";
import { printTypes } from "../line.ts";
import { printReduce, type ReducePlan } from "./fold.ts";
import { emitFoldBoxes, emitMerges, emitPortions, foldChunks, mergeChunks, slotCount } from "./fold-chunks.ts";
import { emitBox, emitZero, type FoldKernel, sumKernel } from "./fold-code.ts";
import { type FoldWalk, refuseBlocks, streamOf, walkFold } from "./fold-walk.ts";

/** Input words of a chunk: 0.5 MiB. */
const most = 131072;

/**
 * Sums on plain and on channel-blocked layouts. Chunks of examples (and parts of large ones) are folded into slots, whose number
 * depends on the shape alone, and the slots are added in their order; rows are added in trees of eight, runs in pieces of 512 cells.
 */
export const wasmReduce: Algorithm<ReducePlan> = {
  id: "wasm-reduce-slots",
  operator: "reduce",
  layouts: ({ input, output }, fusion, device) => (fusion === null ? foldLayouts(input, output, 1, device) : []),
  refuses: ({ input, output }, choice) => refuseBlocks(input, output, choice.inputs[0].block, choice.outputs[0]),
  estimate: ({ input }, choice) => foldEstimate(input, choice, 1),
  emit: emitReduce,
};

/** Blocks that the input may have, with a plain result and, where examples are kept, with a blocked one. */
export function foldLayouts(input: TensorType, output: TensorType, results: number, device: Device): LayoutChoice[] {
  const choices: LayoutChoice[] = [];
  const preferred = preferredBlock(input.shape[1] ?? 1, device.wide);
  for (const block of input.batched && input.shape.length >= 2 ? [preferred, 24 - preferred] : []) {
    for (const to of [1, block]) {
      if (refuseBlocks(input, output, block, to) === null)
        choices.push({ inputs: [blockedLayout(block)], operands: [], outputs: new Array<number>(results).fill(to) });
    }
  }
  return [...choices, { inputs: [plainLayout], operands: [], outputs: new Array<number>(results).fill(1) }];
}

/** Bytes of input that a thread folds in a ns: from memory, and from its caches. */
const rate = (bytes: number): number => (bytes > 2 ** 21 ? 28 : 50);

/** Predicted ns; a pass over what is in cache already costs half. */
export function foldEstimate(input: TensorType, choice: LayoutChoice, passes: number): number {
  const bytes = 4 * place(input, choice.inputs[0]).words;
  return (bytes * (0.5 + passes / 2)) / rate(bytes) + 1500;
}

/** Buffers that results are folded into: the outputs where they lie without halo, else temporaries that a last step copies from. */
export interface Targets {
  readonly refs: readonly OperandRef[];
  readonly temporaries: readonly number[];
  readonly copies: readonly StepSpec[];
  /** Words of one result. */
  readonly words: number;
}

export function targetsOf(output: TensorType, layouts: readonly Layout[], firstTemporary: number, device: Device): Targets {
  const temporaries: number[] = [];
  const copies: StepSpec[] = [];
  const refs = layouts.map((layout, index): OperandRef => {
    const bare: Layout = { block: layout.block, halo: [], fill: 0 };
    const words = place(output, bare).words;
    const target: OperandRef = { of: "output", index, access: "write" };
    if (words === place(output, layout).words) return target;
    temporaries.push(4 * words);
    const temporary = { of: "temporary", index: firstTemporary + temporaries.length - 1 } as const;
    const { routine, chunks } = conversion(output, bare, layout, device);
    copies.push({ routine, chunks, operands: [{ ...temporary, access: "read" }, target] });
    return { ...temporary, access: "write" };
  });
  const at = place(output, { block: layouts[0].block, halo: [], fill: 0 });
  return { refs, temporaries, copies, words: output.batched ? at.exampleStride : at.words };
}

/** What the code of a fold depends on besides the number of examples. */
export function foldKey(
  id: string,
  line: string,
  input: TensorType,
  buffers: Buffers,
  { group, part, slots, examples }: FoldWalk,
  device: Device,
): string {
  const many = examples === "folded" ? slots > 1 : slots;
  return [
    id,
    line.replace(/ n\d+/, ""),
    printTypes([input]),
    ...[...buffers.inputs, ...buffers.outputs].map(printLayout),
    `g${group} p${part.axis}:${part.size} s${many}`,
    device.tier,
  ].join(" | ");
}

function emitReduce({ input, output }: ReducePlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const [layout] = buffers.inputs;
  const walk = walkFold(input, layout.block, [streamOf(input, layout)], output, most);
  const key = foldKey(wasmReduce.id, printReduce({ operation: "sum", input, output }), input, buffers, walk, device);
  return emitSums({ key, walk, sums: 1, output, examples: input.batched ? input.shape[0] : 1, kernel: sumKernel }, buffers, device);
}

/** Several sums of one walk: each result is an array of a slot. */
export interface SumsCode {
  readonly key: string;
  readonly walk: FoldWalk;
  readonly sums: number;
  readonly output: TensorType;
  readonly examples: number;
  /** Inputs that are read, in the order of the walk's streams; those of the node when left out. */
  readonly read?: readonly number[];
  kernel(f: FunctionBuilder): FoldKernel;
}

/** Folds portions into slots and adds the slots; straight into the result where there is one slot of one sum. */
export function emitSums(code: SumsCode, buffers: Buffers, device: Device): Emission {
  const { key, walk, sums, output } = code;
  const sources = (code.read ?? [0]).map((index): OperandRef => ({ of: "input", index, access: "read" }));
  const fold = (target: OperandRef): StepSpec => ({
    routine: {
      key: `${key} | fold`,
      build: (module) =>
        module.function(signature, [], (f) => {
          const kernel = code.kernel(f);
          const array = f.local("i32");
          emitPortions(f, walk, sums, (portion) => {
            for (let sum = 0; sum < sums; sum++) {
              f.get(portion.slot)
                .i32(4 * walk.cells * sum)
                .op("i32.add")
                .set(array);
              emitZero(f, array, portion.words);
            }
            emitFoldBoxes(f, walk, portion, kernel);
          });
        }),
    },
    operands: [...sources, target],
    chunks: foldChunks(walk),
  });
  const direct = targetsOf(output, buffers.outputs, 0, device);
  if (sums === 1 && walk.slots === 1 && direct.words === walk.cells) {
    return { temporaries: direct.temporaries, constants: [], steps: [fold(direct.refs[0]), ...direct.copies] };
  }
  const { refs, temporaries, copies, words } = targetsOf(output, buffers.outputs, 1, device);
  const merge: StepSpec = {
    routine: {
      key: `${key} | merge`,
      build: (module) => module.function(signature, [], (f) => emitMerge(f, walk, sums, words)),
    },
    operands: [{ of: "temporary", index: 0, access: "read" }, ...refs],
    chunks: mergeChunks(walk, words),
  };
  const slots = slotCount(walk, code.examples) * walk.cells * 4 * sums;
  return {
    temporaries: [slots, ...temporaries],
    constants: [],
    steps: [fold({ of: "temporary", index: 0, access: "write" }), merge, ...copies],
  };
}

const signature = ["i32", "i32", "i32", "i32"] as const;

/** Adds the slots of each result in their order. */
function emitMerge(f: FunctionBuilder, walk: FoldWalk, sums: number, words: number): void {
  const kernel = sumKernel(f);
  const [target, array] = f.locals("i32", 2);
  emitMerges(f, walk, sums, words, ({ slots, start, words: own, count }) => {
    for (let sum = 0; sum < sums; sum++) {
      f.get(f.parameters[0])
        .memory("i32.load", 4 * (1 + sum))
        .get(start)
        .i32(4)
        .op("i32.mul", "i32.add")
        .set(target);
      f.get(slots)
        .i32(4 * walk.cells * sum)
        .op("i32.add")
        .set(array);
      emitZero(f, target, own);
      const axes = [
        { extent: count, in: [walk.cells * sums], out: 0 },
        { extent: own, in: [1], out: 1 },
      ];
      emitBox(f, axes, [array], target, kernel);
    }
  });
}
