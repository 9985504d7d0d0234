import { size } from "../../base/types.ts";
import type { FunctionBuilder } from "../../emit/wasm/function.ts";
import type { Algorithm, Buffers, Device, Emission, LayoutChoice, OperandRef, Routine, StepSpec } from "../contract.ts";
import { blockedLayout, plainLayout, printLayout } from "../layout.ts";
import { emitBackward, emitLinks, emitTake, linkCells } from "./backward.ts";
import { emitForward } from "./forward.ts";
import { regionsOperator } from "./index.ts";
import { isBackward, type RegionsPlan, visitsOf } from "./plan.ts";

const choiceOf = (plan: RegionsPlan, block: number): LayoutChoice => ({
  inputs: regionsOperator.inputs(plan).map((_, i, all) => (block === 1 || i === all.length - 1 ? plainLayout : blockedLayout(block))),
  operands: [],
  outputs: regionsOperator.outputs(plan).map(() => block),
});

/** ns of a result and of each cell that it looks at, for so many channels together. */
function estimateOf(plan: RegionsPlan, block: number, device: Device): number {
  const results = plan.examples * Math.ceil(plan.channels / block) * size(isBackward(plan.role) ? plan.input : plan.output);
  const visits = (visitsOf(plan) / plan.channels) * Math.ceil(plan.channels / block);
  const vectors = block === 1 ? 1 : block / (device.wide ? 8 : 4);
  const each = { select: 1.3, draw: 2, sum: 0.2, scatter: 0.7, spread: 0.6, take: 4 }[plan.role];
  const result = isBackward(plan.role) ? 1.5 + 0.3 * vectors : 2 + 0.5 * vectors;
  return 300 + results * result + visits * (0.4 + vectors * each);
}

function emit(id: string, plan: RegionsPlan, buffers: Buffers, device: Device): Emission {
  const line = regionsOperator.line(plan).replace(/ n\d+ /, " n ");
  const layouts = [...buffers.inputs, ...buffers.outputs].map(printLayout).join(" ");
  const routine = (part: string, write: (f: FunctionBuilder) => void): Routine => ({
    key: `${id} ${part} | ${line} | ${layouts} | ${device.tier}`,
    build: (module) => module.function(["i32", "i32", "i32", "i32"], [], write),
  });
  const table = regionsOperator.inputs(plan).length - 1;
  const operands: OperandRef[] = [
    ...regionsOperator.inputs(plan).map((_, index) => ({ of: "input", index, access: "read" }) as const),
    ...regionsOperator.outputs(plan).map((_, index) => ({ of: "output", index, access: "write" }) as const),
  ];
  const chunks = { each: Math.ceil(plan.channels / buffers.outputs[0].block), group: 1 };
  const step = (write: (f: FunctionBuilder) => void, more: readonly OperandRef[] = []): StepSpec => ({
    routine: routine("cells", write),
    operands: [...operands, ...more],
    chunks,
  });
  if (plan.role === "take") return { temporaries: [], constants: [], steps: [step((f) => emitTake(f, plan, buffers))] };
  if (!isBackward(plan.role)) return { temporaries: [], constants: [], steps: [step((f) => emitForward(f, plan, buffers))] };
  const links: StepSpec = {
    routine: routine("links", (f) => emitLinks(f, plan)),
    operands: [
      { of: "input", index: table, access: "read" },
      { of: "temporary", index: 0, access: "write" },
    ],
    chunks: { each: 1, group: plan.own ? 1 : 0 },
  };
  return {
    temporaries: [4 * linkCells(plan) * (plan.own ? plan.examples : 1)],
    constants: [],
    steps: [links, step((f) => emitBackward(f, plan, buffers), [{ of: "temporary", index: 0, access: "read" }])],
  };
}

/** Regions, a block of channels at a time. */
export const blockedRegions: Algorithm<RegionsPlan> = {
  id: "wasm-regions-blocked",
  operator: "regions",
  layouts: (plan, fusion) => (fusion === null && plan.role !== "take" ? [16, 8].map((block) => choiceOf(plan, block)) : []),
  refuses: ({ channels }, { outputs: [block] }) =>
    channels % block !== 0 && channels < block / 2 ? `${channels} channels would leave most of a block of ${block} empty.` : null,
  estimate: (plan, { outputs: [block] }, _, device) => estimateOf(plan, block, device),
  emit: (plan, buffers, _, device) => emit("wasm-regions-blocked", plan, buffers, device),
};

/** Regions, one channel at a time. */
export const plainRegions: Algorithm<RegionsPlan> = {
  id: "wasm-regions-plain",
  operator: "regions",
  layouts: (plan, fusion) => (fusion === null ? [choiceOf(plan, 1)] : []),
  refuses: () => null,
  estimate: (plan, _, __, device) => estimateOf(plan, 1, device),
  emit: (plan, buffers, _, device) => emit("wasm-regions-plain", plan, buffers, device),
};
