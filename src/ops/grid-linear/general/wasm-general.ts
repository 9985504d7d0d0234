import type { FunctionBuilder, Local } from "../../../emit/wasm/function.ts";
import { whileBelow } from "../../../emit/wasm/vectors.ts";
import { axisTerms } from "../../../grid/axis.ts";
import type { Algorithm, Emission, OperandRef } from "../../contract.ts";
import { plainLayout } from "../../layout.ts";
import { dimension, readRow, rowBytes, type Steps, stepsOf, type Target, tablesOf, walkPairs, walkTargets } from "../../pair-lists.ts";
import { gridLinear } from "../index.ts";
import { connectedPairs, type GridLinearPlan, parts, typesOf } from "../plan.ts";

type Part = "kernel" | "input" | "output";

/** Steps of K along its stored pairs, and along copies and taps of an axis. */
function kernelSteps(
  plan: GridLinearPlan,
  { axes: steps }: Steps,
): { pair(stored: number): number; copy(axis: number): number; tap(axis: number): number } {
  const perOutput = plan.channelsIn / plan.groups;
  const table = plan.connections !== null;
  const first = table ? 1 : 2;
  // periods that are all 1 have no axes of their own
  const copies = plan.axes.some((axis) => axis.period > 1) ? plan.axes.length : 0;
  return {
    pair: (stored) => (table ? stored * steps[0] : Math.floor(stored / perOutput) * steps[0] + (stored % perOutput) * steps[1]),
    copy: (axis) => (copies === 0 ? 0 : steps[first + axis]),
    tap: (axis) => steps[first + copies + axis],
  };
}

/** Axes that make result dimensions: [channels, ...spatial axes]. Offsets are in bytes. */
function dimensionsOf(plan: GridLinearPlan, at: Readonly<Record<Part, Steps>>): Target[][] {
  const { axes, role } = plan;
  const { pair, copy, tap } = kernelSteps(plan, at.kernel);
  const pairs = connectedPairs(plan).map(({ input, output }, stored) => ({
    kernel: pair(stored),
    input: input * at.input.axes[1],
    output: output * at.output.axes[1],
  }));
  const spatial = axes.map((axis, index) =>
    axisTerms(axis).map((term) => ({
      kernel: term.copy * copy(index) + (plan.flip ? axis.kernel - 1 - term.tap : term.tap) * tap(index),
      input: term.input * at.input.axes[2 + index],
      output: term.output * at.output.axes[2 + index],
    })),
  );
  const [first, second, result] = partsOf(role);
  return [pairs, ...spatial].map((terms, dimension) => {
    const grouped = new Map<number, [number, number][]>();
    for (const term of terms) {
      const list = grouped.get(term[result]) ?? [];
      list.push([term[first], term[second]]);
      grouped.set(term[result], list);
    }
    return everyTarget(plan, dimension, at).map((target) => ({ at: target, also: 0, pairs: grouped.get(target) ?? [] }));
  });
}

const partsOf = (role: GridLinearPlan["role"]): readonly [Part, Part, Part] => [...parts[role].operands, parts[role].result];

/** Offsets of all result cells along one dimension, also of those that no term reaches (they become zero). */
function everyTarget(plan: GridLinearPlan, dimension: number, at: Readonly<Record<Part, Steps>>): number[] {
  const range = (count: number, step: number): number[] => Array.from({ length: count }, (_, i) => i * step);
  const axis = plan.axes[dimension - 1];
  if (plan.role === "kernel") {
    const { pair, copy, tap } = kernelSteps(plan, at.kernel);
    if (dimension === 0) return connectedPairs(plan).map((_, stored) => pair(stored));
    return range(axis.period, copy(dimension - 1)).flatMap((offset) =>
      range(axis.kernel, tap(dimension - 1)).map((other) => offset + other),
    );
  }
  const result = parts[plan.role].result;
  const step = at[result].axes[1 + dimension];
  if (dimension === 0) return range(result === "output" ? plan.channelsOut : plan.channelsIn, step);
  return range(axis[result], step);
}

/** Table of sizes: channel targets, bytes of rows of dimensions 1 to 3, bytes of one example of first, second and result, and their origins. */
function emitGeneral(f: FunctionBuilder, count: number, sumsExamples: boolean): void {
  const [table, begin, end, examples] = f.parameters;
  const word = (from: Local, index: number): Local => {
    const local = f.local("i32");
    f.get(from)
      .memory("i32.load", 4 * index)
      .set(local);
    return local;
  };
  const [first, second, result, sizes] = [0, 1, 2, 3].map((index) => word(table, index));
  const dimensions = Array.from({ length: count }, (_, d) => dimension(f, word(table, 4 + 2 * d), word(table, 5 + 2 * d)));
  const [channels, ...bytes] = [0, 1, 2, 3].map((index) => word(sizes, index));
  const [firstStride, secondStride, resultStride] = [4, 5, 6].map((index) => word(sizes, index));
  for (const [i, base] of [first, second, result].entries())
    f.get(base)
      .get(word(sizes, 7 + i))
      .op("i32.add")
      .set(base);
  const [chunk, row, example, a, b, at, also] = f.locals("i32", 7);
  const sum = f.local("f64");
  const toExample = (base: Local, stride: Local, to: Local): void =>
    void f.get(example).get(stride).op("i32.mul").get(base).op("i32.add").set(to);
  const addTerms = (): void => {
    toExample(first, firstStride, a);
    toExample(second, secondStride, b);
    walkPairs(f, dimensions, a, b, (x, y) => {
      f.get(sum)
        .get(x)
        .memory("f32.load")
        .op("f64.promote_f32")
        .get(y)
        .memory("f32.load")
        .op("f64.promote_f32")
        .op("f64.mul", "f64.add")
        .set(sum);
    });
  };
  f.get(begin).set(chunk);
  whileBelow(f, chunk, end, 1, () => {
    f.get(chunk).get(channels).op("i32.rem_s").i32(rowBytes).op("i32.mul").get(dimensions[0].targets).op("i32.add").set(row);
    readRow(f, row, dimensions[0]);
    if (!sumsExamples) f.get(chunk).get(channels).op("i32.div_s").set(example);
    toExample(result, resultStride, at);
    f.get(row).memory("i32.load", 0).get(at).op("i32.add").set(at);
    walkTargets(f, dimensions.slice(1), bytes, at, also, (cell) => {
      f.f64(0).set(sum);
      if (sumsExamples) {
        f.i32(0).set(example);
        whileBelow(f, example, examples, 1, addTerms);
      } else addTerms();
      f.get(cell).get(sum).op("f32.demote_f64").memory("f32.store");
    });
    if (sumsExamples) f.i32(0).set(example);
  });
}

/**
 * Every option in every combination, one cell at a time: the result's cells are gathered, each summing the product of the
 * pair lists of its channel and of its position on every axis. The lists are tables, so one routine serves all plans of a rank.
 * Sums are kept in float64.
 */
export const generalGridLinear: Algorithm<GridLinearPlan> = {
  id: "wasm-grid-linear-general",
  operator: "grid-linear",
  layouts: (_plan, fusion) => (fusion === null ? [{ inputs: [plainLayout, plainLayout], operands: [], outputs: [1] }] : []),
  refuses: () => null,
  estimate: (plan) => 2000 + 3 * gridLinear.cost(plan).multiplyAdds,
  emit(plan, buffers): Emission {
    const types = typesOf(plan);
    const order = partsOf(plan.role);
    const layouts = [...buffers.inputs, ...buffers.outputs];
    const steps = order.map((part, i) => stepsOf(types[part], layouts[i]));
    const at = Object.fromEntries(order.map((part, i) => [part, steps[i]])) as Record<Part, Steps>;
    const dimensions = dimensionsOf(plan, at);
    const counts = [1, 2, 3].map((d) => rowBytes * (dimensions[d]?.length ?? 0));
    const channels = dimensions[0].length;
    const sumsExamples = plan.role === "kernel";
    // examples that are no batch are all there in every run
    const fixed = !plan.batched;
    const examples = order.map((part) => (part === "kernel" ? 0 : at[part].axes[0]));
    const sizes = Int32Array.from([channels, ...counts, ...examples, ...steps.map(({ origin }) => origin)]);
    const constants = [sizes, ...dimensions.flatMap(tablesOf)];
    const operands: OperandRef[] = [
      { of: "input", index: 0, access: "read" },
      { of: "input", index: 1, access: "read" },
      { of: "output", index: 0, access: "write" },
      ...constants.map((_, index): OperandRef => ({ of: "constant", index, access: "read" })),
    ];
    const key = `wasm-grid-linear-general | ${dimensions.length} dimensions${sumsExamples ? ` summed over ${fixed ? plan.examples : "all"} examples` : ""}`;
    return {
      temporaries: [],
      constants,
      steps: [
        {
          routine: {
            key,
            build: (module) =>
              module.function(["i32", "i32", "i32", "i32"], [], (f) => {
                if (fixed && sumsExamples) f.i32(plan.examples).set(f.parameters[3]);
                emitGeneral(f, dimensions.length, sumsExamples);
              }),
          },
          operands,
          chunks: sumsExamples
            ? { each: channels, group: 0 }
            : fixed
              ? { each: channels * plan.examples, group: 0 }
              : { each: channels, group: 1 },
        },
      ],
    };
  },
};
