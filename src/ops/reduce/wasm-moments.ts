import type { Algorithm, Buffers, Device, Emission, OperandRef, StepSpec } from "../contract.ts";
import { emitMerges, emitPortions, foldChunks, mergeChunks, slotCount } from "./fold-chunks.ts";
import { refuseBlocks, streamOf, walkFold } from "./fold-walk.ts";
import { type MomentsPlan, momentsOperator } from "./moments.ts";
import { emitMoments, emitMomentsMerge, momentArrays } from "./moments-code.ts";
import { foldEstimate, foldKey, foldLayouts, targetsOf } from "./wasm-reduce.ts";

/** Input words of a chunk: 256 KiB, so that the second pass finds them in the cache of the core. */
const most = 65536;

/**
 * Mean and biased variance on plain and on channel-blocked layouts: two passes over each chunk while it is in cache, then the
 * chunks are joined in their order, whose number depends on the shape alone.
 */
export const wasmMoments: Algorithm<MomentsPlan> = {
  id: "wasm-moments-slots",
  operator: "moments",
  layouts: ({ input, output }, fusion, device) => (fusion === null ? foldLayouts(input, output, 2, device) : []),
  refuses: ({ input, output }, choice) => refuseBlocks(input, output, choice.inputs[0].block, choice.outputs[0]),
  estimate: ({ input }, choice) => foldEstimate(input, choice, 2) + 1500,
  emit: emitMomentSteps,
};

function emitMomentSteps(plan: MomentsPlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const { input, output } = plan;
  const walk = walkFold(input, buffers.inputs[0].block, [streamOf(input, buffers.inputs[0])], output, most);
  const key = foldKey(wasmMoments.id, momentsOperator.line(plan), input, buffers, walk, device);
  const { refs, temporaries, copies, words } = targetsOf(output, buffers.outputs, 1, device);
  const slots: OperandRef = { of: "temporary", index: 0, access: "read" };
  const signature = ["i32", "i32", "i32", "i32"] as const;
  const fold: StepSpec = {
    routine: {
      key: `${key} | fold`,
      build: (module) =>
        module.function(signature, [], (f) => emitPortions(f, walk, momentArrays, (portion) => emitMoments(f, walk, device.fma, portion))),
    },
    operands: [
      { of: "input", index: 0, access: "read" },
      { ...slots, access: "write" },
    ],
    chunks: foldChunks(walk),
  };
  const merge: StepSpec = {
    routine: {
      key: `${key} | merge`,
      build: (module) =>
        module.function(signature, [], (f) => emitMerges(f, walk, momentArrays, words, (portion) => emitMomentsMerge(f, walk, portion))),
    },
    operands: [slots, ...refs],
    chunks: mergeChunks(walk, words),
  };
  const bytes = 4 * momentArrays * walk.cells * slotCount(walk, input.batched ? input.shape[0] : 1);
  return { temporaries: [bytes, ...temporaries], constants: [], steps: [fold, merge, ...copies] };
}
