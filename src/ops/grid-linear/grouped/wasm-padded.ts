import { invariant } from "../../../base/errors.ts";
import { size, type TensorType } from "../../../base/types.ts";
import type { FunctionBuilder } from "../../../emit/wasm/function.ts";
import { advance, loadWords } from "../../../emit/wasm/vectors.ts";
import type {
  Algorithm,
  Buffers,
  Device,
  Emission,
  Fusion,
  Layout,
  LayoutChoice,
  OperandRef,
  Programs,
  Routine,
  StepSpec,
} from "../../contract.ts";
import { groupConversion, haloFill, paddedGroups } from "../../convert/index.ts";
import { place, plainLayout } from "../../layout.ts";
import { forwardBlocked } from "../blocked/wasm-forward.ts";
import { inputBlocked } from "../blocked/wasm-input.ts";
import { roundUp } from "../gather.ts";
import { kernelBlocked } from "../kernel/wasm-blocked.ts";
import { type GridLinearPlan, parts, typesOf } from "../plan.ts";
import { fusedOperand } from "../tiles/fused.ts";
import { countDown } from "../tiles/panel.ts";
import { hasOrder, lanesTime, refusesGrouped } from "./problem.ts";

/** The problem with groups of whole blocks, and the best way to do it. */
interface Padded {
  readonly plan: GridLinearPlan;
  readonly fusion: Fusion | null;
  readonly choice: LayoutChoice;
  readonly ns: number;
}

type Grid = "input" | "output";
const perGroup = (plan: GridLinearPlan, name: Grid): number => (name === "input" ? plan.channelsIn : plan.channelsOut) / plan.groups;
/** Channels that groups are filled up to: the block that they consist of is the largest possible. */
const filled = 8;

function paddedOf(
  inner: Algorithm<GridLinearPlan>,
  plan: GridLinearPlan,
  fusion: Fusion | null,
  device: Device,
  programs?: Programs,
): Padded | null {
  const [channelsIn, channelsOut] = (["input", "output"] as const).map((name) => plan.groups * roundUp(perGroup(plan, name), filled));
  const wide = { ...plan, channelsIn, channelsOut };
  const { result } = parts[plan.role];
  const operands = fusion?.operands.map((type) =>
    result === "kernel" || fusedOperand(type, typesOf(plan)[result])?.splat !== false
      ? type
      : paddedGroups(type, perGroup(plan, result), filled),
  );
  const own = fusion === null ? null : { ...fusion, operands: operands ?? [] };
  const choices = inner.layouts(wide, own, device).filter(
    (choice) =>
      inner.refuses(wide, choice, own, device) === null &&
      // what is put into groups lies in blocks
      choice.operands.every(({ block }, i) => block > 1 || own?.operands[i] === fusion?.operands[i]),
  );
  const timed = choices.map((choice) => ({ plan: wide, fusion: own, choice, ns: inner.estimate(wide, choice, own, device, programs) }));
  return timed.reduce<Padded | null>((best, one) => (best === null || one.ns < best.ns ? one : best), null);
}

/**
 * Grouped convolution with every group filled up to whole channel blocks by zeros, for few groups of many channels: kernel and values are moved into the larger
 * problem, whose algorithm is `inner`, and the result back.
 */
function padded(inner: Algorithm<GridLinearPlan>, role: GridLinearPlan["role"]): Algorithm<GridLinearPlan> {
  const unfit = (plan: GridLinearPlan, fusion: Fusion | null): string | null => {
    if (plan.role !== role) return `computes role ${role} only.`;
    if (fusion !== null && role === "kernel") return "nothing can be fused into a kernel gradient of slots.";
    return refusesGrouped(plan);
  };
  return {
    id: `wasm-grid-linear-${role}-padded`,
    operator: "grid-linear",
    // no less exact than others, but its halo is its own: a NaN meets the zeros of the padding
    rounding: 1,
    layouts: (plan, fusion, device) => {
      const { result } = parts[role];
      if (unfit(plan, fusion) !== null || paddedOf(inner, plan, fusion, device) === null) return [];
      if (result !== "kernel" && !(fusion?.operands ?? []).every((type) => hasOrder(type, typesOf(plan)[result]))) return [];
      return [{ inputs: [plainLayout, plainLayout], operands: (fusion?.operands ?? []).map(() => plainLayout), outputs: [1] }];
    },
    refuses: (plan, _, fusion) => unfit(plan, fusion),
    estimate: (plan, _, fusion, device, programs) => {
      const best = paddedOf(inner, plan, fusion, device, programs);
      if (best === null) return Number.POSITIVE_INFINITY;
      const { input, output, kernel } = typesOf(best.plan);
      const moved = lanesTime([input, output, ...(best.fusion?.operands ?? [])], 1);
      // a kernel gradient of so small blocks takes longer than it thinks
      return 4000 + (role === "kernel" ? 2 : 1) * best.ns + moved + (programs === "inference" ? 0 : size(kernel.shape));
    },
    emit: (plan, buffers, fusion, device) => emit(inner, plan, buffers, fusion, device),
  };
}

function emit(inner: Algorithm<GridLinearPlan>, plan: GridLinearPlan, buffers: Buffers, fusion: Fusion | null, device: Device): Emission {
  const best = paddedOf(inner, plan, fusion, device);
  invariant(best !== null, () => `${inner.id} has no layout for groups of whole blocks`);
  const { operands: names, result } = parts[plan.role];
  const [types, wide] = [typesOf(plan), typesOf(best.plan)];
  const isKept = (index: number): boolean => fusion?.operands[index] === best.fusion?.operands[index];
  const layouts: Buffers = {
    inputs: best.choice.inputs,
    operands: best.choice.operands.map((layout, i) => (isKept(i) ? buffers.operands[i] : layout)),
    outputs: [{ ...plainLayout, block: best.choice.outputs[0] }],
  };
  const own = inner.emit(best.plan, layouts, best.fusion, device);
  const bytes = [...own.temporaries];
  const constants = [...own.constants];
  const temporary = (index: number, access: OperandRef["access"]): OperandRef => ({ of: "temporary", index, access });
  const held = (type: TensorType, layout: Layout): number => bytes.push(4 * place(type, layout).words) - 1;
  const record = (): OperandRef => ({ of: "constant", index: constants.push(kernelRecord(plan)) - 1, access: "read" });
  const before: StepSpec[] = [];
  const toLanes = (type: TensorType, name: Grid, ref: OperandRef, [from, to]: readonly [Layout, Layout]): number => {
    const lanes = paddedGroups(type, perGroup(plan, name), filled);
    const at = held(lanes, to);
    const step = groupConversion(type, { kind: "padded", perGroup: perGroup(plan, name) }, [from, to], "to lanes", device);
    before.push({ ...step, operands: [ref, temporary(at, "write")] });
    if (to.halo.some(({ low, high }) => low + high > 0)) before.push({ ...haloFill(lanes, to), operands: [temporary(at, "update")] });
    return at;
  };
  const inputs = names.map((name, index) => {
    const ref: OperandRef = { of: "input", index, access: "read" };
    if (name !== "kernel") return toLanes(types[name], name, ref, [buffers.inputs[index], best.choice.inputs[index]]);
    const at = held(wide.kernel, plainLayout);
    before.push({ routine: widenKernel, chunks: { each: 1, group: 0 }, operands: [ref, temporary(at, "write"), record()] });
    return at;
  });
  const operands = (fusion?.operands ?? []).map((type, index): OperandRef => {
    const ref: OperandRef = { of: "operand", index, access: "read" };
    if (result === "kernel" || isKept(index)) return ref;
    return temporary(toLanes(type, result, ref, [buffers.operands[index], best.choice.operands[index]]), "read");
  });
  const output = held(wide[result], { ...plainLayout, block: best.choice.outputs[0] });
  const moved = (ref: OperandRef): OperandRef => {
    if (ref.of === "input") return temporary(inputs[ref.index], ref.access);
    if (ref.of === "operand") return operands[ref.index];
    return ref.of === "output" ? temporary(output, ref.access) : ref;
  };
  const target: OperandRef = { of: "output", index: 0, access: "write" };
  const after = resultStep(plan, buffers.outputs[0], layouts.outputs[0], device);
  const last: StepSpec = { ...after, operands: [temporary(output, "read"), target, ...(result === "kernel" ? [record()] : [])] };
  const steps = [...before, ...own.steps.map((step) => ({ ...step, operands: step.operands.map(moved) })), last];
  return { temporaries: bytes, constants, steps };
}

/** Takes the result out of the larger problem. */
function resultStep(plan: GridLinearPlan, to: Layout, from: Layout, device: Device): Omit<StepSpec, "operands"> {
  const { result } = parts[plan.role];
  if (result === "kernel") return { routine: narrowKernel, chunks: { each: 1, group: 0 } };
  return groupConversion(typesOf(plan)[result], { kind: "padded", perGroup: perGroup(plan, result) }, [to, from], "from lanes", device);
}

/** Groups, rows (output channels) of a group, words of a row, words from row to row and from group to group when filled up, vectors of all that. */
function kernelRecord(plan: GridLinearPlan): Int32Array {
  const taps = size(plan.axes.map(({ kernel }) => kernel));
  const [rows, columns] = [perGroup(plan, "output"), perGroup(plan, "input")];
  const row = roundUp(columns, filled) * taps;
  const group = roundUp(rows, filled) * row;
  return Int32Array.of(plan.groups, rows, columns * taps, 4 * row, 4 * group, (plan.groups * group) / 4);
}

const kernelRoutine = (key: string, widens: boolean): Routine => ({
  key: `grid-linear padded groups ${key}`,
  build: (module) => module.function(["i32", "i32", "i32", "i32"], [], (f) => emitKernel(f, widens)),
});
const widenKernel = kernelRoutine("widen kernel", true);
const narrowKernel = kernelRoutine("narrow kernel", false);

/** Copies the rows of the kernel to where they are in the larger one, zeros between them, or back. */
function emitKernel(f: FunctionBuilder, widens: boolean): void {
  const [table] = f.parameters;
  const [source, target, record, group, row, word, at, left] = f.locals("i32", 8);
  loadWords(f, table, [source, target, record]);
  const number = (index: number): FunctionBuilder => f.get(record).memory("i32.load", 4 * index);
  const [small, large] = widens ? [source, target] : [target, source];
  if (widens) {
    f.get(target).set(at);
    number(5).set(left);
    countDown(f, left, () => {
      f.get(at).f32x4(0).memory("v128.store");
      advance(f, at, 16);
    });
  }
  number(0).set(group);
  countDown(f, group, () => {
    f.get(large).set(at);
    number(1).set(row);
    countDown(f, row, () => {
      f.get(at).set(left);
      number(2).set(word);
      countDown(f, word, () => {
        f.get(widens ? left : small)
          .get(widens ? small : left)
          .memory("i32.load")
          .memory("i32.store");
        advance(f, small, 4);
        advance(f, left, 4);
      });
      f.get(at);
      number(3).op("i32.add").set(at);
    });
    f.get(large);
    number(4).op("i32.add").set(large);
  });
}

export const paddedAlgorithms: readonly Algorithm<GridLinearPlan>[] = [
  padded(forwardBlocked, "forward"),
  padded(inputBlocked, "input"),
  padded(kernelBlocked, "kernel"),
];
