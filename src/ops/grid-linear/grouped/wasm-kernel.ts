import { size } from "../../../base/types.ts";
import type { FunctionBuilder } from "../../../emit/wasm/function.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type { Algorithm, Buffers, Device, Emission, Layout, LayoutChoice, OperandRef, Routine, StepSpec } from "../../contract.ts";
import { groupConversion, groupLanes, haloFill } from "../../convert/index.ts";
import { place, plainLayout } from "../../layout.ts";
import { kernelDepthwise } from "../depthwise/wasm-kernel.ts";
import { type GridLinearPlan, typesOf } from "../plan.ts";
import { countDown } from "../tiles/panel.ts";
import { lanesTime, refusesGrouped } from "./problem.ts";

/** Depthwise gradients above which their steps are too many. */
const mostPairs = 144;

/**
 * Kernel gradient of a grouped convolution with groups as lanes: dK[g, r, j, tap] = sum over n, o of G[n, g, r, o] V[n, g, j, o s + tap d - low], where every pair of a
 * result channel r and a source channel j is a depthwise kernel gradient over the groups.
 */
export const kernelGrouped: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-kernel-grouped",
  operator: "grid-linear",
  // no less exact than others, but its halo is its own: a NaN of G meets the zeros of the padding
  rounding: 1,
  layouts: (plan, fusion) =>
    fusion === null && unfit(plan) === null ? [{ inputs: [plainLayout, plainLayout], operands: [], outputs: [1] }] : [],
  refuses: (plan, _choice, fusion) => (fusion === null ? unfit(plan) : "nothing can be fused into a kernel gradient of slots."),
  estimate: (plan, _choice, _fusion, device) => {
    const { one, choice, sources, results } = depthwiseOf(plan, device);
    const { input, output } = typesOf(plan);
    return lanesTime([input, output], 1) + sources * results * (kernelDepthwise.estimate(one, choice, null, device) + 1000);
  },
  emit,
};

function unfit(plan: GridLinearPlan): string | null {
  if (plan.role !== "kernel") return "computes role kernel only.";
  const pairs = (plan.channelsIn * plan.channelsOut) / plan.groups ** 2;
  if (plan.groups > 1 && pairs > mostPairs)
    return `${pairs} pairs of channels in a group are too many depthwise gradients (above ${mostPairs}).`;
  return refusesGrouped(plan);
}

/** The depthwise problem of one pair of channels, and how its algorithm wants it. */
function depthwiseOf(
  plan: GridLinearPlan,
  device: Device,
): { one: GridLinearPlan; choice: LayoutChoice; sources: number; results: number } {
  const { groups } = plan;
  const one = { ...plan, channelsIn: groups, channelsOut: groups };
  const [choice] = kernelDepthwise.layouts(one, null, device);
  return { one, choice, sources: plan.channelsIn / groups, results: plan.channelsOut / groups };
}

/** Temporaries: every channel of the groups of G, then of V, in lanes; then the gradient of each pair; then what the pairs' steps use. */
function emit(plan: GridLinearPlan, buffers: Buffers, _: unknown, device: Device): Emission {
  const { one, choice, sources, results } = depthwiseOf(plan, device);
  const types = typesOf(plan);
  const bytes: number[] = [];
  const steps: StepSpec[] = [];
  const allocate = (count: number): number => bytes.push(count) - 1;
  const temporary = (index: number, access: OperandRef["access"]): OperandRef => ({ of: "temporary", index, access });
  const lanesOf = (input: 0 | 1, perGroup: number): number[] =>
    Array.from({ length: perGroup }, (_value, only) => {
      const type = input === 0 ? types.output : types.input;
      const layout: Layout = choice.inputs[input];
      const lanes = groupLanes(type, perGroup, layout.block, 1);
      const at = allocate(4 * place(lanes, layout).words);
      const operands: OperandRef[] = [{ of: "input", index: input, access: "read" }, temporary(at, "write")];
      steps.push({
        ...groupConversion(type, { kind: "groups", perGroup, only }, [buffers.inputs[input], layout], "to lanes", device),
        operands,
      });
      if (layout.halo.some(({ low, high }) => low + high > 0))
        steps.push({ ...haloFill(lanes, layout), operands: [temporary(at, "update")] });
      return at;
    });
  const [gradients, values] = [lanesOf(0, results), lanesOf(1, sources)];
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const constants: (Int32Array | Float32Array)[] = [];
  gradients.forEach((gradient, result) => {
    values.forEach((value, source) => {
      const own = kernelDepthwise.emit(one, { ...choice, outputs: [plainLayout] }, null, device);
      const pair = allocate(4 * one.groups * taps);
      const first = bytes.length;
      bytes.push(...own.temporaries);
      const constantsAt = constants.length;
      constants.push(
        ...own.constants,
        Int32Array.of(plan.groups, taps, sources * results * taps * 4, (result * sources + source) * taps * 4),
      );
      const moved = ({ of, index, access }: OperandRef): OperandRef => {
        if (of === "input") return temporary(index === 0 ? gradient : value, access);
        if (of === "output") return temporary(pair, access);
        return { of, index: index + (of === "temporary" ? first : constantsAt), access };
      };
      steps.push(...own.steps.map((step) => ({ ...step, operands: step.operands.map(moved) })), {
        routine: spread,
        chunks: { each: 1, group: 0 },
        operands: [
          temporary(pair, "read"),
          { of: "output", index: 0, access: "write" },
          { of: "constant", index: constants.length - 1, access: "read" },
        ],
      });
    });
  });
  return { temporaries: bytes, constants, steps };
}

/** Puts the taps of each group where the record says: groups, taps, bytes from group to group, bytes of the first. */
const spread: Routine = {
  key: "grid-linear grouped kernel gradient spread",
  build: (module) => module.function(["i32", "i32", "i32", "i32"], [], emitSpread),
};

function emitSpread(f: FunctionBuilder): void {
  const [table] = f.parameters;
  const [source, target, record, group, tap, at] = f.locals("i32", 6);
  loadWords(f, table, [source, target, record]);
  const word = (index: number): FunctionBuilder => f.get(record).memory("i32.load", 4 * index);
  f.get(target);
  word(3).op("i32.add").set(target);
  word(0).set(group);
  countDown(f, group, () => {
    f.get(target).set(at);
    word(1).set(tap);
    countDown(f, tap, () => {
      f.get(at).get(source).memory("i32.load").memory("i32.store");
      advance(f, at, 4);
      advance(f, source, 4);
    });
    f.get(target);
    word(2).op("i32.add").set(target);
  });
}
